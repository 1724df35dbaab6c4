import { escape, lineChart, type Series, STYLE, short } from './charts.ts';
import type { K6Run } from './k6.ts';
import type { machine } from './machine.ts';
import type { Used } from './sampler.ts';

/** A figure beside its limit; without `met` it has none. */
export type Fact = { what: string; value: string; met?: boolean };

export type Run = {
  title: string;
  settings: Record<string, string>;
  k6: K6Run;
  used: Used[];
  /** Milliseconds since 1970 at 0 of `used`. */
  usedFrom: number;
  /** What happened, at which second. */
  marks?: readonly (readonly [at: number, what: string])[];
};

export type Report = {
  scenario: string;
  what: string;
  at: string;
  machine: ReturnType<typeof machine>;
  country: { plans: number; children: number; lookups: number };
  met: boolean;
  isVoid: boolean;
  facts: Fact[];
  runs: Run[];
};

export const table = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns = 1,
): string => {
  const kind = (i: number): string => (i < textColumns ? '' : ' class="n"');
  return `<div class="wide"><table><tr>${head.map((cell, i) => `<th${kind(i)}>${escape(cell)}</th>`).join('')}</tr>${rows
    .map((row) => `<tr>${row.map((cell, i) => `<td${kind(i)}>${cell}</td>`).join('')}</tr>`)
    .join('')}</table></div>`;
};

const verdict = (met: boolean | undefined): string =>
  met === undefined ? '' : met ? '<b class="good">met</b>' : '<b class="bad">missed</b>';

export const factTable = (facts: readonly Fact[]): string =>
  facts.length === 0
    ? ''
    : table(
        ['', 'measured', ''],
        facts.map(({ what, value, met }) => [escape(what), escape(value), verdict(met)]),
        3,
      );

/** A threshold that makes k6 tell a phase's figures apart, and holds always. */
const NAMED_ONLY = 'max>=0';

/** What a figure was measured on. */
export function machineLine(on: Report['machine']): string {
  return escape(
    `cp-flags ${on.cpFlags}, Node ${on.node}, Redis ${on.redis}; ${on.processor}, ${on.memoryGib} GiB, ${on.system}; fdatasync of 4 KiB: median ${(on.fsync.medianMicroseconds / 1000).toFixed(2)} ms, p99 ${(on.fsync.p99Microseconds / 1000).toFixed(2)} ms`,
  );
}

export const shell = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(title)}</title><style>${STYLE}</style><body>${body}</body></html>\n`;

/** A report of one scenario, in one self-contained file. It never contains an NHS number. */
export function page(report: Report): string {
  const { scenario, what, at, country, met, isVoid, facts, runs } = report;
  const badge = isVoid ? 'void' : met ? 'met' : 'missed';
  const [first] = runs;
  return shell(
    `cp-flags bench: ${scenario}`,
    `<h1>${escape(scenario)} <span class="badge ${met ? 'good' : 'bad'}">${badge}</span></h1>
<p>${escape(what)}. ${escape(at.slice(0, 16).replace('T', ' '))} UTC. ${country.plans.toLocaleString('en-GB')} plans, ${country.lookups} lookup process${country.lookups === 1 ? '' : 'es'}; k6 ${escape(first?.k6.version ?? '')}.</p>
<p>${machineLine(report.machine)}</p>
${isVoid ? '<p class="bad"><b>Void: a request was not sent when it was due, so the generator and not the service was measured.</b></p>' : ''}
${factTable(facts)}
${runs.length > 3 ? search(runs) : runs.map(section).join('')}`,
  );
}

const ms = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(2));
const of = (run: Run, metric: string, what: string): number =>
  run.k6.summary[metric]?.values[what] ?? 0;
const average = (run: Run, process: string): number => {
  const values = run.used.flatMap(({ cpu }) => cpu[process] ?? []);
  // The first and last seconds belong to starting and ending.
  const inner = values.length > 4 ? values.slice(1, -1) : values;
  return inner.reduce((sum, value) => sum + value, 0) / Math.max(1, inner.length);
};
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

function section(run: Run): string {
  const { seconds } = run.k6;
  const tiles: [string, string][] = [
    ['answered', short(of(run, 'lookups_answered', 'count'))],
    ['answered a second', short(of(run, 'lookups_answered', 'rate'))],
    ['p50', `${ms(of(run, 'lookup_answered_ms', 'med'))} ms`],
    ['p99', `${ms(of(run, 'lookup_answered_ms', 'p(99)'))} ms`],
    ['p99.9', `${ms(of(run, 'lookup_answered_ms', 'p(99.9)'))} ms`],
    ['refused with 503', short(of(run, 'lookups_refused', 'count'))],
    ['no NHS number', short(of(run, 'lookups_invalid', 'count'))],
    ['wrong', short(of(run, 'lookups_wrong', 'count'))],
    ['dropped', short(of(run, 'dropped_iterations', 'count'))],
    ['generator', `${percent(average(run, 'k6'))} CPU`],
  ];
  const per = (what: 'answered' | 'refused' | 'invalid' | 'wrong' | 'dropped'): Series['points'] =>
    seconds.map((second) => [second.at, second[what]]);
  const rates: Series[] = [
    { name: 'answered', points: per('answered') },
    { name: 'refused', points: per('refused') },
    { name: 'no NHS number', points: per('invalid') },
    { name: 'wrong', points: per('wrong') },
    { name: 'dropped', points: per('dropped') },
  ];
  const latency = (what: 'p50' | 'p99' | 'most'): Series['points'] =>
    seconds.flatMap((second): [number, number][] => {
      const value = second[what];
      return value === undefined ? [] : [[second.at, value]];
    });
  const processes = [...new Set(run.used.flatMap(({ cpu }) => Object.keys(cpu)))];
  const shift = (run.k6.startedAt - run.usedFrom) / 1000;
  const used = (kind: 'cpu' | 'residentMib', factor: number): Series[] =>
    processes.map((name) => ({
      name,
      points: run.used.flatMap((sample): [number, number][] => {
        const value = sample[kind][name];
        const second = sample.at - shift;
        return value === undefined || second < 0 ? [] : [[second, value * factor]];
      }),
    }));
  const x = 'seconds';
  const { marks = [] } = run;
  const phases = phaseRows(run);
  const missed = Object.entries(run.k6.summary).flatMap(([metric, { thresholds = {} }]) =>
    Object.entries(thresholds)
      .filter(([text]) => text !== NAMED_ONLY)
      .map(([text, { ok }]) => [escape(metric), escape(text), verdict(ok)]),
  );
  return `<h2>${escape(run.title)}</h2>
