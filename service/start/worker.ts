import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { resumeLoad, sweepSpools } from '#loaders/load/load.ts';
import { withinLimit } from '#schemas/alert-thresholds.ts';
import type { LookupEvent } from '#schemas/audit/audit-event.ts';
import type { Configuration } from '#schemas/configuration.ts';
import type { Build, OwnCheck } from '#schemas/status.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { CONNECTION_REPLACED } from '#store/connection/connection.ts';
import { createStore, type Store } from '#store/store.ts';

import { watchAccessLists } from '#store/trust/access-lists.ts';
import { type Gate, watchStore } from '#store/trust/readiness.ts';
import { type Keeper, keepStore } from '#store/trust/verifier.ts';
import packageJson from '../package.json' with { type: 'json' };
import { createDoor, type Door } from './access/access-context.ts';
import { createAdmission } from './access/admission.ts';
import {
  completeIdentities,
  type Identities,
  identityChecks,
  organisationsOf,
  readIdentities,
} from './access/identities.ts';
import { LIVE_LIMITS } from './access/limits/limits.ts';
import { DEMO_OPERATOR } from './access/personas.ts';
import { createApp } from './app.ts';
import { type Audit, startAudit } from './audit/audit.ts';
import { sealedRange } from './audit/log/sealed.ts';
import { createSearcher } from './audit/search/searcher.ts';
import { createApiDescription } from './description/description.ts';
import { createFhir } from './fhir/fhir.ts';
import {
  anchorFolder,
  auditFolder,
  auditIndexFile,
  auditKeyFile,
  numberKeyFile,
  openAnchor,
  privacyOutbox,
  spoolFolder,
} from './files/data-folder.ts';
import { datasetProblem, lookupDatasetProblem } from './files/served-dataset.ts';
import { serveHttp } from './http/server.ts';
import { openTls, tlsCheck } from './http/tls.ts';
import { createBatchHandler } from './lookup/batch.ts';
import { createCheck } from './lookup/check.ts';
import {
  type CoverageLimits,
  coverageCheck,
  coverageLimits,
  createCoverage,
  shareCheck,
} from './lookup/coverage.ts';
import { createLookupHandler } from './lookup/lookup.ts';
import { createShed } from './lookup/overload.ts';
import { createRehearsals } from './lookup/rehearsals.ts';
import { type Notifications, startNotifications } from './notifications/notifications.ts';
import { notifierSettings, watchPreferences } from './notifications/settings.ts';
import { type AuditSearchRoute, createAuditSearch } from './routes/audit-search.ts';
import { createNotificationsRoute } from './routes/notifications.ts';
import { createPing, createStatus } from './routes/status.ts';
import { createUploads } from './routes/uploads.ts';
import { createDescription } from './start/configuration-digest.ts';
import { startDaily } from './start/daily.ts';
import { createForeignWrites } from './start/foreign-writes.ts';
import {
  watchAudit,
  watchChecks,
  watchDoor,
  watchExpiry,
  watchFolders,
  watchForeignWrites,
  watchGate,
  watchNotifications,
} from './start/gauges.ts';
import { tellNotInUse } from './start/not-in-use.ts';
import { logReadiness } from './start/readiness-log.ts';
import { announceStart } from './start/record-start.ts';
import { openRedis, type RedisServer, type StoreConnection } from './start/redis.ts';
import type { Tools } from './start/tools.ts';
import { errorFields, type Log } from './telemetry/log.ts';
import { createTelemetry } from './telemetry/telemetry.ts';
import { loadSettings } from './uploads/load-settings.ts';
import { openTracer } from './uploads/number-tracing.ts';

const REQUESTS_FINISH_WITHIN_MS = 5_000;
/** The keeper tries again by itself, so it need not outwait the lease of a loader that died. */
const RESUME_LOCK_WAIT_MS = 1_000;
const REDIS_ANSWERS_WITHIN_MS = 5_000;
/** A store that opens later is as good; this only lets a start be told as done when it is. */
const STORE_OPENS_WITHIN_MS = 5_000;
const SETTLING_STEP_MS = 100;
const DAY_MS = 86_400_000;
/** Loads answer nobody who waits: a busy Redis gets more time than for a lookup. */
const LOADER_COMMAND_TIMEOUT_MS = 10_000;

