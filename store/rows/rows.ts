import { hash } from 'node:crypto';
import { type CalendarDate, epochDay, fromEpochDay } from '#schemas/calendar.ts';
import { type NhsNumber, parseNhsNumber } from '#schemas/nhs-number.ts';
import { PLAN_TYPES, planTypeOfLetter, planWindow } from '#schemas/plans/plan.ts';
import type { PlanRow, RowFacts } from '#schemas/plans/row.ts';
import { isRestriction } from './restrictions.ts';

/** Separates the rows of a child. */
export const ROW_SEPARATOR = '\u001e';
const US = '\u001f';
const FIELDS = 11;

/** A row in the store's own form. */
export type PackedRow = { nhsNumber: NhsNumber; packed: string };

/** What is held for a child cannot be read. The message names no child. */
class CorruptRow extends Error {
  override name = 'CorruptRow';
}

/** A row with the instants between which it is shown. */
export function planRow(facts: RowFacts): PlanRow {
  const { endDate, deleteDate } = facts;
  const { visibleFrom, currentUntil, visibleUntil } = planWindow(facts);
  // Written out, because spreading objects would double the cost.
  const row: PlanRow = {
    nhsNumber: facts.nhsNumber,
    authority: facts.authority,
    type: facts.type,
    startDate: facts.startDate,
    dateOfBirth: facts.dateOfBirth,
    localId: facts.localId,
    sequence: facts.sequence,
    visibleFrom,
    currentUntil,
    visibleUntil,
  };
  if (endDate !== undefined) row.endDate = endDate;
  if (deleteDate !== undefined) row.deleteDate = deleteDate;
  if (facts.dateOfBirthInDoubt === true) row.dateOfBirthInDoubt = true;
  if (facts.withdrawn === true) row.withdrawn = true;
  return row;
}

/**
 * A row as the store holds it: eleven fields in a fixed order, days since 1970 and seconds, separated by the
 * unit separator. The schemas keep control characters out of every field. A doubtful date of birth is its day
 * with a leading 0, and so is the delete date of a withdrawn plan: versions that do not know this read the
 * day.
 */
export function packRow(row: PlanRow): string {
  const { letter } = PLAN_TYPES[row.type];
  const day = (date: CalendarDate | undefined): number | '' =>
    date === undefined ? '' : epochDay(date);
  const { authority, visibleFrom, currentUntil, visibleUntil, localId, sequence } = row;
  const [start, end] = [day(row.startDate), day(row.endDate)];
  const deleted = marked(day(row.deleteDate), row.withdrawn);
  const birth = marked(epochDay(row.dateOfBirth), row.dateOfBirthInDoubt);
  return `${authority}${US}${letter}${US}${start}${US}${end}${US}${deleted}${US}${visibleFrom}${US}${currentUntil}${US}${visibleUntil}${US}${birth}${US}${localId}${US}${sequence}`;
}

/** A day with a leading 0 if it is marked. */
const marked = (day: number | '', mark: true | undefined): number | string =>
  mark === undefined || day === '' ? day : `${day < 0 ? '-' : ''}0${Math.abs(day)}`;
const MARKED = /^-?0[0-9]/;

function integer(text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || text === '' || !Number.isSafeInteger(value)) {
    throw new CorruptRow('a row held in the store has a field that is not a number');
  }
  return value;
}

/** @throws {CorruptRow} if the text is not a row. */
export function unpackRow(nhsNumber: NhsNumber, packed: string): PlanRow {
  const fields = packed.split(US);
  const [authority, letter, start, end, deleted, from, current, until, birth, localId, sequence] =
    fields;
  const type = planTypeOfLetter(letter ?? '');
  if (fields.length !== FIELDS || !authority || type === undefined || localId === undefined) {
    throw new CorruptRow('a row held in the store has fields missing');
  }
  return {
    nhsNumber,
    authority,
    type,
    startDate: fromEpochDay(integer(start)),
    ...(end !== '' && { endDate: fromEpochDay(integer(end)) }),
    ...(deleted !== '' && { deleteDate: fromEpochDay(integer(deleted)) }),
    visibleFrom: integer(from),
    currentUntil: integer(current),
    visibleUntil: integer(until),
    dateOfBirth: fromEpochDay(integer(birth)),
    ...(MARKED.test(birth ?? '') && { dateOfBirthInDoubt: true }),
    ...(MARKED.test(deleted ?? '') && { withdrawn: true }),
    localId,
    sequence: integer(sequence),
  };
}

