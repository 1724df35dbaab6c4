import { describe, expect, test } from 'vitest';
import { type CheckedRecord, checkRecord } from '#loaders/check/check.ts';
import { checkContext } from '#loaders/check/context.ts';
import type { RawPlan, RawRecord, RawSubject } from '#loaders/formats/common/upload.ts';
import { addDays, addYears } from '#schemas/calendar.ts';
import { findingSchema } from '#schemas/uploads/acknowledgement.ts';
import { testNumber } from '../../support/rows.ts';
import { RECEIVED_AT, TODAY } from '../../support/upload-model.ts';

const at = (text: string) => [{ text, place: 'line 2' }];

const child = (differing: Partial<RawSubject> = {}): RawSubject => ({
  kind: 'child',
  place: 'line 2',
  nhsNumbers: at(testNumber(1)),
  localIds: at('LA-1'),
  datesOfBirth: at('2019-03-05'),
  ...differing,
});
const mother = (differing: Partial<RawSubject> = {}): RawSubject =>
  child({
    kind: 'mother',
    nhsNumbers: at(testNumber(2)),
    datesOfBirth: at('1998-09-11'),
    ...differing,
  });
const plan = (differing: Partial<RawPlan> = {}): RawPlan => ({
  type: 'child-protection-plan',
  place: 'line 2',
  start: at('2026-09-14'),
  end: [],
  deleted: [],
  ...differing,
});
const unborn = (differing: Partial<RawPlan> = {}): RawPlan =>
  plan({ type: 'unborn-child-protection-plan', end: at('2026-12-24'), ...differing });

function check(
  plans: RawPlan[],
  subjects: RawSubject[],
  format: 'csv' | 'spine-xml' = 'csv',
): CheckedRecord {
  const record: RawRecord = { number: 7, place: 'line 2', plans, subjects };
  return checkRecord(record, checkContext(format, RECEIVED_AT));
}

/** The codes and fields of the faults. */
function failures(checked: CheckedRecord): string[] {
  return checked.kind === 'sound'
    ? []
    : checked.failures.map(({ code, field }) => `${code} ${field}`);
}
const warnings = (checked: CheckedRecord): string[] =>
  checked.kind === 'sound'
    ? checked.warnings.map(({ code, field }) => `${code} ${field}`)
    : ['refused'];

test('everything wrong with a record is listed at once, even if its plan type is unknown', () => {
  const wrong = plan({ type: undefined, start: at('2026-11-31'), end: at('NULL') });
  expect(failures(check([wrong], [child({ datesOfBirth: at('2099-01-01') })]))).toEqual([
    'CPR07 date_of_birth',
    'CPR07 plan_type',
    'CPR07 start_date',
    'CPR07 end_date',
  ]);
  const reversed = plan({ type: undefined, start: at('2026-09-14'), end: at('2026-09-13') });
  expect(failures(check([reversed], [child()]))).toEqual(['CPR07 plan_type', 'CPR07 end_date']);
  // Dates that the format could not read are not mentioned again.
  const unread = plan({ type: undefined, start: [], isUnread: true });
  expect(failures(check([unread], [child()]))).toEqual(['CPR07 plan_type']);
});

