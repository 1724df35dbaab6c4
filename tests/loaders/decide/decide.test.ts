import { describe, expect, test } from 'vitest';
import { type Decision, decideRecord, isRemoval, isStop } from '#loaders/decide/record.ts';
import { addDays, addYears, londonMidnight } from '#schemas/calendar.ts';
import { PLAN_TYPES, planTypes } from '#schemas/plans/plan.ts';
import type { PlanRow, SpooledRow } from '#schemas/plans/row.ts';
import { day, testNumber, testRow } from '../../support/rows.ts';
import { TODAY } from '../../support/upload-model.ts';

const number = testNumber(1);
const START = day('2026-01-05');
const OTHER_START = day('2026-02-02');

function spooled(differing: Partial<SpooledRow> = {}): SpooledRow {
  const {
    visibleFrom: _,
    currentUntil: __,
    visibleUntil: ___,
    ...row
  } = testRow(number, { sequence: 5 });
  return { ...row, authority: testRow(number).authority as SpooledRow['authority'], ...differing };
}
const held = (differing: Partial<SpooledRow> = {}): PlanRow =>
  testRow(number, { sequence: 4, ...differing });

function decide(
  rows: SpooledRow[],
  heldRows: PlanRow[],
  options: { firstFile?: boolean; again?: boolean; inFile?: SpooledRow[] } = {},
): Decision {
  return decideRecord(
    3,
    rows.map((row) => ({ row, place: 'line 4' })),
    {
      today: TODAY,
      firstFile: options.firstFile ?? false,
      again: options.again ?? false,
      held: () => heldRows,
      inFile: () => options.inFile ?? rows,
    },
  );
}
const summary = (decision: Decision) =>
  decision.kind === 'accepted'
    ? [
        ...decision.rows.map(({ effect }) => effect),
        ...decision.warnings.map(({ field }) => `warn ${field}`),
      ]
    : decision.failures.map(({ code, field }) => `${code} ${field}`);

describe('a row changes the store as far as its sequence allows', () => {
  test.each([
    ['nothing held', spooled(), [], ['added']],
    ['the same held from an older file', spooled(), [held()], ['unchanged']],
    ['an older value held', spooled({ endDate: day('2026-11-01') }), [held()], ['changed']],
    [
      'a newer value held',
      spooled({ endDate: day('2026-11-01') }),
      [held({ sequence: 6 })],
      ['superseded', 'warn end_date'],
    ],
    ['the same held from a newer file', spooled(), [held({ sequence: 6 })], ['superseded']],
    [
      'a change of the date of birth',
      spooled({ dateOfBirth: day('2018-03-05') }),
      [held()],
      ['changed'],
    ],
    ['a change of the local id', spooled({ localId: 'LA-2' }), [held()], ['changed']],
    [
      'another value held from a file with the same number',
      spooled({ endDate: day('2026-11-01') }),
      [held({ sequence: spooled().sequence })],
      ['CPR07 end_date'],
    ],
    [
      'the same held from a file with the same number',
      spooled(),
      [held({ sequence: spooled().sequence })],
      ['unchanged'],
    ],
    ['a delete of what is held', spooled({ deleteDate: day('2026-11-01') }), [held()], ['changed']],
    [
      'a deleted plan that is restored',
      spooled(),
      [held({ deleteDate: day('2026-11-01') })],
      ['changed', 'warn delete_date'],
    ],
  ])('%s', (_what, row, heldRows, expected) => {
    expect(summary(decide([row], heldRows))).toEqual(expected);
  });
});

