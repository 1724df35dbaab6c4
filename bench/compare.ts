// One file, since it is one measurement from beginning to end: every subject must be treated alike.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { syntheticNumber } from '#loaders/synthetic/numbers.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { dataFolder, readRunning } from '#store/connection/embedded/data-folder.ts';
import { CAPABILITIES, type Capability, pagesSettings, startCapability } from './capabilities.ts';
import { barChart, escape } from './charts.ts';
import { NATION } from './country.ts';
import { startEnvironment } from './environment.ts';
import type { Order } from './generator.ts';
import { startLookups } from './lookups.ts';
import { machine } from './machine.ts';
import { nationOf } from './nation.ts';
import { cpuMicroseconds, root, type Spread, spread, startProcess } from './processes.ts';
import { type Fact, factTable, machineLine, shell, table } from './report.ts';
import { type RivalStore, startPlainRedis, startPostgres } from './rival-stores.ts';
import { HELD_ONE_IN, send } from './sending.ts';

/**
 * `npm run bench:compare` compares the lookup with a bare server, and with a naive lookup on Redis and on
 * PostgreSQL.
 *
 * All run on one machine and get their requests from one generator. They take turns, and each turn starts fresh
 * processes. cp-flags runs twice, and the difference between its two results is noise.
 */

