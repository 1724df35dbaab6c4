import { odsCodeSchema } from '#schemas/authority.ts';
import { type CalendarDate, parseIsoDate } from '#schemas/calendar.ts';
import { type NhsNumber, nhsNumberCheckDigit, parseNhsNumber } from '#schemas/nhs-number.ts';
import type { PlanRow, SpooledRow } from '#schemas/plans/row.ts';
import { planRow } from '#store/rows/rows.ts';

/** The test number made of 999 and the six digits of `n`, moved on until there is a check digit for it. */
export function testNumber(n: number): NhsNumber {
  for (let six = n; ; six += 1_000_000 / 4) {
    const nine = `999${String(Math.floor(six) % 1_000_000).padStart(6, '0')}`;
    const digit = nhsNumberCheckDigit(nine);
    const number = digit === undefined ? undefined : parseNhsNumber(`${nine}${digit}`);
    if (number !== undefined) return number;
  }
}

/** What stands between the groups of a printed number, in a text, an address or a page. */
const BETWEEN = '(?:[\\s+-]|%20|&nbsp;)?';

/**
 * Finds a number as it is sent and as it is printed, in groups of 3, 3 and 4. Texts that must not hold it are searched
 * for all ten digits: a few of them stand by chance in digests, UUIDs, tokens and times.
 */
export const writtenAs = (number: string): RegExp =>
  new RegExp(number.replace(/^(...)(...)/, `$1${BETWEEN}$2${BETWEEN}`));

/**
 * Finds any test number as it is sent, for texts that must hold nobody's. It is not looked for
 * within a digest, a UUID or a fraction, where such digits may stand by chance.
 */
export const ANY_TEST_NUMBER = /(?<![0-9a-f.])999[0-9]{7}(?![0-9a-f])/;

/** A calendar day for a test, which must exist. */
export function day(text: string): CalendarDate {
  const date = parseIsoDate(text);
  if (date === undefined) throw new Error(`${text} is not a day`);
  return date;
}

export const AUTHORITY = odsCodeSchema.parse('ZZ101');

/** A current child protection plan for a child aged about seven, with given changes. */
export function testRow(nhsNumber: NhsNumber, differing: Partial<SpooledRow> = {}): PlanRow {
  return planRow({
    nhsNumber,
    authority: AUTHORITY,
    type: 'child-protection-plan',
    startDate: day('2026-01-05'),
    dateOfBirth: day('2019-03-05'),
    localId: 'LA-1',
    sequence: 1,
    ...differing,
  });
}
