import { expect, test } from 'vitest';
import { barChart, lineChart, namedBars } from '#service/pages/desk/charts.ts';
import { download } from '#service/pages/desk/download.ts';
import { pager, readReason, reasonField, table } from '#service/pages/desk/parts.ts';
import { html } from '#service/pages/html/html.ts';

/** The building blocks of all pages for councils, officers and operators. */

const HOSTILE = '"><script>alert(1)</script>';
const points = [
  { label: '09:00', value: 4 },
  { label: '10:00', value: undefined },
  { label: HOSTILE, value: 7 },
];
const columns = ['Hour', 'Look-ups'] as const;

test.each([
  ['a bar chart', barChart],
  ['a line chart', lineChart],
  ['a chart of named bars', namedBars],
])(
  '%s gives the figures behind its picture, even if empty, and treats no text in it as markup',
  (_, chart) => {
    const drawn = String(chart({ title: `Look-ups ${HOSTILE}`, columns, points }));
    expect(drawn).not.toContain('<script>');
    expect(drawn).toMatch(/<svg[^>]*role="img" aria-label="Look-ups /);
    const cells = [...drawn.matchAll(/<td[^>]*>([^<]*)<\/td>/g)].map(([, text]) => text);
    expect(cells.filter((_text, i) => i % 2 === 1)).toEqual(['4', 'none', '7']);
    // The security policy does not allow inline styles.
    expect(drawn).not.toContain('style=');
  },
);

test('a line has a gap where a value is missing, and a single value is a visible dot', () => {
  const values = [4, undefined, 7, 8, undefined, 9];
  const drawn = String(
    lineChart({
      title: 'Look-ups',
      columns,
      points: values.map((value, i) => ({ label: `${i}:00`, value })),
    }),
  );
  const [, line = ''] = /<path d="(M[^"]*)" fill="none" stroke="#005eb8"/.exec(drawn) ?? [];
  expect(line.match(/M/g)).toHaveLength(3);
  expect(line.match(/L/g)).toHaveLength(1);
  const dots = [...drawn.matchAll(/<circle[^>]* r="(\d+)"/g)].map(([, radius]) => Number(radius));
  expect(dots).toHaveLength(2);
  for (const radius of dots) expect(radius).toBeGreaterThanOrEqual(4);
});

test('a bar of one is visible beside one of ten thousand, and a bar of none is not drawn', () => {
  const drawn = String(
    barChart({
      title: 'Look-ups',
      columns,
      points: [10_000, 1, 0].map((value) => ({ label: '', value })),
    }),
  );
  const [, one, none] = [...drawn.matchAll(/<rect[^>]* height="([\d.]+)"/g)].map(([, height]) =>
    Number(height),
  );
  expect(one).toBeGreaterThanOrEqual(2);
  expect(none).toBe(0);
});

test.each([1, 7, 10])('each of %i named bars has its name and its figure', (count) => {
  const bars = Array.from({ length: count }, (_, i) => ({ label: `nurse-${i}`, value: 100 - i }));
  const drawn = String(namedBars({ title: 'Look-ups', columns, points: bars }));
  const texts = [...drawn.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
  expect(texts).toEqual(bars.flatMap(({ label, value }) => [label, String(value)]));
});

test('a chart of nothing, or of zeros, can be drawn', () => {
  for (const none of [[], [{ label: 'a', value: 0 }]]) {
    expect(String(namedBars({ title: 'None', columns, points: none }))).not.toContain('NaN');
    expect(String(barChart({ title: 'None', columns, points: none }))).not.toContain('NaN');
  }
});

test('a file is saved and never displayed, with a name that every system reads correctly', async () => {
  const answer = download('../ack "1"\r\nx: y.csv', 'text/csv', 'a,b');
  expect(answer.headers.get('content-disposition')).toBe('attachment; filename="..-ack-1-x-y.csv"');
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(await answer.text()).toBe('a,b');
});

test.each([
  ['', 'must not be empty'],
  ['x'.repeat(121), 'at most 120'],
  ['...', 'a letter or a digit'],
  ['a\u202eb', 'direction of text'],
])('%j is not accepted as a reason, by the same rule as on the command line', (text, problem) => {
  const read = readReason(text);
  expect(read).toMatchObject({ kind: 'wrong', error: { field: 'reason' } });
  if (read.kind !== 'wrong') return;
  expect(read.error.text).toContain(problem);
  expect(String(reasonField(text, [read.error]))).toContain(
    'aria-describedby="reason-hint reason-error"',
  );
});

test('a reason is read without spaces around it', () => {
  expect(readReason(' wrong child ')).toEqual({ kind: 'read', reason: 'wrong child' });
});

test('a table has a caption, and shows other people’s words as text', () => {
  const made = String(table('Files', ['Name'], [[HOSTILE], [html`<b>ours</b>`], [undefined]]));
  expect(made).toContain('&lt;script&gt;');
  expect(made).toContain('<b>ours</b>');
  expect(made).toContain('<div class="cpf-scroll" role="region" aria-label="Files" tabindex="0">');
});

test('paging links only to pages that exist', () => {
  expect(pager({})).toBe(false);
  expect(String(pager({ older: '/council/history?before=7' }))).not.toContain('rel="prev"');
});
