import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { draws } from '#loaders/synthetic/random.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { sealedEvents, sealedRange } from '#service/audit/log/sealed.ts';
import { readKeys } from '#service/audit/seal/keys.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { officer } from '../support/authority.ts';
import { type Kept, keepRunning } from '../support/keep-running.ts';
import { callsFrom, type Machine, type Machines, startMachines } from '../support/machines.ts';
import { testNumber } from '../support/rows.ts';
import { claims, fill } from '../support/service.ts';
import { until, WAIT_MS } from '../support/test-store.ts';
import { CLOCK_RIGHT, canTurnClocks, clockFrom } from '../support/turned-clock.ts';
import { START_MS } from '../support/until.ts';
import { fileCsv, person, planOf } from '../support/upload-model.ts';
import { ask } from './ask.ts';

/**
 * Lookups and uploads continue while machines, sentinels and processes are killed, paused and cut off from each other,
 * in an order drawn from a seed. In the end everything answered or acknowledged is still there, nobody was wrongly told
 * "no flag", and a primary cut off with its lookup process answered nothing.
 */

type FailoverOptions = {
  seed: number;
  rounds: number;
  /** A redis-server or valkey-server of another version. */
  binary?: string | undefined;
  /** Only these faults, one after another. */
  only?: readonly string[] | undefined;
  say?: (line: string) => void;
};

const LOOKERS = 4;
const AUTHORITY = 'ZZ101';
const ROWS_A_FILE = 10;
const LOOKUP_DEADLINE_MS = 5_000;
const RECOVERS_WITHIN_MS = 60_000;
/** Longer than Sentinel takes to promote another server. */
const LASTS_MS = 4_000;
/** Anything that an append-only file writes is larger than this. */
const FILE_BYTES_WITHOUT_DISK = 4_096;

const CHILDREN = Array.from({ length: 20 }, (_, i) => testNumber(i));
const OTHERS = Array.from({ length: 100 }, (_, i) => testNumber(5_000 + i));

type Scene = {
  machines: Machines;
  primary: Machine;
  replica: Machine;
  lookup: Kept;
  worker: Kept;
  /** Makes the clock of the lookup process wrong, or right again. */
  turnClock: (by: string) => void;
};
type Fault = {
  /** Causes the fault, and resolves once it is over and everything is restored. */
  befall: (scene: Scene) => Promise<void>;
  /** Nobody may be answered while the fault lasts, so the time without answers counts from its end. */
  isolates?: true;
};

async function paused(process: Machine['redis']): Promise<void> {
  process.signal('SIGSTOP');
  await pause(LASTS_MS);
  process.signal('SIGCONT');
}

async function cutOff({ machines }: Scene, ends: Parameters<Machines['partition']>[0]) {
  machines.partition(ends);
  await pause(LASTS_MS);
  machines.heal();
}

async function restarted(...processes: Machine['redis'][]): Promise<void> {
  await Promise.all(processes.map((process) => process.kill()));
  await pause(LASTS_MS);
  for (const process of processes) process.start();
}

