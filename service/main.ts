import { randomBytes, randomUUID } from 'node:crypto';
import { resumeLoad, sweepSpools } from '#loaders/load.ts';
import type { Organisation } from '#schemas/care-setting.ts';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import type { Anchor } from '#store/anchor.ts';
import { FUNCTIONS_VERSION } from '#store/functions.ts';
import { type Gate, watchStore } from '#store/gate.ts';
import { type Keeper, keepStore } from '#store/keeper.ts';
import { createLookupStore } from '#store/lookup.ts';
import { createStore, type Dataset, type Store } from '#store/store.ts';
import packageJson from '../package.json' with { type: 'json' };
import { createApp } from './app.ts';
import { createAdmission } from './auth/admission.ts';
import { createAuthenticator } from './auth/authenticate.ts';
import { openDemoIssuer } from './auth/demo-issuer.ts';
import { readIssuers, readOrganisations, type TrustedIssuer } from './auth/issuers.ts';
import { describeConfiguration } from './configuration-digest.ts';
import { numberKeyFile, openAnchor, spoolFolder } from './data-folder.ts';
import { DEMO_ORGANISATIONS } from './demo/personas.ts';
import { createFhir } from './fhir/fhir.ts';
import { serveHttp } from './http/server.ts';
import { errorFields, type Log } from './log.ts';
import { createCheck } from './lookup/check.ts';
import { createCoverage } from './lookup/coverage.ts';
import { createLookupHandler } from './lookup/lookup.ts';
import { createRecorder } from './lookup/recorder.ts';
import { createRefusals } from './lookup/refusals.ts';
import { readOrMakePrivate } from './private-file.ts';
import { logReadiness } from './readiness-log.ts';
import { openRedis, type RedisServer, type StoreConnection } from './redis.ts';
import { createSampledLog } from './sampled-log.ts';
import { type Build, createPing, createStatus } from './status/status.ts';

const REQUESTS_FINISH_WITHIN_MS = 5_000;
const EVENTS_ARE_WRITTEN_WITHIN_MS = 2_000;
/** The keeper tries again by itself, so it need not outwait the lease of a loader that died. */
const RESUME_LOCK_WAIT_MS = 1_000;
const REDIS_ANSWERS_WITHIN_MS = 5_000;
/** A store that opens later is as good; this only lets a start be told as done when it is. */
const STORE_OPENS_WITHIN_MS = 5_000;
const SETTLING_STEP_MS = 100;
/** Loads answer nobody who waits: a busy Redis gets more time than for a lookup. */
const LOADER_COMMAND_TIMEOUT_MS = 10_000;

/** What a start is given to work with before the first request, for instance to fill a demo. */
export type Tools = {
  /** With the rights of the administrator, where Redis knows roles. */
  administrator: Store;
  loader: Store;
  anchor: Anchor;
  keeper: Keeper;
};

export type StartOptions = {
  log: Log;
  /** Done once the store can be worked with and before anything is served. Roles all and worker. */
  prepare?: (tools: Tools) => Promise<void>;
};

