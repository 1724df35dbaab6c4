import { OFFICER } from '#schemas/wording/officer.ts';
import { type Cell, shownCell } from '../../audit/search/cells.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';

const cellOf = (cell: Cell): Html | string =>
  typeof cell === 'number' ? cell.toLocaleString('en-GB') : html`<bdi>${shownCell(cell)}</bdi>`;

/** A column of the command line as a heading. */
export const columnHeading = (column: string): string =>
  column.replace(/^nhs\b/, 'NHS').replace(/^[a-z]/, (letter) => letter.toUpperCase());

/**
 * Rows of the audit as a table, without columns that are empty in all of them.
 *
 * @param entries of each row the event that it is about, which then can be opened; the table has to stand in a form
 */
export function resultTable(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
  entries?: readonly number[],
): Html {
  const filled = columns.flatMap((_, i) => (rows.some((row) => row[i] !== '') ? [i] : []));
  const time = Math.max(0, columns.indexOf('time'));
  const open = (row: readonly Cell[], entry: number | undefined): Html[] =>
    entry === undefined
      ? []
      : [
          html`<button class="cpf-link-button" type="submit" name="entry" value="${entry}" aria-label="${OFFICER.opens(shownCell(row[time] ?? ''))}">${OFFICER.open}</button>`,
        ];
  return table(
    caption,
    [
      ...(entries === undefined ? [] : [OFFICER.open]),
      ...filled.map((i) => columnHeading(columns[i] ?? '')),
    ],
    rows.map((row, n) => [...open(row, entries?.[n]), ...filled.map((i) => cellOf(row[i] ?? ''))]),
  );
}
