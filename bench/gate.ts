import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpFlags, NATION, startStore, withFolder, writeCountry } from './country.ts';
import baseline from './gate-baseline.json' with { type: 'json' };
import type { Order } from './generator.ts';
import { readOptions } from './options.ts';
import { median, root, type startProcess } from './processes.ts';
import { startPlainRedis } from './rival-stores.ts';
import { sealCost } from './seal-cost.ts';
import {
  ISSUER_FILE,
  requestCost,
  startDemoLookups,
  startHello,
  startSmallService,
} from './subjects.ts';

/**
 * `npm run bench:gate`: whether a lookup, sealing it, or loading a row has become more expensive than
 * recorded. Each is processor time as a multiple of the naive lookup with a cached token in the same run,
 * since other work on the machine affects both; a lookup also as a multiple of bare `node:http`.
 */

const HELP = `npm run bench:gate -- [options]

  --rounds 15          the processes that answer take turns so often; medians count
  --record             writes bench/gate-baseline.json from four runs, each in fresh processes

Ends with 1 if a price is above its limit in each of three tries.`;

const options = readOptions(HELP, {
  rounds: { type: 'string', default: '15' },
  record: { type: 'boolean', default: false },
});

/** As many as when the baseline was recorded: a process that has answered fewer is slower. */
const REQUESTS = 10_000;
const WARM_UP_ROUNDS = 8;
const CONNECTIONS = 32;
/** The rounds in which sealing and a load are measured too, which take seconds. */
const SELDOM = 5;
const SEALING = { events: '1000', steps: '20', before: '5000' };
/** As many rows in each file as a country has. */
const LOADED = { ...NATION, authorities: 40, plans: 60_000 };

const WORSE_AT_MOST = 0.2;
const ATTEMPTS = 3;
const RECORDED_RUNS = 4;
const BASELINE = join(root, 'bench', 'gate-baseline.json');

const PRICES = {
  lookup: 'A lookup, in times of the naive one',
  lookupOverNodeHttp: 'A lookup, in times of bare node:http',
  sealing: 'Sealing a lookup, in times of the naive lookup',
  row: 'Loading a row, in times of the naive lookup',
} as const;
type Price = keyof typeof PRICES;
const prices = Object.keys(PRICES) as Price[];
type Ratios = Record<Price, number>;

async function startAll() {
  const folder = await mkdtemp(join(tmpdir(), 'cpf-gate-'));
  const stops: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const { started, dataDir, order } = await startSmallService();
  stops.push(started.stop);
  const redis = await startPlainRedis(join(folder, 'redis'), order.held);
  stops.push(redis.stop);
  const ownDir = join(folder, 'lookups');
  await mkdir(ownDir);
  const issuerFile = join(dataDir, ISSUER_FILE);
  const subject = async (starting: ReturnType<typeof startProcess>, of: Partial<Order>) => {
    const { child, said, stop } = await starting;
    stops.push(stop);
    const port = Number(said[1]);
    return {
      pid: child.pid ?? 0,
      order: { port, requests: REQUESTS, connections: CONNECTIONS, ...of },
    };
  };
  const naive = ['redis', redis.socket, issuerFile, 'cached'];
  return {
    lookup: await subject(startDemoLookups(dataDir, ownDir, { METRICS_PORT: '0' }), order),
    naive: await subject(startHello('bench/rivals.ts', naive), order),
    nodeHttp: await subject(startHello('bench/hello.ts', ['node-http']), {}),
    country: writeCountry(join(folder, 'country'), LOADED),
    async stop() {
      for (const stop of stops.toReversed()) await stop();
    },
  };
}
type All = Awaited<ReturnType<typeof startAll>>;

/** Microseconds of the loader's processor time for each row, with its start and end. */
const rowCost = ({ country }: All): Promise<number> =>
  withFolder(async (dataDir) => {
    const store = await startStore(dataDir, country.authorities);
    try {
      const { cpuMs } = await cpFlags(['load', ...country.paths], { DATA_DIR: dataDir });
      return (cpuMs * 1_000) / LOADED.plans;
    } finally {
      await store.stop();
    }
  });

async function warmUp({ lookup, naive, nodeHttp }: All): Promise<void> {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    for (const subject of [lookup, naive, nodeHttp]) await requestCost(subject);
  }
}

async function measure(all: All): Promise<Ratios> {
  const found: Record<Price, number[]> = {
    lookup: [],
    lookupOverNodeHttp: [],
    sealing: [],
    row: [],
  };
  for (let round = 0; round < Number(options.rounds); round++) {
    const lookup = await requestCost(all.lookup);
    const naive = await requestCost(all.naive);
    found.lookup.push(lookup / naive);
    found.lookupOverNodeHttp.push(lookup / (await requestCost(all.nodeHttp)));
    if (round % SELDOM > 0) continue;
    found.sealing.push((sealCost(root, SEALING)['worker'] ?? Number.NaN) / naive);
    found.row.push((await rowCost(all)) / naive);
  }
  const ratio = (price: Price): number => median(found[price]);
  return Object.fromEntries(prices.map((price) => [price, ratio(price)])) as Ratios;
}

async function withAll<T>(work: (all: All) => Promise<T>): Promise<T> {
  const all = await startAll();
  try {
    await warmUp(all);
    return await work(all);
  } finally {
    await all.stop();
  }
}

/** A fifth above what was recorded, plus the spread of identical runs at that time. */
const limitOf = ({ ratio, control }: { ratio: number; control: number }): number =>
  ratio * (1 + WORSE_AT_MOST + control);

/** Whether each cost was within its limit in one of the attempts. A busy machine gets several. */
async function keepsBaseline(all: All): Promise<boolean> {
  const missed = new Set(prices);
  for (let attempt = 0; attempt < ATTEMPTS && missed.size > 0; attempt++) {
    const ratios = await measure(all);
    for (const price of prices.filter((each) => missed.has(each))) {
      const recorded = baseline[price];
      const limit = limitOf(recorded);
      const met = ratios[price] <= limit;
      if (met) missed.delete(price);
      console.log(
        `${PRICES[price]}: ${ratios[price].toFixed(2)}; recorded on ${baseline.measured} ${recorded.ratio.toFixed(2)}, allowed ${limit.toFixed(2)}: ${met ? 'met' : 'MISSED'}.`,
      );
    }
  }
  return missed.size === 0;
}

async function record(): Promise<void> {
  const runs: Ratios[] = [];
  for (let run = 0; run < RECORDED_RUNS; run++) runs.push(await withAll(measure));
  const recorded: Record<string, unknown> = { measured: new Date().toISOString().slice(0, 10) };
  for (const price of prices) {
    const found = runs.map((ratios) => ratios[price]);
    const ratio = Number(median(found).toFixed(2));
    const control = Number((Math.max(...found) / Math.min(...found) - 1).toFixed(2));
    recorded[price] = { ratio, control };
    const each = found.map((one) => one.toFixed(2)).join(', ');
    console.log(`${PRICES[price]}: ${ratio}; the runs found ${each}.`);
  }
  await writeFile(BASELINE, `${JSON.stringify(recorded, null, 2)}\n`);
}

if (options.record) await record();
else process.exitCode = (await withAll(keepsBaseline)) ? 0 : 1;
