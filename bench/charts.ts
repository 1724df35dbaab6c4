/** Charts as inline SVG: no script, nothing fetched, light and dark by the reader's own setting. */

export const escape = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c,
  );

export type Series = {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
};

const WIDTH = 720;
const HEIGHT = 240;
const LEFT = 56;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 34;
const TICKS = 5;
/** Of the palette in STYLE. */
const COLOURS = 6;

/** Short enough for an axis: 1,500 and 12k, 0.25 and 3M. */
export function short(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return Number(value.toPrecision(3)).toLocaleString('en-GB');
}

/** Round steps from 0 that reach the most. */
function linearTicks(most: number): number[] {
  const rough = most / TICKS;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((n) => n * magnitude >= rough) ?? 10) * magnitude;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
}

/** Powers of ten that hold everything. */
function logTicks(least: number, most: number): number[] {
  const from = Math.floor(Math.log10(least));
  const to = Math.max(from + 1, Math.ceil(Math.log10(most)));
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
}

type Scale = { at: (value: number) => number; ticks: number[] };

/** @param whole the scale ends at a tick, not at the last value */
function scale(
  values: readonly number[],
  log: boolean,
  from: number,
  to: number,
  whole = true,
): Scale {
  const most = Math.max(...values, 1e-9);
  const ticks = log
    ? logTicks(Math.min(...values.filter((value) => value > 0), most), most)
    : linearTicks(most);
  const map = log ? (value: number) => Math.log10(Math.max(value, ticks[0] ?? value)) : Number;
  const last = ticks.at(-1) ?? 1;
  if (!whole && last > most) ticks.pop();
  const [low, high] = [map(ticks[0] ?? 0), map(whole ? last : most)];
  return { ticks, at: (value) => from + ((map(value) - low) / (high - low || 1)) * (to - from) };
}

const legend = (names: readonly string[]): string =>
  `<div class="legend">${names
    .map((name, i) => `<span><i class="c${i % COLOURS}"></i>${escape(name)}</span>`)
    .join('')}</div>`;

const figure = (title: string, note: string, names: readonly string[], svg: string): string =>
  `<figure><figcaption><b>${escape(title)}</b> ${escape(note)}</figcaption>${names.length > 1 ? legend(names) : ''}${svg}</figure>`;

type ChartOptions = {
  title: string;
  /** Its unit, and anything else that a reader must know. */
  note: string;
  x: string;
  logX?: boolean;
  logY?: boolean;
  /** Dots as well as lines, for few points. */
  dots?: boolean;
  /** Vertical marks. */
  marks?: readonly (readonly [x: number, text: string])[];
};

export function lineChart(series: readonly Series[], options: ChartOptions): string {
  const all = series.flatMap(({ points }) => points);
  if (all.length === 0) return '';
  const x = scale(
    all.map(([at]) => at),
    options.logX ?? false,
    LEFT,
    WIDTH - RIGHT,
    options.logX ?? false,
  );
  const y = scale(
    all.map(([, value]) => value),
    options.logY ?? false,
    HEIGHT - BOTTOM,
    TOP,
  );
  const parts = [
    ...y.ticks.map(
      (tick) =>
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.at(tick)}" y2="${y.at(tick)}"/><text x="${LEFT - 6}" y="${y.at(tick) + 4}" text-anchor="end">${short(tick)}</text>`,
    ),
    ...x.ticks.map(
      (tick) =>
        `<text x="${x.at(tick)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${short(tick)}</text>`,
    ),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 3}" text-anchor="middle">${escape(options.x)}</text>`,
    ...(options.marks ?? []).map(
      ([at, text]) =>
        `<line class="mark" x1="${x.at(at)}" x2="${x.at(at)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text x="${x.at(at) + 4}" y="${TOP + 10}">${escape(text)}</text>`,
    ),
    ...series.map(({ name, points }, i) => {
      const path = points
        .map(([at, value]) => `${x.at(at).toFixed(1)},${y.at(value).toFixed(1)}`)
        .join(' ');
      const dots = options.dots
        ? points
            .map(
              ([at, value]) =>
                `<circle class="c${i % COLOURS}" cx="${x.at(at).toFixed(1)}" cy="${y.at(value).toFixed(1)}" r="3.5"><title>${escape(`${name}: ${short(value)} at ${short(at)}`)}</title></circle>`,
            )
            .join('')
        : '';
      return `<polyline class="c${i % COLOURS}" points="${path}"><title>${escape(name)}</title></polyline>${dots}`;
    }),
  ];
  const svg = `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escape(options.title)}">${parts.join('')}</svg>`;
  return figure(
    options.title,
    options.note,
    series.map(({ name }) => name),
    svg,
  );
}

