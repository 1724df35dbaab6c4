import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Country, cpFlags, NATION, startStore, withFolder, writeCountry } from './country.ts';
import { machine } from './machine.ts';
import { root } from './processes.ts';

/**
 * `npm run bench:memory`: peak memory of the loader for files of an eighth, a half and one gibibyte, which
 * must be the same. Exits with 1 where it grows. Takes long, and several times the largest size on the disk
 * of the temporary folder and in memory (Redis holds what is loaded).
 */

const HELP = `npm run bench:memory -- [options]

  --sizes 0.125,0.5,1   of the files, GiB
  --formats csv,xml
  --json`;

/** A larger file may cost no more than this over the smallest: garbage is collected when it suits. */
const GROWTH_AT_MOST = 1.25;
const PLANS_TO_SIZE_BY = 20_000;

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '0.125,0.5,1' },
    formats: { type: 'string', default: 'csv,xml' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) {
  console.log(HELP);
  process.exit(0);
}

type Figure = { format: string; megabytes: number; seconds: number; peakMib: number };

/** One authority's file of about so many bytes. */
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
    const peak = join(folder, 'peak');
    const store = await startStore(dataDir, authorities);
    try {
      const milliseconds = await cpFlags(
        ['load', ...paths],
        { DATA_DIR: dataDir, MAX_UPLOAD_MIB: '4096', PEAK_FILE: peak },
        ['--import', join(root, 'bench', 'peak.ts')],
      );
      return {
        format,
        megabytes: statSync(paths[0] ?? '').size / 1e6,
        seconds: milliseconds / 1000,
        peakMib: Number(readFileSync(peak, 'utf8')) / 1024,
      };
    } finally {
      await store.stop();
      rmSync(folder, { recursive: true, force: true });
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
  let smallest: number | undefined;
  for (const size of options.sizes.split(',').map(Number)) {
    const figure = await measure(size, format);
    figures.push(figure);
    smallest ??= figure.peakMib;
    const growth = figure.peakMib / smallest;
    const met = growth <= GROWTH_AT_MOST;
    flat &&= met;
    say(
      `  ${format}  ${figure.megabytes.toFixed(0).padStart(5)} MB  peak ${figure.peakMib.toFixed(0).padStart(5)} MiB  ${growth.toFixed(2)} of the smallest's, at most ${GROWTH_AT_MOST}: ${met ? 'met' : 'MISSED'}  (${figure.seconds.toFixed(0)} s, ${(figure.megabytes / figure.seconds).toFixed(1)} MB/s)`,
    );
  }
}
if (options.json) console.log(JSON.stringify({ machine: on, figures }, null, 2));
process.exitCode = flat ? 0 : 1;
