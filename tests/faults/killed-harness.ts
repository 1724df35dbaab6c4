import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { draws, one } from '#loaders/synthetic/random.ts';
import type { CalendarDate } from '#schemas/calendar.ts';
import { createCommits } from '#service/audit/copy/commits.ts';
import { folderPlace } from '#service/audit/copy/folder-place.ts';
import { sealedEvents } from '#service/audit/log/sealed.ts';
import { followCopy } from '#service/audit/seal/follow-copy.ts';
import { readKeys } from '#service/audit/seal/keys.ts';
import { searchAudit } from '#service/audit/search/search.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import { keys } from '#store/keys.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { lookAtPromotion } from '#store/trust/confirm.ts';
import { orderSingleMode, replicasNow } from '#store/trust/replica-orders.ts';
import { startStoreVerifier } from '#store/trust/verifier.ts';
import { CLI, root } from '../support/processes.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { testNumber } from '../support/rows.ts';
import { fill } from '../support/service.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../support/test-store.ts';
import { ods } from '../support/upload-loading.ts';

/**
 * A purge, the pruning of the audit log with its second copy and its index, and a named person's acts about replicas are
 * killed at a system call drawn from a seed, and done again. Nothing is lost or doubled, and in the end it is as if nobody had killed them.
 */

type KilledOptions = { seed: number; points: number; say?: (line: string) => void };

/** By these a process changes files, or asks Redis to change something. */
const CALLS = [
  'write',
  'pwrite64',
  'fsync',
  'fdatasync',
  'ftruncate',
  'rename',
  'link',
  'unlink',
  'writev',
];
type Kill = { call: string; nth: number };
type Ended = { code: number | null; stdout: string; stderr: string };

const DAY_MS = 86_400_000;
/** Longer than a late file is waited for. */
const LONG_AGO_MS = 100 * DAY_MS;
/** Longer than the year for which the log is kept. */
const OLD_MS = 400 * DAY_MS;
const OLD_EVENTS = 600;
const NEW_EVENTS = 30;
const STREAMS = [1, 2, 3] as const;
/** Whole bundles of 256 of the old events. */
const PRUNED_EVENTS = 512;
const OVER = 30;
const KEPT = 10;

const pruneAndDie = join(root, 'tests', 'support', 'prune-and-die.ts');

/** Whether processes can be traced here. */
export const canTrace = (): boolean =>
  spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;