const BAR = 22;
const LABELS = 190;
const VALUES = 90;

/** Bars side by side, a row each; several values a row are stacked. */
export function barChart(
  rows: readonly { name: string; values: readonly number[]; text: string }[],
  { title, note, of = [] }: { title: string; note: string; of?: readonly string[] },
): string {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const most = Math.max(...rows.map(({ values }) => sum(values)), 1e-9);
  const height = rows.length * (BAR + 10);
  const bars = rows.map(({ name, values, text }, row) => {
    const y = row * (BAR + 10);
    let from = LABELS;
    const pieces = values.map((value, i) => {
      const width = (value / most) * (WIDTH - LABELS - VALUES);
      const piece = `<rect class="c${i % COLOURS}" x="${from.toFixed(1)}" y="${y}" width="${Math.max(width - 1, 0.5).toFixed(1)}" height="${BAR}" rx="2"/>`;
      from += width;
      return piece;
    });
    return `<text x="${LABELS - 8}" y="${y + 15}" text-anchor="end">${escape(name)}</text>${pieces.join('')}<text class="value" x="${(from + 6).toFixed(1)}" y="${y + 15}">${escape(text)}</text>`;
  });
  const svg = `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(title)}">${bars.join('')}</svg>`;
  return figure(title, note, of, svg);
}

export const STYLE = `
:root { color-scheme: light dark; --ink: #212b32; --soft: #4c6272; --line: #d8dde0; --paper: #fff; --card: #f5f7f8; --good: #006747; --bad: #c2281c;
  --c0: #005eb8; --c1: #c2571a; --c2: #00786c; --c3: #8a3ffc; --c4: #a31d57; --c5: #6b6f00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edee; --soft: #a9b8c2; --line: #3a4650; --paper: #14191d; --card: #1c2329; --good: #4fd1a1; --bad: #ff8a7a;
  --c0: #5aa9ff; --c1: #ff9d5c; --c2: #3fd0c0; --c3: #be9bff; --c4: #ff7fb0; --c5: #d6d84a; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1560px; padding: 24px; background: var(--paper); color: var(--ink); font: 16px/1.45 system-ui, sans-serif }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem }
p { margin: .3rem 0; color: var(--soft) }
.badge { display: inline-block; padding: 2px 12px; border-radius: 12px; border: 2px solid; font-weight: 700; margin-left: 8px; font-size: 1rem; vertical-align: middle }
.good { color: var(--good) } .bad { color: var(--bad) }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0 }
.tile { background: var(--card); border-radius: 8px; padding: 10px 16px; min-width: 120px } .tile b { display: block; font-size: 1.35rem } .tile span { color: var(--soft); font-size: .85rem }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); gap: 16px }
figure { margin: 0; background: var(--card); border-radius: 8px; padding: 12px } figcaption { color: var(--soft); font-size: .9rem } figcaption b { color: var(--ink); font-size: 1rem }
svg { width: 100%; height: auto; display: block; margin-top: 6px } svg text { fill: var(--soft); font: 12px system-ui, sans-serif } svg text.value { fill: var(--ink) }
.grid { stroke: var(--line) } .mark { stroke: var(--soft); stroke-dasharray: 4 3 }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: .85rem; margin-top: 4px } .legend i { display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 6px; vertical-align: middle }
${[0, 1, 2, 3, 4, 5].map((i) => `polyline.c${i} { stroke: var(--c${i}) } rect.c${i}, circle.c${i} { fill: var(--c${i}) } .legend i.c${i} { background: var(--c${i}) }`).join('\n')}
.charts + .wide { margin-top: 16px } .wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums } th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid var(--line); vertical-align: top } th { color: var(--soft); font-weight: 600 } td.n, th.n { text-align: right }
`;
