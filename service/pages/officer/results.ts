import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { eventName } from '#schemas/wording/events.ts';
import { OFFICER } from '#schemas/wording/officer.ts';
import { RESULT } from '#schemas/wording/pages.ts';
import { type Cell, shownCell, withOffset } from '../../audit/search/cells.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';

/** What people call a value, by a table of names; a value that no name is known for stays as it is. */
const named =
  (names: Readonly<Record<string, string>>) =>
  (value: string): string =>
    Object.hasOwn(names, value) ? (names[value] ?? value) : value;

export const outcomeName = named(OFFICER.outcomes);
export const activityName = named(OFFICER.activities);
export const statusName = named(RESULT.statuses);
export const planName = named(
  Object.fromEntries(Object.entries(PLAN_TYPES).map(([type, { label }]) => [type, label])),
);

/** By the column of the command line: whose cells a page shows by what people call them. */
const NAMES = new Map([
  ['event', eventName],
  ['outcome', outcomeName],
  ['activity', activityName],
  ['what', (what: string) => eventName(outcomeName(what))],
]);

function cellOf(cell: Cell, column: string | undefined): Html | string {
  if (typeof cell === 'number') return cell.toLocaleString('en-GB');
  if (withOffset(cell) !== cell) return html`<span class="cpf-time">${shownCell(cell)}</span>`;
  return html`<bdi>${shownCell(NAMES.get(column ?? '')?.(cell) ?? cell)}</bdi>`;
}

/** A column of the command line as a heading. */
export const columnHeading = (column: string): string =>
  column.replace(/^nhs\b/, 'NHS').replace(/^[a-z]/, (letter) => letter.toUpperCase());

/** A column that stands on the page of each event, for which a table of events has no room. */
const ON_EVENT = 'audit id';

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
  const filled = columns.flatMap((column, i) =>
    rows.some((row) => row[i] !== '') && !(entries !== undefined && column === ON_EVENT) ? [i] : [],
  );
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
    rows.map((row, n) => [
      ...open(row, entries?.[n]),
      ...filled.map((i) => cellOf(row[i] ?? '', columns[i])),
    ]),
  );
}
