import { join } from 'node:path';
import { NATION, withFolder, writeCountry } from './country.ts';
import { besideText, measureBeside } from './load-beside.ts';
import { measureCountry } from './load-country.ts';
import { measureLookups } from './load-lookups.ts';
import { measureXml } from './load-xml.ts';
import { machine } from './machine.ts';
import { readOptions } from './options.ts';
import { median } from './processes.ts';

/**
 * `npm run bench:load`: the promised speed of the intake, each figure beside its limit, medians of several
 * runs. Exits with 1 if a limit is missed.
 */

const PARTS = ['csv', 'xml', 'lookups'] as const;
const HELP = `npm run bench:load -- [options]

  --runs 3             how often each is measured; medians count
  --only csv,xml,lookups
  --plans 230000       of the country loaded
  --authorities 153
  --per-second 100     lookups that arrive while it is loaded
  --beside PATH        instead of all this, what a row costs here, in another checkout, and here again
  --json`;

/** The promises. */
const LIMITS = {
  /** The time for a whole country in CSV, as a multiple of redis-cli --pipe writing the same. */
  loadOverPipe: 3,
  /** The speed of reading Spine XML, as a multiple of the bare parser's. */
  readOverSaxes: 0.5,
  /** The 99th percentile of lookups during a load, as a multiple of that in a quiet time. */
  loadingOverQuiet: 2,
};

const options = readOptions(HELP, {
  runs: { type: 'string', default: '3' },
  only: { type: 'string', default: PARTS.join(',') },
  plans: { type: 'string', default: String(NATION.plans) },
  authorities: { type: 'string', default: String(NATION.authorities) },
  'per-second': { type: 'string', default: '100' },
  beside: { type: 'string' },
  json: { type: 'boolean', default: false },
});

const runs = Number(options.runs);
const wanted = new Set(options.beside === undefined ? options.only.split(',') : []);
const on = machine();
const say = (line: string): void => void (options.json || console.log(line));
const ms = (values: readonly number[], digits = 0): string => median(values).toFixed(digits);
const all = (values: readonly number[], digits = 0): string =>
  values.map((value) => value.toFixed(digits)).join(', ');
const verdict = (met: boolean): string => (met ? 'met' : 'MISSED');

say(
  `cp-flags ${on.cpFlags}, Node ${on.node}, Redis ${on.redis}; ${on.processor}, ${on.memoryGib} GiB, ${on.system}
fdatasync of 4 KiB: median ${on.fsync.medianMicroseconds} us, p99 ${on.fsync.p99Microseconds} us; medians of ${runs} runs
`,
);

let beside: object | undefined;
const figures = await withFolder(async (folder) => {
  const country = writeCountry(join(folder, 'files'), {
    ...NATION,
    plans: Number(options.plans),
    authorities: Number(options.authorities),
  });
  const measured: Record<string, { met: boolean; ratio: number; limit: number; figures: object }> =
    {};
  const keep = (name: string, ratio: number, limit: number, met: boolean, figures: object) => {
    measured[name] = { ratio, limit, met, figures };
  };
  if (options.beside !== undefined) {
    const costs = await measureBeside(country, { runs, beside: options.beside });
    beside = Object.fromEntries(costs);
    say(besideText(costs, Number(options.plans)));
  }
  if (wanted.has('csv')) {
    const csv = await measureCountry(country, runs);
    const met = csv.ratio <= LIMITS.loadOverPipe;
    keep('loadOverPipe', csv.ratio, LIMITS.loadOverPipe, met, csv);
    say(`${country.paths.length} CSV files, ${Number(options.plans).toLocaleString('en-GB')} plans, by cp-flags load into an empty store
  load               ${ms(csv.loadMs)} ms   (${all(csv.loadMs)}), processor time ${ms(csv.loadCpuMs)} ms
  redis-cli --pipe   ${ms(csv.pipeMs)} ms   (${all(csv.pipeMs)}) for the same ${csv.children.toLocaleString('en-GB')} children
  ratio              ${csv.ratio.toFixed(2)}, at most ${LIMITS.loadOverPipe}: ${verdict(met)}
`);
  }
  if (wanted.has('xml')) {
    const xml = await measureXml(runs);
    const met = xml.ratio >= LIMITS.readOverSaxes;
    keep('readOverSaxes', xml.ratio, LIMITS.readOverSaxes, met, xml);
    say(`Spine XML, one file of ${xml.megabytes.toFixed(0)} MB
  saxes alone        ${ms(xml.saxes, 1)} MB/s   (${all(xml.saxes, 1)})
  read and checked   ${ms(xml.read, 1)} MB/s   (${all(xml.read, 1)}) into the spool
  whole load         ${ms(xml.load, 1)} MB/s   (${all(xml.load, 1)})
  ratio              ${xml.ratio.toFixed(2)} of saxes for reading, at least ${LIMITS.readOverSaxes}: ${verdict(met)}
`);
  }
  if (wanted.has('lookups')) {
    const perSecond = Number(options['per-second']);
    const lookups = await measureLookups(country, { runs, perSecond });
    const met = lookups.ratio <= LIMITS.loadingOverQuiet;
    keep('loadingOverQuiet', lookups.ratio, LIMITS.loadingOverQuiet, met, lookups);
    const line = ({ lookups: count, p50, p99, most }: typeof lookups.quiet): string =>
      `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, most ${most.toFixed(1)} ms, of ${count}`;
    say(`Lookups, ${perSecond} a second, while the country is loaded
  quiet              ${line(lookups.quiet)}
  during the load    ${line(lookups.loading)}
  ratio              ${lookups.ratio.toFixed(2)} of p99, at most ${LIMITS.loadingOverQuiet}: ${verdict(met)}
`);
  }
  return measured;
});

if (options.json) console.log(JSON.stringify({ machine: on, runs, ...figures, beside }, null, 2));
process.exitCode = Object.values(figures).every(({ met }) => met) ? 0 : 1;
