import type { OdsCode } from '#schemas/authority.ts';
import { epochDay, fromEpochDay } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import { PLAN_TYPES, planTypeOfLetter } from '#schemas/plans/plan.ts';
import type { SpooledRow } from '#schemas/plans/row.ts';

const SEPARATOR = '\u001f';
const IN_DOUBT = '?';

/** A row, and its place in the file. */
export type PlacedRow = { row: SpooledRow; place: string };
/** A record of a file with its rows. */
export type SpooledRecord = { record: number; rows: readonly PlacedRow[] };

/** The authority of the rows, which a spool does not repeat in each of them. */
export type Whose = {
  authority: OdsCode;
  sequence: number;
  /** Whether its dates of birth that can be read two ways are in doubt; known once all of the file is read. */
  birthDatesInDoubt?: boolean | undefined;
};

/** A row as a line of the spool. */
export function lineOf(record: number, { row, place }: PlacedRow): string {
  const day = (date: SpooledRow['endDate']): number | '' =>
    date === undefined ? '' : epochDay(date);
  return `${[
    record,
    place,
    row.nhsNumber,
    PLAN_TYPES[row.type].letter,
    epochDay(row.startDate),
    day(row.endDate),
    day(row.deleteDate),
    epochDay(row.dateOfBirth),
    row.localId,
    row.dateOfBirthInDoubt === true ? IN_DOUBT : '',
  ].join(SEPARATOR)}\n`;
}

/** Records as sent in a file, for their load. */
export function* recordsAs(
  records: readonly SpooledRecord[],
  { authority, sequence, birthDatesInDoubt }: Whose,
): Generator<SpooledRecord> {
  const isAsSent = ({ row }: PlacedRow): boolean =>
    row.authority === authority &&
    row.sequence === sequence &&
    (row.dateOfBirthInDoubt === undefined || birthDatesInDoubt === true);
  for (const sent of records) {
    if (sent.rows.every(isAsSent)) {
      yield sent;
      continue;
    }
    const own = sent.rows.map(({ row: { dateOfBirthInDoubt, ...row }, place }) => ({
      row: {
        ...row,
        authority,
        sequence,
        ...(birthDatesInDoubt === true && omitUndefined({ dateOfBirthInDoubt })),
      },
      place,
    }));
    yield { record: sent.record, rows: own };
  }
}

/** Records as they are read back from the lines of their rows. */
export function* recordsOf(lines: Generator<string>, file: Whose): Generator<SpooledRecord> {
  let current: { record: number; rows: PlacedRow[] } | undefined;
  for (const line of lines) {
    const [
      record,
      place = '',
      nhsNumber,
      letter = '',
      start,
      end,
      deleted,
      birth,
      localId = '',
      doubt,
    ] = line.split(SEPARATOR);
    const type = planTypeOfLetter(letter);
    if (type === undefined) throw new Error('a row of the spool cannot be read');
    const row: SpooledRow = {
      nhsNumber: nhsNumber as NhsNumber,
      authority: file.authority,
      type,
      startDate: fromEpochDay(Number(start)),
      ...(end !== '' && { endDate: fromEpochDay(Number(end)) }),
      ...(deleted !== '' && { deleteDate: fromEpochDay(Number(deleted)) }),
      dateOfBirth: fromEpochDay(Number(birth)),
      localId,
      sequence: file.sequence,
      ...(file.birthDatesInDoubt === true && doubt === IN_DOUBT && { dateOfBirthInDoubt: true }),
    };
    if (current?.record !== Number(record)) {
      if (current !== undefined) yield current;
      current = { record: Number(record), rows: [] };
    }
    current.rows.push({ row, place });
  }
  if (current !== undefined) yield current;
}
