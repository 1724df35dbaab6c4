import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { attendanceRequestSchema } from '#schemas/attendance.ts';
import { nhsNumberCheckDigit, parseNhsNumber } from '#schemas/nhs-number.ts';
import { testNumber } from '../support/rows.ts';

const read = (fields: object) =>
  attendanceRequestSchema.safeParse({ nhsNumber: testNumber(1), attended: 'seen', ...fields });

/** NHS numbers as they are issued, and test numbers. */
const nhsNumbers = fc
  .tuple(fc.constantFrom('3', '4', '44', '6', '7', '9', '999'), fc.nat(99_999_999))
  .map(([begins, n]) => `${begins}${String(n).padStart(8, '0')}`.slice(0, 9))
  .map((nine) => `${nine}${nhsNumberCheckDigit(nine) ?? ''}`)
  .filter((number) => parseNhsNumber(number) !== undefined);

/** With anything that a person or the rule of a field allows before, between and after the digits. */
const spellings = fc
  .record({
    number: nhsNumbers,
    before: fc.constantFrom('', '+', '0', '00', '+44', '0044', '+44 (0)', '44', '1', '(', '+1'),
    between: fc.constantFrom('', ' ', '-', ') '),
    after: fc.constantFrom('', '0', '1', '99', ' 7', '-123'),
  })
  .map(({ number, before, between, after }) => ({
    number,
    text: `${before}${number.slice(0, 3)}${between}${number.slice(3, 6)}${between}${number.slice(6)}${after}`,
  }));

test('no field of an outcome can contain an NHS number in any form', () => {
  fc.assert(
    fc.property(spellings, ({ number, text }) => {
      for (const field of ['ward', 'switchboard']) {
        const found = read({ [field]: text });
        const held = JSON.stringify(found.data ?? {}).replaceAll(/[^0-9]/g, '');
        expect(held.replace(testNumber(1), '')).not.toContain(number);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('regional telephone numbers are accepted as they are dialled', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('01', '02'),
      fc.nat(999_999_999).map((n) => String(n).padStart(9, '0')),
      fc.constantFrom('0', '+44', '0044', '+44(0)', '+44 (0) '),
      (region, rest, begins) => {
        const { data } = read({ switchboard: `${begins}${region.slice(1)}${rest}` });
        expect(data?.switchboard).toBe(`${region}${rest}`);
      },
    ),
  );
  expect(read({ switchboard: '5555' }).data?.switchboard).toBe('5555');
});

test.each(['999', '112', '111', '101', '+44 999', '0044101', '+44 (0) 111'])(
  'a public number such as 999 is not accepted for a ward: %s',
  (switchboard) => {
    expect(read({ switchboard }).success).toBe(false);
  },
);
