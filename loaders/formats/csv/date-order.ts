import { tidy } from '#schemas/tidy.ts';
import { CSV_HINTS } from '#schemas/wording/files.ts';
import { readCsvDate, slashedOrder } from '../common/dates.ts';
import type { DateOrderFinding, FileProblem } from '../common/upload.ts';

const DATE_COLUMNS = ['date_of_birth', 'start_date', 'end_date', 'delete_date'] as const;
type DateColumn = (typeof DATE_COLUMNS)[number];

type Seen = {
  monthFirst: number;
  firstPlace: string;
  otherwise: number;
  dayFirst: number;
  either: number;
};

/**
 * Whether a file's dates may have the month first, as American systems write them. One cell such as
 * 11/25/2026 shows it, and casts doubt on every date that can be read two ways in its column, and in columns
 * where none proves otherwise: one export writes all its dates the same way.
 */
export class DateOrder {
  readonly #seen = DATE_COLUMNS.map(
    (): Seen => ({ monthFirst: 0, firstPlace: '', otherwise: 0, dayFirst: 0, either: 0 }),
  );
  /** Rows by the columns, a bit each, in which their dates can be read two ways. */
  readonly #rows = Array.from({ length: 2 ** DATE_COLUMNS.length }, () => 0);

  note(cells: Partial<Record<DateColumn, string>>, place: string): void {
    let columns = 0;
    for (const [at, column] of DATE_COLUMNS.entries()) {
      const text = tidy(cells[column] ?? '');
      const seen = this.#seen[at];
      if (text === '' || seen === undefined) continue;
      switch (text.includes('/') ? slashedOrder(text) : undefined) {
        case 'month-first':
          if (seen.monthFirst === 0) seen.firstPlace = place;
          seen.monthFirst += 1;
          break;
        case 'either':
          seen.either += 1;
          columns |= 1 << at;
          break;
        case 'day-first':
          seen.dayFirst += 1;
          seen.otherwise += 1;
          break;
        case undefined:
          if (!text.includes('/') && readCsvDate(text) !== undefined) seen.otherwise += 1;
      }
    }
    this.#rows[columns] = (this.#rows[columns] ?? 0) + 1;
  }

  /** `undefined` if no date has the month first, or none can be read two ways. */
  finding(): DateOrderFinding | undefined {
    const shown = this.#seen.findIndex(({ monthFirst }) => monthFirst > 0);
    if (shown < 0) return undefined;
    const problems = this.#seen.flatMap(
      ({ monthFirst, otherwise, either, firstPlace }, at): FileProblem[] => {
        const field = DATE_COLUMNS[at] ?? '';
        return monthFirst > otherwise && monthFirst + either > 1
          ? [{ place: firstPlace, field, hint: CSV_HINTS.monthFirst(field) }]
          : [];
      },
    );
    const doubted = this.#seen.map(({ monthFirst, dayFirst }) => monthFirst > 0 || dayFirst === 0);
    const mask = doubted.reduce((bits, isDoubted, at) => bits | (isDoubted ? 1 << at : 0), 0);
    const rows = this.#rows.reduce((sum, count, columns) => sum + (columns & mask ? count : 0), 0);
    if (problems.length === 0 && rows === 0) return undefined;
    const { firstPlace = '' } = this.#seen[shown] ?? {};
    return {
      kind: 'date-order',
      problems,
      warnings:
        problems.length > 0
          ? []
          : [
              {
                place: firstPlace,
                field: DATE_COLUMNS[shown] ?? '',
                hint: CSV_HINTS.inDoubt(rows),
              },
            ],
      birthDatesInDoubt: doubted[DATE_COLUMNS.indexOf('date_of_birth')] === true,
    };
  }
}
