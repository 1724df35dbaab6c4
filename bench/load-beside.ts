import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Country, cpFlags, startStore, withFolder } from './country.ts';
import { cpuMicroseconds, spread } from './processes.ts';

/** Of the whole country, by run. */
type Cost = { ms: number[]; loaderCpuMs: number[]; storeCpuMs: number[] };
type Loading = Pick<typeof import('./country.ts'), 'startStore' | 'cpFlags'>;

/**
 * The cost of a country for this checkout, another one, and this one again, alternately and in fresh
 * processes: a difference no larger than between the two of this checkout is none.
 */
export async function measureBeside(
  country: Country,
  { runs, beside }: { runs: number; beside: string },
): Promise<Map<string, Cost>> {
  const ours: Loading = { startStore, cpFlags };
  const other = pathToFileURL(resolve(beside, 'bench', 'country.ts')).href;
  const theirs = (await import(other)) as Loading;
  const costs = new Map<string, Cost>();
  for (let run = 0; run < runs; run += 1) {
    const turn = [['now', ours] as const, ['beside', theirs] as const, ['again', ours] as const];
    for (const [name, loading] of run % 2 === 0 ? turn : turn.toReversed()) {
      const cost = costs.get(name) ?? { ms: [], loaderCpuMs: [], storeCpuMs: [] };
      costs.set(name, cost);
      await withFolder(async (folder) => {
        const dataDir = join(folder, 'loaded');
        const store = await loading.startStore(dataDir, country.authorities);
        try {
          const before = cpuMicroseconds(store.server.pid);
          const used = await loading.cpFlags(['load', ...country.paths], { DATA_DIR: dataDir });
          cost.ms.push(used.milliseconds);
          cost.loaderCpuMs.push(used.cpuMs);
          cost.storeCpuMs.push((cpuMicroseconds(store.server.pid) - before) / 1000);
        } finally {
          await store.stop();
        }
      });
    }
  }
  return costs;
}

function spreadText(values: readonly number[]): string {
  const { median, least, most } = spread(values);
  return `${median.toFixed(1)} (${least.toFixed(1)} to ${most.toFixed(1)})`;
}

/** A line for each, with its median, least and most. */
export function besideText(costs: ReadonlyMap<string, Cost>, plans: number): string {
  return [...costs]
    .map(([name, { ms, loaderCpuMs, storeCpuMs }]) => {
      const aRow = (all: readonly number[]): string =>
        spreadText(all.map((each) => (each * 1000) / plans));
      const seconds = spreadText(ms.map((each) => each / 1000));
      return `  ${name.padEnd(7)} loader ${aRow(loaderCpuMs)} us of processor time a row, Redis ${aRow(storeCpuMs)}; ${seconds} s`;
    })
    .join('\n');
}
