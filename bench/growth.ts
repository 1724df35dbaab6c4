import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { lineChart } from './charts.ts';
import { type Environment, startEnvironment } from './environment.ts';
import { machine } from './machine.ts';
import { type Nation, nationOf } from './nation.ts';
import { readOptions } from './options.ts';
import { cpuMicroseconds, root, startProcess } from './processes.ts';
import { machineLine, shell, table } from './report.ts';
import { send } from './sending.ts';

/**
 * `npm run bench:growth`: what a lookup, a row and a load cost as the store grows, and what more lookup
 * processes answer. The largest size takes 4 GB of memory and of the temporary folder for every ten million rows.
 */

const HELP = `npm run bench:growth -- [options]

  --sizes 100000,1000000      rows
  --processes 1,2,4           lookup processes behind a balancer, on the smallest store; "" for none
  --rate 1000                 lookups a second, for --seconds 10, at which latency is measured
  --out reports`;

const given = readOptions(HELP, {
  sizes: { type: 'string', default: '100000,1000000' },
  processes: { type: 'string', default: '1,2,4' },
  rate: { type: 'string', default: '1000' },
  seconds: { type: 'string', default: '10' },
  out: { type: 'string', default: join(root, 'reports') },
});

/** Many, so that no disk delays a saturated service: those that wait share its writes. */
const CONNECTIONS = 256;
const SATURATING_REQUESTS = 30_000;
const WARM_UP_REQUESTS = 15_000;
const list = (text: string): number[] => (text === '' ? [] : text.split(',').map(Number));

const orderFor = (nation: Nation, { tokens }: Environment, port: number) => ({
  port,
  requests: WARM_UP_REQUESTS,
  connections: CONNECTIONS,
  token: tokens[0] ?? '',
  held: nation.held,
});
const portOf = (url: string | undefined): number => Number(new URL(url ?? '').port);

/** Everything that depends on how much is held. */
async function measureSize(rows: number) {
  const nation = await nationOf(rows);
  const environment = await startEnvironment(nation);
  try {
    const order = orderFor(nation, environment, portOf(environment.baseUrls[0]));
    await send(order);
    const pids = await environment.pids();
    const of = (name: string): number => cpuMicroseconds(pids[name] ?? 0);
    const requests = Number(given.rate) * Number(given.seconds);
    let before = { lookup: 0, redis: 0 };
    const { latency, refused, answered } = await send(
      { ...order, requests, perSecond: Number(given.rate) },
      () => (before = { lookup: of('lookup'), redis: of('redis') }),
    );
    if (refused > 0) throw new Error(`${refused} lookups were refused`);
    return {
      rows,
      children: nation.children,
      ...latency,
      serviceUs: (of('lookup') - before.lookup) / answered,
      storeUs: (of('redis') - before.redis) / answered,
      bytesARow: nation.storeBytes / rows,
      loadUsARow: (1000 * nation.loadMs) / rows,
      loadCpuUsARow: (1000 * nation.loadCpuMs) / rows,
      readyMs: environment.readyMs,
      workerReadyMs: environment.workerReadyMs,
    };
  } finally {
    await environment.stop();
  }
}

/** Lookups a second that this many processes answer, and the load of each part of the machine meanwhile. */
async function measureProcesses(nation: Nation, processes: number) {
  const environment = await startEnvironment(nation, { lookups: processes });
  const balancer = await startProcess(
    'bench/balancer.ts',
    environment.baseUrls.map((url) => String(portOf(url))),
    { until: /hello on ([0-9]+)/ },
  );
  try {
    const order = orderFor(nation, environment, Number(balancer.said[1]));
    await send(order);
    const pids = await environment.pids();
    const used = (): number[] =>
      ['lookup', 'redis', 'worker'].map((kind) =>
        Object.entries(pids)
          .filter(([name]) => name.startsWith(kind))
          .reduce((sum, [, pid]) => sum + cpuMicroseconds(pid), 0),
      );
    let before: number[] = [];
    const done = await send({ ...order, requests: SATURATING_REQUESTS }, () => (before = used()));
    const after = used();
    const share = (i: number): number => ((after[i] ?? 0) - (before[i] ?? 0)) / 1000 / done.tookMs;
    return {
      processes,
      perSecond: (done.answered / done.tookMs) * 1000,
      lookupCpu: share(0),
      redisCpu: share(1),
      workerCpu: share(2),
    };
  } finally {
    await balancer.stop();
    await environment.stop();
  }
}

