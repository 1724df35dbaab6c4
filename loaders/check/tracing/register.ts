import { stat } from 'node:fs/promises';
import { type CalendarDate, parseIsoDate } from '#schemas/calendar.ts';
import { type NhsNumber, parseNhsNumber, unspacedNhsNumber } from '#schemas/nhs-number.ts';
import { TRACING } from '#schemas/wording/loads.ts';
import type { TracedField } from '#schemas/wording/records.ts';
import type { ListedNumbers } from '#store/rows/not-in-use.ts';
import { SourceBytes, SourceFailed } from '../../formats/common/source.ts';
import { UnusableFile } from '../../formats/common/upload.ts';
import { MalformedCsv, parseCsv } from '../../formats/csv/lines.ts';
import { type PlainName, plainName, sameFamilyName, sameGivenName } from './names.ts';
import {
  type NumberTracer,
  NumberTracingUnavailable,
  type Traced,
  type TraceOutcome,
} from './tracer.ts';

const COLUMNS = [
  'nhs_number',
  'status',
  'replaced_by',
  'date_of_birth',
  'given_name',
  'family_name',
] as const;
type Column = (typeof COLUMNS)[number];

const STATES = ['current', 'superseded', 'inactive', 'sensitive'] as const;

type Entry =
  | { status: 'sensitive' }
  | {
      status: Exclude<(typeof STATES)[number], 'sensitive'>;
      replacedBy?: NhsNumber;
      dateOfBirth: CalendarDate;
      name: PlainName;
    };
type Register = ReadonlyMap<NhsNumber, Entry>;

const FILE_AT_MOST = 67_108_864;
const LINE_AT_MOST = 4_096;
/** Everything is held in memory, including names. */
const NUMBERS_AT_MOST = 500_000;

/** A register that cannot be used. The message says where, and repeats none of its contents. */
export class RegisterError extends Error {
  override name = 'RegisterError';
}

/**
 * Traces in a register file: CSV, UTF-8, also gzipped, with the columns `nhs_number`, `status` (`current`,
 * `superseded`, `inactive` or `sensitive`; empty is `current`), `replaced_by`, `date_of_birth`, `given_name`,
 * `family_name`.
 *
 * The whole file is read and checked now, and again whenever it has changed; if it becomes unusable, tracing
 * is unavailable until it is put right, since an older register may be wrong.
 *
 * @throws {RegisterError} if it cannot be read or is not sound
 */
export async function openRegister(path: string): Promise<NumberTracer> {
  let version = await versionOf(path);
  let register: Register | RegisterError = await readRegister(path);

  async function current(): Promise<Register> {
    const now = await versionOf(path).catch((error: RegisterError) => error.message);
    if (now !== version) {
      register = await readRegister(path).catch((error: RegisterError) => error);
      version = now;
    }
    if (register instanceof RegisterError) throw new NumberTracingUnavailable(register.message);
    return register;
  }
  let listed: { of: Register; numbers: ListedNumbers } | undefined;
  return {
    async listed() {
      const known = await current();
      if (listed?.of !== known) listed = { of: known, numbers: numbersIn(known) };
      return listed.numbers;
    },
    async trace(people) {
      const known = await current();
      return people.map((person) => outcomeOf(person, known));
    },
  };
}

function numbersIn(register: Register): ListedNumbers {
  const numbers = {
    notInUse: [] as NhsNumber[],
    inUse: [] as NhsNumber[],
    sensitive: [] as NhsNumber[],
  };
  for (const [number, { status }] of register) {
    const isOld = status === 'superseded' || status === 'inactive';
    numbers[isOld ? 'notInUse' : 'inUse'].push(number);
    if (status === 'sensitive') numbers.sensitive.push(number);
  }
  return numbers;
}

function outcomeOf(person: Traced, register: Register): TraceOutcome {
  const entry = register.get(person.nhsNumber);
  if (entry === undefined) return { kind: 'no-match' };
  if (entry.status === 'sensitive') return { kind: 'sensitive' };
  const sent = plainName(person.givenName, person.familyName);
  const differs: TracedField[] = [
    ...(entry.dateOfBirth === person.dateOfBirth ? [] : ['date_of_birth' as const]),
    ...(sameFamilyName(sent, entry.name) ? [] : ['family_name' as const]),
    ...(sameGivenName(sent, entry.name) ? [] : ['given_name' as const]),
  ];
  if (differs.length > 0) return { kind: 'not-verified', differs };
  if (entry.status === 'current') return { kind: 'verified' };
  const replacedBy = latestNumber(entry.replacedBy, register);
  return { kind: 'inactive', ...(replacedBy !== undefined && { replacedBy }) };
}

/**
 * The number in use at the end of a chain of replacements. `undefined` if it ends in a sensitive record:
 * an old number must not lead to the new one of a child who was, for instance, adopted.
 */
