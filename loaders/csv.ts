import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { PLAN_TYPES, type PlanType, planTypes } from '#schemas/plan.ts';
import { type FileProblem, type Located, type RawRecord, UnusableFile } from './upload.ts';

/** Needed in every file: without a column for ends or deletes, ended plans would read as current. */
const REQUIRED = [
  'nhs_number',
  'date_of_birth',
  'plan_type',
  'start_date',
  'end_date',
  'delete_date',
] as const;
const KEPT = [...REQUIRED, 'local_id'] as const;
/** Expected, and never kept. */
const PASSED_OVER: readonly string[] = ['given_name', 'family_name'];

type Column = (typeof KEPT)[number];
type Cells = Partial<Record<Column, string>>;

const COLUMNS_AT_MOST = 200;
const LINE_AT_MOST = 65_536;
const DROPPED_NAMED_AT_MOST = 50;

export type CsvEvent =
  | { kind: 'columns'; problems: FileProblem[]; dropped: string[] }
  | { kind: 'record'; record: RawRecord };

/**
 * Reads a CSV upload as it streams in: a header line naming the columns in any order, then one plan a
 * line. Columns that are not needed, names above all, are marked as skipped for the parser and reach no
 * record.
 *
 * The last line must be ended: a file cut in the middle of its last field could not be told from a whole
 * one otherwise.
 *
 * @throws {UnusableFile} where it is not well-formed CSV
 */
export async function* readCsv(texts: AsyncIterable<string>): AsyncGenerator<CsvEvent> {
  let layout: Layout | undefined;
  let last = '';
  const parser = parse({
    columns: (header: string[]) => {
      layout = readLayout(header);
      return layout.columns;
    },
    record_delimiter: ['\r\n', '\n', '\r'],
    skip_empty_lines: true,
    max_record_size: LINE_AT_MOST,
    info: true,
  });
  const watched = async function* (): AsyncGenerator<string> {
    for await (const text of texts) {
      last = text.at(-1) ?? last;
      yield text;
    }
  };
  const source = Readable.from(watched());
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);

  let announced = false;
  const announce = function* (): Generator<CsvEvent> {
    if (announced || layout === undefined) return;
    announced = true;
    yield { kind: 'columns', problems: layout.problems, dropped: layout.dropped };
  };
  let number = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: Cells;
      info: { lines: number };
    }>) {
      yield* announce();
      number += 1;
      yield { kind: 'record', record: rawRecord(number, `line ${info.lines}`, record) };
    }
  } catch (error) {
    throw asProblem(error);
  }
  yield* announce();
  if (layout === undefined) {
    throw new UnusableFile({
      place: 'line 1',
      hint: `The file is empty. Its first line must name the columns: ${KEPT.join(', ')}.`,
    });
  }
  if (last !== '\n' && last !== '\r') {
    throw new UnusableFile({
      place: 'file',
      hint: 'The last line has no line break, so the file may be cut short. Export it again; if it is whole, add a line break at its end.',
    });
  }
}

type Layout = { columns: (Column | false)[]; problems: FileProblem[]; dropped: string[] };

function readLayout(header: readonly string[]): Layout {
  const names = header.map(columnName);
  const problems: FileProblem[] = [];
  const add = (hint: string, field?: string): void => {
    problems.push({ place: 'line 1', ...(field !== undefined && { field }), hint });
  };
  for (const column of KEPT) {
    const times = names.filter((name) => name === column).length;
    if (times > 1) add(`The column ${column} is there ${times} times. Keep one.`, column);
  }
  const missing = REQUIRED.filter((column) => !names.includes(column));
  for (const column of missing) {
    add(
      `The column ${column} is missing. The first line must name it; its cells may be empty only where the plan has no such date.`,
      column,
    );
  }
  if (missing.length === REQUIRED.length && /[;\t|]/.test(header[0] ?? '')) {
    add(
      'The columns seem to be separated by something else than commas. Export the file with commas.',
    );
  }
  if (names.length > COLUMNS_AT_MOST) add(`There are more than ${COLUMNS_AT_MOST} columns.`);
  // Only a line that names the columns is safe to repeat: in a file without one it is a child's.
  const dropped =
    problems.length > 0
      ? []
      : header
          .filter((_, i) => !isKept(names[i]) && !PASSED_OVER.includes(names[i] ?? ''))
          .slice(0, DROPPED_NAMED_AT_MOST)
          .map(printable);
  return { columns: names.map((name) => (isKept(name) ? name : false)), problems, dropped };
}

function columnName(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');
}

function isKept(name: string | undefined): name is Column {
  return (KEPT as readonly (string | undefined)[]).includes(name);
}

function printable(text: string): string {
  const clean = text
    .replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '')
    .trim()
    .slice(0, 60);
  return clean === '' ? '(no name)' : clean;
}

function rawRecord(number: number, place: string, cells: Cells): RawRecord {
  const located = (column: Column): Located[] => {
    const text = cells[column]?.trim() ?? '';
    return text === '' ? [] : [{ text, place }];
  };
  const type = readPlanType(cells.plan_type ?? '');
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
        kind: type === 'unborn-child-protection-plan' ? 'mother' : 'child',
        place,
        nhsNumbers: located('nhs_number'),
        localIds: located('local_id'),
        datesOfBirth: located('date_of_birth'),
      },
    ],
  };
}

/** Our own names and the CP-IS short forms, in any case. Source: CP-IS vocabulary (CPP, LAC, UCPP). */
function readPlanType(text: string): PlanType | undefined {
  const wanted = text.trim().toLowerCase();
  return planTypes.find(
    (type) => type === wanted || PLAN_TYPES[type].cpis.toLowerCase() === wanted,
  );
}

/** The parser's own words repeat what the line holds, so only its code and the line are passed on. */
function asProblem(error: unknown): unknown {
  if (!(error instanceof CsvError)) return error;
  const line = typeof error['lines'] === 'number' ? error['lines'] : undefined;
  const place = line === undefined ? 'file' : `line ${line}`;
  return new UnusableFile({ place, hint: CSV_HINTS[error.code] ?? OTHER_CSV_HINT });
}

const OTHER_CSV_HINT =
  'The file is not well-formed CSV from here on. Export it again, with commas and double quotes.';
const CSV_HINTS: Partial<Record<CsvError['code'], string>> = {
  CSV_RECORD_INCONSISTENT_COLUMNS:
    'This line has more or fewer fields than the first line names. A field that holds a comma must stand in double quotes; or the file was cut short here.',
  CSV_RECORD_INCONSISTENT_FIELDS_LENGTH:
    'This line has more or fewer fields than the first line names. A field that holds a comma must stand in double quotes; or the file was cut short here.',
  CSV_QUOTE_NOT_CLOSED:
    'A double quote that opens before this line is never closed: the file was cut short, or a quote inside a field is not doubled.',
  CSV_INVALID_CLOSING_QUOTE:
    'A field in double quotes goes on after its closing quote. A quote inside a field must be doubled.',
  INVALID_OPENING_QUOTE:
    'A double quote stands inside a field that does not begin with one. Put the whole field in double quotes and double the quote inside.',
  CSV_MAX_RECORD_SIZE:
    'This line is far longer than any line should be. A double quote before it may not be closed.',
};
