import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { draws, one } from '#loaders/synthetic/random.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { ENTRY_HOURS } from '#schemas/notification.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { sealedEvents, sealedRange } from '#service/audit/log/sealed.ts';
import { readKeys } from '#service/audit/seal/keys.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import { NotificationFile } from '#service/notifications/notification-file.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { untilFree } from '#store/files/sqlite.ts';
import { keepRunning } from '../support/keep-running.ts';
import { outboxOf } from '../support/notification.ts';
import { startProxy } from '../support/proxy.ts';
import { testNumber } from '../support/rows.ts';
import { claims, fill } from '../support/service.ts';
import { startTestStore, until, WAIT_MS } from '../support/test-store.ts';
import { CLOCK_RIGHT, canTurnClocks, clockFrom } from '../support/turned-clock.ts';

/**
 * Lookups continue while the workers, the lookup process and Redis are killed, stopped and left without disk space, and
 * connections to Redis go silent, in mixes and at moments drawn from a seed. Afterwards every answered lookup is in the
 * sealed log once, and the authority of every plan shown was notified.
 */

type AuditFaultOptions = { seed: number; points: number; say?: (line: string) => void };

const NAMES = ['worker', 'other worker', 'lookup', 'redis'] as const;
type Name = (typeof NAMES)[number];
const ACTS = ['killed', 'stopped', 'without disk', 'an hour back'] as const;
type Act = (typeof ACTS)[number];
type Fault = { name: Name; act: Act; afterMs: number; forMs: number };

const WAYS = ['worker', 'other worker', 'lookup'] as const;
/** A connection stays open and forwards nothing, in one direction or both, or delivers its next answer twice. */
const WAY_ACTS = ['mute', 'mute there', 'mute back', 'answers twice'] as const;
type WayFault = {
  name: (typeof WAYS)[number];
  act: (typeof WAY_ACTS)[number];
  afterMs: number;
  /** For how long new connections are silent too. Existing ones stay silent. */
  newOnesForMs: number;
};
const WAYS_FAIL = 0.25;

const FAULTS_AT_MOST = 3;
const WITHIN_MS = 400;
/** Longer than sealing takes, and longer than a lookup waits. */
const LASTS_AT_MOST_MS = 1_200;
const LOOKERS = 4;
const USERS = 25;
const AUTHORITY = 'ZZ101';
/** Shorter than most faults last. */
const WINDOW_MINUTES = '0.01';
const LOOKUP_DEADLINE_MS = 5_000;
const RECOVERS_WITHIN_MS = 2 * WAIT_MS;
/** Anything that the log writes is larger than this. What SQLite writes to the first page of a file is not. */
const FILE_BYTES_WITHOUT_DISK = 4_096;

const CHILDREN = Array.from({ length: 20 }, (_, i) => testNumber(i));
const OTHERS = Array.from({ length: 200 }, (_, i) => testNumber(5_000 + i));

const AN_HOUR_BACK = '-1h';

/** A soft limit on the size of files that a process writes, so that the disk looks full for all but small files. */
function limitFiles(pid: number, bytes: number | 'unlimited'): void {
  spawnSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
}
const canLimitFiles = spawnSync('prlimit', ['--version']).status === 0;

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has been killed meanwhile.
  }
}