export type StartOptions = {
  log: Log;
  /** Done once the store can be worked with and before anything is served. Roles all and worker. */
  prepare?: (tools: Tools) => Promise<void>;
  /** How long a stop lets requests in flight finish before it cuts them off. Default 5,000. */
  finishWithinMs?: number;
};

export type Service = {
  /** `http://host:port`, with the port in use. */
  baseUrl: string;
  /** Where metrics are given, once they are; `undefined` where they are not. */
  metricsPort: Promise<number | undefined>;
  /** Everything that can be asked for in this role; a path may have parameters (`/uploads/:sequence`). */
  routes: readonly { method: string; path: string }[];
  /** Stops in order: requests, events, connections, Redis. Idempotent. */
  stop(): Promise<void>;
  /** At once and without waiting: tells an embedded Redis to end, for a process about to exit. */
  abandon(): void;
};

/** Ends things in the opposite order of their beginning, each whatever became of the others. */
function createClosing(log: Log) {
  const steps: (() => Promise<void> | void)[] = [];
  let closed: Promise<void> | undefined;
  async function closeAll(): Promise<void> {
    for (const step of steps.toReversed()) {
      try {
        await step();
      } catch (error) {
        log.error('a part of the service did not stop cleanly', errorFields(error));
      }
    }
  }
  return {
    add: (step: () => Promise<void> | void): void => void steps.push(step),
    close: (): Promise<void> => (closed ??= closeAll()),
  };
}

function buildOf({ RELEASE_ID, COMMIT_ID }: Configuration): Build {
  return {
    version: packageJson.version,
    ...(COMMIT_ID !== undefined && { revision: COMMIT_ID, commitId: COMMIT_ID }),
    ...(RELEASE_ID !== undefined && { releaseId: RELEASE_ID }),
  };
}

/** What `/_status` says of telling authorities. */
function notificationChecks({ notifications, problem }: Notifying): OwnCheck[] {
  const sentence = problem();
  const ofFile = { name: 'notifications:preferences', ok: false, detail: sentence ?? '' };
  return [notifications.check(), ...(sentence === undefined ? [] : [ofFile])];
}

type Notifying = { notifications: Notifications; problem: () => string | undefined };
type Add = (step: () => Promise<void> | void) => void;

/** The keeper, with the stores and the anchor that it and loads work on. */
function startKeeper(configuration: Configuration, redis: RedisServer, log: Log, add: Add): Tools {
  const anchor = openAnchor(configuration);
  add(() => anchor.close());
  sweepSpools(spoolFolder(configuration), anchor.spoolsNeeded());
  const patient = { commandTimeoutMs: LOADER_COMMAND_TIMEOUT_MS };
  const administrator = createStore(redis.connect('admin', patient), anchor);
  const loader = createStore(redis.connect('loader', patient), anchor);
  const keeper = keepStore(redis.connect('worker', patient), anchor, {
    async resume(load) {
      const { authority, sequence } = load;
      log.info('a load that was cut short is resumed', { authority, sequence });
      await resumeLoad(loader, anchor, load, { lockWaitMs: RESUME_LOCK_WAIT_MS });
    },
    sealedNumbers() {
      const sealed = sealedRange(auditFolder(configuration));
      return sealed !== undefined && sealed.dataset === anchor.dataset()?.id ? sealed.numbers : [];
    },
  });
  add(() => keeper.stop());
  return { administrator, loader, anchor, keeper };
}

/** The sealing of audit events into the log. */
function startSealing(configuration: Configuration, redis: RedisServer, log: Log, add: Add): Audit {
  const { AUDIT_ORIGIN, AUDIT_RETENTION_YEARS } = configuration;
  const { ALERT_UNSCHEDULED_CHILDREN, ALERT_CHILDREN, USER_LIMIT } = configuration;
  const audit = startAudit(
    {
      folder: auditFolder(configuration),
      indexFile: auditIndexFile(configuration),
      keyFile: auditKeyFile(configuration),
      ...(AUDIT_ORIGIN !== undefined && { origin: AUDIT_ORIGIN }),
      retentionYears: AUDIT_RETENTION_YEARS,
      anchorFolder: anchorFolder(configuration),
      address: redis.address('worker'),
      alerting: {
        numberKeyFile: numberKeyFile(configuration),
        outbox: privacyOutbox(configuration),
        thresholds: withinLimit(
          { unscheduled: ALERT_UNSCHEDULED_CHILDREN, all: ALERT_CHILDREN },
          USER_LIMIT ?? LIVE_LIMITS.user,
        ),
      },
    },
    log,
  );
  add(() => audit.stop());
  return audit;
}