const on = machine();
const sizes: Awaited<ReturnType<typeof measureSize>>[] = [];
const scaled: Awaited<ReturnType<typeof measureProcesses>>[] = [];
const [smallest = 0] = list(given.sizes);
if (given.processes !== '') {
  const nation = await nationOf(smallest);
  for (const processes of list(given.processes)) {
    const figures = await measureProcesses(nation, processes);
    scaled.push(figures);
    const { perSecond, lookupCpu, redisCpu, workerCpu } = figures;
    console.log(
      `${processes} lookup processes: ${Math.round(perSecond).toLocaleString('en-GB')} a second; processors used: lookups ${lookupCpu.toFixed(2)}, Redis ${redisCpu.toFixed(2)}, worker ${workerCpu.toFixed(2)}`,
    );
  }
}
for (const rows of list(given.sizes)) {
  const figures = await measureSize(rows);
  sizes.push(figures);
  const { p50, p99, serviceUs, storeUs, bytesARow, loadUsARow, loadCpuUsARow, readyMs } = figures;
  console.log(
    `${rows.toLocaleString('en-GB')} rows: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms; CPU a lookup: service ${serviceUs.toFixed(0)} us, store ${storeUs.toFixed(0)} us; ${bytesARow.toFixed(0)} bytes a row; load ${loadUsARow.toFixed(1)} us a row (CPU ${loadCpuUsARow.toFixed(1)}); ready in ${readyMs.toFixed(0)} ms, worker and Redis in ${figures.workerReadyMs.toFixed(0)} ms`,
  );
}

type Size = (typeof sizes)[number];
const chart = (title: string, note: string, series: [name: string, of: (size: Size) => number][]) =>
  lineChart(
    series.map(([name, of]) => ({
      name,
      points: sizes.map((size): [number, number] => [size.rows, of(size)]),
    })),
    { title, note, x: 'rows', logX: true, dots: true },
  );
const body = `<h1>Growth</h1>
<p>${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC.</p><p>${machineLine(on)}</p>
<div class="charts">
${chart('Latency', `milliseconds, ${given.rate} lookups a second`, [
  ['p50', ({ p50 }) => p50],
  ['p99', ({ p99 }) => p99],
])}
${chart('Processor time a lookup', 'microseconds', [
  ['service', ({ serviceUs }) => serviceUs],
  ['store', ({ storeUs }) => storeUs],
])}
${chart('Memory of the store', 'bytes a row', [['bytes', ({ bytesARow }) => bytesARow]])}
${chart('Load', 'microseconds a row', [
  ['from start to end', ({ loadUsARow }) => loadUsARow],
  ['processor time', ({ loadCpuUsARow }) => loadCpuUsARow],
])}
${lineChart(
  [
    {
      name: 'answered',
      points: scaled.map(({ processes, perSecond }): [number, number] => [processes, perSecond]),
    },
  ],
  {
    title: 'Lookup processes',
    note: 'lookups a second at saturation, generator and all on one machine',
    x: 'processes',
    dots: true,
  },
)}
</div>
${table(
  [
    'rows',
    'p50 ms',
    'p99 ms',
    'service us',
    'store us',
    'bytes a row',
    'load us a row',
    'ready ms',
  ],
  sizes.map((size) => [
    size.rows.toLocaleString('en-GB'),
    size.p50.toFixed(2),
    size.p99.toFixed(2),
    size.serviceUs.toFixed(0),
    size.storeUs.toFixed(0),
    size.bytesARow.toFixed(0),
    size.loadUsARow.toFixed(1),
    size.readyMs.toFixed(0),
  ]),
)}
${table(
  ['lookup processes', 'a second', 'processors: lookups', 'Redis', 'worker'],
  scaled.map(({ processes, perSecond, lookupCpu, redisCpu, workerCpu }) => [
    String(processes),
    Math.round(perSecond).toLocaleString('en-GB'),
    lookupCpu.toFixed(2),
    redisCpu.toFixed(2),
    workerCpu.toFixed(2),
  ]),
)}`;
mkdirSync(given.out, { recursive: true });
const path = join(given.out, 'bench-growth');
writeFileSync(`${path}.json`, JSON.stringify({ machine: on, sizes, processes: scaled }, null, 2));
writeFileSync(`${path}.html`, shell('cp-flags bench: growth', body));
console.log(`${relative(process.cwd(), path)}.html`);
