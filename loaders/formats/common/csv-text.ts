/** What a spreadsheet would take for the beginning of a formula. */
const FORMULA = /^[\s\u{feff}]*[=+\-@|%\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/u;

/**
 * A CSV that is safe to open in a spreadsheet: a cell that looks like a formula starts with an apostrophe,
 * every cell is in quotes, lines end as in RFC 4180, and a byte order mark shows the spreadsheet that it is
 * UTF-8.
 */
export function csvText(rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => cells.map(cell).join(',');
  return `\u{feff}${rows.map((row) => `${line(row)}\r\n`).join('')}`;
}

/** The original of a cell in our CSV, without a guarding apostrophe. */
export const unguarded = (text: string): string =>
  text.startsWith("'") && isGuarded(text.slice(1)) ? text.slice(1) : text;

/** Including cells with apostrophes before a formula, which would otherwise look guarded. */
const isGuarded = (text: string): boolean => FORMULA.test(text.replace(/^'+/, ''));

function cell(value: string | number): string {
  const text = typeof value === 'string' && isGuarded(value) ? `'${value}` : String(value);
  return `"${text.replaceAll('"', '""')}"`;
}
