/** What a spreadsheet would take for the beginning of a formula. */
const FORMULA = /^[\s\u{feff}]*[=+\-@|%\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/u;

/**
 * A CSV that is safe to open in a spreadsheet: a cell that looks like a formula is put behind an
 * apostrophe, every cell stands in quotes, lines end as RFC 4180 says, and a byte order mark tells the
 * spreadsheet that it is UTF-8.
 */
export function csvText(rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => cells.map(cell).join(',');
  return `\u{feff}${rows.map((row) => `${line(row)}\r\n`).join('')}`;
}

function cell(value: string | number): string {
  const text = typeof value === 'string' && FORMULA.test(value) ? `'${value}` : String(value);
  return `"${text.replaceAll('"', '""')}"`;
}
