import { PLAN_TYPES, type PlanType, planTypes } from '#schemas/plans/plan.ts';
import { tidy } from '#schemas/tidy.ts';
import { type ColumnMapping, HOLDINGS_COLUMNS, NO_MAPPING } from '#schemas/uploads/columns.ts';
import { CSV_FAULTS, CSV_HINTS } from '#schemas/wording/files.ts';
import { RECORD_HINTS } from '#schemas/wording/records.ts';
import { unguarded } from '../common/csv-text.ts';
import {
  type DateOrderFinding,
  type FileProblem,
  type Located,
  type RawRecord,
  UnusableFile,
} from '../common/upload.ts';
import { DateOrder } from './date-order.ts';
import { MalformedCsv, parseCsv } from './lines.ts';

/** Required in every file: without a column for ends or deletes, ended plans would read as current. */
const REQUIRED = [
  'nhs_number',
  'date_of_birth',
  'plan_type',
  'start_date',
  'end_date',
  'delete_date',
] as const;
const KEPT = [...REQUIRED, 'local_id'] as const;
/** Expected, and skipped by the parser unless numbers are traced. */
const NAMES = ['given_name', 'family_name'] as const;
const EXPECTED: readonly string[] = [...KEPT, ...NAMES];
const OURS: readonly string[] = [...HOLDINGS_COLUMNS, ...NAMES];
/** Columns that are empty for most plans, so that a missing one would go unnoticed. */
const LATER_DATES: readonly string[] = ['end_date', 'delete_date'];

type Column = (typeof KEPT)[number] | (typeof NAMES)[number];
type Cells = Partial<Record<Column, string>>;

const COLUMNS_AT_MOST = 200;
const LINE_AT_MOST = 65_536;
const DROPPED_NAMED_AT_MOST = 50;

type CsvEvent =
  | { kind: 'columns'; problems: FileProblem[]; dropped: string[] }
  | { kind: 'record'; record: RawRecord }
  /** Last, if there were any. */
  | { kind: 'blank-rows'; count: number }
  | DateOrderFinding;

type CsvOptions = {
  /** Whether the names of people are wanted. */
  names: boolean;
  /** What the case system calls its columns and plans. */
  mapping: ColumnMapping;
  /** Whether the sender counted the rows, so that a missing row will be noticed. */
  counted: boolean;
};

/**
 * Reads a CSV upload as it streams in: a header line naming the columns in any order, then one plan on each
 * line. Unneeded columns are skipped by the parser and reach no record; so are names, unless they are wanted.
 *
 * A file without a line break at its end may have been cut in its last field. It is read if the rows were
 * counted, and its last record is then refused only if a cut would not be noticed.
 *
 * @throws {UnusableFile} if it is not well-formed CSV
 */
export async function* readCsv(
  texts: AsyncIterable<string>,
  options: CsvOptions,
): AsyncGenerator<CsvEvent[]> {
  let layout: Layout | undefined;
  let last = '';
  const watched = async function* (): AsyncGenerator<string> {
    for await (const text of texts) {
      last = text.at(-1) ?? last;
      yield text;
    }
  };
  const unended = (): boolean => last !== '\n' && last !== '\r';

  let announced = false;
  const announce = (): CsvEvent[] => {
    if (announced || layout === undefined) return [];
    announced = true;
    return [{ kind: 'columns', problems: layout.problems, dropped: layout.dropped }];
  };
  let number = 0;
  let blank = { count: 0, lastLine: 0 };
  const nameOf = namesOf(options.mapping);
  const typeOf = typesOf(options.mapping);
  const above = new LinesAbove(nameOf, options.mapping.linesAbove);
  const order = new DateOrder();
  // One record is held back, so that the last is known to be the last when it is passed on.
  let held: { record: RawRecord; cells: Cells; line: number } | undefined;
  try {
    const lines = parseCsv<Cells>(watched(), {
      lineAtMost: LINE_AT_MOST,
      columns: (header, line) => {
        const isOurs = above.isEmpty && isInOurNames(header);
        if (!isOurs && !above.endWith(header, line)) return undefined;
        layout = readLayout(header, line, isOurs ? { ...options, mapping: NO_MAPPING } : options);
        return layout.columns;
      },
      onBlank: (line) => {
        blank = { count: blank.count + 1, lastLine: line };
      },
    });
    for await (const batch of lines) {
      const events = announce();
      for (const { cells, line } of batch) {
        number += 1;
        if (held !== undefined) events.push({ kind: 'record', record: held.record });
        const place = `line ${line}`;
        held = { record: rawRecord(number, place, cells, options.names, typeOf), cells, line };
        order.note(cells, place);
      }
      yield events;
    }
  } catch (error) {
    throw asProblem(error);
  }
  above.requireHeader();
  yield announce();
  if (layout === undefined) {
    throw new UnusableFile({
      place: 'line 1',
      hint: CSV_HINTS.empty(KEPT),
    });
  }
  if (unended() && !options.counted) {
    throw new UnusableFile({
      place: 'file',
      hint: CSV_HINTS.lastLineNotEnded,
    });
  }
  const dates = order.finding();
  const atEnd: CsvEvent[] = [
    ...(dates === undefined ? [] : [dates]),
    ...(blank.count > 0 ? [{ kind: 'blank-rows' as const, count: blank.count }] : []),
  ];
  if (held === undefined) {
    yield atEnd;
    return;
  }
  const lastColumn = layout.columns.at(-1);
  if (unended() && held.line > blank.lastLine && mayBeCut(lastColumn, held.cells)) {
    held.record.unclear = {
      place: held.record.place,
      field: lastColumn || 'line',
      hint: RECORD_HINTS.lastFieldMayBeCut(`${lastColumn}`),
    };
  }
  yield [{ kind: 'record', record: held.record }, ...atEnd];
}

