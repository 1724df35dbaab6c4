import type { SearchedUntil } from '#schemas/audit/audit-search.ts';
import { londonIso } from '#schemas/calendar.ts';
import type { Cell } from '../audit/search/report.ts';

const UTC_INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$/;

/** What would move a terminal's cursor, or hide a line in it. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** An instant as a person reads it: London's, with the zone in force there (GMT or BST). */
export function londonTime(at: number): string {
  const shown = londonIso(at);
  const zone = shown.endsWith('+01:00') ? 'BST' : 'GMT';
  return `${shown.slice(0, 10)} ${shown.slice(11, 19)} ${zone}`;
}

/** As a person reads it. */
function shownCell(cell: Cell): string {
  const text = String(cell);
  return UTC_INSTANT.test(text) ? londonTime(Date.parse(text)) : text.replaceAll(UNPRINTABLE, '?');
}

/** As a program reads it: times are London's, with their offset. */
export const withOffset = (cell: Cell): Cell =>
  typeof cell === 'string' && UTC_INSTANT.test(cell) ? londonIso(Date.parse(cell)) : cell;

export function printTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const lines = [columns, ...rows].map((row) => row.map(shownCell));
  const filled = columns.map((_, i) => lines.slice(1).some((line) => line[i] !== ''));
  const shown = lines.map((line) => line.filter((_, i) => filled[i]));
  const widths = (shown[0] ?? []).map((_, i) =>
    Math.max(...shown.map((line) => line[i]?.length ?? 0)),
  );
  for (const line of shown) {
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}

export function printReach(
  { completeUntil, notSearched }: SearchedUntil,
  print = console.log,
): void {
  const later =
    notSearched === 0 ? '' : ` ${notSearched} events are not sealed yet and were not searched.`;
  print(
    completeUntil === undefined
      ? `Until when this is complete is not known just now: ask again.${later}`
      : `Everything recorded before ${shownCell(completeUntil)} was searched.${later}`,
  );
}