const FAULTS: Readonly<Record<string, Fault>> = {
  'primary killed': { befall: ({ primary }) => restarted(primary.redis) },
  'replica killed': { befall: ({ replica }) => restarted(replica.redis) },
  'primary cut off with the lookups': {
    isolates: true,
    befall: (scene) => cutOff(scene, [scene.primary.place, 'lookup']),
  },
  'primary cut off': { befall: (scene) => cutOff(scene, [scene.primary.place]) },
  'primary paused': { befall: ({ primary }) => paused(primary.redis) },
  'manual failover': {
    async befall({ machines, replica }) {
      const sentinel = machines.sentinelOf(replica.place);
      // A sentinel refuses for a moment after a failover whose end it has not seen.
      await until(
        () =>
          sentinel.call('SENTINEL', 'FAILOVER', 'cp-flags').then(
            () => true,
            () => false,
          ),
        'the sentinel to take the order',
      );
      await pause(LASTS_MS / 2);
    },
  },
  'worker killed': {
    async befall({ worker }) {
      worker.kill();
      await pause(LASTS_MS / 4);
    },
  },
  'machine of the primary killed': {
    befall: ({ primary }) => restarted(primary.redis, primary.sentinel),
  },
  'lookup process killed': {
    async befall({ lookup }) {
      lookup.kill();
      await pause(LASTS_MS / 4);
    },
  },
  'replica paused': { befall: ({ replica }) => paused(replica.redis) },
  'replica cut off': { befall: (scene) => cutOff(scene, [scene.replica.place]) },
  'a sentinel killed': { befall: ({ replica }) => restarted(replica.sentinel) },
  'all sentinels killed': {
    befall: ({ machines }) => restarted(...machines.machines.map(({ sentinel }) => sentinel)),
  },
  'worker cut off': { befall: (scene) => cutOff(scene, ['worker']) },
  'disk of a replica full': {
    async befall({ replica }) {
      const { pid } = replica.redis;
      spawnSync('prlimit', ['--pid', String(pid), `--fsize=${FILE_BYTES_WITHOUT_DISK}:`]);
      await pause(LASTS_MS);
      await restarted(replica.redis);
    },
  },
  ...(canTurnClocks && {
    'clock of the lookups an hour back': {
      async befall({ turnClock }: Scene) {
        turnClock('-1h');
        await pause(LASTS_MS);
        turnClock(CLOCK_RIGHT);
      },
    },
  }),
  'rolling restart': {
    async befall({ machines, primary }) {
      const others = machines.machines.filter(({ place }) => place !== primary.place);
      for (const { redis } of [...others, primary]) {
        await redis.kill('SIGTERM');
        redis.start();
        await until(machines.inStep, 'the replicas to be in step');
      }
    },
  },
};
export const FAULT_NAMES = Object.keys(FAULTS);

/** The faults in an order from the seed, each once before any is repeated. */
function faultsOf(seed: number, rounds: number, names: readonly string[]): string[] {
  const all: string[] = [];
  for (let turn = 0; all.length < rounds; turn++) {
    const draw = draws(seed, turn);
    const keyed = names.map((name) => [draw(), name] as const);
    all.push(...keyed.toSorted(([a], [b]) => a - b).map(([, name]) => name));
  }
  return all.slice(0, rounds);
}

type FailoverOutcome = {
  /** What is wrong in the end. Empty if all is well. */
  wrong: string[];
  answered: number;
  /** By fault: the longest time without an answer in each round, in milliseconds. */
  silences: ReadonlyMap<string, number[]>;
};