const { values: given } = parseArgs({
  options: {
    plans: { type: 'string', default: String(NATION.plans) },
    rounds: { type: 'string', default: '9' },
    requests: { type: 'string', default: '15000' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '5' },
    out: { type: 'string', default: join(root, 'reports') },
    with: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
if (given.help) {
  console.log(`npm run bench:compare -- [options]

  --plans 230000       children held by each store: those of so many plans
  --rounds 9           each service is started afresh in each; sent --requests 15000 at
                       saturation, and measured once more at a rate; medians count
  --rate 1000          lookups a second, for --seconds 5, at which latency is measured
  --with LIST          the service alone and with each of these, and nothing else: ${CAPABILITIES.join(',')}
  --out reports

With what it is by default it takes about a quarter of an hour, and so it does with all of --with.`);
  process.exit(0);
}
const withEach = given.with === '' ? [] : given.with.split(',');
const isCapability = (name: string): name is Capability =>
  CAPABILITIES.some((each) => each === name);
const capabilities = withEach.filter(isCapability);
const unknown = withEach.filter((name) => !isCapability(name));
if (unknown.length > 0) {
  console.error(`--with knows no ${unknown.join(', ')}; it knows ${CAPABILITIES.join(', ')}.`);
  process.exit(2);
}

const CONNECTIONS = 256;
const WARM_UP_REQUESTS = 10_000;
const SETTLED_AFTER_MS = 1_000;
const SETTLED_WITHIN_MS = 60_000;
/** The share of a processor that a worker without events takes. */
const SETTLED_SHARE = 0.08;
const RESTED_FOR_MS = 2_000;

const OURS = 'cp-flags';
/** The same again: the difference between the two is what this machine cannot distinguish. */
const CONTROL = 'cp-flags, again';
const BARE = 'node:http, hello';
const NAIVE = 'naive, Redis';
const CACHED = 'naive, token cached';
const RELATIONAL = 'naive, PostgreSQL';
/** On a small live dataset: one that is made up always has pages. */
const WITHOUT_PAGES = 'cp-flags, live';
const nameWith = (capability: Capability): string => `with ${capability}`;
const TOKEN_SECONDS = 86_400;

const liveSchema = z.object({
  token: z.string(),
  held: z.array(z.string()),
  dataDir: z.string(),
  settings: z.record(z.string(), z.string()),
});

type Pids = { service: number[]; store: number[]; worker: number[] };
/** A running service. Redis as a child of the worker counts only as `store`. */
type Running = { order: Order; pids: Pids; stop(): Promise<void> };
type Subject = { name: string; start(): Promise<Running> };

type Measured = {
  cpu: Record<keyof Pids, number>;
  perSecond: number;
  p50: number;
  p99: number;
  p999: number;
  /** How many answers said that there is a flag. */
  flagged: number;
  refused: number;
};
type Figures = {
  name: string;
  service: Spread;
  store: Spread;
  worker: Spread;
  whole: Spread;
  perSecond: Spread;
  p50: Spread;
  p99: Spread;
  p999: Spread;
  flaggedShare: number;
  refused: number;
};

/**
 * For processes and their children, with exceptions: PostgreSQL has a process for each connection, and a worker has its
 * Redis.
 */
function cpuOf(pids: readonly number[], except: readonly number[] = []): number {
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
    if ((pids.includes(pid) || pids.includes(parent)) && !except.includes(pid)) {
      try {
        sum += cpuMicroseconds(pid);
      } catch {
        // As above.
      }
    }
  }
  return sum;
}

/**
 * Waits until the audit is sealed and indexed, which continues after the last answer and is part of a lookup's cost.
 */
async function settled({ worker, store }: Pids): Promise<void> {
  if (worker.length === 0) return;
  for (let waited = 0; waited < SETTLED_WITHIN_MS; waited += SETTLED_AFTER_MS) {
    const before = cpuOf(worker, store);
    await pause(SETTLED_AFTER_MS);
    if (cpuOf(worker, store) - before < SETTLED_SHARE * SETTLED_AFTER_MS * 1_000) return;
  }
  throw new Error('the worker does not come to rest: its sealing cannot be counted to the end');
}

/**
 * The share of a processor that each part takes while nobody looks anything up, which is not part of a lookup's cost.
 * Only for capabilities: beside other services, everything that the service does counts.
 */
async function restingShares(used: () => number[]): Promise<number[]> {
  if (capabilities.length === 0) return [];
  const before = used();
  const beganAt = performance.now();
  await pause(RESTED_FOR_MS);
  const tookUs = (performance.now() - beganAt) * 1_000;
  return used().map((after, part) => (after - (before[part] ?? 0)) / tookUs);
}

/** One service, started for this: warmed up, then measured at saturation and at a rate. */
async function measure({ start }: Subject): Promise<Measured> {
  const { order, pids, stop } = await start();
  try {
    const requests = Number(given.requests);
    const rate = Number(given.rate);
    await send({ ...order, requests: WARM_UP_REQUESTS });
    await settled(pids);
    const used = (): number[] => [
      cpuOf(pids.service),
      cpuOf(pids.store),
      cpuOf(pids.worker, pids.store),
    ];
    const restedBefore = await restingShares(used);
    const before = used();
    const beganAt = performance.now();
    const done = await send({ ...order, requests });
    await settled(pids);
    const tookUs = (performance.now() - beganAt) * 1_000;
    const spent = used().map((after, part) => after - (before[part] ?? 0));
    const restedAfter = await restingShares(used);
    const [service = 0, store = 0, worker = 0] = spent.map((us, part) => {
      const atRest = Math.min(restedBefore[part] ?? 0, restedAfter[part] ?? 0);
      return (us - atRest * tookUs) / requests;
    });
    const paced = await send({
      ...order,
      requests: rate * Number(given.seconds),
      perSecond: rate,
    });
    return {
      refused: done.refused + paced.refused,
      cpu: { service, store, worker },
      perSecond: (done.answered / done.tookMs) * 1000,
      p50: paced.latency.p50,
      p99: paced.latency.p99,
      p999: paced.latency.p999,
      flagged: (done.flagged + paced.flagged) / (done.answered + paced.answered),
    };
  } finally {
    await stop();
  }
}

/** The subjects alternate, so that a noisy machine affects all alike. */
async function measureAll(subjects: readonly Subject[]): Promise<Figures[]> {
  const rounds = subjects.map(() => [] as Measured[]);
  for (let round = 0; round < Number(given.rounds); round++) {
    for (const [i, subject] of subjects.entries()) rounds[i]?.push(await measure(subject));
  }
  return subjects.map(({ name }, i) => {
    const of = (value: (measured: Measured) => number): Spread =>
      spread((rounds[i] ?? []).map(value));
    return {
      name,
      service: of(({ cpu }) => cpu.service),
      store: of(({ cpu }) => cpu.store),
      worker: of(({ cpu }) => cpu.worker),
      whole: of(({ cpu }) => cpu.service + cpu.store + cpu.worker),
      perSecond: of(({ perSecond }) => perSecond),
      p50: of(({ p50 }) => p50),
      p99: of(({ p99 }) => p99),
      p999: of(({ p999 }) => p999),
      flaggedShare: of(({ flagged }) => flagged).median,
      refused: (rounds[i] ?? []).reduce((sum, { refused }) => sum + refused, 0),
    };
  });
}

/** The promises, each as a multiple of another subject's median. */
function goals(figures: readonly Figures[], fdatasyncP99Ms: number): Fact[] {
  const of = (name: string) => figures.find((figure) => figure.name === name);
  const [ours, bare, cached] = [of(OURS), of(BARE), of(CACHED)];
  if (ours === undefined || bare === undefined || cached === undefined) return [];
  const facts: Fact[] = [];
  const goal = (what: string, ratio: number, limit: number, atMost = true): void => {
    const met = atMost ? ratio <= limit : ratio >= limit;
    facts.push({
      what: `${what}, ${atMost ? 'at most' : 'at least'} ${limit}`,
      value: ratio.toFixed(2),
      met,
    });
  };
  const ratio = (value: (figure: Figures) => Spread, beside: Figures): number =>
    value(ours).median / value(beside).median;
  const service = ({ service: each }: Figures): Spread => each;
  const perSecond = ({ perSecond: each }: Figures): Spread => each;
  const p99 = ({ p99: each }: Figures): Spread => each;
  goal(
    'service, store and sealing over naive, token cached',
    ratio(({ whole }) => whole, cached),
    1,
  );
  goal('service over naive, token cached', ratio(service, cached), 1);
  goal('service over bare node:http', ratio(service, bare), 2.5);
  goal('p99 over naive, token cached', ratio(p99, cached), 1.2);
  goal(
    'p99 over 3 times that of bare node:http and of fdatasync',
    ours.p99.median / (3 * (bare.p99.median + fdatasyncP99Ms)),
    1,
  );
  goal('saturation over naive, token cached', ratio(perSecond, cached), 1, false);
  const naive = of(NAIVE);
  if (naive !== undefined) goal('saturation over naive', ratio(perSecond, naive), 3, false);
  const relational = of(RELATIONAL);
  if (relational !== undefined) {
    goal('saturation over PostgreSQL', ratio(perSecond, relational), 5, false);
  }
  return facts;
}

/** How far apart the two identical ones are: a smaller difference is no difference. */
function control(figures: readonly Figures[]): Fact[] {
  const [ours, again] = [OURS, CONTROL].map((name) => figures.find((each) => each.name === name));
  if (ours === undefined || again === undefined) return [];
  const apart = (value: (figure: Figures) => Spread): string =>
    (
      Math.max(value(ours).median, value(again).median) /
      Math.min(value(ours).median, value(again).median)
    ).toFixed(2);
  return [
    { what: 'control: the same twice, processor time', value: apart(({ whole }) => whole) },
    { what: 'control: the same twice, saturation', value: apart(({ perSecond }) => perSecond) },
    { what: 'control: the same twice, p99', value: apart(({ p99 }) => p99) },
  ];
}

/** The cost of each capability: as a multiple of the same without it. */
function prices(figures: readonly Figures[]): Fact[] {
  const of = (name: string) => figures.find((figure) => figure.name === name);
  return capabilities.flatMap((capability): Fact[] => {
    const [on, off] = [of(nameWith(capability)), of(capability === 'pages' ? WITHOUT_PAGES : OURS)];
    if (on === undefined || off === undefined) return [];
    const times = (value: (figure: Figures) => Spread): string =>
      (value(on).median / value(off).median).toFixed(2);
    const cells = [
      `processor time ${times(({ whole }) => whole)}`,
      `service alone ${times(({ service }) => service)}`,
      `saturation ${times(({ perSecond }) => perSecond)}`,
      `p50 ${times(({ p50 }) => p50)}`,
      `p99 ${times(({ p99 }) => p99)}`,
    ];
    return [{ what: `${capability}, on over off`, value: cells.join(', ') }];
  });
}

/** A refusal is not an answer, however quick: with any refusal the figures mean nothing. */
function refusals(figures: readonly Figures[]): Fact[] {
  return figures
    .filter(({ refused }) => refused > 0)
    .map(({ name, refused }) => ({ what: `refused by ${name}`, value: `${refused}`, met: false }));
}

const on = machine();
const nation = await nationOf(Number(given.plans));
const folder = mkdtempSync(join(tmpdir(), 'cpf-rivals-'));
const ending: (() => Promise<void>)[] = [];
try {
  const numbers = Array.from({ length: nation.children }, (_, i) =>
    syntheticNumber(nation.rows > 600_000 ? 'wide' : 'test', i),
  );
  const { held, notHeld } = nation;
  const base = { requests: 0, connections: CONNECTIONS };
  const issuer = await openDemoIssuer(folder);
  const nurse = { sub: 'bench', client_id: 'bench', name: 'Bench Nurse', roles: [] };
  const token = await issuer.sign(nurse, TOKEN_SECONDS);
  const hello = async (script: string, args: string[]) => {
    const { said, child, stop } = await startProcess(script, args, { until: /hello on ([0-9]+)/ });
    return { port: Number(said[1]), pid: child.pid ?? 0, stop };
  };
  const bare = (name: string, what: string): Subject => ({
    name,
    async start() {
      const { port, pid, stop } = await hello('bench/hello.ts', [what]);
      return {
        order: { ...base, port },
        pids: { service: [pid], store: [], worker: [] },
        stop,
      };
    },
  });
  const rival = (name: string, args: string[], store: RivalStore): Subject => ({
    name,
    async start() {
      const { port, pid, stop } = await hello('bench/rivals.ts', args);
      return {
        order: { ...base, port, token, held, notHeld },
        pids: { service: [pid], store: [store.pid], worker: [] },
        stop,
      };
    },
  });
  const own = (name: string, capability?: Exclude<Capability, 'pages'>): Subject => ({
    name,
    async start() {
      const used = capability && (await startCapability(capability));
      const environment = await startEnvironment(nation, {
        environment: used?.settings ?? {},
        replicated: used?.replicated ?? false,
        prepare: (dataDir) => used?.prepare?.(dataDir, numbers) ?? Promise.resolve(),
      }).catch(async (error: unknown) => {
        await used?.stop?.();
        throw error;
      });
      const { baseUrls, tokens, pids, dataDir } = environment;
      used?.runs?.(dataDir);
      await pause(used?.begunAfterMs ?? 0);
      const port = Number(new URL(baseUrls[0] ?? '').port);
      const { lookup = 0, worker = 0, redis = 0, replica } = await pids();
      return {
        order: { ...base, port, token: tokens[0] ?? '', held, notHeld },
        pids: {
          service: [lookup],
          store: replica === undefined ? [redis] : [redis, replica],
          worker: [worker],
        },
        async stop() {
          await environment.stop();
          await used?.stop?.();
        },
      };
    },
  });
  const live = (name: string, pages: boolean): Subject => ({
    name,
    async start() {
      const own = mkdtempSync(join(tmpdir(), 'cpf-live-'));
      const store = await startProcess('bench/live-service.ts', [own], {
        until: /^service (.*)$/m,
      });
      const {
        token: of,
        held: numbers,
        dataDir,
        settings,
      } = liveSchema.parse(JSON.parse(store.said[1] ?? ''));
      const lookupDir = join(own, 'lookup');
      mkdirSync(lookupDir);
      const lookups = await startLookups(dataDir, lookupDir, {
        ...settings,
        ...(pages && pagesSettings(own)),
      });
      const running = await readRunning(dataFolder(dataDir));
      return {
        order: { ...base, port: Number(lookups.said[1]), token: of, held: numbers, notHeld },
        pids: {
          service: [lookups.child.pid ?? 0],
          store: [running?.pid ?? 0],
          worker: [store.child.pid ?? 0],
        },
        async stop() {
          await lookups.stop();
          await store.stop();
          rmSync(own, { recursive: true, force: true });
        },
      };
    },
  });
  const issuerFile = join(folder, 'demo-issuer.json');
  /** The service beside what others do. */
  async function beside(): Promise<Subject[]> {
    const redis = await startPlainRedis(join(folder, 'redis'), numbers);
    ending.push(redis.stop);
    const postgres = await startPostgres(join(folder, 'postgres'), numbers);
    if (postgres === undefined) {
      console.error('There is no PostgreSQL here (apt install postgresql); it is left out.');
    } else ending.push(postgres.stop);
    return [
      bare(BARE, 'node-http'),
      bare('Hono, hello', 'hono'),
      own(OURS),
      own(CONTROL),
      own('cp-flags, a replica', 'replica'),
      rival(NAIVE, ['redis', redis.socket, issuerFile], redis),
      rival(CACHED, ['redis', redis.socket, issuerFile, 'cached'], redis),
      ...(postgres === undefined
        ? []
        : [rival(RELATIONAL, ['postgres', postgres.socket, issuerFile], postgres)]),
    ];
  }
  /** The service without and with each of its capabilities. */
  const alone = (): Subject[] => [
    own(OURS),
    own(CONTROL),
    ...capabilities.flatMap((capability) =>
      capability === 'pages'
        ? [live(WITHOUT_PAGES, false), live(nameWith(capability), true)]
        : [own(nameWith(capability), capability)],
    ),
  ];
  const figures = await measureAll(capabilities.length > 0 ? alone() : await beside());
  const facts = [
    ...goals(figures, on.fsync.p99Microseconds / 1_000),
    ...prices(figures),
    ...control(figures),
    ...refusals(figures),
  ];
  const ms = (value: number): string => value.toFixed(2);
  const us = (value: number): string => value.toFixed(0);
  const rate = (value: number): string => Math.round(value).toLocaleString('en-GB');
  /** The median, with the least and the most of all rounds. */
  const all = ({ median: middle, least, most }: Spread, said: (value: number) => string): string =>
    `${said(middle)} (${said(least)}-${said(most)})`;
  const percent = ({ flaggedShare }: Figures): string =>
    Number.isNaN(flaggedShare) ? '' : `${(flaggedShare * 100).toFixed(1)} %`;
  const body = `<h1>Comparison</h1>
<p>${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC. ${nation.children.toLocaleString('en-GB')} children in every store; one in ${HELD_ONE_IN} lookups is for one of them. ${CONNECTIONS} connections kept alive; the generator, the service and its store share the processors. Redis and PostgreSQL have the audit on disk before an answer leaves. Medians of ${given.rounds} rounds in turn, each service started afresh in each; beside them the least and the most.</p>
<p>${machineLine(on)}</p>
${factTable(facts)}
<h2>Figures</h2><div class="charts">
${barChart(
  figures.map(({ name, service, store, worker, whole }) => ({
    name,
    values: [service, store, worker].map((part) => part.median),
    text: `${us(whole.median)} us`,
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
    values: [perSecond.median],
    text: rate(perSecond.median),
  })),
  { title: 'Throughput at saturation', note: 'requests a second' },
)}
${(['p50', 'p99', 'p999'] as const)
  .map((what) =>
    barChart(
      figures.map((figure) => ({
        name: figure.name,
        values: [figure[what].median],
        text: `${ms(figure[what].median)} ms`,
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
  [
    '',
    'service us',
    'store us',
    'sealing us',
    'a second',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'flagged',
  ],
  figures.map((figure) => [
    escape(figure.name),
    ...[figure.service, figure.store, figure.worker].map((part) => all(part, us)),
    all(figure.perSecond, rate),
    ...[figure.p50, figure.p99, figure.p999].map((latency) => all(latency, ms)),
    percent(figure),
  ]),
)}`;
  mkdirSync(given.out, { recursive: true });
  const path = join(given.out, 'bench-compare');
  writeFileSync(`${path}.json`, JSON.stringify({ machine: on, facts, figures }, null, 2));
  writeFileSync(`${path}.html`, shell('cp-flags bench: comparison', body));
  const columns = ['service us', 'store us', 'sealing us', 'a second', 'p50 ms', 'p99 ms'];
  console.log(
    `${''.padEnd(20)}${columns.map((each) => each.padStart(25)).join('')}${'flagged'.padStart(9)}`,
  );
  for (const figure of figures) {
    const cells = [
      ...[figure.service, figure.store, figure.worker].map((part) => all(part, us)),
      all(figure.perSecond, rate),
      ...[figure.p50, figure.p99].map((latency) => all(latency, ms)),
    ];
    console.log(
      `${figure.name.padEnd(20)}${cells.map((cell) => cell.padStart(25)).join('')}${percent(figure).padStart(9)}`,
    );
  }
  for (const { what, value, met } of facts) {
    console.log(`${what}: ${value}${met === undefined ? '' : met ? ' (met)' : ' (MISSED)'}`);
  }
  console.log(`${relative(process.cwd(), path)}.html`);
  process.exitCode = facts.every(({ met }) => met !== false) ? 0 : 1;
} finally {
  for (const end of ending) await end();
  rmSync(folder, { recursive: true, force: true });
}
