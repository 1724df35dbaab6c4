import { DESK } from '#schemas/wording/desk.ts';
import { type Html, html } from '../html/html.ts';

/** One value of a chart; `undefined` if there is none, which is not the same as zero. */
export type ChartPoint = { label: string; value: number | undefined };

type Chart = {
  /** What it shows, in words, for people who cannot see the picture. */
  title: string;
  /** Headings of the figures beside it. */
  columns: readonly [label: string, value: string];
  points: readonly ChartPoint[];
  /** How a value is written; by default as a number. */
  text?: (value: number) => string;
};

const WIDTH = 720;
const HEIGHT = 230;
/** On a small screen words are 28 high, and this leaves room for them. */
const LEFT = 100;
const TOP = 30;
const BOTTOM = 40;
const LABEL_AT_MOST = 12;
const LABELS_AT_MOST = 6;
/** The colour of the words around it, whatever a reader has chosen. */
const INK = 'currentColor';
/** `assets/pages.css` has what replaces it in forced colours. */
const DRAWN = '#005eb8';

/** Anything smaller would be invisible. */
const BAR_LEAST = 2;
const DOT_RADIUS = 5;

const round = (value: number): string => String(Math.round(value * 10) / 10);

type Scale = { x: (i: number) => number; y: (value: number) => number; step: number; most: number };

function scaleOf(points: readonly ChartPoint[]): Scale {
  const most = Math.max(1, ...points.map(({ value = 0 }) => value));
  const step = (WIDTH - LEFT) / Math.max(1, points.length);
  return {
    most,
    step,
    x: (i) => LEFT + i * step,
    y: (value) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - BOTTOM - TOP),
  };
}

/** All of it is in the figures below the picture. */
const cut = (label: string, most: number): string =>
  label.length > most ? `${label.slice(0, most - 1)}…` : label;

const WORDS_IN = html`fill="${INK}" font-family="Arial, sans-serif" font-size="12"`;

function axes({ points, text = String }: Chart, { x, y, step, most }: Scale): Html {
  const every = Math.ceil(points.length / LABELS_AT_MOST);
  return html`<g ${WORDS_IN}>
<text x="${LEFT - 6}" y="${round(y(most) + 4)}" text-anchor="end">${text(most)}</text>
<text x="${LEFT - 6}" y="${round(y(0) + 4)}" text-anchor="end">${text(0)}</text>
<g class="cpf-chart__labels">
${points.map(({ label }, i) => i % every === 0 && html`<text x="${round(x(i) + step / 2)}" y="${HEIGHT - 10}" text-anchor="middle">${cut(label, LABEL_AT_MOST)}</text>`)}
</g></g>
<path d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH}" fill="none" stroke="${INK}"/>`;
}

/** Two short columns, which fit any screen. */
const figures = ({ title, columns, points, text = String }: Chart): Html =>
  html`<table class="nhsuk-table cpf-figures"><caption class="nhsuk-u-visually-hidden">${title}</caption>
<thead class="nhsuk-table__head"><tr>${columns.map((column) => html`<th class="nhsuk-table__header" scope="col">${column}</th>`)}</tr></thead>
<tbody class="nhsuk-table__body">${points.map(
    ({ label, value }) =>
      html`<tr class="nhsuk-table__row"><td>${label}</td><td>${value === undefined ? DESK.noFigure : text(value)}</td></tr>
`,
  )}</tbody></table>`;

/** The picture, with its figures as a table that is folded away. */
const drawn = (chart: Chart, height: number, marks: Html): Html => {
  const { title } = chart;
  return html`<figure class="cpf-figure">
<figcaption class="nhsuk-heading-s">${title}</figcaption>
<div class="cpf-scroll" role="group" aria-label="${title}" tabindex="0">
<svg class="cpf-chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}" xmlns="http://www.w3.org/2000/svg">
${marks}
</svg></div>
<details class="nhsuk-details"><summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${DESK.figures}</span></summary>
<div class="nhsuk-details__text">${figures(chart)}</div></details>
</figure>`;
};

/** A bar for each value. */
export function barChart(chart: Chart): Html {
  const scale = scaleOf(chart.points);
  const { x, y, step } = scale;
  const bars = chart.points.map(({ value = 0 }, i) => {
    const height = value === 0 ? 0 : Math.max(BAR_LEAST, y(0) - y(value));
    return html`<rect x="${round(x(i) + step * 0.1)}" y="${round(y(0) - height)}" width="${round(step * 0.8)}" height="${round(height)}" fill="${DRAWN}"/>`;
  });
  return drawn(chart, HEIGHT, html`${axes(chart, scale)}${bars}`);
}

const ROW = 40;
/** Room for a name where words are 28 high, and for a figure after the longest bar. */
const NAMES_WIDTH = 270;
const FIGURES_WIDTH = 90;
const NAME_AT_MOST = 16;

/** A bar for each of a few named values, each beside its name and before its figure. */
export function namedBars(chart: Chart): Html {
  const { points, text = String } = chart;
  const { most } = scaleOf(points);
  const bars = points.map(({ label, value = 0 }, i) => {
    const width = (value / most) * (WIDTH - NAMES_WIDTH - FIGURES_WIDTH);
    const end = NAMES_WIDTH + (value === 0 ? 0 : Math.max(BAR_LEAST, width));
    const line = (i + 0.5) * ROW + 8;
    return html`<text x="${NAMES_WIDTH - 10}" y="${line}" text-anchor="end">${cut(label, NAME_AT_MOST)}</text>
<rect x="${NAMES_WIDTH}" y="${i * ROW + 6}" width="${round(end - NAMES_WIDTH)}" height="${ROW - 12}" fill="${DRAWN}"/>
<text x="${round(end + 8)}" y="${line}">${text(value)}</text>`;
  });
  return drawn(chart, ROW * points.length, html`<g ${WORDS_IN}>${bars}</g>`);
}

/** A line through the values, broken where one is missing; a value between two missing ones is a dot. */
export function lineChart(chart: Chart): Html {
  const scale = scaleOf(chart.points);
  const { x, y, step } = scale;
  let path = '';
  const dots: Html[] = [];
  chart.points.forEach(({ value }, i) => {
    if (value === undefined) return;
    const [before, after] = [chart.points[i - 1]?.value, chart.points[i + 1]?.value];
    const at = [round(x(i) + step / 2), round(y(value))] as const;
    path += `${before === undefined ? 'M' : 'L'}${at.join(' ')}`;
    if (before === undefined && after === undefined) {
      dots.push(html`<circle cx="${at[0]}" cy="${at[1]}" r="${DOT_RADIUS}" fill="${DRAWN}"/>`);
    }
  });
  return drawn(
    chart,
    HEIGHT,
    html`${axes(chart, scale)}<path d="${path}" fill="none" stroke="${DRAWN}" stroke-width="2"/>${dots}`,
  );
}