/** The watch for what somebody else writes to Redis. */
function startForeignWrites(keeper: Keeper, audit: Audit, redis: StoreConnection, add: Add) {
  const lists = watchAccessLists(redis);
  add(() => lists.stop());
  return createForeignWrites(keeper, audit, lists);
}

/** Searches of the audit, where its log is. */
function createAuditSearching(
  configuration: Configuration,
  door: Door,
  store: Store,
  audit: Audit,
  gate: Gate,
  log: Log,
  add: Add,
): AuditSearchRoute {
  const { OPERATOR_ODS_CODE, PUBLIC_URL } = configuration;
  const searcher = createSearcher({
    folder: auditFolder(configuration),
    indexFile: auditIndexFile(configuration),
  });
  add(() => searcher.stop());
  return createAuditSearch({
    ...door,
    searcher,
    coverage: () => audit.coverage,
    appendEvent: (event) => store.appendEvent(event),
    gate,
    operator: () => OPERATOR_ODS_CODE ?? (door.isDemo() === true ? DEMO_OPERATOR.code : undefined),
    publicUrl: PUBLIC_URL,
    log,
  });
}

/** Telling authorities of accesses to their children. */
async function startNotifying(
  configuration: Configuration,
  gate: Gate,
  kind: Dataset['kind'] | undefined,
  log: Log,
  add: Add,
): Promise<Notifying> {
  const settings = notifierSettings(configuration, kind);
  const preferences = await watchPreferences(configuration, settings.outbox, (sentence) =>
    log.error(sentence),
  );
  add(preferences.stop);
  const directory = () => {
    if (gate.authoritiesAt === 0) return undefined;
    const authorities = [...gate.authorities.values()].map(
      ({ code, name, sequenceOffset = 0 }) => ({ code, name, sequenceOffset }),
    );
    return { authorities, preferences: preferences.value };
  };
  const notifications = startNotifications({ ...settings, directory }, log);
  add(() => notifications.stop());
  return { notifications, problem: () => preferences.problem };
}

/** Waits, for a bounded time, until lookups can be answered or the keeper has found that they cannot. */
async function settled(gate: Gate, keeper: Keeper | undefined): Promise<void> {
  const giveUpAt = performance.now() + STORE_OPENS_WITHIN_MS;
  let looked = false;
  void keeper?.look().finally(() => (looked = true));
  while (performance.now() < giveUpAt) {
    if (await gate.whenOpen(SETTLING_STEP_MS)) return;
    if (looked && keeper?.state.opened === false) return;
  }
}

/** Everything between a request and the store, for the plain lookup and for FHIR. */
function createLookups(
  configuration: Configuration,
  { store, recorder, sampled, isDemo, authenticate, noteRefusal, take, guard, ...door }: Door,
  identities: Identities,
  versions: () => LookupEvent['versions'],
  gate: Gate,
  limits: CoverageLimits,
) {
  const coverage = createCoverage(gate, limits);
  const rehearse = createRehearsals({ isDemo, directory: gate, limits });
  const dependencies = {
    admit: createAdmission({
      authenticate,
      organisations: () => organisationsOf(identities, isDemo()),
      registeredOnly: () => isDemo() !== true,
      take,
    }),
    check: createCheck({
      store,
      gate,
      coverage,
      recorder,
      versions,
      saw: ({ caller }, nhsNumber) => guard.saw(caller, nhsNumber),
      metrics: door.metrics,
      rehearse,
    }),
    rehearse,
    gate,
    recorder,
    noteRefusal,
    sampled,
    shed: createShed(store, configuration.LOOKUPS_AT_ONCE, sampled),
    tracing: door.tracing,
    take,
  };
  return {
    coverage,
    lookup: createLookupHandler(dependencies),
    batch: createBatchHandler(dependencies),
    fhir: createFhir({
      ...dependencies,
      publicUrl: configuration.PUBLIC_URL,
      version: packageJson.version,
    }),
  };
}