describe('a delete or an end must match', () => {
  const deletion = spooled({ deleteDate: day('2026-11-01') });
  const end = spooled({ endDate: day('2026-11-01') });

  test('a delete that matches no row is refused', () => {
    expect(summary(decide([deletion], []))).toEqual(['CPR07 start_date']);
    expect(summary(decide([deletion], [held({ startDate: OTHER_START })]))).toEqual([
      'CPR07 start_date',
    ]);
  });

  test('an end is refused if a plan of the type is in force with another start date, which the message gives', () => {
    const decision = decide([end], [held({ startDate: OTHER_START })]);
    expect(summary(decision)).toEqual(['CPR07 start_date']);
    expect(JSON.stringify(decision)).toContain('no row with this start');
    expect(JSON.stringify(decision)).toContain('2 February 2026');
  });

  test.each([
    ['nothing', []],
    ['an ended plan', [held({ startDate: OTHER_START, endDate: day('2026-03-01') })]],
    ['a deleted plan', [held({ startDate: OTHER_START, deleteDate: day('2026-03-01') })]],
    ['a plan of another type', [held({ startDate: OTHER_START, type: 'looked-after-child' })]],
    ['a plan that only a newer file started', [held({ startDate: OTHER_START, sequence: 6 })]],
  ])(
    'an end that matches no row is accepted with a warning if the other row is %s',
    (_what, rows) => {
      expect(summary(decide([end], rows))).toEqual(['added', 'warn end_date']);
    },
  );

  test('an end is accepted if the same file has the plan in force, wherever it is in the file', () => {
    const other = spooled({ startDate: OTHER_START, endDate: day('2026-06-01') });
    const options = { inFile: [other, end] };
    expect(summary(decide([end], [held({ startDate: OTHER_START })], options))).toEqual([
      'added',
      'warn end_date',
    ]);
  });

  test('every row of an authority’s first file is accepted', () => {
    expect(summary(decide([deletion, end], [], { firstFile: true }))).toEqual(['added', 'added']);
  });

  test.each(planTypes)('a %s has not ended before the day of its end', (type) => {
    const planned = spooled({ type, endDate: addDays(TODAY, 1) });
    const ended = spooled({ type, endDate: TODAY });
    const without = PLAN_TYPES[type].end === 'end' ? [undefined] : [];
    for (const endDate of [...without, day('2026-12-24')]) {
      const inForce = [held({ type, startDate: OTHER_START, ...(endDate && { endDate }) })];
      // It counts as a plan without an end.
      expect(summary(decide([planned], inForce))).toEqual(['added', 'warn start_date']);
      expect(summary(decide([ended], inForce))).toEqual(['CPR07 start_date']);
    }
    expect(summary(decide([planned], []))).toEqual(['added']);
    expect(summary(decide([ended], []))).toEqual(['added', 'warn end_date']);
  });

  test('one refused row refuses its whole record', () => {
    const decision = decide([spooled({ type: 'looked-after-child' }), deletion], []);
    expect(decision.kind).toBe('refused');
  });
});

describe('a second plan in force', () => {
  test('is accepted with a warning that gives the start of the other', () => {
    const decision = decide([spooled()], [held({ startDate: OTHER_START })]);
    expect(summary(decision)).toEqual(['added', 'warn start_date']);
    expect(JSON.stringify(decision)).toContain('2 February 2026');
  });

  test('gets no warning if the same file ends the other', () => {
    const end = spooled({ startDate: OTHER_START, endDate: day('2026-11-01') });
    expect(
      summary(
        decide([spooled()], [held({ startDate: OTHER_START })], { inFile: [spooled(), end] }),
      ),
    ).toEqual(['added']);
  });

  test('gets no warning for a plan of another type', () => {
    expect(
      summary(decide([spooled()], [held({ startDate: START, type: 'looked-after-child' })])),
    ).toEqual(['added']);
  });
});

test.each([
  ['a delete', { deleteDate: TODAY }, {}, 'removes and stops'],
  ['a first end that has come', { endDate: TODAY }, {}, 'removes and stops'],
  ['a first end that is to come', { endDate: addDays(TODAY, 7) }, {}, 'removes'],
  [
    'an end that comes earlier',
    { endDate: TODAY },
    { endDate: addDays(TODAY, 7) },
    'removes and stops',
  ],
  ['an end that comes later', { endDate: addDays(TODAY, 7) }, { endDate: addDays(TODAY, 1) }, ''],
  ['a date of birth of an adult', { dateOfBirth: addYears(TODAY, -18) }, {}, 'removes and stops'],
  ['a date of birth of a child', { dateOfBirth: addDays(addYears(TODAY, -18), 1) }, {}, ''],
  [
    'a delete of what is no longer shown',
    { deleteDate: TODAY },
    { endDate: addYears(TODAY, -2) },
    '',
  ],
])('%s is judged by what it takes away from what is shown', (_what, sent, before, expected) => {
  const startDate = addYears(TODAY, -4);
  const dateOfBirth = addYears(TODAY, -10);
  const now = londonMidnight(TODAY) / 1_000 + 1;
  const match = held({ startDate, dateOfBirth, ...before });
  const row = testRow(number, { sequence: 5, startDate, dateOfBirth, ...before, ...sent });
  const does = [isRemoval(row, match, now) && 'removes', isStop(row, match, now) && 'stops'];
  expect(does.filter(Boolean).join(' and ')).toBe(expected);
});