export type Service = {
  /** `http://host:port`, with the port in use. */
  baseUrl: string;
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

type Identities = {
  issuers: readonly TrustedIssuer[];
  organisations: ReadonlyMap<string, Organisation>;
};

/** Who is trusted and which settings are registered, as far as files say. */
async function readIdentities({
  ISSUERS_FILE,
  ORGANISATIONS_FILE,
}: Configuration): Promise<Identities> {
  return {
    issuers: ISSUERS_FILE === undefined ? [] : await readIssuers(ISSUERS_FILE),
    organisations:
      ORGANISATIONS_FILE === undefined
        ? DEMO_ORGANISATIONS
        : await readOrganisations(ORGANISATIONS_FILE),
  };
}

/** A live dataset must have both files. Where the dataset may be a demo, the demo issuer is added. */
async function completeIdentities(
  identities: Identities,
  { ISSUERS_FILE, ORGANISATIONS_FILE, DATA_DIR }: Configuration,
  kind: Dataset['kind'] | undefined,
): Promise<Identities> {
  if (kind !== 'live') {
    const { trusted } = await openDemoIssuer(DATA_DIR);
    return { ...identities, issuers: [...identities.issuers, trusted] };
  }
  const missing = Object.entries({ ISSUERS_FILE, ORGANISATIONS_FILE }).filter(([, path]) => !path);
  if (missing.length === 0) return identities;
  const names = missing.map(([name]) => name).join(' and ');
  throw new ConfigurationError(`${names}: required, because the dataset is live.`);
}

type Add = (step: () => Promise<void> | void) => void;

/** The keeper, with the stores and the anchor that it and loads work on. */
function startKeeper(
  configuration: Configuration,
  redis: RedisServer,
  log: Log,
  onChange: (state: Keeper['state']) => void,
  add: Add,
): Tools {
  const anchor = openAnchor(configuration);
  add(() => anchor.close());
  const needed = anchor.loadsInProgress().map(({ journal }) => journal);
  sweepSpools(spoolFolder(configuration), needed);
  const patient = { commandTimeoutMs: LOADER_COMMAND_TIMEOUT_MS };
  const administrator = createStore(redis.connect('admin', patient), anchor);
  const loader = createStore(redis.connect('loader', patient), anchor);
  const keeper = keepStore(redis.connect('worker', patient), anchor, {
    async resume(load) {
      const { authority, sequence } = load;
      log.info('a load that was cut short is resumed', { authority, sequence });
      await resumeLoad(loader, anchor, load, { lockWaitMs: RESUME_LOCK_WAIT_MS });
    },
    onChange,
  });
  add(() => keeper.stop());
  return { administrator, loader, anchor, keeper };
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

/** Records once, when the store is open, with what configuration this process answers. */
function createAnnouncement(
  store: Store,
  detail: Record<string, string | number>,
  log: Log,
): () => void {
  let announced = false;
  return () => {
    if (announced) return;
    announced = true;
    store
      .appendEvent({ type: 'configuration-start', auditId: randomUUID(), by: 'service', detail })
      .catch((error: unknown) => {
        announced = false;
        log.error('the configuration could not be recorded', errorFields(error));
      });
  };
}

/** Everything between a request and the store, for the plain lookup and for FHIR. */
async function createLookups(
  configuration: Configuration,
  { issuers, organisations }: Identities,
  versions: { functions: string; configuration: string },
  gate: Gate,
  connection: StoreConnection,
  log: Log,
  add: Add,
) {
  const store = createLookupStore(connection, gate);
  const recorder = createRecorder(store, gate, log);
  add(() => recorder.drain(EVENTS_ARE_WRITTEN_WITHIN_MS));
  const sampled = createSampledLog(log);
  const numberKey = await readOrMakePrivate(numberKeyFile(configuration), () =>
    randomBytes(32).toString('hex'),
  );
  const isDemo = (): boolean | undefined => gate.dataset && gate.dataset.kind === 'demo';
  const coverage = createCoverage(gate, {
    upToDateMs: configuration.UP_TO_DATE_HOURS * 3_600_000,
    minimumShare: configuration.MINIMUM_COVERAGE,
  });
  const dependencies = {
    admit: createAdmission({
      authenticate: createAuthenticator({ issuers, demoAllowed: isDemo }),
      organisations,
      registeredOnly: () => isDemo() !== true,
    }),
    check: createCheck({ store, gate, coverage, recorder, versions }),
    gate,
    recorder,
    noteRefusal: createRefusals({ recorder, sampled, numberKey: Buffer.from(numberKey, 'hex') }),
    sampled,
  };
  return {
    lookup: createLookupHandler(dependencies),
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
  { log, prepare }: StartOptions,
): Promise<Service> {
  const { ROLE, HOST, PORT } = configuration;
  const { add, close } = createClosing(log);
  try {
    const configured = await readIdentities(configuration);
    const redis = await openRedis(configuration);
    let stopping = false;
    add(() => redis.stop());
    add(() => void (stopping = true));
    const tellLoss = async (): Promise<void> => {
      await redis.exited;
      if (!stopping) log.error('redis-server ended again and again and is not started any more');
    };
    void tellLoss();

    // What the keeper finds is told once the start is over: until then it is still to be put right.
    let onChange = (_state: Keeper['state']): void => undefined;
    const tools =
      ROLE === 'lookup'
        ? undefined
        : startKeeper(configuration, redis, log, (state) => onChange(state), add);
    if (tools !== undefined) {
      // Without something to prepare, a Redis that comes later is as good.
      const answers = redis.ready(REDIS_ANSWERS_WITHIN_MS);
      await (prepare === undefined ? answers.catch(() => undefined) : answers);
      await prepare?.(tools);
    }
    // Only now, so that its first look at the directory finds what was prepared.
    const connection = redis.connect('lookup');
    const gate = watchStore(connection, redis.embedded ? { dataDir: configuration.DATA_DIR } : {});
    add(() => gate.stop());
    add(logReadiness(gate, log));
    await settled(gate, tools?.keeper);

    const kind = tools?.anchor.dataset()?.kind ?? gate.dataset?.kind;
    const identities = await completeIdentities(configured, configuration, kind);
    const { digest, detail } = describeConfiguration(
      configuration,
      identities.issuers,
      identities.organisations,
    );
    const build = buildOf(configuration);
    if (tools !== undefined) {
      const started = { ...detail, configuration: digest, version: build.version };
      const announce = createAnnouncement(tools.loader, started, log);
      onChange = (state) => {
        log[state.opened ? 'info' : 'warn'](state.detail);
        if (state.opened) announce();
      };
      onChange(tools.keeper.state);
    }

    const versions = { functions: FUNCTIONS_VERSION, configuration: digest };
    const lookups =
      ROLE === 'worker'
        ? {}
        : await createLookups(configuration, identities, versions, gate, connection, log, add);
    const app = createApp({
      ...lookups,
      ping: createPing(build),
      status: createStatus(build, gate),
      log,
    });
    const http = await serveHttp(app.fetch, { host: HOST, port: PORT });
    add(() => http.stop(REQUESTS_FINISH_WITHIN_MS));
    const baseUrl = `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${http.port}`;
    log.info('listening', { address: baseUrl, role: ROLE });
    return { baseUrl, stop: close, abandon: () => redis.abandon() };
  } catch (error) {
    await close();
    throw error;
  }
}
