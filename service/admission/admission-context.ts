import { randomUUID } from 'node:crypto';
import type { Configuration } from '#schemas/configuration.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import type { OwnCheck } from '#schemas/status.ts';
import { ADMISSION } from '#schemas/wording/operations.ts';
import type { connectStore } from '#store/connection/connection.ts';
import { createLookupStore, type ReplicatedLookups } from '#store/lookup.ts';
import { createSharedUse } from '#store/shared-use.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { logAlert } from '../audit/alert/log-alert.ts';
import { createRecorder } from '../audit/record/recorder.ts';
import { createRefusalSampling } from '../audit/record/refusal-sampling.ts';
import { createRefusals } from '../audit/record/refusals.ts';
import { auditSpoolFolder, numberKeyFile } from '../files/data-folder.ts';
import { readOrMakeKey } from '../files/private-file.ts';
import type { Log } from '../telemetry/log.ts';
import { createSampledLog } from '../telemetry/sampled-log.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { createAuthenticator } from './authenticate.ts';
import { type Identities, organisationsOf } from './identities.ts';
import { createEnumerationWatch, type EnumerationAlert } from './limits/enumeration-watch.ts';
import { createLimits, LIVE_LIMITS, type LimitSettings } from './limits/limits.ts';

const EVENTS_ARE_WRITTEN_WITHIN_MS = 2_000;
const USE_SHARED_EVERY_MS = 1_000;
const REVIEWED_EVERY_MS = 60_000;
const MEBIBYTE = 1_048_576;

type AdmissionContextDependencies = {
  configuration: Configuration;
  identities: Identities;
  readiness: Readiness;
  connection: ReturnType<typeof connectStore>;
  /** If answers wait for replicas: what carries them. */
  replicated: ReplicatedLookups | undefined;
  telemetry: Telemetry;
  log: Log;
  /** Alerts by the worker in the last hour, if this process is one. */
  countedAlerts: () => number;
  add: (step: () => Promise<void> | void) => void;
};

/** What every route with a token needs: the caller, the limits, and how a refusal is recorded. */
export async function createAdmissionContext(dependencies: AdmissionContextDependencies) {
  const { configuration, identities, readiness, connection, telemetry, log, countedAlerts, add } =
    dependencies;
  const { metrics, traces } = telemetry;
  const { USER_LIMIT, CLIENT_LIMIT, ORGANISATION_LIMIT } = configuration;
  const isDemo = (): boolean | undefined => readiness.dataset && readiness.dataset.kind === 'demo';

  const store = createLookupStore(connection, readiness, {
    called: telemetry.calledStore,
    replicated: dependencies.replicated,
  });
  const recorder = createRecorder(store, readiness, log, {
    folder: auditSpoolFolder(configuration),
    mostBytes: configuration.AUDIT_SPOOL_MIB * MEBIBYTE,
  });
  const sampled = createSampledLog(log);

  function limitsOf(standard: LimitSettings | undefined): LimitSettings {
    return {
      user: USER_LIMIT ?? standard?.user ?? 0,
      client: CLIENT_LIMIT ?? standard?.client ?? 0,
      organisation: ORGANISATION_LIMIT ?? standard?.organisation ?? 0,
    };
  }
  const demoLimits = limitsOf(undefined);
  const liveLimits = limitsOf(LIVE_LIMITS);
  const limits = createLimits(
    () => (isDemo() === false ? liveLimits : demoLimits),
    createSharedUse(connection),
  );

  function tellAlert({ caller, ...alert }: EnumerationAlert): void {
    const event = {
      type: 'enumeration-alert' as const,
      auditId: randomUUID(),
      caller: auditedCaller(caller.identity),
      ...alert,
    };
    recorder.record(event);
    logAlert(log, event);
  }
  const enumeration = createEnumerationWatch(tellAlert);
  const alerts = (): number => enumeration.alerts + countedAlerts();
  const refusalSampling = createRefusalSampling((event) => recorder.record(event));

  const sharing = setInterval(() => void limits.share(), USE_SHARED_EVERY_MS).unref();
  const reviewing = setInterval(() => {
    enumeration.review();
    refusalSampling.flush();
    sampled.review();
  }, REVIEWED_EVERY_MS).unref();
  add(async () => {
    clearInterval(sharing);
    clearInterval(reviewing);
    // A lookup whose client was cut off must still report that it was not delivered.
    await store.idle();
    refusalSampling.flush();
    sampled.flush();
    await recorder.drain(EVENTS_ARE_WRITTEN_WITHIN_MS);
  });

  const numberKey = await readOrMakeKey(numberKeyFile(configuration));
  return {
    store,
    recorder,
    sampled,
    isDemo,
    enumeration,
    metrics,
    traces,
    take: limits.take,
    /** What metrics say about it. */
    measured: { recorder, limits, alerts },
    authenticate: createAuthenticator({
      issuers: identities.issuers,
      demoAllowed: isDemo,
      revocations: identities.revocations,
      blocked: (userKey) => readiness.blocked.has(userKey),
      organisationName: (code) => organisationsOf(identities, isDemo()).get(code)?.name,
    }),
    noteRefusal: createRefusals({
      recorder,
      sampled,
      numberKey: Buffer.from(numberKey, 'hex'),
      refusalSampling,
      sawInvalid: enumeration.sawInvalid,
      metrics,
    }),
    checks: (): OwnCheck[] => [
      {
        name: 'access:enumeration',
        ok: alerts() === 0,
        detail: alerts() === 0 ? ADMISSION.nothingUnusual : ADMISSION.alerts(alerts()),
      },
    ],
  };
}
export type AdmissionContext = Awaited<ReturnType<typeof createAdmissionContext>>;