/**
 * Starts the service in the role configured: Redis (an embedded one unless REDIS_URL is set), the
 * keeper, the gate, HTTP. A store that is not open yet, or not whole, does not stop the start: every
 * lookup is could-not-check and `/_status` says why until it is.
 *
 * @throws an error whose message is a sentence for the operator (a setting, the port, the data folder);
 * everything begun has been ended then
 */
export async function startService(
  configuration: Configuration,
  { log, prepare, finishWithinMs = REQUESTS_FINISH_WITHIN_MS }: StartOptions,
): Promise<Service> {
  const { ROLE, HOST, PORT } = configuration;
  const { add, close } = createClosing(log);
  try {
    const onProblem = (sentence: string): void => log.error(sentence);
    const build = buildOf(configuration);
    const telemetry = createTelemetry(configuration, { version: build.version, log });
    add(() => telemetry.stop());
    const configured = await readIdentities(configuration, onProblem);
    add(configured.stop);
    const tls = await openTls(configuration, onProblem);
    if (tls !== undefined) add(tls.stop);
    const redis = await openRedis(configuration, () => log.warn(CONNECTION_REPLACED));
    let stopping = false;
    let draining = false;
    add(() => redis.stop());
    add(() => void (stopping = true));
    const tellLoss = async (): Promise<void> => {
      await redis.exited;
      if (!stopping) log.error('redis-server ended again and again and is not started any more');
    };
    void tellLoss();

    const tools = ROLE === 'lookup' ? undefined : startKeeper(configuration, redis, log, add);
    if (tools !== undefined) {
      // Without something to prepare, a Redis that comes later is as good.
      const answers = redis.ready(REDIS_ANSWERS_WITHIN_MS);
      await (prepare === undefined ? answers.catch(() => undefined) : answers);
      await prepare?.(tools);
    }
    const audit = tools && startSealing(configuration, redis, log, add);
    // Only now, so that its first look at the directory finds what was prepared.
    const connection = redis.connect('lookup');
    const gate = watchStore(connection, {
      ...(redis.embedded && { dataDir: configuration.DATA_DIR }),
      datasetProblem: (held) =>
        tools === undefined
          ? lookupDatasetProblem(configuration, held)
          : datasetProblem(configuration, tools.anchor, held),
    });
    add(() => gate.stop());
    add(logReadiness(gate, log));
    await settled(gate, tools?.keeper);

    const kind = tools?.anchor.dataset()?.kind ?? gate.dataset?.kind;
    const identities = await completeIdentities(configured, configuration, kind);
    const limits = coverageLimits(configuration, kind);
    const door = await createDoor({
      configuration,
      identities,
      gate,
      connection,
      telemetry,
      log,
      countedAlerts: () => audit?.alerting.alerts ?? 0,
      add,
    });
    telemetry.watch(watchDoor(door.measured));
    const described = createDescription(configuration, identities, door.isDemo);
    const describe = () => ({ ...described().detail, version: build.version });
    add(announceStart(gate, door.store, describe, log));
    identities.organisations?.onChange(() => {
      log.info('other organisations are registered than before');
      const auditId = randomUUID();
      const event = { type: 'configuration-change' as const, auditId, by: 'service' };
      door.recorder.record({ ...event, detail: describe() });
    });
    if (tools !== undefined) {
      const { loader: store, anchor, keeper } = tools;
      const heldMs = configuration.HELD_DAYS * DAY_MS;
      const daily = startDaily({ store, anchor, keeper, heldMs, log });
      add(() => daily.stop());
      // What the keeper finds is told from here on: until now it was still to be put right.
      const tell = (state: Keeper['state']): void => {
        log[state.opened ? 'info' : 'warn'](state.detail);
        if (state.opened) void daily.look();
      };
      keeper.onChange(tell);
      tell(keeper.state);
    }

    const versions = () => described().versions;
    const lookups =
      ROLE === 'worker'
        ? undefined
        : createLookups(configuration, door, identities, versions, gate, limits);
    if (kind === 'live' && lookups !== undefined && configuration.PUBLIC_URL === undefined) {
      log.warn(
        'PUBLIC_URL is not set: links in FHIR begin as the Host header of each request says',
      );
    }
    const tracer = tools && (await openTracer(configuration, kind));
    if (tools !== undefined && tracer !== undefined) {
      const everyMs = configuration.REREAD_SECONDS * 1_000;
      add(await tellNotInUse({ tracer, store: tools.loader, everyMs, log }));
    }
    const notifying = tools && (await startNotifying(configuration, gate, kind, log, add));
    const uploads =
      tools === undefined
        ? {}
        : {
            uploads: createUploads({
              ...door,
              store: tools.loader,
              anchor: tools.anchor,
              gate,
              log,
              loads: loadSettings(configuration, tracer),
            }),
            notifications: createNotificationsRoute({
              ...door,
              log,
              folder: auditFolder(configuration),
              record: (event) => tools.loader.appendEvent(event),
            }),
          };
    const auditSearch =
      tools &&
      audit &&
      createAuditSearching(configuration, door, tools.loader, audit, gate, log, add);
    const foreign =
      tools && audit && startForeignWrites(tools.keeper, audit, redis.connect('worker'), add);
    const ownChecks = () => [
      ...(foreign === undefined ? [] : [foreign.check()]),
      ...(audit === undefined ? [] : [audit.check(), audit.alerting.check()]),
      ...(notifying === undefined ? [] : notificationChecks(notifying)),
      ...identityChecks(identities, door.isDemo()),
      coverageCheck(gate, limits),
      ...(lookups === undefined ? [] : [shareCheck(gate.authorities, lookups.coverage())]),
      ...door.checks(),
      ...(tls === undefined ? [] : [tlsCheck(tls)]),
    ];
    telemetry.watch(watchGate(gate, limits));
    telemetry.watch(watchChecks(gate, ownChecks));
    telemetry.watch(watchExpiry(tls && (() => tls.value.expiresAt), identities.issuers));
    if (audit !== undefined) telemetry.watch(watchAudit(audit));
    if (foreign !== undefined) telemetry.watch(watchForeignWrites(foreign.read));
    if (notifying !== undefined) telemetry.watch(watchNotifications(notifying.notifications));
    const { DATA_DIR } = configuration;
    telemetry.watch(
      watchFolders({ data: DATA_DIR, ...(audit && { audit: auditFolder(configuration) }) }),
    );
    const app = createApp({
      ...lookups,
      ...uploads,
      ...(auditSearch !== undefined && { auditSearch }),
      description: createApiDescription(packageJson.version, configuration.PUBLIC_URL),
      ping: createPing(build),
      status: createStatus({
        build,
        gate,
        own: ownChecks,
        stopping: () => draining,
      }),
      log,
    });
    const http = await serveHttp(app.fetch, {
      host: HOST,
      port: PORT,
      tls: tls?.value,
      observer: telemetry.observer(app.routes.map(({ path }) => path)),
      direct: new Map(
        lookups && [
          ['/lookup', lookups.lookup],
          ['/lookup/batch', lookups.batch],
          ...lookups.fhir.direct,
        ],
      ),
    });
    tls?.onChange(http.useTls);
    add(async () => {
      draining = true;
      http.drain();
      await delay(configuration.DRAIN_SECONDS * 1_000);
      await http.stop(finishWithinMs);
    });
    const baseUrl = `${tls === undefined ? 'http' : 'https'}://${HOST.includes(':') ? `[${HOST}]` : HOST}:${http.port}`;
    log.info('listening', { address: baseUrl, role: ROLE });
    const routes = app.routes.map(({ method, path }) => ({ method, path }));
    // Not waited for: who looks up must not wait for who looks on.
    const metricsPort = telemetry.start();
    return { baseUrl, metricsPort, routes, stop: close, abandon: () => redis.abandon() };
  } catch (error) {
    await close();
    throw error;
  }
}
