import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { draws } from '#loaders/synthetic/random.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { type Acknowledgement, acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { sealedEvents, sealedRange } from '#service/audit/log/sealed.ts';
import { readKeys } from '#service/audit/seal/keys.ts';
import { makeSigner, parseSigner } from '#service/audit/tlog/note.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import { parseWitnesses } from '#service/audit/witness/witnesses-file.ts';
import { NotificationFile } from '#service/notifications/notification-file.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import type { RedisRole } from '#store/connection/embedded/data-folder.ts';
import { SINGLE_FIELD } from '#store/connection/single-mode.ts';
import { untilFree } from '#store/files/sqlite.ts';
import { keys } from '#store/keys.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { DURABILITY_FIELD } from '#store/trust/durability.ts';
import { REPLICAS_FIELD } from '#store/trust/replicas.ts';
import { officer } from '../support/authority.ts';
import { type Kept, keepRunning } from '../support/keep-running.ts';
import { type Machine, startMachines } from '../support/machines.ts';
import { root, run, environmentOf as withPath } from '../support/processes.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { day, testNumber } from '../support/rows.ts';
import { claims } from '../support/service.ts';
import { until, WAIT_MS } from '../support/test-store.ts';
import { START_MS } from '../support/until.ts';
import { fileCsv, type ModelRecord, person, planOf } from '../support/upload-model.ts';
import { startWitness, witnessesText } from '../support/witness.ts';
import { ask } from './ask.ts';

/**
 * A worker is killed and its disk emptied, at a moment drawn from a seed, while it seals, loads, holds a file or
 * notifies, or before each step of a purge in turn, by the command or by the worker itself. Or it stands still for longer than its lease. A second worker
 * stands by on another disk. With three machines for Redis, the primary or a replica is lost at the same time. In the
 * end everything answered, acknowledged or held is still there, and anything that has gone was purged and has its
 * event. The log has one history, which a witness outside has cosigned throughout, and authorities were notified of
 * every access.
 */

type LostDiskOptions = {
  seed: number;
  rounds: number;
  /** Settings of the second copy. By default it is in a folder of its own. */
  copy?: Record<string, string>;
  /** Only these steps, in turn. By default all that need no machines. */
  steps?: readonly Step[];
  /** A redis-server or valkey-server of another version, if there are machines. */
  binary?: string | undefined;
  say?: (line: string) => void;
};

const AUTHORITY = 'ZZ101';
const ROWS_A_FILE = 200;
const FIRST = 30;
const REMOVED = 20;
/** These rows take three calls, so that a purge can also be cut short between two calls. */
const ENDED_ROWS = 250;
const DAY_MS = 86_400_000;
const LONG_AGO_MS = 100 * DAY_MS;
/** The daily purge is due then. */
const PURGED_BEFORE_MS = 2 * DAY_MS;
/**
 * The steps before which a purge is cut short, in turn. How often the step has happened is drawn, and the last is after
 * its end.
 */
const PURGE_POINTS = [
  { name: 'journal', times: 1 },
  { name: 'copy', times: 12 },
  { name: 'mark', times: 1 },
  { name: 'authority', times: 1 },
  { name: 'rows', times: 3 },
  { name: 'event', times: 1 },
  { name: 'authority', from: 2, times: 1 },
  { name: 'anchor', times: 1 },
  { name: 'end', times: 1 },
];
const DEADLINE_MS = 20_000;
const ACKNOWLEDGED_WITHIN_MS = 120_000;
const PAGE = { most: 100, mostCharacters: 10_000_000 };
/** The steps that need machines for Redis come last. */
export const STEPS = [
  'seal',
  'load',
  'hold',
  'purge',
  'own purge',
  'notify',
  'pause',
  'primary too',
  'primary too, and a pause',
  'standby and a replica',
  'single mode',
] as const;
type Step = (typeof STEPS)[number];
const NEEDS_MACHINES: ReadonlySet<Step> = new Set(STEPS.slice(STEPS.indexOf('primary too')));
const WITHOUT_MACHINES = STEPS.filter((step) => !NEEDS_MACHINES.has(step));
const BEGINS_WITHIN_MS: Partial<Record<Step, number>> = { seal: 1_500, load: 600, notify: 1_500 };
/** Longer than a worker's report counts by itself. */
const WITHOUT_WORKER_MS = 4_000;