function latestNumber(first: NhsNumber | undefined, register: Register): NhsNumber | undefined {
  let number = first;
  for (;;) {
    const entry: Entry | undefined = number === undefined ? undefined : register.get(number);
    if (entry === undefined || entry.status === 'current') return number;
    if (entry.status === 'sensitive') return undefined;
    number = entry.replacedBy;
  }
}

async function versionOf(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    throw new RegisterError(TRACING.unreadable(path));
  }
}

async function readRegister(path: string): Promise<Register> {
  const source = new SourceBytes({ name: path, path }, FILE_AT_MOST);
  try {
    const register = new Map<NhsNumber, Entry>();
    const lines = parseCsv<Record<Column, string>>(source.text(), {
      columns: readHeader,
      lineAtMost: LINE_AT_MOST,
    });
    for await (const batch of lines) {
      for (const { cells, line } of batch) {
        const [number, entry] = readEntry(trimmed(cells), line);
        if (register.has(number)) throw wrong(line, 'this NHS number is there already');
        if (register.size >= NUMBERS_AT_MOST) {
          throw wrong(line, `there are more than ${NUMBERS_AT_MOST} numbers`);
        }
        register.set(number, entry);
      }
    }
    if (register.size === 0) throw new RegisterError('it holds no number.');
    refuseCircles(register);
    return register;
  } catch (error) {
    throw new RegisterError(TRACING.unusable(path, reasonOf(error)));
  } finally {
    source.close();
  }
}

/** A parser's own words repeat what the line holds. */
function reasonOf(error: unknown): string {
  if (error instanceof MalformedCsv) {
    return `line ${error.line}: it is not well-formed CSV, or has other columns.`;
  }
  const ours = [RegisterError, SourceFailed, UnusableFile].some((kind) => error instanceof kind);
  return ours && error instanceof Error ? error.message : 'it cannot be read.';
}

const trimmed = (cells: Record<Column, string>): Record<Column, string> => ({
  nhs_number: cells.nhs_number.trim(),
  status: cells.status.trim().toLowerCase(),
  replaced_by: cells.replaced_by.trim(),
  date_of_birth: cells.date_of_birth.trim(),
  given_name: cells.given_name,
  family_name: cells.family_name,
});

function readHeader(header: readonly string[]): (Column | false)[] {
  const names = header.map((name) => name.trim().toLowerCase());
  for (const column of COLUMNS) {
    if (names.filter((name) => name === column).length !== 1) {
      throw wrong(1, `the first line must name the column ${column}, once`);
    }
  }
  return names.map((name) => COLUMNS.find((column) => column === name) ?? false);
}

function readEntry(cells: Record<Column, string>, line: number): [NhsNumber, Entry] {
  const number = parseNhsNumber(unspacedNhsNumber(cells.nhs_number));
  if (number === undefined) throw wrong(line, 'nhs_number is not an NHS number');
  const status = cells.status === '' ? 'current' : STATES.find((state) => state === cells.status);
  if (status === undefined) throw wrong(line, `status must be one of ${STATES.join(', ')}`);
  const replacedBy = parseNhsNumber(unspacedNhsNumber(cells.replaced_by));
  if ((replacedBy !== undefined) !== (status === 'superseded') && cells.replaced_by !== '') {
    throw wrong(line, 'replaced_by must be an NHS number, and only a superseded one has it');
  }
  if (status === 'superseded' && replacedBy === undefined) {
    throw wrong(
      line,
      'a superseded number needs replaced_by; one with nothing to move to is inactive',
    );
  }
  if (status === 'sensitive') return [number, { status }];
  const dateOfBirth = parseIsoDate(cells.date_of_birth);
  if (dateOfBirth === undefined) throw wrong(line, 'date_of_birth must be a day as YYYY-MM-DD');
  const name = plainName(cells.given_name, cells.family_name);
  if (name.family === '' || name.given.length === 0) {
    throw wrong(line, 'given_name and family_name must not be empty');
  }
  return [number, { status, dateOfBirth, name, ...(replacedBy !== undefined && { replacedBy }) }];
}

function refuseCircles(register: Register): void {
  const ending = new Set<NhsNumber>();
  for (const first of register.keys()) {
    const passed = new Set<NhsNumber>();
    for (let number: NhsNumber | undefined = first; number !== undefined; ) {
      if (passed.has(number)) throw new RegisterError('numbers replace one another in a circle.');
      if (ending.has(number)) break;
      passed.add(number);
      const entry = register.get(number);
      number = entry !== undefined && 'replacedBy' in entry ? entry.replacedBy : undefined;
    }
    for (const number of passed) ending.add(number);
  }
}

const wrong = (line: number, what: string): RegisterError =>
  new RegisterError(`line ${line}: ${what}.`);
