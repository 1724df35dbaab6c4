import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Order } from './generator.ts';
import { median, root, spread, type startProcess } from './processes.ts';
import { allocatedBytes, stageShares } from './stages.ts';
import { requestCost, startDemoLookups, startHello, startSmallService } from './subjects.ts';

/**
 * `npm run bench:cpu`: processor time of an authenticated, audited lookup, beside that of a bare
 * `node:http` and a bare Hono saying hello, in one run. It counts what the kernel says that a process used, with
 * all its threads, over a fixed number of requests on connections kept alive. Lookups are answered by a process of
 * ROLE=lookup, with its metrics on. The generator, Redis, and the worker that seals the events are not counted.
 */

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    requests: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '7' },
    connections: { type: 'string', default: '32' },
    /** Writes a processor profile of the lookup process to this folder and prints each stage's share of it. */
    profile: { type: 'string' },
    /** Measures the lookup once more, in a process that measures and exports nothing. */
    unmeasured: { type: 'boolean', default: false },
    /** Measures another checkout of this repository alternately with this one, and this one twice. */
    beside: { type: 'string' },
    /** Instead of time, counts the bytes that a lookup allocates, which repeats on a busy machine too. */
    bytes: { type: 'boolean', default: false },
    /** Also measures a refusal for overload, by a process that takes on one lookup at a time. */
    refused: { type: 'boolean', default: false },
  },
});
const REQUESTS = Number(options.requests);
const ROUNDS = Number(options.rounds);
const CONNECTIONS = Number(options.connections);
const WARM_UP_ROUNDS = 5;

/** `nodeHttpSame` is node:http sent the very requests that a lookup is: ten times the bytes of a GET. */
type Subject = {
  name:
    | 'lookup'
    | 'again'
    | 'beside'
    | 'unmeasured'
    | 'refused'
    | 'nodeHttp'
    | 'nodeHttpSame'
    | 'hono';
  pid: number;
  order: Order;
};
type Started = Awaited<ReturnType<typeof startProcess>>;

const measure = (subject: Subject): Promise<number> =>
  requestCost(subject, { refused: subject.name === 'refused' });

