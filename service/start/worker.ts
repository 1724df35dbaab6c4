import { resumeLoad } from '#loaders/load/load.ts';
import { RETRIED_LOCK_WAIT_MS } from '#loaders/load/lock.ts';
import type { OwnCheck } from '#schemas/status.ts';
import { CASES_UNSETTLED } from '#schemas/wording/audit.ts';
import { VERIFIER } from '#schemas/wording/store.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { createBlocks } from '#store/blocks.ts';
import type { HostPort } from '#store/connection/address.ts';
import { isReplaced } from '#store/locks/worker-lease.ts';
import { createStore, type Store } from '#store/store.ts';
import { watchAccessLists } from '#store/trust/access-lists.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { type StoreVerifier, startStoreVerifier } from '#store/trust/verifier.ts';
import type { AdmissionContext } from '../admission/admission-context.ts';
import type { Audit } from '../audit/audit.ts';
import { Cases } from '../audit/cases/cases.ts';
import { createCommitReader } from '../audit/log/commit-reader.ts';
import { createHolds } from '../audit/seal/holds.ts';
import { createSearcher } from '../audit/search/searcher.ts';
import { openVerifications } from '../audit/verifications/verifications.ts';
import { contradictionIn } from '../audit/witness/contradictions.ts';
import type { WitnessedLog } from '../audit/witness/witness.ts';
import type { BaseOf } from '../fhir/request.ts';
import {
  acknowledgementsFolder,
  auditCasesFile,
  auditFolder,
  auditIndexFile,
  auditKeyFile,
  auditVerificationFile,
  noticesFolder,
  openAnchor,
  privacyOutbox,
  spoolFolder,
} from '../files/data-folder.ts';
import { type Mesh, startMesh } from '../mesh/mesh.ts';
import { mailboxSettings } from '../mesh/mesh-settings.ts';
import { notifierSettings, watchPreferences } from '../notifications/notification-settings.ts';
import { type Notifications, startNotifications } from '../notifications/notifications.ts';
import type { DeskWorkDependencies } from '../pages/desk-pages.ts';
import type { WorkRoutesDependencies } from '../routes/routes.ts';
import { errorFields } from '../telemetry/log.ts';
import { inboxIntake } from '../uploads/inbox.ts';
import { loadSettings } from '../uploads/load-settings.ts';
import { isPds, openNumberTracer } from '../uploads/number-tracing.ts';
import type { StartContext } from './context.ts';
import { startDaily } from './daily.ts';
import { createForeignWrites } from './foreign-writes.ts';
import { tellNotInUse } from './not-in-use.ts';
import type { OneWorker } from './one-worker.ts';
import type { OperatorStarted } from './operator.ts';
import { type PdsWork, startPdsWork } from './pds-work.ts';
import type { RedisServer } from './redis.ts';
import { startSealing, startWitnesses } from './sealing.ts';
import type { Tools } from './tools.ts';

const REDIS_ANSWERS_WITHIN_MS = 5_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const SETTLED_EVERY_MS = 1_000;
/** Nobody waits for the answer of a load, so a busy Redis gets more time than for a lookup. */
const PATIENT = { commandTimeoutMs: 10_000 };

/** What a worker works on from the beginning, before it is known whether lookups can be answered. */
type WorkerStore = Tools & {
  audit: Audit;
  witnessed: WitnessedLog | undefined;
  oneWorker: OneWorker | undefined;
};

/**
 * Starts to verify the store and, once the preparations are done, to seal its audit.
 *
 * @throws whatever `prepare` throws, and a sentence if Redis does not answer it in time
 */
