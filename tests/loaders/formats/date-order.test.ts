import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { slashedOrder } from '#loaders/formats/common/dates.ts';
import { findingSchema } from '#schemas/uploads/acknowledgement.ts';
import { testNumber } from '../../support/rows.ts';
import { metadata, read } from '../../support/upload-loading.ts';

const HEADER = 'nhs_number,local_id,date_of_birth,plan_type,start_date,end_date,delete_date';

/** A file of rows with a date of birth and a start date each. */
function file(...rows: [birth: string, start: string][]): string {
  const lines = rows.map(
    ([birth, start], i) => `${testNumber(i + 1)},U${i},${birth},CPP,${start},,`,
  );
  return `${[HEADER, ...lines].join('\n')}\n`;
}
const reading = (...rows: [string, string][]) =>
  read(file(...rows), { metadata: metadata(rows.length) });

describe('dates with the month first', () => {
  test('refuse the file, with this reason, if most dates that can be read only one way have the month first', async () => {
    const result = await reading(['01/02/2018', '11/02/2026'], ['01/02/2018', '11/25/2026']);
    expect(result.usable).toBeUndefined();
    const [first] = result.failures.sorted();
    expect(findingSchema.parse(first)).toMatchObject({
      code: 'CPF01',
      place: 'line 3',
      field: 'start_date',
    });
    expect(first?.hint).toMatch(/column start_date are month first/);
  });

  test('get a remark if there are few of them, which says how many rows are in doubt and how they were read', async () => {
    const result = await reading(
      ['13/02/2018', '14/03/2026'],
      ['01/02/2018', '15/03/2026'],
      ['05/05/2018', '02/03/2026'],
      ['15/02/2018', '11/25/2025'],
    );
    expect(result.usable).toBeDefined();
    const [warning] = result.warnings.listed;
    expect(findingSchema.parse(warning)).toMatchObject({ place: 'line 5', field: 'start_date' });
    // The second row is not in doubt, because another date of birth shows that its column has the day first.
    expect(warning?.hint).toMatch(/1 row has a date .*read day first/);
    expect(result.rows.filter((row) => row.dateOfBirthInDoubt)).toEqual([]);
  });

  test('make dates of birth doubtful in their own column, and in a column that proves nothing by itself', async () => {
    const own = await reading(
      ['13/02/2018', '14/03/2026'],
      ['01/02/2018', '15/03/2026'],
      ['2018-02-01', '15/03/2026'],
      ['02/13/2018', '16/03/2026'],
    );
    expect(own.rows.map((row) => row.dateOfBirthInDoubt)).toEqual([undefined, true, undefined]);
    const other = await reading(
      ['01/02/2018', '14/03/2026'],
      ['2018-02-01', '15/03/2026'],
      ['2018-02-01', '11/25/2025'],
    );
    expect(other.rows.map((row) => row.dateOfBirthInDoubt)).toEqual([true, undefined]);
  });

  test('one slip in a column without doubtful dates refuses only its own row', async () => {
    const result = await reading(['13/02/2018', '2026-03-14'], ['2018-02-13', '11/25/2025']);
    expect(result.usable).toBeDefined();
    expect(result.warnings.listed).toEqual([]);
    expect(result.failures.listed).toMatchObject([{ code: 'CPR07', field: 'start_date' }]);
  });

  test('are recognised by the calendar alone', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 28 }),
        fc.integer({ min: 1900, max: 2199 }),
        (month, day, year) => {
          const order = slashedOrder(`${day}/${month}/${year}`);
          expect(order).toBe(day === month ? undefined : day > 12 ? 'day-first' : 'either');
          const american = slashedOrder(`${month}/${day}/${year}`);
          expect(american).toBe(day === month ? undefined : day > 12 ? 'month-first' : 'either');
        },
      ),
    );
  });
});
