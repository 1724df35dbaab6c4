import { randomUUID } from 'node:crypto';
import type { LookupEvent } from '#schemas/audit/audit-event.ts';
import type { Build } from '#schemas/status.ts';
import type { LookupStore } from '#store/lookup.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import type { AdmissionContext } from '../admission/admission-context.ts';
import type { Identities } from '../admission/identities.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import { createConfigurationDigest } from './configuration-digest.ts';
import type { StartContext } from './context.ts';

const TRIED_EVERY_MS = 1_000;

/**
 * Records once, as soon as the store is open, the configuration with which this process answers.
 *
 * @returns how to stop trying
 */
function recordStart(
  readiness: Pick<Readiness, 'open'>,
  store: Pick<LookupStore, 'record'>,
  detail: () => Record<string, string | number>,
  log: Log,
): () => void {
  const event = {
    type: 'configuration-start',
    auditId: randomUUID(),
    by: 'service',
    occurredAt: new Date().toISOString(),
  } as const;
  let told = false;
  async function tell(): Promise<void> {
    if (!readiness.open) return;
    try {
      await store.record({ ...event, detail: detail() });
      clearInterval(timer);
    } catch (error) {
      if (!told) log.error('The configuration could not be recorded.', errorFields(error));
      told = true;
    }
  }
  const timer = setInterval(() => void tell(), TRIED_EVERY_MS);
  void tell();
  return () => clearInterval(timer);
}

type ConfigurationDependencies = {
  readiness: Readiness;
  admissionContext: AdmissionContext;
  identities: Identities;
  build: Build;
  /** The part of the sign-in providers that decides who is let in. */
  signIn: readonly unknown[];
};

/**
 * Records in the audit with what configuration this process answers, now and whenever other organisations are
 * registered.
 *
 * @returns the versions in force, for each lookup's event
 */
export function recordConfiguration(
  { configuration, log, add }: Pick<StartContext, 'configuration' | 'log' | 'add'>,
  { readiness, admissionContext, identities, build, signIn }: ConfigurationDependencies,
): () => LookupEvent['versions'] {
  const described = createConfigurationDigest(
    configuration,
    identities,
    admissionContext.isDemo,
    signIn,
  );
  const describe = () => ({ ...described().detail, version: build.version });
  add(recordStart(readiness, admissionContext.store, describe, log));
  identities.organisations?.onChange(() => {
    log.info('The registered organisations have changed.');
    const event = { type: 'configuration-change', auditId: randomUUID(), by: 'service' } as const;
    admissionContext.recorder.record({ ...event, detail: describe() });
  });
  return () => described().versions;
}
