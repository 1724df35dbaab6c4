import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Country, cpFlags, NATION, startStore, withFolder, writeCountry } from './country.ts';
import { machine } from './machine.ts';
import { readOptions } from './options.ts';

/**
 * `npm run bench:memory`: peak memory of the loader for files of an eighth, a half and one gibibyte. The last
 * two must be the same; exits with 1 if they are not. Takes long, and several times the largest size on the
 * disk of the temporary folder and in memory (Redis holds what is loaded).
 */

const HELP = `npm run bench:memory -- [options]

  --sizes 0.125,0.5,1   of the files, GiB
  --formats csv,xml
  --json`;

/**
 * The largest may use no more than this beyond the one before. Smaller ones do not show it: the heap grows
 * while no garbage needs collecting.
 */
const GROWTH_AT_MOST = 1.1;
const PLANS_TO_SIZE_BY = 20_000;

const options = readOptions(HELP, {
  sizes: { type: 'string', default: '0.125,0.5,1' },
  formats: { type: 'string', default: 'csv,xml' },
  json: { type: 'boolean', default: false },
});

type Figure = { format: string; megabytes: number; seconds: number; peakMib: number };

/** Writes one authority's file of about this many bytes. */
function writeFileOf(folder: string, bytes: number, format: 'csv' | 'xml'): Country {
  const one = { ...NATION, authorities: 1, numbers: 'wide', format } as const;
  const sized = writeCountry(join(folder, 'sized'), { ...one, plans: PLANS_TO_SIZE_BY });
  const perPlan = statSync(sized.paths[0] ?? '').size / PLANS_TO_SIZE_BY;
  return writeCountry(join(folder, 'file'), { ...one, plans: Math.round(bytes / perPlan) });
}

async function measure(gibibytes: number, format: 'csv' | 'xml'): Promise<Figure> {
  return withFolder(async (folder) => {
    const { paths, authorities } = writeFileOf(folder, gibibytes * 2 ** 30, format);
    const dataDir = join(folder, 'data');
    const store = await startStore(dataDir, authorities);
    try {
      const { milliseconds, peakMib } = await cpFlags(['load', ...paths], {
        DATA_DIR: dataDir,
        MAX_UPLOAD_MIB: '4096',
      });
      return {
        format,
        megabytes: statSync(paths[0] ?? '').size / 1e6,
        seconds: milliseconds / 1000,
        peakMib,
      };
    } finally {
      await store.stop();
    }
  });
}

const on = machine();
const say = (line: string): void => void (options.json || console.log(line));
say(
  `cp-flags ${on.cpFlags}, Node ${on.node}, Redis ${on.redis}; ${on.processor}, ${on.memoryGib} GiB, ${on.system}`,
);
const figures: Figure[] = [];
let flat = true;
for (const format of options.formats.split(',')) {
  if (format !== 'csv' && format !== 'xml') throw new Error(`there is no format ${format}`);
  const peaks: number[] = [];
  for (const size of options.sizes.split(',').map(Number)) {
    const figure = await measure(size, format);
    figures.push(figure);
    peaks.push(figure.peakMib);
    const { megabytes, peakMib, seconds } = figure;
    say(
      `  ${format}  ${megabytes.toFixed(0).padStart(5)} MB  peak ${peakMib.toFixed(0).padStart(5)} MiB  (${seconds.toFixed(0)} s, ${(megabytes / seconds).toFixed(1)} MB/s)`,
    );
  }
  const growth = (peaks.at(-1) ?? 0) / (peaks.at(-2) ?? Number.POSITIVE_INFINITY);
  const met = growth <= GROWTH_AT_MOST;
  flat &&= met;
  say(
    `  ${format}  the largest ${growth.toFixed(2)} of the one before, at most ${GROWTH_AT_MOST}: ${met ? 'met' : 'MISSED'}`,
  );
}
if (options.json) console.log(JSON.stringify({ machine: on, figures }, null, 2));
process.exitCode = flat ? 0 : 1;
