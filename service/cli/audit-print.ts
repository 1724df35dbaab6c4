import type { SearchedUntil } from '#schemas/audit/audit-search.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import { type Cell, shownCell } from '../audit/search/cells.ts';

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
      : `Everything recorded before ${zonedTimeText(completeUntil)} was searched.${later}`,
  );
}