/** What is wrong in the end. Empty if all is well. */
export async function runAuditFaults(options: AuditFaultOptions): Promise<string[]> {
  const { seed, points, say = () => undefined } = options;
  const { draw, below } = seededDraws(seed);
  const store = await startTestStore({ maxmemoryMb: 512 });
  const { dataDir, server } = store;
  const folder = join(dataDir, 'audit');
  await store.adminStore.createDataset('demo', 'test');
  await fill(store.store, store.anchor, {
    code: AUTHORITY,
    rows: CHILDREN.map((nhsNumber) => ({ nhsNumber })),
  });
  const { username, password } = server.users.admin;
  const ways = {
    worker: await startProxy(server.socketPath),
    'other worker': await startProxy(server.socketPath),
    lookup: await startProxy(server.socketPath),
  };
  const environmentOf = (name: keyof typeof ways) => ({
    DATA_DIR: dataDir,
    REDIS_URL: `redis://${username}:${encodeURIComponent(password)}@127.0.0.1:${ways[name].port}`,
  });
  const clockOf = (name: string): string => join(dataDir, `clock of the ${name}`);
  const worker = (name: 'worker' | 'other worker') => {
    writeFileSync(clockOf(name), CLOCK_RIGHT);
    return keepRunning({
      ...environmentOf(name),
      ROLE: 'worker',
      NOTIFICATIONS_WINDOW_MINUTES: WINDOW_MINUTES,
      ...clockFrom(clockOf(name)),
    });
  };
  const processes = {
    worker: worker('worker'),
    'other worker': worker('other worker'),
    lookup: keepRunning({ ...environmentOf('lookup'), ROLE: 'lookup' }),
  };
  const pidOf = (name: Name): number => (name === 'redis' ? server.pid : processes[name].pid());

  const issuer = await openDemoIssuer(dataDir);
  const tokens = await Promise.all(
    Array.from({ length: USERS }, (_, user) =>
      issuer.sign(claims({ sub: `nurse-${user}` }), 3_600),
    ),
  );
  const answered: string[] = [];
  let refused = 0;
  const done = new AbortController();

  async function look(): Promise<void> {
    const numbers = [...CHILDREN, ...OTHERS];
    // Each child is asked about until there is an answer. Otherwise a slow machine would be past the first children
    // before it gave its first answer.
    let child = 0;
    for (let i = 0; !done.signal.aborted; i++) {
      const address = processes.lookup.address();
      try {
        if (address === undefined) throw new Error('not there');
        const response = await fetch(`${address}/lookup`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${tokens[(i * i + Math.floor(i / USERS)) % USERS]}`,
            'content-type': 'application/json',
            'x-request-id': randomUUID(),
          },
          body: JSON.stringify({ nhsNumber: numbers[child % numbers.length] }),
          signal: AbortSignal.timeout(LOOKUP_DEADLINE_MS),
        });
        const body: unknown = await response.json();
        if (response.status !== 200) throw new Error('not answered');
        answered.push(lookupAnswerSchema.parse(body).auditId);
        child++;
      } catch {
        refused++;
        await pause(20);
      }
    }
  }

  async function untilAnswered(): Promise<void> {
    const before = answered.length;
    const giveUpAt = performance.now() + RECOVERS_WITHIN_MS;
    while (answered.length < before + LOOKERS * 2) {
      if (performance.now() > giveUpAt) {
        const said = Object.values(processes).map((one) => one.errors());
        throw new Error(`lookups are not answered again\n${said.join('\n')}`);
      }
      await pause(10);
    }
  }

  async function befall({ name, act, afterMs, forMs }: Fault): Promise<void> {
    await pause(afterMs);
    const pid = pidOf(name);
    if (act === 'killed') signal(pid, 'SIGKILL');
    else if (act === 'stopped') signal(pid, 'SIGSTOP');
    else if (act === 'an hour back') writeFileSync(clockOf(name), AN_HOUR_BACK);
    else limitFiles(pid, FILE_BYTES_WITHOUT_DISK);
    if (act === 'killed') return;
    await pause(forMs);
    if (act === 'stopped') signal(pid, 'SIGCONT');
    else if (act === 'an hour back') writeFileSync(clockOf(name), CLOCK_RIGHT);
    else limitFiles(pid, 'unlimited');
  }

  /** For one point in four: how the connection between a process and Redis fails as well. */
  function drawWayFault(point: number): WayFault | undefined {
    const drawWay = draws(seed, point);
    if (drawWay() >= WAYS_FAIL) return undefined;
    return {
      name: one(drawWay, WAYS),
      act: one(drawWay, WAY_ACTS),
      afterMs: Math.floor(drawWay() * WITHIN_MS),
      newOnesForMs: Math.floor(drawWay() * LASTS_AT_MOST_MS),
    };
  }

  async function befallWay({ name, act, afterMs, newOnesForMs }: WayFault): Promise<void> {
    await pause(afterMs);
    const way = ways[name];
    if (act === 'answers twice') {
      way.repeatNext();
      return;
    }
    way.mute(act === 'mute' ? 'both' : act === 'mute there' ? 'up' : 'down', { newOnes: true });
    await pause(newOnesForMs);
    way.healNewOnes();
  }

  function drawFaults(): Fault[] {
    const count = 1 + below(FAULTS_AT_MOST);
    return Array.from({ length: count }, () => {
      const name = one(draw, NAMES);
      const drawn = one(draw, ACTS);
      // Redis ends if it has no disk space. A lookup process has no log, and answers nothing if its clock is wrong.
      const isWorker = name === 'worker' || name === 'other worker';
      const can = { 'without disk': canLimitFiles, 'an hour back': canTurnClocks };
      const act =
        drawn === 'killed' || drawn === 'stopped' || (isWorker && can[drawn]) ? drawn : 'stopped';
      return { name, act, afterMs: below(WITHIN_MS), forMs: 50 + below(LASTS_AT_MOST_MS) };
    });
  }

  const wrong: string[] = [];
  const lookers = Array.from({ length: LOOKERS }, look);
  try {
    await untilAnswered();
    for (let point = 0; point < points; point++) {
      const faults = drawFaults();
      const told = faults
        .map(
          ({ name, act, afterMs, forMs }) =>
            `${name} ${act} at ${afterMs} ms${act === 'killed' ? '' : ` for ${forMs} ms`}`,
        )
        .join(', ');
      const wayFault = drawWayFault(point);
      await Promise.all([...faults.map(befall), wayFault && befallWay(wayFault)]);
      await untilAnswered();
      const way = wayFault === undefined ? '' : `, way of the ${wayFault.name} ${wayFault.act}`;
      say(`${point}: ${told}${way}; ${answered.length} answered, ${refused} not`);
    }
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : 'unknown');
  }
  done.abort();
  await Promise.all(lookers);

  try {
    const streams = createAuditStreams(await store.connect('worker'));
    await until(async () => {
      const sealed = sealedRange(folder)?.numbers ?? [];
      const numbers = await streams.numbers().catch(() => [-1]);
      return numbers.every((number, stream) => number === sealed[stream]);
    }, 'all events to be sealed');
    wrong.push(...(await compare(folder, dataDir, answered)));
    await until(async () => {
      const size = sealedRange(folder)?.size ?? 0;
      const done = await untilFree(() =>
        NotificationFile.read(folder, (file) => {
          const all = file.cursor().position === size && file.unwrittenCount() === 0;
          return all && file.oldestUntold() === undefined;
        }),
      );
      return done === true;
    }, 'every authority to be told');
    wrong.push(...(await compareNotifications(folder, join(dataDir, 'outbox'))));
  } catch (error) {
    const said = Object.values(processes).map((each) => each.errors());
    wrong.push(`${error instanceof Error ? error.message : 'unknown'}\n${said.join('\n')}`);
  } finally {
    await Promise.all(Object.values(processes).map((each) => each.stop()));
    await Promise.all(Object.values(ways).map((each) => each.stop()));
    await store.stop();
  }
  say(`${answered.length} lookups answered, ${refused} not`);
  return wrong;
}

async function compare(
  folder: string,
  dataDir: string,
  answered: readonly string[],
): Promise<string[]> {
  const wrong: string[] = [];
  const times = new Map<string, number>();
  for await (const { event } of sealedEvents(folder, 0)) {
    if (event.type === 'lookup') times.set(event.auditId, (times.get(event.auditId) ?? 0) + 1);
  }
  const absent = answered.filter((auditId) => !times.has(auditId));
  const repeated = [...times].filter(([, count]) => count > 1);
  if (absent.length > 0)
    wrong.push(`${absent.length} lookups were answered and are not in the log`);
  if (repeated.length > 0) wrong.push(`${repeated.length} lookups are in the log more than once`);
  const signers = await readKeys(join(dataDir, 'audit-key'));
  const { findings } = await verifyLog({
    folder,
    keys: signers.map(({ verifierKey }) => verifierKey),
  });
  return [...wrong, ...findings.map(({ detail }) => detail)];
}

/** Checks that every entry due was notified and written, in order and under its own id. */
async function compareNotifications(folder: string, outbox: string): Promise<string[]> {
  const due = new Map<string, { id: string; first: number }>();
  const dueIds: string[] = [];
  for await (const { event } of sealedEvents(folder, 0)) {
    if (event.type !== 'lookup' || event.outcome !== 'flagged') continue;
    const key = `${event.caller.user} ${event.nhsNumber}`;
    const open = due.get(key);
    if (open !== undefined && Math.abs(event.at - open.first) < ENTRY_HOURS * 3_600_000) continue;
    due.set(key, { id: event.auditId, first: event.at });
    dueIds.push(event.auditId);
  }
  const written = outboxOf(outbox, AUTHORITY);
  const told = written.flatMap(({ entries }) => entries.map(({ id }) => id));
  const absent = dueIds.filter((id) => !told.includes(id));
  const broken = written.filter(({ previous }, i) => previous !== written[i - 1]?.id);
  const kept = await untilFree(() =>
    NotificationFile.read(folder, (file) =>
      file.page(AUTHORITY, '', { most: 1_000_000, mostCharacters: Number.POSITIVE_INFINITY }),
    ),
  );
  return [
    ...(dueIds.length === 0 ? ['nothing was due'] : []),
    ...(absent.length === 0 ? [] : [`${absent.length} of ${dueIds.length} entries were not told`]),
    ...(new Set(told).size === told.length ? [] : ['an entry was told as new more than once']),
    ...(broken.length === 0 ? [] : ['a notification is missing from its order']),
    ...(JSON.stringify(kept?.notifications) === JSON.stringify(written)
      ? []
      : ['the outbox is not what is kept']),
  ];
}

function seededDraws(seed: number) {
  const draw = draws(seed);
  return { draw, below: (bound: number): number => Math.floor(draw() * bound) };
}