export async function openWorkerStore(
  start: StartContext,
  redis: RedisServer,
  prepare: ((tools: Tools) => Promise<void>) | undefined,
  oneWorker: OneWorker | undefined,
): Promise<WorkerStore> {
  const witnessed = startWitnesses(start);
  const tools = openTools(start, redis, witnessed, oneWorker);
  oneWorker?.guard(tools.anchor);
  // If there is nothing to prepare, Redis may come later.
  const answers = redis.ready(REDIS_ANSWERS_WITHIN_MS);
  await (prepare === undefined ? answers.catch(() => undefined) : answers);
  await prepare?.(tools);
  const audit = startSealing(start, redis, witnessed, oneWorker);
  return { ...tools, witnessed, oneWorker, audit };
}

/** The store verifier, with the stores and the anchor that it and loads work on. */
function openTools(
  { configuration, log, add }: StartContext,
  redis: RedisServer,
  witnessed: WitnessedLog | undefined,
  oneWorker: OneWorker | undefined,
): Tools {
  const anchor = openAnchor(configuration);
  add(() => anchor.close());
  const connection = redis.connect('worker', { ...PATIENT, unacknowledged: true });
  const replaced = oneWorker && (() => isReplaced(connection, oneWorker.lease));
  const own = { isReplaced: replaced };
  const administrator = createStore(redis.connect('admin', PATIENT), anchor, own);
  const loader = createStore(redis.connect('loader', PATIENT), anchor, own);
  const { replicas, sentinels } = redis;
  const connectTo = (server: HostPort) => redis.connectTo('worker', server);
  const commits = createCommitReader(auditFolder(configuration));
  add(() => commits.close());
  let compared = witnessed === undefined;
  void witnessed?.compared.then(() => (compared = true));
  const verifier = startStoreVerifier(connection, anchor, {
    ...(replicas > 0 && { replicas: { replicas, connectTo, sentinels } }),
    replaced,
    async resume(load, stopped) {
      const waits = { lockWaitMs: RETRIED_LOCK_WAIT_MS, stopped };
      const resumption = await resumeLoad(loader, anchor, load, waits);
      const { authority, sequence } = load;
      if (resumption.kind === 'resumed') {
        log.info('Work that was cut short is finished.', { authority, sequence });
      }
      if (resumption.kind === 'given up') log.warn(resumption.why, { authority, sequence });
      return resumption;
    },
    async sealed() {
      const sealed = await commits.read((each) => each.readPastGaps());
      return sealed?.dataset === anchor.dataset()?.id ? sealed : undefined;
    },
    copy: {
      get done() {
        return compared;
      },
      problem: () => contradictionIn(commits),
    },
  });
  add(() => verifier.stop());
  return { administrator, loader, anchor, verifier };
}

/** The cases on accesses, whose steps are settled if they were cut short. */
function openCases(
  { configuration, log, add }: Pick<StartContext, 'configuration' | 'log' | 'add'>,
  store: Store,
): Cases {
  const cases = Cases.open(auditCasesFile(configuration), (event) => store.appendEvent(event));
  add(() => cases.close());
  let failing = false;
  async function settle(): Promise<void> {
    try {
      await cases.settle();
      failing = false;
    } catch (error) {
      if (!failing) log.warn(CASES_UNSETTLED, errorFields(error));
      failing = true;
    }
  }
  const settling = setInterval(() => void settle(), SETTLED_EVERY_MS);
  add(() => clearInterval(settling));
  void settle();
  return cases;
}