/** The row of a plan that its authority withdraws on a day as another child's: not shown, whatever files say. */
export const withdrawnRow = (row: RowFacts, day: CalendarDate): PlanRow =>
  planRow({ ...row, deleteDate: day, withdrawn: true });

/** A row as it would be if it had not been withdrawn. */
export function restoredRow(row: PlanRow): PlanRow {
  if (row.withdrawn === undefined) return row;
  const { deleteDate: _, withdrawn: __, ...facts } = row;
  return planRow(facts);
}

/** The packed rows of a child's value. */
export function splitRows(value: string): string[] {
  return value === '' ? [] : value.split(ROW_SEPARATOR);
}

/** The authority of a packed row. */
export function authorityOf(packed: string): string {
  return packed.slice(0, packed.indexOf(US));
}

/** Until when a packed row's plan is current, in seconds since 1970; a deleted one never is. */
export function currentUntilOf(packed: string): number {
  let at = 0;
  for (let field = 0; field < 4; field++) at = packed.indexOf(US, at) + 1;
  const deleted = packed[at] !== US;
  for (let field = 4; field < 6; field++) at = packed.indexOf(US, at) + 1;
  return deleted ? 0 : Number(packed.slice(at, packed.indexOf(US, at)));
}

/** @throws {CorruptRow} if a field of a partition's hash is not an NHS number. */
export function storedNumber(field: string): NhsNumber {
  const number = parseNhsNumber(field);
  if (number === undefined) throw new CorruptRow('a child is held under something not a number');
  return number;
}

/**
 * Count and order-free digest of an authority's rows: the sum, in four lanes modulo 2^32, of the first 16
 * bytes of each row's SHA-256. Rows can be added and removed one by one, in any order. Restrictions are in
 * the digest, but not in the count.
 */
export class Tally {
  rows = 0;
  /** How many of them are current now; counted only when the whole store is read. */
  inForce = 0;
  readonly #lanes = new Uint32Array(4);

  static from(state: { rows: number; digest: string }): Tally {
    const tally = new Tally();
    tally.rows = state.rows;
    for (let lane = 0; lane < 4; lane++) {
      tally.#lanes[lane] = Number.parseInt(state.digest.slice(lane * 8, lane * 8 + 8), 16);
    }
    return tally;
  }

  copy(): Tally {
    return Tally.from(this);
  }

  add(nhsNumber: string, packed: string): void {
    this.#mix(nhsNumber, packed, 1);
  }

  remove(nhsNumber: string, packed: string): void {
    this.#mix(nhsNumber, packed, -1);
  }

  /** Adds what another tally counted. */
  plus(other: Tally): void {
    this.rows += other.rows;
    for (let lane = 0; lane < 4; lane++) {
      this.#lanes[lane] = (this.#lanes[lane] ?? 0) + (other.#lanes[lane] ?? 0);
    }
  }

  #mix(nhsNumber: string, packed: string, sign: 1 | -1): void {
    // A character a byte: the cheapest form in which bytes come out of a hash.
    const bytes = hash('sha256', nhsNumber + packed, 'binary');
    for (let lane = 0; lane < 4; lane++) {
      const at = lane * 4;
      const word =
        bytes.charCodeAt(at) |
        (bytes.charCodeAt(at + 1) << 8) |
        (bytes.charCodeAt(at + 2) << 16) |
        (bytes.charCodeAt(at + 3) << 24);
      this.#lanes[lane] = (this.#lanes[lane] ?? 0) + sign * word;
    }
    if (!isRestriction(packed)) this.rows += sign;
  }

  /** 32 hex digits. */
  get digest(): string {
    return [...this.#lanes].map((lane) => lane.toString(16).padStart(8, '0')).join('');
  }
}
