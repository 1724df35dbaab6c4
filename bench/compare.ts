import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { syntheticNumber } from '#loaders/synthetic/numbers.ts';
import { barChart, escape } from './charts.ts';
import { NATION } from './country.ts';
import { startEnvironment } from './environment.ts';
import type { Done, Order } from './generator.ts';
import { machine } from './machine.ts';
import { nationOf } from './nation.ts';
import { cpuMicroseconds, median, root, startProcess } from './processes.ts';
import { type Fact, factTable, machineLine, shell, table } from './report.ts';
import { type RivalStore, startPlainRedis, startPostgres } from './rival-stores.ts';
import { send } from './sending.ts';

/**
 * `npm run bench:compare`: the lookup beside a bare server, and beside the same thing as it would be
 * written in an afternoon on Redis and on PostgreSQL. One generator, one machine, by turns.
 */

const { values: given } = parseArgs({
  options: {
    plans: { type: 'string', default: String(NATION.plans) },
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '15000' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    out: { type: 'string', default: join(root, 'reports') },
    help: { type: 'boolean', default: false },
  },
});
if (given.help) {
  console.log(`npm run bench:compare -- [options]

  --plans 230000       children held by each store: those of so many plans
  --rounds 3           at saturation, of --requests 15000; medians count
  --rate 1000          lookups a second, for --seconds 10, at which latency is measured
  --out reports`);
  process.exit(0);
}

const CONNECTIONS = 256;
const WARM_UP_REQUESTS = 10_000;
const SETTLED_AFTER_MS = 1_000;
const SETTLED_WITHIN_MS = 20_000;
/** Of a processor: what a worker without events takes. */
const SETTLED_SHARE = 0.08;
/** What is promised, in times. */
const GOALS = { cpuOverNodeHttp: 1.8, overNaive: 3, overPostgres: 5 };

type Subject = {
  name: string;
  order: Order;
  /** Their children with them. */
  pids: { service: number[]; store: number[]; worker: number[] };
};
type Part = keyof Subject['pids'];
type Figures = {
  name: string;
  cpu: Record<Part, number>;
  perSecond: number;
  latency: Done['latency'];
  refused: number;
};

/** Of a process and those it has started: PostgreSQL has one a connection. */
function cpuOf(pids: readonly number[]): number {
  let sum = 0;
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has just ended.
    }
  }
  for (const [pid, parent] of parents) {
    if (pids.includes(pid) || pids.includes(parent)) {
      try {
        sum += cpuMicroseconds(pid);
      } catch {
        // As above.
      }
    }
  }
  return sum;
}

/** Until the audit is sealed and indexed, which continues after the last answer and is part of a lookup's price. */
async function settled({ worker }: Subject['pids']): Promise<void> {
  if (worker.length === 0) return;
  for (let waited = 0; waited < SETTLED_WITHIN_MS; waited += SETTLED_AFTER_MS) {
    const before = cpuOf(worker);
    await pause(SETTLED_AFTER_MS);
    if (cpuOf(worker) - before < SETTLED_SHARE * SETTLED_AFTER_MS * 1_000) return;
  }
}

const PARTS: readonly Part[] = ['service', 'store', 'worker'];

/** Saturation and processor time; the subjects take turns, so that a noisy machine is so for all. */
async function measureAll(subjects: readonly Subject[]): Promise<Figures[]> {
  const requests = Number(given.requests);
  const rounds = subjects.map(() => [] as { perSecond: number; cpu: Record<Part, number> }[]);
  for (const { order, pids } of subjects) {
    await send({ ...order, requests: WARM_UP_REQUESTS });
    await settled(pids);
  }
  for (let round = 0; round < Number(given.rounds); round++) {
    for (const [i, { name, order, pids }] of subjects.entries()) {
      const before = PARTS.map((part) => cpuOf(pids[part]));
      const done = await send({ ...order, requests });
      await settled(pids);
      if (done.refused > 0) throw new Error(`${name}: ${done.refused} were refused`);
      const used = PARTS.map((part, at) => (cpuOf(pids[part]) - (before[at] ?? 0)) / requests);
      rounds[i]?.push({
        perSecond: (done.answered / done.tookMs) * 1000,
        cpu: { service: used[0] ?? 0, store: used[1] ?? 0, worker: used[2] ?? 0 },
      });
    }
  }
  const figures: Figures[] = [];
  const rate = Number(given.rate);
  for (const [i, { name, order }] of subjects.entries()) {
    const paced = { ...order, requests: rate * Number(given.seconds), perSecond: rate };
    const { latency, refused } = await send(paced);
    const of = (value: (figure: { perSecond: number; cpu: Record<Part, number> }) => number) =>
      median((rounds[i] ?? []).map(value));
    figures.push({
      name,
      cpu: {
        service: of(({ cpu }) => cpu.service),
        store: of(({ cpu }) => cpu.store),
        worker: of(({ cpu }) => cpu.worker),
      },
      perSecond: of(({ perSecond }) => perSecond),
      latency,
      refused,
    });
  }
  return figures;
}