describe('whose plan it is', () => {
  test('a child’s plans go to the child and an unborn child’s plan to the mother, and never the other way round', () => {
    const checked = check(
      [plan(), plan({ type: 'looked-after-child' }), unborn()],
      [child(), mother()],
    );
    expect(
      checked.kind === 'sound' && checked.rows.map(({ row }) => `${row.type} ${row.nhsNumber}`),
    ).toEqual([
      `child-protection-plan ${testNumber(1)}`,
      `looked-after-child ${testNumber(1)}`,
      `unborn-child-protection-plan ${testNumber(2)}`,
    ]);
  });

  test.each([
    ['a plan without its child', [plan()], [mother()]],
    ["an unborn child's plan without the mother", [unborn()], [child()]],
    ['a mother without a plan', [plan()], [child(), mother()]],
    ['a child without a plan', [unborn()], [child(), mother()]],
    ['two children', [plan()], [child(), child({ nhsNumbers: at(testNumber(3)) })]],
    ['no subject', [plan()], []],
    ['a subject of an unknown kind', [plan()], [child(), child({ kind: undefined })]],
  ])('%s refuses the record', (_what, plans, subjects) => {
    expect(new Set(failures(check(plans, subjects)))).toContain('CPR07 subject');
  });

  test('a record without a plan or with an unknown type is refused for that reason only', () => {
    expect(failures(check([], [child()]))).toEqual(['CPR07 plan_type']);
    expect(failures(check([plan({ type: undefined })], [child()]))).toEqual(['CPR07 plan_type']);
  });

  test('a record with too many plans or people is refused as a whole', () => {
    const plans = ['2026-01-01', '2026-02-01', '2026-03-01', '2026-04-01'].map((start) =>
      plan({ start: at(start) }),
    );
    expect(failures(check(plans, [child()]))).toContain('CPR07 plan_type');
    expect(failures(check([plan()], [child(), mother(), child()]))).toContain('CPR07 subject');
  });

  test('a plan that starts within the next few days is accepted with a warning', () => {
    expect(warnings(check([plan({ start: at('2026-11-30') })], [child()]))).toEqual([
      'CPR06 start_date',
    ]);
  });

  test('one faulty plan refuses every plan in its record', () => {
    const checked = check([plan(), unborn({ end: [] })], [child(), mother()]);
    expect(failures(checked)).toEqual(['CPR07 end_date']);
  });
});

describe('NHS numbers', () => {
  test.each(['', '999000001', '99900000180', '9990000019', '1111111111', 'ABCDEFGHIJ', '9.99E+09'])(
    '"%s" is refused with CPR04',
    (text) => {
      for (const format of ['csv', 'spine-xml'] as const) {
        const subject = child({ nhsNumbers: text === '' ? [] : at(text) });
        const record = format === 'csv' ? plan() : plan({ start: at('202609140900') });
        const datesOfBirth = format === 'csv' ? at('2019-03-05') : at('20190305');
        expect(failures(check([record], [{ ...subject, datesOfBirth }], format))).toEqual([
          'CPR04 nhs_number',
        ]);
      }
    },
  );

  const n = testNumber(1);
  const numberOf = (text: string, format: 'csv' | 'spine-xml') =>
    format === 'csv'
      ? check([plan()], [child({ nhsNumbers: at(text) })])
      : check(
          [plan({ start: at('202609140900') })],
          [child({ nhsNumbers: at(text), datesOfBirth: at('20190305') })],
          'spine-xml',
        );

  test.each(['csv', 'spine-xml'] as const)(
    'white space and invisible characters are dropped from a number, in %s',
    (format) => {
      for (const text of [
        `${n.slice(0, 3)} ${n.slice(3, 6)} ${n.slice(6)}`,
        `${n.slice(0, 3)}-${n.slice(3, 6)}-${n.slice(6)}`,
        `${n.slice(0, 3)}\u00a0${n.slice(3, 6)}\u2009${n.slice(6)}`,
        `\u200b${n}\ufeff`,
        `${n} `,
        `\u202d${n.slice(0, 5)}\u00ad${n.slice(5)}\u202c\t`,
      ]) {
        const checked = numberOf(text, format);
        expect(checked.kind === 'sound' && checked.rows[0]?.row.nhsNumber).toBe(n);
      }
    },
  );

  test.each([
    [`"${n}"`, 'quotes or ="..."'],
    [`\u201c${n}\u201d`, 'quotes or ="..."'],
    [`="${n}"`, 'quotes or ="..."'],
    [`${n}\u0007`, 'perhaps invisible ones'],
    ['\u200b', 'missing'],
    ['9990000019', 'must be ten digits'],
  ])('the hint for %j says what is wrong with it', (text, hint) => {
    const checked = numberOf(text, 'csv');
    expect(checked.kind === 'refused' && checked.failures[0]?.hint).toContain(hint);
  });

  test('a local id is the same, however its white space was written', () => {
    const ids = ['A 1', 'A\u00a01', ' A\u200b \u2009 1\ufeff'].map((text) => {
      const checked = check([plan()], [child({ localIds: at(text) })]);
      return checked.kind === 'sound' && checked.rows[0]?.row.localId;
    });
    expect(ids).toEqual(['A 1', 'A 1', 'A 1']);
  });
});