<div class="tiles">${tiles.map(([name, value]) => `<div class="tile"><b>${escape(value)}</b><span>${escape(name)}</span></div>`).join('')}</div>
<div class="charts">
${lineChart(
  rates.filter(({ name, points }) => name === 'answered' || points.some(([, value]) => value > 0)),
  { title: 'Rate', note: 'lookups a second', x, marks },
)}
${lineChart(
  [
    { name: 'p50', points: latency('p50') },
    { name: 'p99', points: latency('p99') },
    { name: 'most', points: latency('most') },
  ],
  {
    title: 'Latency',
    note: 'of answers, milliseconds, each point by itself; logarithmic',
    x,
    marks,
    logY: true,
  },
)}
${lineChart(used('cpu', 100), { title: 'Processor', note: '% of one, by process; k6 is the generator', x })}
${lineChart(used('residentMib', 1), { title: 'Memory', note: 'resident, MiB', x })}
</div>
${phases.length > 0 ? `<h2>By phase</h2>${table(['phase', 'answers', 'p50 ms', 'p99 ms', 'p99.9 ms', 'most ms'], phases)}` : ''}
<h2>Thresholds</h2>${table(['metric', 'must hold', ''], missed, 3)}`;
}

function phaseRows(run: Run): string[][] {
  return Object.entries(run.k6.summary).flatMap(([metric, { values }]) => {
    const phase = /^lookup_answered_ms\{scenario:(.*)\}$/.exec(metric)?.[1];
    if (phase === undefined) return [];
    return [
      [
        escape(phase),
        short(values['count'] ?? 0),
        ...['med', 'p(99)', 'p(99.9)', 'max'].map((what) => ms(values[what])),
      ],
    ];
  });
}

/** Steps of a search, by their rate. */
function search(runs: readonly Run[]): string {
  const ordered = runs.toSorted((a, b) => rateOf(a) - rateOf(b));
  const points = (value: (run: Run) => number): [number, number][] =>
    ordered.map((run) => [rateOf(run), value(run)]);
  const quantile = (name: string, what: string): Series => ({
    name,
    points: points((run) => of(run, 'lookup_answered_ms', what)),
  });
  const x = 'lookups a second sent';
  const processes = [
    ...new Set(runs.flatMap(({ used }) => used.flatMap(({ cpu }) => Object.keys(cpu)))),
  ];
  return `<h2>Steps</h2><div class="charts">
${lineChart([quantile('p50', 'med'), quantile('p99', 'p(99)'), quantile('p99.9', 'p(99.9)')], { title: 'Latency by rate', note: 'milliseconds; logarithmic', x, logY: true, dots: true })}
${lineChart(
  processes.map((name) => ({ name, points: points((run) => 100 * average(run, name)) })),
  { title: 'Processor by rate', note: '% of one, by process; k6 is the generator', x, dots: true },
)}
</div>${table(
    [
      'a second',
      'answered a second',
      'p50 ms',
      'p99 ms',
      'p99.9 ms',
      'dropped',
      'lookup CPU',
      'k6 CPU',
      'held',
    ],
    ordered.map((run) => [
      short(rateOf(run)),
      short(of(run, 'lookups_answered', 'rate')),
      ...['med', 'p(99)', 'p(99.9)'].map((what) => ms(of(run, 'lookup_answered_ms', what))),
      short(of(run, 'dropped_iterations', 'count')),
      percent(average(run, 'lookup')),
      percent(average(run, 'k6')),
      verdict(run.k6.met && !run.k6.isVoid),
    ]),
  )}`;
}

const rateOf = (run: Run): number => Number(run.settings['RATE'] ?? 0);
