import { isUtf8 } from 'node:buffer';
import { parse } from 'csv-parse/sync';
import { epochDay } from '#schemas/calendar.ts';
import { parseNhsNumber, unspacedNhsNumber } from '#schemas/nhs-number.ts';
import { PLAN_TYPES, type PlanType, planTypes } from '#schemas/plans/plan.ts';
import { tidy } from '#schemas/tidy.ts';
import { CSV_COLUMNS } from '#schemas/uploads/columns.ts';
import { readCsvDate } from '../common/dates.ts';
import { readPlanType } from './csv.ts';

export type CsvColumn = (typeof CSV_COLUMNS)[number];

/** The beginning of a CSV: its own headings, and rows from which to guess what they are. */
export type FileStart = {
  headings: readonly string[];
  /** How many non-empty lines are above the headings. */
  linesAbove: number;
  rows: readonly (readonly string[])[];
};

type ReadStart =
  | { kind: 'read'; start: FileStart }
  | { kind: 'compressed' | 'xml' | 'not-text' | 'no-headings' };

/** How much of a file is examined. */
export const START_BYTES = 262_144;
const HEADINGS_WITHIN_LINES = 20;
const ROWS_AT_MOST = 500;
const COLUMNS_AT_LEAST = 5;
const COLUMNS_AT_MOST = 200;
const PLAN_VALUES_AT_MOST = 30;
/** The share of a column's cells that must look alike before the column is proposed. */
const SHARE_AT_LEAST = 0.8;

/** What case systems call each column, in lower-case letters and digits only. */
const NAMES: Record<CsvColumn, RegExp> = {
  nhs_number: /^nhs(?:number|no|num|id)?$/,
  date_of_birth: /^(?:dob|dateofbirth|birthdate|birthday|born)$/,
  plan_type: /^(?:plan|plantype|typeofplan|flag|flagtype|caseclass)$/,
  start_date: /^(?:plan)?(?:start|startdate|started|datestarted|begin|begindate|from|fromdate)$/,
  end_date: /^(?:plan)?(?:end|enddate|ended|dateended|to|todate|until|closed|closedate|duedate)$/,
  delete_date: /^(?:plan)?(?:delete|deletedate|deleted|datedeleted|deletiondate|withdrawn)$/,
  local_id:
    /^(?:(?:local)?(?:id|identifier|reference)|(?:person|client|case|child)(?:id|ref|reference|number|no))$/,
  given_name: /^(?:givennames?|given|forenames?|firstnames?)$/,
  family_name: /^(?:familyname|family|surname|lastname)$/,
};

/** The kind of plan that a case system's own name for it suggests, as a proposal; `undefined` if it suggests none. */
export const planTypeNamed = (text: string): PlanType | undefined => {
  const letters = tidy(text)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '');
  return planTypes.find((type) => PLAN_TYPES[type].caseSystemName.test(letters));
};

const named = (heading: string): string =>
  tidy(heading)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .replace(/^(?:childs?|mothers?)(?=.)/, '');

const columnNamed = (heading: string): CsvColumn | undefined =>
  CSV_COLUMNS.find((column) => NAMES[column].test(named(heading)));

/** Reads the beginning of a CSV. If there is more, the last line is left out, since it may be cut. */
export function readStart(bytes: Buffer): ReadStart {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return { kind: 'compressed' };
  const end = bytes.length < START_BYTES ? bytes.length : bytes.lastIndexOf('\n') + 1;
  const whole = bytes.subarray(0, end);
  if (!isUtf8(whole) || whole.includes(0)) return { kind: 'not-text' };
  const text = whole.toString('utf8');
  if (/^\u{feff}?\s*</u.test(text)) return { kind: 'xml' };
  const lines = linesOf(text).filter((cells) => cells.some((cell) => cell.trim() !== ''));
  const first = /^sep=/i.test(lines[0]?.[0] ?? '') ? 1 : 0;
  const candidates = lines.slice(first, first + HEADINGS_WITHIN_LINES);
  const scores = candidates.map((cells) =>
    cells.length > COLUMNS_AT_MOST
      ? 0
      : new Set(cells.flatMap((cell) => columnNamed(cell) ?? [])).size,
  );
  const best = Math.max(0, ...scores);
  const at =
    best > 0
      ? scores.indexOf(best)
      : candidates.findIndex(
          ({ length }) => length >= COLUMNS_AT_LEAST && length <= COLUMNS_AT_MOST,
        );
  const headings = candidates[at];
  if (headings === undefined || headings.length < COLUMNS_AT_LEAST) return { kind: 'no-headings' };
  return {
    kind: 'read',
    start: {
      headings: headings.map((heading) => heading.trim()),
      linesAbove: at,
      rows: lines.slice(first + at + 1, first + at + 1 + ROWS_AT_MOST),
    },
  };
}

