import { randomBytes, randomUUID } from 'node:crypto';
import type { Configuration } from '#schemas/configuration.ts';
import type { OwnCheck } from '#schemas/status.ts';
import type { connectStore } from '#store/connection/connection.ts';
import { createLookupStore } from '#store/lookup.ts';
import { createSharedUse } from '#store/shared-use.ts';
import type { Gate } from '#store/trust/readiness.ts';
import { createRecorder } from '../audit/record/recorder.ts';
import { createFloods } from '../audit/record/refusal-sampling.ts';
import { createRefusals } from '../audit/record/refusals.ts';
import { auditSpoolFolder, numberKeyFile } from '../files/data-folder.ts';
import { readOrMakePrivate } from '../files/private-file.ts';
import type { Log } from '../telemetry/log.ts';
import { createSampledLog } from '../telemetry/sampled-log.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { createAuthenticator } from './authenticate.ts';
import { type Identities, organisationsOf } from './identities.ts';
import { createEnumerationGuard, type EnumerationAlert } from './limits/enumeration.ts';
import { createLimits, type LimitSettings } from './limits/limits.ts';

const EVENTS_ARE_WRITTEN_WITHIN_MS = 2_000;
const USE_SHARED_EVERY_MS = 1_000;
const REVIEWED_EVERY_MS = 60_000;
const MEBIBYTE = 1_048_576;

/** Some three times what the busiest do: a user at two patients a minute, a hospital at one in three seconds. */
const LIVE_LIMITS: LimitSettings = { user: 120, client: 6_000, organisation: 1_200 };

export type DoorDependencies = {
  configuration: Configuration;
  identities: Identities;
  gate: Gate;
  connection: ReturnType<typeof connectStore>;
  telemetry: Telemetry;
  log: Log;
  add: (step: () => Promise<void> | void) => void;
};

/** What every route needs that a token opens: who is asking, how often, and what becomes of a refusal. */
export async function createDoor(dependencies: DoorDependencies) {
  const { configuration, identities, gate, connection, telemetry, log, add } = dependencies;
  const { metrics, tracing } = telemetry;
  const { USER_LIMIT, CLIENT_LIMIT, ORGANISATION_LIMIT } = configuration;
  const isDemo = (): boolean | undefined => gate.dataset && gate.dataset.kind === 'demo';

  const store = createLookupStore(connection, gate, {
    called: telemetry.calledStore,
  });
  const recorder = createRecorder(store, gate, log, {
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
    const { issuer, client, user, name, role } = caller.identity;
    const { organisation, code } = role;
    recorder.record({
      type: 'enumeration-alert',
      auditId: randomUUID(),
      caller: { issuer, client, user, name, role: { code, name: role.name }, organisation },
      ...alert,
    });
    log.warn('a user looks numbers up in an unusual manner; the audit says who', {
      cause: alert.sign,
      client,
      organisation: organisation.code,
      count: alert.count,
    });
  }
  const guard = createEnumerationGuard(tellAlert);
  const floods = createFloods((event) => recorder.record(event));

  const sharing = setInterval(() => void limits.share(), USE_SHARED_EVERY_MS).unref();
  const reviewing = setInterval(() => {
    guard.review();
    floods.flush();
  }, REVIEWED_EVERY_MS).unref();
  add(async () => {
    clearInterval(sharing);
    clearInterval(reviewing);
    // A lookup whose client was cut off still has to say that it was not delivered.
    await store.idle();
    floods.flush();
    await recorder.drain(EVENTS_ARE_WRITTEN_WITHIN_MS);
  });

  const numberKey = await readOrMakePrivate(numberKeyFile(configuration), () =>
    randomBytes(32).toString('hex'),
  );
  return {
    store,
    recorder,
    sampled,
    isDemo,
    guard,
    metrics,
    tracing,
    take: limits.take,
    /** What metrics say of it. */
    measured: { recorder, limits, guard },
    authenticate: createAuthenticator({
      issuers: identities.issuers,
      demoAllowed: isDemo,
      revocations: identities.revocations,
      blocked: (userKey) => gate.blocked.has(userKey),
      organisationName: (code) => organisationsOf(identities, isDemo()).get(code)?.name,
    }),
    noteRefusal: createRefusals({
      recorder,
      sampled,
      numberKey: Buffer.from(numberKey, 'hex'),
      floods,
      sawInvalid: guard.sawInvalid,
      metrics,
    }),
    checks: (): OwnCheck[] => [
      {
        name: 'access:enumeration',
        ok: guard.alerts === 0,
        detail:
          guard.alerts === 0
            ? 'Nobody looks numbers up in an unusual manner.'
            : `${guard.alerts} alerts in the last hour; the audit says who.`,
      },
    ],
  };
}
export type Door = Awaited<ReturnType<typeof createDoor>>;