const on = machine();
const nation = await nationOf(Number(given.plans));
const folder = mkdtempSync(join(tmpdir(), 'cpf-rivals-'));
const ending: (() => Promise<void>)[] = [];
try {
  const environment = await startEnvironment(nation);
  ending.push(environment.stop);
  const replicated = await startEnvironment(nation, { replicated: true });
  ending.push(replicated.stop);
  const numbers = Array.from({ length: nation.children }, (_, i) =>
    syntheticNumber(nation.rows > 600_000 ? 'wide' : 'test', i),
  );
  const issuer = join(environment.dataDir, 'demo-issuer.json');
  const token = environment.tokens[0] ?? '';
  const { held } = nation;
  const pids = await environment.pids();
  const replicatedPids = await replicated.pids();
  const base = { requests: 0, connections: CONNECTIONS };
  const start = async (script: string, args: string[]) => {
    const process = await startProcess(script, args, { until: /hello on ([0-9]+)/ });
    ending.unshift(process.stop);
    return { port: Number(process.said[1]), pid: process.child.pid ?? 0 };
  };
  const bare = async (name: string, what: string): Promise<Subject> => {
    const { port, pid } = await start('bench/hello.ts', [what]);
    return { name, order: { ...base, port }, pids: { service: [pid], store: [], worker: [] } };
  };
  const rival = async (name: string, args: string[], store: RivalStore): Promise<Subject> => {
    const { port, pid } = await start('bench/rivals.ts', args);
    const order = { ...base, port, token, held };
    return { name, order, pids: { service: [pid], store: [store.pid], worker: [] } };
  };
  const redis = await startPlainRedis(join(folder, 'redis'), numbers);
  ending.push(redis.stop);
  const postgres = await startPostgres(join(folder, 'postgres'), numbers);
  if (postgres === undefined) {
    console.error('There is no PostgreSQL here (apt install postgresql); it is left out.');
  } else ending.push(postgres.stop);
  const subjects: Subject[] = [
    await bare('node:http, hello', 'node-http'),
    await bare('Hono, hello', 'hono'),
    {
      name: 'cp-flags',
      order: { ...base, port: Number(new URL(environment.baseUrls[0] ?? '').port), token, held },
      pids: {
        service: [pids['lookup'] ?? 0],
        store: [pids['redis'] ?? 0],
        worker: [pids['worker'] ?? 0],
      },
    },
    {
      name: 'cp-flags, a replica',
      order: {
        ...base,
        port: Number(new URL(replicated.baseUrls[0] ?? '').port),
        token: replicated.tokens[0] ?? '',
        held,
      },
      pids: {
        service: [replicatedPids['lookup'] ?? 0],
        store: [replicatedPids['redis'] ?? 0, replicatedPids['replica'] ?? 0],
        worker: [replicatedPids['worker'] ?? 0],
      },
    },
    await rival('naive, Redis', ['redis', redis.socket, issuer], redis),
    await rival('naive, token cached', ['redis', redis.socket, issuer, 'cached'], redis),
    ...(postgres === undefined
      ? []
      : [await rival('naive, PostgreSQL', ['postgres', postgres.socket, issuer], postgres)]),
  ];
  // Redis is the worker's child, and counted on its own.
  const figures = (await measureAll(subjects)).map((figure) => ({
    ...figure,
    cpu: {
      ...figure.cpu,
      worker: Math.max(0, figure.cpu.worker - (figure.name === 'cp-flags' ? figure.cpu.store : 0)),
    },
  }));
  const of = (name: string) => figures.find((figure) => figure.name === name);
  const ours = of('cp-flags');
  const facts: Fact[] = [];
  const goal = (what: string, ratio: number, limit: number, atMost: boolean): void => {
    const met = atMost ? ratio <= limit : ratio >= limit;
    facts.push({
      what: `${what}, ${atMost ? 'at most' : 'at least'} ${limit}`,
      value: ratio.toFixed(2),
      met,
    });
  };
  if (ours !== undefined) {
    const bareCpu = of('node:http, hello')?.cpu.service ?? Number.NaN;
    goal(
      'service CPU over bare node:http',
      ours.cpu.service / bareCpu,
      GOALS.cpuOverNodeHttp,
      true,
    );
    const naive = of('naive, Redis')?.perSecond;
    if (naive)
      goal('saturation over the naive version', ours.perSecond / naive, GOALS.overNaive, false);
    const relational = of('naive, PostgreSQL')?.perSecond;
    if (relational) {
      goal('saturation over PostgreSQL', ours.perSecond / relational, GOALS.overPostgres, false);
    }
  }
  const ms = (value: number): string => value.toFixed(2);
  const body = `<h1>Comparison</h1>
<p>${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC. ${nation.children.toLocaleString('en-GB')} children in every store; one in a hundred lookups is for one of them. ${CONNECTIONS} connections kept alive; the generator, the service and its store share the processors. Redis and PostgreSQL have the audit on disk before an answer leaves.</p>
<p>${machineLine(on)}</p>
${factTable(facts)}
<h2>Figures</h2><div class="charts">
${barChart(
  figures.map(({ name, cpu }) => ({
    name,
    values: PARTS.map((part) => cpu[part]),
    text: `${(cpu.service + cpu.store + cpu.worker).toFixed(0)} us`,
  })),
  {
    title: 'Processor time a request',
    note: 'microseconds',
    of: ['service', 'store', 'sealing the audit'],
  },
)}
${barChart(
  figures.map(({ name, perSecond }) => ({
    name,
    values: [perSecond],
    text: Math.round(perSecond).toLocaleString('en-GB'),
  })),
  { title: 'Throughput at saturation', note: 'requests a second' },
)}
${(['p50', 'p99', 'p999'] as const)
  .map((what) =>
    barChart(
      figures.map(({ name, latency }) => ({
        name,
        values: [latency[what]],
        text: `${ms(latency[what])} ms`,
      })),
      {
        title: `Latency, ${what === 'p999' ? 'p99.9' : what}`,
        note: `milliseconds from when a request was due, at ${given.rate} a second`,
      },
    ),
  )
  .join('')}
</div>
${table(
  ['', 'service us', 'store us', 'sealing us', 'a second', 'p50 ms', 'p99 ms', 'p99.9 ms'],
  figures.map(({ name, cpu, perSecond, latency }) => [
    escape(name),
    ...PARTS.map((part) => cpu[part].toFixed(0)),
    Math.round(perSecond).toLocaleString('en-GB'),
    ms(latency.p50),
    ms(latency.p99),
    ms(latency.p999),
  ]),
)}`;
  mkdirSync(given.out, { recursive: true });
  const path = join(given.out, 'bench-compare');
  writeFileSync(`${path}.json`, JSON.stringify({ machine: on, facts, figures }, null, 2));
  writeFileSync(`${path}.html`, shell('cp-flags bench: comparison', body));
  console.log(`${''.padEnd(22)}  service    store  sealing    a second      p50      p99    p99.9`);
  for (const { name, cpu, perSecond, latency } of figures) {
    console.log(
      `${name.padEnd(22)} ${PARTS.map((part) => `${cpu[part].toFixed(0).padStart(5)} us`).join(' ')} ${Math.round(perSecond).toLocaleString('en-GB').padStart(11)} ${[latency.p50, latency.p99, latency.p999].map((value) => ms(value).padStart(8)).join(' ')}`,
    );
  }
  for (const { what, value, met } of facts)
    console.log(`${what}: ${value} (${met ? 'met' : 'MISSED'})`);
  console.log(`${relative(process.cwd(), path)}.html`);
  process.exitCode = facts.every(({ met }) => met !== false) ? 0 : 1;
} finally {
  for (const end of ending) await end();
  rmSync(folder, { recursive: true, force: true });
}