/** A file that is not CSV has no lines, so no headings are found. */
function linesOf(text: string): string[][] {
  try {
    return parse(text, {
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: 65_536,
      to: HEADINGS_WITHIN_LINES + ROWS_AT_MOST,
    });
  } catch {
    return [];
  }
}

const cellsOf = ({ rows }: FileStart, at: number): string[] =>
  rows.map((cells) => (cells[at] ?? '').trim()).filter((cell) => cell !== '');

const shareOf = (cells: readonly string[], is: (cell: string) => boolean): number =>
  cells.length === 0 ? 0 : cells.filter(is).length / cells.length;

/**
 * Which of a file's columns each of ours may be, by position: first by their headings, then by their values.
 * This is a proposal for a person to check: they must notice a column that does not hold what its heading
 * says.
 */
export function proposeColumns(start: FileStart): Partial<Record<CsvColumn, number>> {
  const proposed: Partial<Record<CsvColumn, number>> = {};
  const taken = new Set<number>();
  const take = (column: CsvColumn, at: number | undefined): void => {
    if (at === undefined || at < 0 || proposed[column] !== undefined || taken.has(at)) return;
    proposed[column] = at;
    taken.add(at);
  };
  for (const [at, heading] of start.headings.entries()) {
    const column = columnNamed(heading);
    if (column !== undefined) take(column, at);
  }
  const free = [...start.headings.keys()].filter((at) => !taken.has(at));
  const isMostly = (at: number, is: (cell: string) => boolean): boolean =>
    shareOf(cellsOf(start, at), is) >= SHARE_AT_LEAST;
  const isNumber = (cell: string): boolean => parseNhsNumber(unspacedNhsNumber(cell)) !== undefined;
  take(
    'nhs_number',
    free.find((at) => isMostly(at, isNumber)),
  );
  take(
    'plan_type',
    free.find((at) => isMostly(at, (cell) => readPlanType(cell) !== undefined)),
  );
  const isDate = (cell: string): boolean => readCsvDate(cell) !== undefined;
  // A date of birth is earlier than any other date in a row.
  const dates = free.filter((at) => !taken.has(at) && isMostly(at, isDate));
  take(
    'date_of_birth',
    dates.toSorted((one, other) => middleOf(start, one) - middleOf(start, other))[0],
  );
  return proposed;
}

function middleOf(start: FileStart, at: number): number {
  const days = cellsOf(start, at)
    .flatMap((cell) => readCsvDate(cell) ?? [])
    .map((date) => epochDay(date))
    .toSorted((one, other) => one - other);
  return days[Math.floor(days.length / 2)] ?? 0;
}

/** The form of a value without its contents: capitals, lower-case letters and digits, each as one sign. */
export const masked = (value: string): string =>
  (/^.{0,24}/su.exec(value.trim())?.[0] ?? '')
    .replaceAll(/\p{Lu}/gu, 'X')
    .replaceAll(/\p{L}/gu, (letter) => (letter === 'X' ? 'X' : 'x'))
    .replaceAll(/\p{N}/gu, '#');

/** The forms of a column's values, at most three, without repeats. */
export const examplesOf = (start: FileStart, at: number): string[] =>
  [...new Set(cellsOf(start, at).map(masked))].slice(0, 3);

/** The different values in the plan type column, without those known anyway; `undefined` if there are too many. */
export function planValues(start: FileStart, at: number): string[] | undefined {
  const values = new Set(cellsOf(start, at).map(tidy));
  if (values.size > PLAN_VALUES_AT_MOST) return undefined;
  return [...values].filter((value) => readPlanType(value) === undefined && value.length <= 100);
}