/** What the routes of authorities' systems and of the audit work with, and the pages of their people. */
async function createWork(
  { configuration, log, add }: StartContext,
  { loader, anchor, audit }: WorkerStore,
  { readiness, admissionContext, operator, baseOf }: WorkerDependencies,
  tracer: Parameters<typeof loadSettings>[1],
  redis: RedisServer,
): Promise<WorkRoutesDependencies & Omit<DeskWorkDependencies, keyof OperatorStarted>> {
  const { AUDIT_WITNESSES } = configuration;
  const searcher = createSearcher({
    folder: auditFolder(configuration),
    indexFile: auditIndexFile(configuration),
  });
  add(() => searcher.stop());
  const verifications = await openVerifications({
    folder: auditFolder(configuration),
    keyFile: auditKeyFile(configuration),
    witnessesFile: AUDIT_WITNESSES,
    resultFile: auditVerificationFile(configuration),
    record: (event) => loader.appendEvent(event),
    log,
  });
  add(() => verifications.stop());
  const cases = openCases({ configuration, log, add }, loader);
  const stopped = new AbortController();
  add(() => stopped.abort());
  return {
    ...admissionContext,
    store: loader,
    anchor,
    readiness,
    log,
    loads: { ...loadSettings(configuration, tracer), stopped: stopped.signal },
    auditFolder: auditFolder(configuration),
    auditKeyFile: auditKeyFile(configuration),
    upToDateMs: configuration.UP_TO_DATE_HOURS * HOUR_MS,
    searcher,
    blocks: createBlocks(redis.connect('loader', PATIENT), loader),
    cases,
    holds: createHolds(auditFolder(configuration), (event) => loader.appendEvent(event)),
    verifications,
    auditNumbers: () => audit.numbers,
    indexed: () => audit.searchedUntil,
    operator,
    baseOf,
  };
}

/** Notifies authorities of accesses to their children. */
async function startNotifying(
  { configuration, log, add }: StartContext,
  { readiness, kind }: WorkerDependencies,
): Promise<Notifying> {
  const settings = notifierSettings(configuration, kind);
  const preferences = await watchPreferences(configuration, settings.outbox, (sentence) =>
    log.error(sentence),
  );
  add(preferences.stop);
  const directory = () => {
    if (readiness.authoritiesAt === 0) return undefined;
    const authorities = [...readiness.authorities.values()].map(
      ({ code, name, sequenceOffset = 0 }) => ({ code, name, sequenceOffset }),
    );
    return { authorities, preferences: preferences.value };
  };
  const notifications = startNotifications({ ...settings, directory }, log);
  add(() => notifications.stop());
  return { notifications, problem: () => preferences.problem };
}

type Notifying = { notifications: Notifications; problem: () => string | undefined };

/** What `/_status` says about notifying authorities. */
function notificationChecks({ notifications, problem }: Notifying): OwnCheck[] {
  const sentence = problem();
  const ofFile: OwnCheck = {
    name: 'notifications:preferences',
    ok: false,
    detail: sentence ?? '',
  };
  return [notifications.check(), ...(sentence === undefined ? [] : [ofFile])];
}

/** Does once a day what is due, and logs what the store verifier finds. */
function startDailyWork({ configuration, log, add }: StartContext, tools: Tools): void {
  const { loader: store, anchor, verifier } = tools;
  const daily = startDaily({
    store,
    anchor,
    verifier,
    heldMs: configuration.HELD_DAYS * DAY_MS,
    spoolDir: spoolFolder(configuration),
    log,
  });
  add(() => daily.stop());
  const tell = (state: StoreVerifier['state']): void => {
    log[state.problem ? 'warn' : 'info'](state.detail);
    if (state.opened) void daily.look();
  };
  verifier.onChange(tell);
  tell(verifier.state);
  void daily.look();
}

/** What records are traced with, if anything; the store follows which numbers it withdraws. */
async function startNumberTracing(
  { configuration, log, add }: StartContext,
  { loader: store, verifier }: Pick<Tools, 'loader' | 'verifier'>,
  kind: Dataset['kind'] | undefined,
) {
  const tracer = await openNumberTracer(configuration, kind);
  if (tracer !== undefined) {
    const everyMs = configuration.REREAD_SECONDS * 1_000;
    add(await tellNotInUse({ tracer, store, verifier, everyMs, log }));
  }
  return tracer;
}

/** The work on a MESH mailbox, if there is one; its loads are those of any inbox. */
async function startMailbox(
  { configuration, log, add }: StartContext,
  { loader: store, anchor }: WorkerStore,
  kind: Dataset['kind'] | undefined,
  tracer: Parameters<typeof loadSettings>[1],
): Promise<Mesh | undefined> {
  const settings = await mailboxSettings(configuration, kind);
  if (settings === undefined) return undefined;
  const loads = loadSettings(configuration, tracer);
  const intake = inboxIntake(configuration, {
    using: (work) => work({ store, anchor }),
    loads,
    log,
  });
  const mesh = startMesh({ settings, intake, leases: store, log });
  add(() => mesh.stop());
  return mesh;
}