/** A worker's report, with the time when it was made in milliseconds. */
const reportSchema = z.object({ at: z.number() });
/** A file in the ledger, with the time when it arrived in milliseconds. */
const fileSchema = z.looseObject({ at: z.number() });
const purgeSchema = z.object({ rows: z.number() });

type Room = { dataDir: string; worker: Kept };

export async function runLostDisks(options: LostDiskOptions) {
  const { seed, rounds, steps = WITHOUT_MACHINES, binary, say = () => undefined } = options;
  const machines = steps.some((step) => NEEDS_MACHINES.has(step))
    ? await startMachines(binary === undefined ? {} : { binary })
    : undefined;
  const server = machines === undefined ? await startRedisServer() : undefined;
  const admin =
    server?.admin ??
    connectStore(machines?.addressOf('admin') ?? {}, {
      name: 'harness',
      commandTimeoutMs: WAIT_MS,
    });
  await whenReady(admin, WAIT_MS);
  const folder = await mkdtemp(join(tmpdir(), 'cpf-disks-'));
  const keyFile = join(folder, 'audit-key');
  const wrong: string[] = [];
  const { copy = { AUDIT_COPY: join(folder, 'copy') } } = options;
  mkdirSync(join(folder, 'copy'));
  const secret = makeSigner('cp-flags/test');
  writeFileSync(keyFile, `${secret}\n`, { mode: 0o600 });
  const logKey = parseSigner(secret)?.verifierKey;
  const witness = await startWitness(() => (logKey === undefined ? [] : [logKey]));
  const witnesses = witnessesText([witness], 1);
  writeFileSync(join(folder, 'witnesses'), witnesses);
  const environmentOf = (
    dataDir: string,
    role: 'worker' | 'lookup',
    user: RedisRole = role,
  ): Record<string, string> => ({
    DATA_DIR: dataDir,
    ROLE: role,
    ...(server === undefined ? machines?.settingsOf(user, folder) : { REDIS_URL: server.url }),
    AUDIT_KEY_FILE: keyFile,
    ...copy,
    AUDIT_WITNESSES: join(folder, 'witnesses'),
    NOTIFICATIONS_WINDOW_MINUTES: '0.01',
  });
  const rooms = ['a', 'b'].map((name) => join(folder, name));
  const [first = '', second = ''] = rooms;
  const command = (args: readonly string[], dataDir: string) =>
    run(args, environmentOf(dataDir, 'worker', 'admin'));
  const created = await command(['init', '--demo'], first);
  if (created.code !== 0) wrong.push(created.stderr);
  const phone = '02079460199';
  const added = ['authority', 'set', AUTHORITY, '--name', 'A Council', '--emergency'];
  const set = await command([...added, phone], first);
  if (set.code !== 0) wrong.push(set.stderr);

  const start = (dataDir: string): Room => ({
    dataDir,
    worker: keepRunning(environmentOf(dataDir, 'worker')),
  });
  let atWork = start(first);
  await until(
    () => atWork.worker.address() !== undefined,
    'the first worker to be at work',
    START_MS,
  );
  let standsBy = start(second);
  const ward = join(folder, 'ward');
  const lookup = keepRunning(environmentOf(ward, 'lookup'));
  await until(() => lookup.address() !== undefined, 'lookups', START_MS);
  const nurse = await (await openDemoIssuer(ward)).sign(claims(), 36_000);

  const answered: string[] = [];
  const shown = new Set<string>();
  const loaded: NhsNumber[] = [];
  /** Everybody whose row was ever loaded. */
  const everLoaded: NhsNumber[] = [];
  let sequence = 0;
  let purges = 0;
  let silence = 0;
  const silences = new Map<Step, number[]>();
  let under = 'before the first loss';
  const done = new AbortController();

  async function look(): Promise<void> {
    let answeredAt = performance.now();
    for (let i = 0; !done.signal.aborted; i++) {
      const nhsNumber = loaded[i % Math.max(1, loaded.length)] ?? testNumber(0);
      const isHeld = loaded.length > 0;
      try {
        const { auditId, outcome } = await ask(lookup.address(), nurse, nhsNumber, DEADLINE_MS);
        answered.push(auditId);
        silence = Math.max(silence, performance.now() - answeredAt);
        answeredAt = performance.now();
        if (outcome === 'flagged') shown.add(nhsNumber);
        else if (isHeld) wrong.push('"no flag" of a child with a plan');
      } catch {
        // The lookup could not be made.
      }
      await pause(10);
    }
  }

  /** Sends a file to whichever worker is running, until it is acknowledged. */
  async function send(records: ModelRecord[]): Promise<Acknowledgement> {
    sequence += 1;
    const body = fileCsv({ records });
    const createdAt = new Date().toISOString();
    const query = `?sequence=${sequence}&createdAt=${createdAt}&rowCount=${records.length}`;
    const giveUpAt = performance.now() + ACKNOWLEDGED_WITHIN_MS;
    while (!done.signal.aborted && performance.now() < giveUpAt) {
      try {
        const issuer = await openDemoIssuer(atWork.dataDir);
        const response = await fetch(`${atWork.worker.address()}/uploads${query}`, {
          method: 'POST',
          body,
          headers: {
            authorization: `Bearer ${await issuer.sign(officer(AUTHORITY), 600)}`,
            'content-type': 'text/csv',
            'x-request-id': randomUUID(),
          },
          signal: AbortSignal.timeout(DEADLINE_MS),
        });
        const answer: unknown = await response.json();
        if (response.status !== 200) throw new Error('not acknowledged');
        return acknowledgementSchema.parse(answer);
      } catch {
        await pause(50);
      }
    }
    throw new Error(`file ${sequence} was not acknowledged in time`);
  }

  async function sendPlans(
    count: number,
    dates: Parameters<typeof planOf>[1] = {},
  ): Promise<NhsNumber[]> {
    const from = 1_000 * (sequence + 1);
    const records = Array.from({ length: count }, (_, i) => planOf(from + i, dates));
    const { code } = await send(records);
    if (code !== 'CPF02') wrong.push(`a file was answered ${code}`);
    const numbers = records.map((_, i) => person(from + i).nhsNumber as NhsNumber);
    everLoaded.push(...numbers);
    return numbers;
  }

  async function load(count: number): Promise<void> {
    loaded.push(...(await sendPlans(count)));
  }

  /** Loads plans that ended long ago. All files so far are then dated as if they had come long ago. */
  async function loadEnded(): Promise<NhsNumber[]> {
    const ended = { startDate: day('2023-10-02'), endDate: day('2024-06-28') };
    const numbers = await sendPlans(ENDED_ROWS, ended);
    const files = await admin.hgetall(keys.files(AUTHORITY));
    for (const [name, text] of Object.entries(files)) {
      const entry = fileSchema.parse(JSON.parse(text));
      const aged = { ...entry, at: Math.min(entry.at, Date.now() - LONG_AGO_MS) };
      await admin.hset(keys.files(AUTHORITY), name, JSON.stringify(aged));
    }
    return numbers;
  }

  /**
   * Cuts a purge short and loses its disk. Afterwards everything it was to remove is still there, or none of it.
   *
   * @param own whether it is the worker's own daily purge
   */
  async function losePurge(draw: () => number, own: boolean): Promise<string> {
    const ended = await loadEnded();
    const point = PURGE_POINTS[(seed + purges++) % PURGE_POINTS.length] ?? { name: '', times: 1 };
    const nth = (point.from ?? 1) + Math.floor(draw() * point.times);
    const standby = standsBy.worker.pid();
    if (own) {
      // The worker at work is replaced by one that is killed, and the one that stands by must not come first.
      process.kill(standby, 'SIGSTOP');
      await atWork.worker.abandon();
      await withAnchor(anchorOf(atWork), (anchor) =>
        anchor.rememberPurgedAt(Date.now() - PURGED_BEFORE_MS),
      );
    }
    const script = join(root, 'tests', 'support', 'purge-and-die.ts');
    const child = spawn(process.execPath, [script, own ? 'serve' : 'purge', point.name, `${nth}`], {
      env: withPath(environmentOf(atWork.dataDir, 'worker', own ? 'worker' : 'admin')),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const closed = once(child, 'close') as Promise<[number | null]>;
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
    if (own) {
      const anchor = anchorOf(atWork);
      await until(() => hasEnded() || withAnchor(anchor, hasPurged), 'the purge of the worker');
      child.kill('SIGKILL');
    }
    const [code] = await closed;
    if (code !== null && code !== 0) wrong.push(`not purged: ${errors}`);
    if (own) process.kill(standby, 'SIGCONT');
    await loseDisk();
    // The next worker purges too, unless the council is still locked by the lost one.
    const hasTried = (anchor: Anchor) =>
      !own || hasPurged(anchor) || atWork.worker.errors().includes('The daily purge failed');
    await until(
      () =>
        withAnchor(
          anchorOf(atWork),
          (anchor) => anchor.loadsInProgress().length === 0 && hasTried(anchor),
        ),
      // The lock of the killed purge lasts for half a minute.
      'the purge to be finished',
      START_MS,
    );
    const left = await heldOf(ended);
    if (left.length > 0 && left.length < ended.length) wrong.push('a purge was not finished');
    wrong.push(...(await differences()));
    if (left.length > 0) {
      const again = await command(['purge'], atWork.dataDir);
      if (again.code !== 0) wrong.push(`not purged: ${again.stderr}`);
      if ((await heldOf(ended)).length > 0) wrong.push('what is over stayed');
    }
    const when = code === null ? 'before' : 'after';
    return `${when} ${point.name} ${nth}, ${left.length} rows left`;
  }

  /** Those of these numbers that have a row. */
  async function heldOf(numbers: readonly NhsNumber[]): Promise<NhsNumber[]> {
    const rows = await withAnchor(anchorOf(atWork), (anchor) =>
      createStore(admin, anchor).readRows(numbers),
    );
    return numbers.filter((number) => (rows.get(number) ?? []).length > 0);
  }

  /** The differences between what Redis holds and what the running worker knows. */
  async function differences(): Promise<string[]> {
    const [held, anchored] = await withAnchor(anchorOf(atWork), async (anchor) => [
      (await createStore(admin, anchor).tallyWithGenerations()).tallies.get(AUTHORITY),
      anchor.authority(AUTHORITY),
    ]);
    const isSame = held?.rows === anchored?.rows && held?.digest === anchored?.digest;
    return isSame ? [] : ['Redis holds other rows than were acknowledged'];
  }

  /** Loses the worker's machine with its disk. From then on another machine stands by. */
  async function loseDisk(): Promise<void> {
    const lost = atWork;
    await lost.worker.abandon();
    rmSync(lost.dataDir, { recursive: true, force: true });
    atWork = standsBy;
    await until(
      () => atWork.worker.address() !== undefined,
      'the second worker to take over',
      START_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${atWork.worker.errors()}`);
    });
    standsBy = start(lost.dataDir);
  }

  /** Pauses the worker until another has taken over, and then lets it continue. It must find its successor and end. */
  async function standStill(): Promise<void> {
    const [still, pid] = [atWork, atWork.worker.pid()];
    process.kill(pid, 'SIGSTOP');
    try {
      atWork = standsBy;
      await until(
        () => atWork.worker.address() !== undefined,
        'the second worker to take over',
        START_MS,
      );
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    standsBy = still;
    await until(() => still.worker.pid() !== pid, 'the first worker to end');
    if (!still.worker.errors().includes('Another worker has taken over')) {
      wrong.push('the first worker did not say that another one has taken over');
    }
  }

  /** Kills the machine of Redis's primary, with everything it says about the worker, and then brings it back. */
  async function losePrimary(ofWorker: () => Promise<void>): Promise<void> {
    const primary = await machines?.primary();
    if (primary === undefined) throw new Error('there are no machines');
    const { redis, sentinel } = primary;
    await Promise.all([redis.kill(), sentinel.kill(), ofWorker()]);
    redis.start();
    sentinel.start();
  }

  /** Losing the standby worker or a replica makes no difference, even if the worker is lost after them. */
  async function loseStandby(): Promise<void> {
    const replica = await replicaOf();
    await Promise.all([standsBy.worker.abandon(), replica.redis.kill()]);
    rmSync(standsBy.dataDir, { recursive: true, force: true });
    await atWork.worker.abandon();
    await pause(WITHOUT_WORKER_MS);
    const from = answered.length;
    await until(() => answered.length > from + 5, 'lookups without a worker');
    atWork = start(atWork.dataDir);
    await until(() => atWork.worker.address() !== undefined, 'the worker to be back', START_MS);
    standsBy = start(standsBy.dataDir);
    replica.redis.start();
  }

  /** Loses both replicas. Lookups continue by order, and then the worker is lost. */
  async function loseInSingleMode(): Promise<void> {
    const primary = await machines?.primary();
    const replicas = machines?.machines.filter(({ place }) => place !== primary?.place) ?? [];
    await Promise.all(replicas.map(({ redis }) => redis.kill()));
    const named = ['--by', 'A. Example', '--reason', 'both replicas are lost'];
    const ordered = await command(['replicas', 'single', ...named], atWork.dataDir);
    if (ordered.code !== 0) wrong.push(`not ordered: ${ordered.stdout}${ordered.stderr}`);
    const from = answered.length;
    await until(() => answered.length > from + 5, 'lookups in single mode');
    await loseDisk();
    for (const { redis } of replicas) redis.start();
    await until(
      async () => (await admin.hget(keys.dataset, SINGLE_FIELD).catch(() => null)) === '',
      'single mode to end',
    );
    await until(
      () => withAnchor(anchorOf(atWork), (anchor) => !anchor.single()),
      'the replicas to have everything that was answered in it',
    );
  }

  async function replicaOf(): Promise<Machine> {
    const primary = await machines?.primary();
    const replica = machines?.machines.find(({ place }) => place !== primary?.place);
    if (replica === undefined) throw new Error('there is no replica');
    return replica;
  }

  /** Checks that everything that can be lost is there. */
  async function isWhole(): Promise<void> {
    if (machines === undefined) return;
    await until(machines.inStep, 'the replicas to be in step');
    await until(machines.knowEachOther, 'the sentinels to know each other');
    const since = Date.now();
    await until(async () => {
      const fields = await admin
        .hmget(keys.dataset, DURABILITY_FIELD, REPLICAS_FIELD)
        .catch(() => [null]);
      return fields.every((text) => reportSchema.parse(JSON.parse(text ?? '{"at":0}')).at > since);
    }, 'the worker to report on them');
  }

  async function releaseHeld(): Promise<void> {
    const named = ['--by', 'A. Example', '--reason', 'asked the council'];
    const id = `${AUTHORITY}-${sequence}`;
    const released = await command(['release', id, ...named], atWork.dataDir);
    if (released.code !== 0) wrong.push(`not released: ${released.stdout}${released.stderr}`);
  }

  async function round(number: number): Promise<void> {
    const draw = draws(seed, number);
    const step = steps[number % steps.length] ?? 'seal';
    const inMs = draw() * (BEGINS_WITHIN_MS[step] ?? 0);
    let where = `after ${Math.round(inMs)} ms`;
    silence = 0;
    let under: Promise<void> = Promise.resolve();
    if (step === 'load') under = load(ROWS_A_FILE);
    // If the round ends earlier, that is the error to report.
    under.catch(() => undefined);
    if (step === 'hold') {
      const gone = loaded.splice(0, Math.max(REMOVED, Math.ceil(loaded.length / 3)));
      const records = gone.map((nhsNumber): ModelRecord => {
        const record = planOf(0, { deleteDate: day('2026-09-15') });
        return { ...record, child: person(0, { nhsNumber }) };
      });
      const { held } = await send(records);
      if (held === undefined) wrong.push('nothing was held');
    }
    await pause(inMs);
    if (step === 'pause') await standStill();
    else if (step === 'primary too') await losePrimary(loseDisk);
    else if (step === 'primary too, and a pause') await losePrimary(standStill);
    else if (step === 'standby and a replica') await loseStandby();
    else if (step === 'single mode') await loseInSingleMode();
    else if (step === 'purge') where = await losePurge(draw, false);
    else if (step === 'own purge') where = await losePurge(draw, true);
    else await loseDisk();
    await under;
    if (step === 'hold') await releaseHeld();
    const before = answered.length;
    await until(() => answered.length > before + 5, 'lookups to be answered again');
    silences.set(step, [...(silences.get(step) ?? []), silence]);
    await isWhole();
    say(
      `${number}: ${step} ${where}; ${Math.round(silence)} ms without an answer; ${answered.length} answered, file ${sequence}`,
    );
  }

  let looking: Promise<void> | undefined;
  try {
    await load(FIRST);
    looking = look();
    for (let number = 0; number < rounds; number++) {
      under = `${number}: ${steps[number % steps.length]}`;
      await round(number);
    }
    done.abort();
    await looking;
    await compare();
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : 'unknown';
    const workers = [atWork, standsBy].map(({ worker }) => worker.errors());
    const servers = (await machines?.describe()) ?? '';
    wrong.push([under, message, servers, lookup.errors(), ...workers].join('\n'));
  } finally {
    done.abort();
    await looking;
    await Promise.all([lookup.stop(), standsBy.worker.stop()]);
    await atWork.worker.stop();
    admin.disconnect();
    await server?.stop();
    await machines?.stop();
    await witness.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return { wrong, answered: answered.length, silences };

  /** Checks that the remaining worker has everything. */
  async function compare(): Promise<void> {
    const log = join(atWork.dataDir, 'audit');
    const streams = createAuditStreams(admin);
    await until(async () => {
      const sealed = sealedRange(log)?.numbers ?? [];
      const numbers = await streams.numbers().catch(() => [Number.POSITIVE_INFINITY]);
      return numbers.every((n, stream) => n <= (sealed[stream] ?? 0));
    }, 'events to be sealed');
    const times = new Map<string, number>();
    const purged = new Map<string, number>();
    for await (const { event } of sealedEvents(log, 0)) {
      if (event.type === 'purge') purged.set(event.auditId, purgeSchema.parse(event.detail).rows);
      if (event.type === 'lookup') times.set(event.auditId, (times.get(event.auditId) ?? 0) + 1);
    }
    const absent = answered.filter((id) => !times.has(id));
    if (absent.length > 0) wrong.push(`${absent.length} answers have no event`);
    if ([...times.values()].some((count) => count > 1)) wrong.push('an event is there twice');
    wrong.push(
      ...(CommitFile.lookIfThere(log, (commits) => commits.contradictions()) ?? []).map(
        ({ name }) => `${name} contradicts`,
      ),
    );
    const parsed = parseWitnesses(witnesses);
    const signers = await readKeys(keyFile);
    // An event sealed meanwhile is cosigned a moment later.
    await until(async () => {
      const { findings } = await verifyLog({
        folder: log,
        keys: signers.map(({ verifierKey }) => verifierKey),
        witnesses: parsed.kind === 'witnesses' ? parsed.witnesses : undefined,
      });
      if (findings.some(({ kind }) => kind === 'not-witnessed')) return false;
      wrong.push(...findings.map(({ detail }) => detail));
      return true;
    }, 'the witness to cosign all');

    wrong.push(...(await differences()));
    const lost = loaded.length - (await heldOf(loaded)).length;
    if (lost > 0) wrong.push(`${lost} plans that are to be shown are gone`);
    const gone = everLoaded.length - (await heldOf(everLoaded)).length;
    const recorded = [...purged.values()].reduce((sum, rows) => sum + rows, 0);
    if (gone !== recorded) wrong.push(`${gone} rows are gone, and events say ${recorded}`);

    await until(async () => {
      // The worker may be writing them, which the service's own readers wait for too.
      const told = await untilFree(() => notified(log));
      return [...shown].every((number) => told.has(number));
    }, 'every access to be notified');
  }
}

async function withAnchor<T>(folder: string, work: (anchor: Anchor) => T | Promise<T>): Promise<T> {
  const anchor = Anchor.open(folder);
  try {
    return await work(anchor);
  } finally {
    anchor.close();
  }
}

/** Where a worker's anchor is. */
const anchorOf = ({ dataDir }: Pick<Room, 'dataDir'>): string => join(dataDir, 'anchor');

/** Whether the daily purge is not due. */
const hasPurged = (anchor: Anchor): boolean => Date.now() - anchor.lastPurgedAt() < DAY_MS;

const notified = (log: string): Set<string> =>
  NotificationFile.read(log, (file) => {
    const found = new Set<string>();
    for (let after: string | undefined = ''; after !== undefined; ) {
      const { notifications } = file.page(AUTHORITY, after, PAGE);
      for (const { entries } of notifications) {
        for (const { nhsNumber } of entries) found.add(nhsNumber);
      }
      after = notifications.at(-1)?.id;
    }
    return found;
  }) ?? new Set();
