import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { pagesSettings } from './capabilities.ts';
import { startLookups } from './lookups.ts';
import { cpuMicroseconds, median, spread, startProcess } from './processes.ts';
import { send } from './sending.ts';

/**
 * `npm run bench:pages`: processor time of a lookup by the API in a process that also serves pages for
 * browsers, beside two processes that serve none. The difference between those two is the machine's noise.
 */

const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '11' },
    connections: { type: 'string', default: '32' },
  },
});
const REQUESTS = Number(options.requests);
const ROUNDS = Number(options.rounds);
const CONNECTIONS = Number(options.connections);
const WARM_UP_ROUNDS = 5;
const NAMES = ['off', 'control', 'on'] as const;
type Name = (typeof NAMES)[number];

const storeSchema = z.object({
  token: z.string(),
  held: z.array(z.string()),
  dataDir: z.string(),
  settings: z.record(z.string(), z.string()),
});

const folder = await mkdtemp(join(tmpdir(), 'cpf-bench-'));
const stops: (() => Promise<void>)[] = [];
try {
  const store = await startProcess('bench/live-service.ts', [folder], { until: /^service (.*)$/m });
  stops.unshift(() => store.stop());
  const { token, held, dataDir, settings } = storeSchema.parse(JSON.parse(store.said[1] ?? ''));
  const started = {} as Record<Name, Awaited<ReturnType<typeof startProcess>>>;
  for (const name of NAMES) {
    const own = join(folder, name);
    await mkdir(own);
    const pages = name === 'on' ? pagesSettings(own) : {};
    const lookups = await startLookups(dataDir, own, { METRICS_PORT: '0', ...settings, ...pages });
    stops.unshift(() => lookups.stop());
    started[name] = lookups;
    const page = await fetch(`http://127.0.0.1:${lookups.said[1]}/sign-in`);
    if ((page.status === 200) !== (name === 'on')) {
      throw new Error(`${name}: GET /sign-in is answered ${page.status}.`);
    }
  }
  const taken: Record<Name, number[]> = { off: [], control: [], on: [] };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    // Each is first, in the middle and last in turn.
    for (const i of NAMES.keys()) {
      const name = NAMES[(i + round + WARM_UP_ROUNDS) % NAMES.length] ?? 'off';
      const { child, said } = started[name];
      const pid = child.pid ?? 0;
      const order = { port: Number(said[1]), requests: REQUESTS, connections: CONNECTIONS };
      let before = 0;
      const done = await send({ ...order, token, held }, () => (before = cpuMicroseconds(pid)));
      if (done.answered !== REQUESTS || done.refused > 0) {
        throw new Error(`${name}: ${done.refused} of ${REQUESTS} requests were refused.`);
      }
      if (round >= 0) taken[name].push((cpuMicroseconds(pid) - before) / REQUESTS);
    }
  }
  console.log(`Processor time a lookup, microseconds: median of ${ROUNDS} rounds of ${REQUESTS}.`);
  for (const name of NAMES) {
    const ratios = taken[name].map((used, round) => used / (taken.off[round] ?? Number.NaN));
    const { median: middle, least, most } = spread(ratios);
    const range = `(${least.toFixed(3)} to ${most.toFixed(3)})`;
    const of = name === 'off' ? '' : `  ${middle.toFixed(3)} x off ${range}`;
    console.log(`  ${name.padEnd(8)} ${median(taken[name]).toFixed(1).padStart(6)}${of}`);
  }
} finally {
  for (const stop of stops) await stop();
  await rm(folder, { recursive: true, force: true });
}