/** A line that tells spreadsheets the separator. */
const SEPARATOR = /^sep=/i;
/** A title and some lines about the export; a file without a header is not searched to its end. */
const LINES_ABOVE_AT_MOST = 50;
const SEPARATORS = /[;\t|]/;

/** The lines above the one that names the columns. None of them is safe to repeat. */
class LinesAbove {
  readonly #nameOf: (heading: string) => string;
  readonly #expected: number;
  #first: { line: number; separated: boolean } | undefined;
  #count = 0;

  /**
   * @param nameOf our name for a heading
   * @param expected how many such lines the case system writes
   */
  constructor(nameOf: (heading: string) => string, expected: number) {
    this.#nameOf = nameOf;
    this.#expected = expected;
  }

  /** Whether only blank lines and a separator line were seen. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /**
   * Whether this line names any column, which makes it the header.
   *
   * @throws {UnusableFile} if more or fewer lines stand above it than are expected
   */
  endWith(header: readonly string[], line: number): boolean {
    if (this.#count === 0 && SEPARATOR.test(header[0] ?? '')) return false;
    const names = header.map(this.#nameOf);
    if (names.some((name) => EXPECTED.includes(name))) {
      if (this.#count === this.#expected) {
        this.#first = undefined;
        return true;
      }
      throw new UnusableFile({
        place: `line ${this.#first?.line ?? line}`,
        hint:
          this.#expected === 0
            ? CSV_HINTS.headerLower(this.#first?.line ?? line, line, this.#count)
            : CSV_HINTS.headerElsewhere(line, this.#count, this.#expected),
      });
    }
    this.#count += 1;
    this.#first ??= { line, separated: header.length === 1 && SEPARATORS.test(header[0] ?? '') };
    if (this.#count >= LINES_ABOVE_AT_MOST) this.requireHeader();
    return false;
  }

  /** @throws {UnusableFile} if lines were seen and none of them was the header */
  requireHeader(): void {
    if (this.#first === undefined) return;
    const { line, separated } = this.#first;
    throw new UnusableFile({
      place: `line ${line}`,
      hint: CSV_HINTS.noHeader(line, KEPT, separated),
    });
  }
}

/**
 * A local id may be any text and a later date may be absent; for any other cell, its contents show whether it
 * is whole.
 */
function mayBeCut(lastColumn: Column | false | undefined, cells: Cells): boolean {
  if (lastColumn === 'local_id') return true;
  return (
    typeof lastColumn === 'string' &&
    LATER_DATES.includes(lastColumn) &&
    (cells[lastColumn] ?? '').trim() === ''
  );
}

type Layout = { columns: (Column | false)[]; problems: FileProblem[]; dropped: string[] };

/**
 * Whether a line has only our own names, as the holdings of an authority do. It is read by them whatever its
 * case system calls its columns, since that did not write it.
 */
function isInOurNames(header: readonly string[]): boolean {
  const names = header.map(columnName);
  return (
    names.every((name) => OURS.includes(name)) && REQUIRED.every((name) => names.includes(name))
  );
}

function readLayout(header: readonly string[], line: number, options: CsvOptions): Layout {
  const { columns: headings } = options.mapping;
  const names = header.map(namesOf(options.mapping));
  const kept: readonly Column[] = options.names ? [...KEPT, ...NAMES] : KEPT;
  const required = [...REQUIRED, ...(options.names ? NAMES : [])].filter(
    (column) => headings[column] !== null,
  );
  const problems: FileProblem[] = [];
  const add = (hint: string, field?: string): void => {
    problems.push({ place: `line ${line}`, ...(field !== undefined && { field }), hint });
  };
  for (const column of kept) {
    const times = names.filter((name) => name === column).length;
    if (times > 1) add(CSV_HINTS.columnTwice(column, times), column);
  }
  const missing = required.filter((column) => !names.includes(column));
  const called = missing.map((column) => {
    const heading = headings[column];
    return heading === undefined ? column : `${column} ("${heading ?? ''}")`;
  });
  // One cause, reported once: the headings are another system's, or the export leaves columns out.
  if (called.length > 0) add(CSV_HINTS.columnsMissing(called), missing[0]);
  if (names.length > COLUMNS_AT_MOST) add(CSV_HINTS.tooManyColumns(COLUMNS_AT_MOST));
  // Only a line that names the columns is safe to repeat: in a file without one it is about a child.
  const dropped =
    problems.length > 0
      ? []
      : header
          .filter((_, i) => !EXPECTED.includes(names[i] ?? ''))
          .slice(0, DROPPED_NAMED_AT_MOST)
          .map(shownHeading);
  const columns = names.map((name) => kept.find((column) => column === name) ?? false);
  return { columns, problems, dropped };
}

/** Our name for each heading, including the case system's own. */
function namesOf({ columns }: ColumnMapping): (heading: string) => string {
  const own = new Map<string, string>();
  for (const [column, heading] of Object.entries(columns)) {
    // An absent column is not the same as one without a heading.
    if (heading !== null) own.set(columnName(heading), column);
  }
  return (heading) => own.get(columnName(heading)) ?? columnName(heading);
}

/** The plan type for each text, including the case system's own. */
function typesOf({ planTypes: own }: ColumnMapping): (text: string) => PlanType | undefined {
  const types = new Map(
    Object.entries(own).map(([text, type]) => [tidy(text).toLowerCase(), type]),
  );
  return (text) => types.get(tidy(text).toLowerCase()) ?? readPlanType(text);
}

function columnName(text: string): string {
  return tidy(text)
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');
}

function shownHeading(text: string): string {
  const clean = text
    .replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '')
    .trim()
    .slice(0, 60);
  return clean === '' ? '(no name)' : clean;
}

function rawRecord(
  number: number,
  place: string,
  cells: Cells,
  names: boolean,
  typeOf: (text: string) => PlanType | undefined,
): RawRecord {
  const located = (column: Column): Located[] => {
    const text = tidy(cells[column] ?? '');
    return text === '' ? [] : [{ text, place }];
  };
  const type = typeOf(cells.plan_type ?? '');
  return {
    number,
    place,
    plans: [
      {
        type,
        place,
        start: located('start_date'),
        end: located('end_date'),
        deleted: located('delete_date'),
      },
    ],
    subjects: [
      {
        kind: type === undefined ? 'child' : PLAN_TYPES[type].subject,
        place,
        nhsNumbers: located('nhs_number'),
        // As in an authority's holdings, which may be sent back.
        localIds: located('local_id').map(({ text }) => ({ text: unguarded(text), place })),
        datesOfBirth: located('date_of_birth'),
        ...(names && {
          names: { given: cells.given_name ?? '', family: cells.family_name ?? '' },
        }),
      },
    ],
  };
}

/** Our own names and the CP-IS short forms, in any case. Source: CP-IS vocabulary (CPP, LAC, UCPP). */
export function readPlanType(text: string): PlanType | undefined {
  const wanted = tidy(text).toLowerCase();
  return planTypes.find(
    (type) => type === wanted || PLAN_TYPES[type].cpis.toLowerCase() === wanted,
  );
}

/** The parser's own words repeat what the line holds, so only its code and the line are passed on. */
function asProblem(error: unknown): unknown {
  if (!(error instanceof MalformedCsv)) return error;
  const { line, fault } = error;
  return new UnusableFile({ place: `line ${line}`, hint: CSV_FAULTS[fault](line) });
}