/** Runs a program under strace. */
async function run(
  args: readonly string[],
  {
    env = {},
    input = '',
    strace,
  }: { env?: Record<string, string>; input?: string; strace: string[] },
): Promise<Ended> {
  const child = spawn('strace', ['-f', '-qq', ...strace, process.execPath, ...args], {
    env: { PATH: process.env['PATH'], NODE_DISABLE_COMPILE_CACHE: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined).end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

const whole = (log: string): string[] => ['-e', `trace=${CALLS.join()}`, '-o', log];
const killed = ({ call, nth }: Kill): string[] => [
  '-e',
  `trace=${call}`,
  '-e',
  `inject=${call}:signal=KILL:when=${nth}`,
  '-o',
  '/dev/null',
];

const UNTRACED = ['-e', 'trace=none', '-o', '/dev/null'];

/** How often each call was made. */
function counted(log: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [, name = ''] of readFileSync(log, 'utf8').matchAll(/^[0-9]+ +(\w+)\(/gm)) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

type Place = { dataDir: string; stop: () => Promise<void> };

/** Work on a store: prepared, done by a program that may be killed, and checked. */
type Work<T extends Place> = {
  prepare: () => Promise<T>;
  program: (t: T) => { args: string[]; env?: Record<string, string>; input?: string };
  /** What the next attempt would have to wait for. */
  unlock?: (t: T) => Promise<unknown>;
  /** Whether there is nothing left to do. */
  isDone: (t: T) => Promise<boolean>;
  /** What is wrong once it has been done again. */
  check: (t: T, again: Ended, wasDone: boolean) => Promise<string[]>;
};

const AUTHORITY = ods('ZZ101');
const NUMBERS = Array.from({ length: OVER + KEPT }, (_, n) => testNumber(n));
async function heldRows({ store }: TestStore): Promise<string[]> {
  const rows = await store.readRows(NUMBERS);
  return NUMBERS.filter((number) => (rows.get(number) ?? []).length > 0);
}

const purging: Work<TestStore> = {
  async prepare() {
    const t = await startTestStore({ kind: 'demo' });
    const rows = NUMBERS.map((nhsNumber, n) => ({
      nhsNumber,
      startDate: '2020-01-06' as CalendarDate,
      ...(n < OVER && { endDate: '2022-01-06' as CalendarDate }),
    }));
    await fill(t.store, t.anchor, { code: AUTHORITY, rows });
    for (const [name, file] of Object.entries(await t.admin.hgetall(keys.files(AUTHORITY)))) {
      const aged = { ...z.looseObject({}).parse(JSON.parse(file)), at: Date.now() - LONG_AGO_MS };
      await t.admin.hset(keys.files(AUTHORITY), name, JSON.stringify(aged));
    }
    return t;
  },
  program: ({ dataDir }) => ({ args: [CLI, 'purge'], env: { DATA_DIR: dataDir } }),
  unlock: (t) => t.admin.del(keys.lock(AUTHORITY)),
  isDone: async (t) =>
    t.anchor.loadsInProgress().length === 0 && (await heldRows(t)).length === KEPT,
  async check(t, again, wasDone) {
    if (again.code !== 0) return [again.stderr];
    const wrong: string[] = [];
    const left = await heldRows(t);
    if (left.join() !== NUMBERS.slice(OVER).join()) wrong.push(`${left.length} rows are left`);
    const tally = (await t.store.tally()).get(AUTHORITY);
    const { rows: count, digest } = t.anchor.authority(AUTHORITY) ?? {};
    if (count !== KEPT || digest !== tally?.digest) wrong.push('the anchor knows other rows');
    if (t.anchor.loadsInProgress().length > 0) wrong.push('a purge is not finished');
    const events = (await t.adminStore.readEvents('system')).flatMap((event) =>
      event.type === 'purge' ? [JSON.stringify([event.auditId, event.detail['rows']])] : [],
    );
    // Recorded again with the same id if it may not have been.
    if (new Set(events).size !== 1 || !events[0]?.includes(`,${OVER}]`)) {
      wrong.push(`recorded: ${events.join(' ')}`);
    }
    const said = wasDone ? 'No row was removed.' : `${AUTHORITY}: ${OVER} rows removed`;
    if (again.stdout.trim() !== said) wrong.push(`said: ${again.stdout}`);
    return wrong;
  },
};

async function record(t: TestStore, count: number, at: number): Promise<void> {
  const pipeline = t.admin.pipeline();
  for (let i = 0; i < count; i++) {
    const event = { type: 'not-delivered', auditId: crypto.randomUUID(), nhsNumber: testNumber(1) };
    const stream = keys.audit(one(() => i / count, STREAMS));
    pipeline.xadd(stream, '0-*', 'event', JSON.stringify(event), 'at', String(at));
  }
  await pipeline.exec();
}

/** Makes the events of the dataset's creation as old as the others. */
async function makeOld(t: TestStore, at: number): Promise<void> {
  const stream = keys.audit('system');
  const entries = await t.admin.xrange(stream, '-', '+');
  await t.admin.del(stream);
  for (const [id, fields] of entries) {
    await t.admin.xadd(stream, id, ...fields.with(fields.indexOf('at') + 1, String(at)));
  }
}

const address = ({ server }: TestStore): string =>
  JSON.stringify({ socketPath: server.socketPath, ...server.users.worker });
const pruning: Work<TestStore> = {
  async prepare() {
    const t = await startTestStore();
    mkdirSync(join(t.dataDir, 'copy'));
    await t.adminStore.createDataset('demo', 'test');
    await makeOld(t, Date.now() - OLD_MS);
    await record(t, OLD_EVENTS, Date.now() - OLD_MS);
    const first = await run([pruneAndDie, t.dataDir, t.anchor.dataset()?.id ?? '', '26'], {
      input: address(t),
      strace: UNTRACED,
    });
    if (first.code !== 0) throw new Error(first.stderr);
    await record(t, NEW_EVENTS, Date.now());
    return t;
  },
  isDone: () => Promise.resolve(false),
  program: (t) => ({
    args: [pruneAndDie, t.dataDir, t.anchor.dataset()?.id ?? '', '1'],
    input: address(t),
  }),
  async check(t, again) {
    if (again.code !== 0) return [again.stderr];
    const wrong: string[] = [];
    const folder = join(t.dataDir, 'audit');
    const keyFile = join(t.dataDir, 'audit-key');
    const { start, behind, told } = z
      .object({ start: z.number(), behind: z.number().optional(), told: z.string() })
      .parse(JSON.parse(again.stdout));
    if (start !== PRUNED_EVENTS) wrong.push(`it begins at ${start}: ${told}`);
    if (behind !== 0) wrong.push(`the index is ${behind} behind`);
    const verifiers = (await readKeys(keyFile)).map(({ verifierKey }) => verifierKey);
    const copied = join(t.dataDir, 'copied');
    const commits = createCommits(folderPlace(join(t.dataDir, 'copy'), WAIT_MS));
    await followCopy({ folder: copied, keyFile }, commits);
    const logs: string[] = [];
    for (const each of [folder, copied]) {
      const { findings } = await verifyLog({ folder: each, keys: verifiers, waitMs: 0 });
      for (const { detail } of findings)
        wrong.push(`${each === copied ? 'the copy' : 'the log'}: ${detail}`);
      const numbers = new Map<number | string, number[]>();
      const ids: string[] = [];
      for await (const { event, index } of sealedEvents(each, 0)) {
        const { partition, number } = event;
        numbers.set(partition, [...(numbers.get(partition) ?? []), number]);
        ids.push(`${index} ${'auditId' in event ? event.auditId : ''}`);
      }
      for (const [partition, held] of numbers) {
        const [from = 0] = held;
        if (held.some((number, i) => number !== from + i)) wrong.push(`gaps in ${partition}`);
      }
      logs.push(ids.join());
    }
    if (logs[0] !== logs[1]) wrong.push('the copy has other events than the log');
    const sealed = logs[0]?.split(',').length ?? 0;
    const events = sealed - (OLD_EVENTS + NEW_EVENTS - PRUNED_EVENTS);
    const found = searchAudit(
      { folder, indexFile: join(t.dataDir, 'index') },
      {},
      { kind: 'all' },
      { limit: 10 * OLD_EVENTS },
    );
    if (found.events.length !== sealed) wrong.push(`${found.events.length} of ${sealed} are found`);
    if (events < 1) wrong.push(`${-events} events are missing`);
    for (const stream of [...STREAMS, 'system' as const]) {
      const waiting = await t.admin.xlen(keys.audit(stream));
      if (waiting > 0) wrong.push(`${waiting} events wait in ${stream}`);
    }
    return wrong;
  },
};

const NAMED = ['--by', 'A. Example', '--reason', 'test'];

/** A primary and a replica, with the data folder of the worker. */
async function startPair() {
  const dataDir = await mkdtemp(join(tmpdir(), 'cpf-pair-'));
  const anchor = Anchor.open(join(dataDir, 'anchor'));
  const [first, second] = await Promise.all([startRedisServer(), startRedisServer()]);
  await createStore(first.admin, anchor).createDataset('live', 'test');
  const opened = async (server: typeof first): Promise<void> => {
    const verifier = startStoreVerifier(server.connect(), anchor, {
      resume: () => Promise.reject(new Error('nothing to resume is expected here')),
    });
    try {
      await until(() => verifier.state.opened, 'the store to open');
    } finally {
      await verifier.stop();
    }
  };
  await opened(first);
  return {
    dataDir,
    anchor,
    first,
    second,
    opened,
    events: async (server: typeof first) =>
      (await createStore(server.admin, anchor).readEvents('system')).map(({ type }) => type),
    async stop() {
      await Promise.all([first.stop(), second.stop()]);
      anchor.close();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
type Pair = Awaited<ReturnType<typeof startPair>>;

const orders = (act: 'single' | 'require', isSingle: boolean): Work<Pair> => ({
  async prepare() {
    const t = await startPair();
    if (act === 'require') {
      await orderSingleMode(t.first.admin, t.anchor, 1, { by: 'A. Example', reason: 'test' });
      await t.second.replicate(t.first);
    }
    return t;
  },
  program: ({ dataDir, first }) => ({
    args: [CLI, 'replicas', act, ...NAMED],
    env: { DATA_DIR: dataDir, REDIS_URL: first.url, REDIS_REPLICAS: '1' },
  }),
  isDone: async ({ first }) => (await replicasNow(first.admin)).isSingle === isSingle,
  async check(t, again, wasDone) {
    const wrong: string[] = [];
    if (again.code !== (wasDone ? 1 : 0)) wrong.push(`said: ${again.stdout}${again.stderr}`);
    if ((await replicasNow(t.first.admin)).isSingle !== isSingle) wrong.push('it is not in force');
    if (isSingle && !t.anchor.single()) wrong.push('the anchor does not know of the order');
    const last = (await t.events(t.first)).findLast((type) => type.startsWith('single-mode'));
    if (last !== (isSingle ? 'single-mode-ordered' : 'single-mode-ended')) {
      wrong.push(`recorded last: ${last}`);
    }
    return wrong;
  },
});

const MISSING = 1_500;
const STREAM = 7;
const promotion: Work<Pair> = {
  async prepare() {
    const t = await startPair();
    await t.second.replicate(t.first);
    const known = t.anchor.auditNumbers();
    known[STREAM] = MISSING;
    known[known.length - 1] = (await t.events(t.first)).length + 2;
    await t.second.promote();
    await t.first.kill();
    t.anchor.rememberAuditNumbers(known);
    return t;
  },
  program: ({ dataDir, second }) => ({
    args: [CLI, 'confirm', 'promotion', ...NAMED],
    env: { DATA_DIR: dataDir, REDIS_URL: second.url },
  }),
  isDone: async (t) => (await lookAtPromotion(t.second.admin, t.anchor, [])).kind === 'known',
  async check(t, again, wasDone) {
    const wrong: string[] = [];
    if (again.code !== (wasDone ? 1 : 0)) wrong.push(`said: ${again.stdout}${again.stderr}`);
    const filled = await t.second.admin.xlen(keys.audit(STREAM));
    if (filled !== MISSING) wrong.push(`${filled} of ${MISSING} events are replaced`);
    const events = (await createStore(t.second.admin, t.anchor).readEvents('system')).flatMap(
      (event) => (event.type === 'promotion-confirmed' ? [event.detail['missing']] : []),
    );
    if (events.length === 0 || events.some((missing) => missing !== MISSING + 2)) {
      wrong.push(`recorded as missing: ${events.join()}`);
    }
    await t.opened(t.second).catch((error: unknown) => wrong.push(String(error)));
    return wrong;
  },
};

/** Kills one kind of work at calls of its program, and does it again. */
async function killAtCalls<T extends Place>(
  name: string,
  work: Work<T>,
  { seed, points, say = () => undefined }: KilledOptions,
): Promise<string[]> {
  const wrong: string[] = [];
  const draw = draws(seed, ...Buffer.from(name));
  let counts = new Map<string, number>();
  let kills = 0;
  // The first is not killed: its calls are counted.
  for (let round = 0; round <= points; round++) {
    const t = await work.prepare();
    try {
      const { args, ...how } = work.program(t);
      const log = join(t.dataDir, 'strace.log');
      const [first = 'write', ...others] = counts.keys();
      const call = one(draw, [first, ...others]);
      const kill = { call, nth: 1 + Math.floor(draw() * (counts.get(call) ?? 1)) };
      const strace = round === 0 ? whole(log) : killed(kill);
      const done = await run(args, { ...how, strace });
      if (round === 0) counts = counted(log);
      const isKilled = done.code === null || done.code > 128;
      if (isKilled) {
        kills++;
        await work.unlock?.(t);
      }
      const wasDone = await work.isDone(t);
      const again = await run(args, { ...how, strace: UNTRACED });
      const found = await work.check(t, again, wasDone);
      if (!isKilled && done.code !== 0) found.push(done.stderr);
      const where = isKilled ? `killed at ${call} ${kill.nth}` : 'not killed';
      wrong.push(...found.map((each) => `${name} ${round}, ${where}: ${each}`));
    } finally {
      await t.stop();
    }
  }
  const calls = [...counts].map(([call, count]) => `${count} ${call}`).join(', ');
  say(`${name}: killed ${kills} times in ${points}, at one of ${calls}`);
  return wrong;
}

/** What is wrong in the end. Empty if all is well. */
export const runKills = async (options: KilledOptions): Promise<string[]> => [
  ...(await killAtCalls('purge', purging, options)),
  ...(await killAtCalls('prune', pruning, options)),
  ...(await killAtCalls('replicas single', orders('single', true), options)),
  ...(await killAtCalls('replicas require', orders('require', false), options)),
  ...(await killAtCalls('confirm promotion', promotion, options)),
];