/** How the processes that are measured are started, so that they can be asked what this run wants to know. */
const nodeOptions = [
  ...(options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`]),
  ...(options.bytes ? ['--import', join(root, 'bench', 'allocations.ts')] : []),
];
type All = Awaited<ReturnType<typeof startAll>>;

async function startAll() {
  const ownDir = await mkdtemp(join(tmpdir(), 'cpf-bench-'));
  const started: Started[] = [];
  const start = async (starting: Promise<Started>): Promise<Started> => {
    const process = await starting;
    started.unshift(process);
    return process;
  };
  const hello = (what: string) =>
    start(startHello('bench/hello.ts', [what], options.bytes ? nodeOptions : []));
  const startStore = async (checkout?: string) => {
    const { started: store, ...service } = await startSmallService(checkout);
    started.unshift(store);
    return service;
  };
  const { dataDir, order: demo } = await startStore();
  const lookups = await start(
    startDemoLookups(dataDir, ownDir, { METRICS_PORT: '0' }, { nodeOptions }),
  );
  const another = async (
    name: string,
    more: Record<string, string>,
    of: { dataDir: string; checkout?: string } = { dataDir },
  ) => {
    const folder = join(ownDir, name);
    await mkdir(folder);
    const { checkout } = of;
    return start(
      startDemoLookups(of.dataDir, folder, more, { nodeOptions, ...(checkout && { checkout }) }),
    );
  };
  const subject = (name: Subject['name'], { child, said }: Started, more = {}): Subject => ({
    name,
    pid: child.pid ?? 0,
    order: { port: Number(said[1]), requests: REQUESTS, connections: CONNECTIONS, ...more },
  });
  const compared: Subject[] = [];
  if (options.beside !== undefined) {
    const measured = { METRICS_PORT: '0' };
    const again = await another('again', measured);
    const { dataDir: folder, order } = await startStore(options.beside);
    const other = { dataDir: folder, checkout: options.beside };
    const beside = await another('beside', measured, other);
    compared.push(subject('again', again, demo), subject('beside', beside, order));
  }
  const unmeasured = options.unmeasured
    ? await another('unmeasured', { OTEL_SDK_DISABLED: 'true' })
    : undefined;
  const refused = options.refused
    ? await another('refused', { METRICS_PORT: '0', LOOKUPS_AT_ONCE: '1' })
    : undefined;
  const nodeHttp = await hello('node-http');
  const hono = await hello('hono');
  return {
    subjects: [
      subject('lookup', lookups, demo),
      ...compared,
      ...(unmeasured === undefined ? [] : [subject('unmeasured', unmeasured, demo)]),
      ...(refused === undefined ? [] : [subject('refused', refused, { ...demo, quiet: true })]),
      subject('nodeHttp', nodeHttp),
      subject('nodeHttpSame', nodeHttp, demo),
      subject('hono', hono),
    ],
    async stop() {
      for (const process of started) await process.stop();
      await rm(ownDir, { recursive: true, force: true });
    },
  };
}

/** Prints how much a request allocates, once nothing new is compiled; for a lookup, by function. */
async function tellBytes({ subjects }: All): Promise<void> {
  for (const subject of subjects) {
    const { name, pid, order } = subject;
    if (name === 'nodeHttp') continue;
    for (let round = 0; round < WARM_UP_ROUNDS; round++) await measure(subject);
    process.kill(pid, 'SIGUSR2');
    await measure(subject);
    process.kill(pid, 'SIGUSR2');
    const { bytes, byFunction } = await allocatedBytes(
      join(tmpdir(), `cpf-allocations-${pid}.json`),
    );
    console.log(`${name}: ${Math.round(bytes / order.requests)} bytes a request`);
    for (const [frame, ofThese] of name === 'lookup' ? byFunction : []) {
      console.log(`  ${String(Math.round(ofThese / order.requests)).padStart(6)}  ${frame}`);
    }
  }
}

type Taken = Record<Subject['name'], number[]>;

/** Runs this many rounds, with the subjects alternating, after some to warm up. */
async function rounds({ subjects }: All): Promise<Taken> {
  const taken: Taken = {
    lookup: [],
    again: [],
    beside: [],
    unmeasured: [],
    refused: [],
    nodeHttp: [],
    nodeHttpSame: [],
    hono: [],
  };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const subject of subjects) {
      const microseconds = await measure(subject);
      if (round >= 0) taken[subject.name].push(microseconds);
    }
  }
  return taken;
}

function tell(taken: Taken): void {
  const result = {
    lookup: median(taken.lookup),
    nodeHttp: median(taken.nodeHttp),
    hono: median(taken.hono),
    ...(options.unmeasured && { unmeasured: median(taken.unmeasured) }),
    ...(options.refused && { refused: median(taken.refused) }),
    ...(options.beside !== undefined && {
      again: median(taken.again),
      beside: median(taken.beside),
    }),
  };
  if (options.json) {
    console.log(JSON.stringify(result));
    return;
  }
  console.log(`Processor time a request, microseconds: median of ${ROUNDS} rounds of ${REQUESTS}.`);
  const rows = { ...result, nodeHttpSame: median(taken.nodeHttpSame) };
  for (const [name, microseconds] of Object.entries(rows)) {
    const ratio = (microseconds / result.nodeHttp).toFixed(2);
    console.log(
      `  ${name.padEnd(12)} ${microseconds.toFixed(1).padStart(6)}  ${ratio} x node:http`,
    );
  }
  if (options.unmeasured) {
    const ratio = median(taken.lookup.map((on, round) => on / (taken.unmeasured[round] ?? on)));
    console.log(`  Measured is ${ratio.toFixed(3)} x unmeasured: median of the rounds.`);
  }
  if (options.beside !== undefined) {
    const { lookup, again, beside } = taken;
    for (const [name, of] of Object.entries({ 'the same again': again, beside })) {
      const { median: middle, least, most } = spread(lookup.map((now, i) => now / (of[i] ?? now)));
      console.log(
        `  A lookup is ${middle.toFixed(3)} x ${name} (${least.toFixed(3)} to ${most.toFixed(3)}), median of the rounds.`,
      );
    }
  }
}

const all = await startAll();
try {
  if (options.bytes) await tellBytes(all);
  else tell(await rounds(all));
} finally {
  await all.stop();
}
if (options.profile !== undefined) {
  console.log('Shares of a lookup in its process:');
  for (const [stage, share] of stageShares(options.profile)) {
    console.log(
      `  ${stage.padEnd(34)} ${(100 * share).toFixed(0).padStart(3)} %  ${'#'.repeat(Math.round(50 * share))}`,
    );
  }
}