export async function runFailovers(options: FailoverOptions): Promise<FailoverOutcome> {
  const { seed, rounds, say = () => undefined } = options;
  const machines = await startMachines(
    options.binary === undefined ? {} : { binary: options.binary },
  );
  const dataDir = await mkdtemp(join(tmpdir(), 'cpf-failover-'));
  const folder = join(dataDir, 'audit');
  const wrong: string[] = [];
  const silences = new Map<string, number[]>();

  // This connection waits for no replica. The replicas will have what it writes before the first lookup is answered.
  const admin = connectStore(
    { ...machines.addressOf('admin'), replicas: 0 },
    { name: 'harness', commandTimeoutMs: WAIT_MS },
  );
  await whenReady(admin, WAIT_MS);
  const anchor = Anchor.open(join(dataDir, 'anchor'));
  const store = createStore(admin, anchor);
  await store.createDataset('demo', 'test');
  await fill(store, anchor, {
    code: AUTHORITY,
    rows: CHILDREN.map((nhsNumber) => ({ nhsNumber })),
  });

  function environmentOf(role: 'lookup' | 'worker'): Record<string, string> {
    return {
      DATA_DIR: dataDir,
      ROLE: role,
      ...machines.settingsOf(role, dataDir),
      NOTIFICATIONS_WINDOW_MINUTES: '0.01',
      NODE_OPTIONS: callsFrom(role),
    };
  }
  const clock = join(dataDir, 'clock of the lookups');
  const turnClock = (by: string): void => writeFileSync(clock, by);
  turnClock(CLOCK_RIGHT);
  const worker = keepRunning(environmentOf('worker'));
  const lookup = keepRunning({
    ...environmentOf('lookup'),
    ...clockFrom(clock),
  });

  const issuer = await openDemoIssuer(dataDir);
  const nurse = await issuer.sign(claims(), 36_000);
  const sender = await issuer.sign(officer(AUTHORITY), 36_000);
  const answers: { auditId: string; sentAt: number; at: number }[] = [];
  /** The people whose plans were acknowledged. */
  const flagged: NhsNumber[] = [...CHILDREN];
  let refused = 0;
  let falseNegatives = 0;
  let uploads = 0;
  const done = new AbortController();

  async function askOnce(nhsNumber: NhsNumber): Promise<'flagged' | 'not-flagged'> {
    const sentAt = performance.now();
    const answer = await ask(lookup.address(), nurse, nhsNumber, LOOKUP_DEADLINE_MS);
    answers.push({ auditId: answer.auditId, sentAt, at: performance.now() });
    return answer.outcome;
  }

  async function look(looker: number): Promise<void> {
    for (let i = looker; !done.signal.aborted; i++) {
      const isChild = i % 2 === 0;
      const numbers = isChild ? flagged : OTHERS;
      const number = numbers[i % numbers.length] ?? testNumber(0);
      try {
        const outcome = await askOnce(number);
        if (isChild && outcome === 'not-flagged') falseNegatives++;
      } catch {
        refused++;
        await pause(10);
      }
    }
  }

  /** Sends files one after another, repeating each until it is acknowledged. */
  async function upload(): Promise<void> {
    for (let sequence = 2; !done.signal.aborted; sequence++) {
      const indexes = Array.from({ length: ROWS_A_FILE }, (_, i) => sequence * ROWS_A_FILE + i);
      const body = fileCsv({ records: indexes.map((index) => planOf(index)) });
      const createdAt = new Date().toISOString();
      const query = `?sequence=${sequence}&createdAt=${createdAt}&rowCount=${ROWS_A_FILE}`;
      let acknowledged = false;
      while (!acknowledged && !done.signal.aborted) {
        try {
          const response = await fetch(`${worker.address()}/uploads${query}`, {
            method: 'POST',
            body,
            headers: {
              authorization: `Bearer ${sender}`,
              'content-type': 'text/csv',
              'x-request-id': randomUUID(),
            },
            signal: AbortSignal.timeout(4 * LOOKUP_DEADLINE_MS),
          });
          const answer: unknown = await response.json();
          if (response.status !== 200) throw new Error('not acknowledged');
          const { code } = acknowledgementSchema.parse(answer);
          acknowledged = true;
          if (code === 'CPF02') uploads++;
          else wrong.push(`file ${sequence} was answered ${code}`);
        } catch {
          await pause(50);
        }
      }
      if (!acknowledged) return;
      flagged.push(...indexes.map((index) => person(index).nhsNumber as NhsNumber));
      await pause(100);
    }
  }

  /** Asks again about everybody whose plan was acknowledged, repeating each lookup until it is answered. */
  async function askOfAll(patienceMs: number): Promise<void> {
    let answeredAt = performance.now();
    // One at a time, so that each lookup is answered at a different moment.
    for (const [i, number] of flagged.entries()) {
      let outcome: Awaited<ReturnType<typeof askOnce>> | undefined;
      while (outcome === undefined) {
        outcome = await askOnce(number).catch(() => undefined);
        const now = performance.now();
        if (outcome !== undefined) {
          answeredAt = now;
        } else if (now - answeredAt > patienceMs) {
          throw new Error(`only ${i} of ${flagged.length} children were looked up in the end`);
        } else {
          await pause(10);
        }
      }
      if (outcome === 'not-flagged') falseNegatives++;
    }
  }

  async function untilAnswered(): Promise<void> {
    const before = answers.length;
    const giveUpAt = performance.now() + RECOVERS_WITHIN_MS;
    while (answers.length < before + LOOKERS * 2) {
      if (performance.now() > giveUpAt) {
        const status = await fetch(`${lookup.address()}/_status`)
          .then((r) => r.text())
          .catch(String);
        throw new Error(
          `lookups are not answered again\n${lookup.errors()}\n${worker.errors()}\n${status}`,
        );
      }
      await pause(5);
    }
  }

  /** Checks that everything answered so far is in the sealed log once, and that the log is whole. */
  async function compare(): Promise<void> {
    const streams = createAuditStreams(admin);
    const answered = answers.map(({ auditId }) => auditId);
    await until(async () => {
      const sealed = sealedRange(folder)?.numbers ?? [];
      const numbers = await streams.numbers().catch(() => [-1]);
      return numbers.every(
        (number, stream) => number === (sealed[stream] ?? 0) || number - (sealed[stream] ?? 0) < 5,
      );
    }, 'events to be sealed');
    const waiting = new Set<string>();
    // Another primary may be named meanwhile, for instance by sentinels delayed on a busy machine.
    await until(
      () =>
        allWaiting().then(
          (ids) => {
            for (const id of ids) waiting.add(id);
            return true;
          },
          () => false,
        ),
      'the events that wait to be read',
    );
    const times = new Map<string, number>();
    for await (const { event } of sealedEvents(folder, 0)) {
      if (event.type === 'lookup') times.set(event.auditId, (times.get(event.auditId) ?? 0) + 1);
    }
    const absent = answered.filter((id) => !times.has(id) && !waiting.has(id));
    if (absent.length > 0) wrong.push(`${absent.length} answers have no event`);
    if ([...times.values()].some((count) => count > 1)) wrong.push('an event is there twice');
  }

  async function allWaiting(): Promise<string[]> {
    const all: string[] = [];
    for (let partition = 0; partition < 256; partition++) {
      for (const event of await store.readEvents(partition)) {
        if ('auditId' in event) all.push(event.auditId);
      }
    }
    return all;
  }

  async function round(number: number, name: string): Promise<void> {
    const fault = FAULTS[name];
    if (fault === undefined) throw new Error(`there is no fault ${name}`);
    const primary = await machines.primary();
    const replica = machines.machines.find(({ place }) => place !== primary.place);
    if (replica === undefined) throw new Error('there is no replica');
    const began = performance.now();
    await fault.befall({ machines, primary, replica, lookup, worker, turnClock });
    const ended = performance.now();
    await untilAnswered();
    if (fault.isolates) {
      const isolated = answers.filter(({ sentAt, at }) => sentAt > began && at < ended).length;
      if (isolated > 0) wrong.push(`${isolated} answers of a primary that was cut off`);
    }
    await until(machines.inStep, 'the replicas to be in step');
    await until(machines.knowEachOther, 'the sentinels to know each other');
    // Lookups continue without the worker, and a busy machine takes a long time to start one.
    await until(() => worker.address() !== undefined, 'the worker to be back', START_MS);
    await untilAnswered();
    const from = fault.isolates ? ended : began;
    const times = answers.map(({ at }) => at).filter((at) => at > from);
    const silence = Math.max(...times.map((at, i) => at - (times[i - 1] ?? from)));
    silences.set(name, [...(silences.get(name) ?? []), silence]);
    await compare();
    say(
      `${number}: ${name}: ${Math.round(silence)} ms without an answer; ${answers.length} answered, ${refused} not, ${uploads} files`,
    );
  }

  const lookers = Array.from({ length: LOOKERS }, (_, looker) => look(looker));
  const uploading = upload();
  let under = 'before the first fault';
  try {
    await untilAnswered();
    const names = options.only ?? FAULT_NAMES;
    for (const [number, name] of faultsOf(seed, rounds, names).entries()) {
      under = `${number}: ${name}`;
      await round(number, name);
    }
  } catch (error) {
    const said = [lookup, worker].map((each) => each.errors());
    const message = error instanceof Error ? error.message : 'unknown';
    wrong.push([under, message, await machines.describe(), ...said].join('\n'));
  }
  try {
    done.abort();
    await Promise.all([...lookers, uploading]);
    say(`comparing: ${flagged.length} children are looked up`);
    // If no round could have been answered in this state, it is not worth waiting again.
    await askOfAll(wrong.length === 0 ? RECOVERS_WITHIN_MS : LOOKUP_DEADLINE_MS).catch(
      (error: unknown) => wrong.push(String(error)),
    );
    if (falseNegatives > 0) wrong.push(`${falseNegatives} times "no flag" of a child with a plan`);
    const codes = await store.tallyWithGenerations();
    const anchored = anchor.authority(AUTHORITY);
    const held = codes.tallies.get(AUTHORITY);
    const underWay = anchor.loadInProgress(AUTHORITY) !== undefined;
    if (!underWay && (held?.rows !== anchored?.rows || held?.digest !== anchored?.digest)) {
      wrong.push('Redis holds other rows than were acknowledged');
    }
    const signers = await readKeys(join(dataDir, 'audit-key'));
    await Promise.all([lookup.stop(), worker.stop()]);
    const { findings } = await verifyLog({
      folder,
      keys: signers.map(({ verifierKey }) => verifierKey),
    });
    wrong.push(...findings.map(({ detail }) => detail));
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : 'unknown');
  } finally {
    done.abort();
    await Promise.all([...lookers, uploading, lookup.stop(), worker.stop()]);
    anchor.close();
    admin.disconnect();
    await machines.stop();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
  return { wrong, answered: answers.length, silences };
}