describe('a placeholder date', () => {
  test.each([
    ['31/12/9999', '"never"'],
    ['9999-12-31', '"never"'],
    ['NULL', 'a missing date'],
    ['N/A', 'a missing date'],
    ['00/00/0000', 'a missing date'],
    ['', 'nullFlavor'],
  ])('%j is refused, and the hint says to leave it out', (text, hint) => {
    const checked = check([plan({ end: at(text) })], [child()]);
    const [failure] = checked.kind === 'refused' ? checked.failures : [];
    expect(failure).toMatchObject({ code: 'CPR07', field: 'end_date' });
    expect(failure?.hint).toContain(hint);
    expect(failure?.hint).toContain('leave the cell empty');
    const started = check([plan({ start: at(text) })], [child()]);
    expect(started.kind === 'refused' && started.failures[0]?.hint).toContain('must be given');
  });

  test('for any other date that does not exist, the message gives the range of days that do', () => {
    const checked = check([plan({ end: at('01/13/2026') })], [child()]);
    expect(checked.kind === 'refused' && checked.failures[0]?.hint).toContain(
      'between 1900 and 2199',
    );
  });
});

describe('dates', () => {
  const after = (days: number) => at(addDays(TODAY, days));

  test.each([
    ['a start that is not a date', plan({ start: at('2026-02-30') }), 'CPR07 start_date'],
    ['a start before 1900', plan({ start: at('1899-12-31') }), 'CPR07 start_date'],
    ['no start', plan({ start: [] }), 'CPR07 start_date'],
    ['two starts', plan({ start: [...at('2026-09-14'), ...at('2026-09-15')] }), 'CPR07 start_date'],
    ['a start 32 days ahead', plan({ start: after(32) }), 'CPR07 start_date'],
    ['an end before the start', plan({ end: at('2026-09-13') }), 'CPR07 end_date'],
    ['an end that is not a date', plan({ end: at('soon') }), 'CPR07 end_date'],
    ['a delete date that is not a date', plan({ deleted: at('31/11/2026') }), 'CPR07 delete_date'],
    ['a delete date in the future', plan({ deleted: after(2) }), 'CPR07 delete_date'],
  ])('%s is refused', (_what, record, expected) => {
    expect(failures(check([record], [child()]))).toEqual([expected]);
  });

  test.each([
    ['an end on the day of the start', plan({ end: at('2026-09-14') })],
    ['an end in the future', plan({ end: after(365) })],
    ['an end more than 365 days ago', plan({ start: at('2024-01-01'), end: at('2025-01-01') })],
    ['a delete dated today', plan({ deleted: after(0) })],
  ])('%s is accepted', (_what, record) => {
    expect(warnings(check([record], [child()]))).toEqual([]);
  });

  test.each([
    ['in the future', at(addDays(TODAY, 1))],
    ['that is not a date', at('2019-02-29')],
    ['before 1900', at('1899-03-05')],
    ['missing', []],
    ['given twice', [...at('2019-03-05'), ...at('2019-03-06')]],
  ])('a date of birth %s is refused, and never repeated in the answer', (_what, datesOfBirth) => {
    const checked = check([plan()], [child({ datesOfBirth })]);
    expect(failures(checked)).toEqual(['CPR07 date_of_birth']);
    for (const { text } of datesOfBirth) expect(JSON.stringify(checked)).not.toContain(text);
  });

  test('an unborn child’s plan without a due date is refused', () => {
    expect(failures(check([unborn({ end: [] })], [mother()]))).toEqual(['CPR07 end_date']);
  });

  test('an end date more than a year ahead is accepted with a warning', () => {
    expect(warnings(check([plan({ end: after(366) })], [child()]))).toEqual(['CPR06 end_date']);
  });

  test('a due date more than ten months ahead is accepted with a warning', () => {
    expect(warnings(check([unborn({ end: after(305) })], [mother()]))).toEqual(['CPR06 end_date']);
    expect(warnings(check([unborn({ end: after(304) })], [mother()]))).toEqual([]);
  });
});