/** Records that wait to be traced, and numbers to be checked again, if they are traced in PDS. */
function startPds(
  { configuration, log, add }: StartContext,
  { loader: store, anchor, verifier }: Tools,
  tracer: Awaited<ReturnType<typeof startNumberTracing>>,
): PdsWork | undefined {
  if (!isPds(tracer)) return undefined;
  const work = startPdsWork({
    tracer,
    store,
    anchor,
    verifier,
    noticesDir: noticesFolder(configuration),
    acknowledgementsDir: acknowledgementsFolder(configuration),
    privacyOutbox: privacyOutbox(configuration),
    reverifyMs: configuration.PDS_REVERIFY_DAYS * DAY_MS,
    rememberMs: configuration.PDS_REMEMBER_DAYS * DAY_MS,
    lookEveryMs: configuration.REREAD_SECONDS * 1_000,
    log,
  });
  add(() => work.stop());
  return work;
}

/** Whether a change to the store was cut short and cannot be continued, as a check of `/_status`. */
function cutShortCheck({ opened, problem, detail }: StoreVerifier['state']): OwnCheck {
  const ok = !opened || !problem;
  return { name: 'store:cut-short', ok, detail: ok ? VERIFIER.nothingCutShort : detail };
}

/**
 * What keeps this worker from verifying a store that is open all the same, as a check of `/_status`. Other checks say
 * why a store is closed.
 */
function verifiedCheck(
  { opened, problem, detail }: StoreVerifier['state'],
  { open }: Readiness,
): OwnCheck {
  const ok = opened || !problem || !open;
  return { name: 'store:verified', ok, detail: ok ? VERIFIER.verifies : detail };
}

type WorkerDependencies = {
  /** The dataset's, as far as known. */
  kind: Dataset['kind'] | undefined;
  readiness: Readiness;
  admissionContext: AdmissionContext;
  /** The operating organisation's code; `undefined` if none is configured. */
  operator: () => string | undefined;
  baseOf: BaseOf;
};

/** Starts the rest of a worker's work, with what its routes need. */
export async function startWorker(
  start: StartContext,
  opened: WorkerStore,
  redis: RedisServer,
  dependencies: WorkerDependencies,
) {
  const { verifier, audit, witnessed, oneWorker } = opened;
  startDailyWork(start, opened);
  const tracer = await startNumberTracing(start, opened, dependencies.kind);
  const pds = startPds(start, opened, tracer);
  const notifying = await startNotifying(start, dependencies);
  const mesh = await startMailbox(start, opened, dependencies.kind, tracer);
  const forRoutes = await createWork(start, opened, dependencies, tracer, redis);
  const lists = watchAccessLists(redis.connect('worker', { unacknowledged: true }));
  start.add(() => lists.stop());
  const foreign = createForeignWrites(verifier, audit, lists);
  return {
    forRoutes,
    verifier,
    audit,
    witnessed,
    foreign,
    lists,
    notifications: notifying.notifications,
    mesh,
    checks: (): OwnCheck[] => [
      foreign.check(),
      cutShortCheck(verifier.state),
      verifiedCheck(verifier.state, dependencies.readiness),
      audit.check(),
      ...(witnessed === undefined ? [] : [witnessed.check()]),
      ...audit.copyChecks(),
      ...(oneWorker === undefined ? [] : [oneWorker.check()]),
      audit.alerting.check(),
      audit.unknownCheck(),
      ...(pds === undefined ? [] : [pds.check()]),
      ...notificationChecks(notifying),
      ...(mesh === undefined ? [] : [mesh.check()]),
    ],
  };
}
export type Worker = Awaited<ReturnType<typeof startWorker>>;