describe('the 18th birthday', () => {
  const bornAgo = (years: number, days: number) => at(addDays(addYears(TODAY, -years), -days));

  test.each(['child-protection-plan', 'looked-after-child'] as const)(
    'a %s for someone already 18 is refused, and so are its end and its delete',
    (type) => {
      for (const differing of [{}, { end: at('2026-10-01') }, { deleted: at('2026-10-01') }]) {
        const checked = check(
          [plan({ type, ...differing })],
          [child({ datesOfBirth: bornAgo(18, 0) })],
        );
        expect(failures(checked)).toEqual(['CPR07 date_of_birth']);
      }
    },
  );

  test('a plan is accepted up to the day before the 18th birthday', () => {
    expect(failures(check([plan()], [child({ datesOfBirth: bornAgo(18, -1) })]))).toEqual([]);
  });

  test('the rule does not apply to an unborn child’s plan, whose date of birth is the mother’s', () => {
    expect(failures(check([unborn()], [mother({ datesOfBirth: bornAgo(40, 0) })]))).toEqual([]);
  });
});

describe('the shape of a record', () => {
  const starts = ['2026-09-11', '2026-09-12', '2026-09-13', '2026-09-14'];

  test('three plans are accepted and a fourth refuses the record', () => {
    const plans = starts.map((start) => plan({ start: at(start) }));
    expect(failures(check(plans.slice(1), [child()]))).toEqual([]);
    expect(failures(check(plans, [child()]))).toEqual(['CPR07 plan_type']);
  });

  test('a third person refuses the record', () => {
    const checked = check([plan(), unborn()], [child(), mother(), mother()]);
    expect(failures(checked)).toContain('CPR07 subject');
  });
});

describe('the rest of a record', () => {
  test('the same plan twice in a record refuses the record', () => {
    expect(failures(check([plan(), plan({ end: at('2026-10-01') })], [child()]))).toEqual([
      'CPR07 start_date',
    ]);
  });

  test.each(['x'.repeat(41), 'LA\u0007', 'L\u2028A'])('the local id %j is refused', (text) => {
    expect(failures(check([plan()], [child({ localIds: at(text) })]))).toEqual(['CPR07 local_id']);
  });

  test('everything wrong is listed at once, by local id, and the list fits its schema', () => {
    const checked = check(
      [plan({ start: at('x'), end: at('y') }), unborn({ end: [] })],
      [child({ nhsNumbers: at('1') }), mother({ datesOfBirth: at('z') })],
    );
    expect(failures(checked).toSorted()).toEqual([
      'CPR04 nhs_number',
      'CPR07 date_of_birth',
      'CPR07 end_date',
      'CPR07 end_date',
      'CPR07 start_date',
    ]);
    if (checked.kind !== 'refused') throw new Error('refused');
    for (const finding of checked.failures) {
      expect(findingSchema.parse(finding)).toMatchObject({
        record: 7,
        place: 'line 2',
        localId: 'LA-1',
      });
    }
  });

  test('a local id that is an NHS number is never shown', () => {
    const checked = check([plan({ start: [] })], [child({ localIds: at(testNumber(1)) })]);
    if (checked.kind !== 'refused') throw new Error('refused');
    expect(JSON.stringify(checked.failures)).not.toContain(testNumber(1));
  });
});
