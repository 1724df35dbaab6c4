import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Coverage, Flag } from '#schemas/lookup.ts';
import * as wording from '#schemas/wording/lookup.ts';
import { day } from '../../support/rows.ts';

const area = { name: 'England', kind: 'all' } as const;
const complete: Coverage = { area, expected: 3, upToDate: 3, complete: true, notUpToDate: [] };
const behind: Coverage = {
  area,
  expected: 3,
  upToDate: 2,
  complete: false,
  notUpToDate: [{ code: 'ZZ1', name: 'Slow Council' }],
};
const now = Date.parse('2026-11-24T03:00:00Z');

function flag(differing: Partial<Flag> = {}): Flag {
  return {
    type: 'child-protection-plan',
    status: 'current',
    startDate: '2026-09-14',
    dateOfBirth: 'not-checked',
    authority: {
      code: 'ZZ1',
      name: 'Quick Council',
      officeHoursPhone: '02079460100',
      emergencyDutyTeamPhone: '02079460199',
      upToDate: true,
    },
    ...differing,
  };
}

describe('the advice for a negative', () => {
  test('says what a negative does not mean', () => {
    expect(wording.notFlaggedAdvice(complete, undefined, now)[0]).toBe(wording.NOT_FLAGGED);
    for (const each of wording.NOT_COVERED) expect(wording.NOT_FLAGGED).toContain(each);
  });

  test('asks the clinician to check the number, since a wrong one looks the same', () => {
    expect(wording.notFlaggedAdvice(complete, undefined, now)).toContain(wording.CHECK_THE_NUMBER);
  });

  const covers = (coverage: Coverage) => wording.notFlaggedAdvice(coverage, undefined, now)[2];
  const pilot = (...names: string[]): Coverage => ({
    area: {
      name: 'North Yorkshire',
      kind: 'pilot',
      authorities: names.map((name, i) => ({ code: `ZZ${i}`, name })),
    },
    expected: names.length,
    upToDate: names.length,
    complete: true,
    notUpToDate: [],
  });

  test('names the area if every council in it is covered', () => {
    expect(covers({ ...complete, expected: 153, upToDate: 153 })).toBe(
      'This covers plans of the 153 councils of England, and of no other council.',
    );
  });

  test('in a pilot names each council covered, says that no other is, and says what to do then', () => {
    expect(covers(pilot('A Council', 'B Council', 'C Council'))).toBe(
      'This is a pilot in North Yorkshire. It covers plans of A Council, B Council and C Council, and of no other council. If the child may live elsewhere, ring children’s social care there.',
    );
    expect(covers(pilot('A Council'))).toContain('It covers plans of A Council, and of no other');
  });

  test('in a pilot that is too long to read aloud gives its size, and takes no council for granted', () => {
    const names = Array.from({ length: 40 }, (_, i) => `Council ${i}`);
    expect(covers(pilot(...names))).toBe(
      'This is a pilot in North Yorkshire. It covers plans of 40 councils, and of no other council. Unless you know that the child’s council is one of them, ring children’s social care where the child lives.',
    );
  });

  test('in a demo says that this is a sample', () => {
    expect(covers({ ...complete, area: { name: 'x', kind: 'sample' } })).toBe(
      'This is a sample of 3 councils that are made up. It says nothing about a real child.',
    );
  });

  test('never says that a council is covered if the list of councils is not set', () => {
    const { area: _area, ...unset } = complete;
    const advice = wording.notFlaggedAdvice({ ...unset, complete: false }, undefined, now);
    expect(advice).toContain(wording.EXPECTED_NOT_SET);
    expect(wording.flaggedAdvice([flag()], { ...unset, complete: false })).toContain(
      wording.EXPECTED_NOT_SET,
    );
  });

  test('names the authorities that are not up to date', () => {
    expect(wording.notFlaggedAdvice(behind, undefined, now)).toContain(
      '1 of the 3 councils covered is not up to date: Slow Council.',
    );
  });

  test('asks for the mother’s number until the first birthday, and not after', () => {
    const ask = (birth: string) => wording.notFlaggedAdvice(complete, day(birth), now);
    expect(ask('2025-11-25')).toContain(wording.CHECK_THE_MOTHER);
    expect(ask('2025-11-24')).not.toContain(wording.CHECK_THE_MOTHER);
  });

  test('stays short, however many authorities are behind', () => {
    const many: Coverage = {
      area,
      expected: 153,
      upToDate: 0,
      complete: false,
      notUpToDate: Array.from({ length: 153 }, (_, i) => ({ code: `Z${i}`, name: `Council ${i}` })),
    };
    expect(wording.notFlaggedAdvice(many, undefined, now)[3]).toBe(
      '153 of the 153 councils covered are not up to date: Council 0, Council 1, Council 2, Council 3, Council 4 and 148 more.',
    );
  });
});

describe('the advice for a positive', () => {
  test('says whom to ring by day and by night', () => {
    expect(wording.flaggedAdvice([flag()], complete)).toEqual([
      'This child is on a child protection plan. Ring Quick Council: office hours 02079460100; emergency duty team (out of hours) 02079460199.',
    ]);
  });

  test('says when the number was given, if the data is newer', () => {
    const { authority } = flag();
    const of = (emergencyDutyTeamPhoneAsOf: string) =>
      flag({
        authority: {
          ...authority,
          dataAsOf: '2026-11-24T02:00:00.000Z',
          emergencyDutyTeamPhoneAsOf,
        },
      });
    expect(wording.flaggedAdvice([of('2026-09-14T02:00:00.000Z')], complete)[0]).toContain(
      '02079460199 (a number given on 14 September 2026).',
    );
    expect(wording.flaggedAdvice([of('2026-11-24T02:00:00.000Z')], complete)[0]).toMatch(/199\.$/);
  });

  test('says that an ended plan is for information, and when it ended', () => {
    const [advice] = wording.flaggedAdvice(
      [flag({ status: 'ended', endDate: '2026-10-01' })],
      complete,
    );
    expect(advice).toContain(
      'No current plan. Ended on 1 October 2026; shown for 365 days for information.',
    );
  });

  test('treats a due date that has passed as in force', () => {
    const [advice] = wording.flaggedAdvice(
      [
        flag({
          type: 'unborn-child-protection-plan',
          status: 'due-date-passed',
          dueOrEndDate: '2026-11-20',
        }),
      ],
      complete,
    );
    expect(advice).toContain(wording.DUE_DATE_PASSED);
  });

  test('never lets a differing date of birth dismiss the flag', () => {
    expect(wording.flaggedAdvice([flag({ dateOfBirth: 'mismatch' })], complete)).toContain(
      wording.DATE_OF_BIRTH_DIFFERS,
    );
  });

  test('always says something, whatever is shown', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            type: fc.constantFrom<Flag['type']>(
              'child-protection-plan',
              'looked-after-child',
              'unborn-child-protection-plan',
            ),
            status: fc.constantFrom<Flag['status']>('current', 'ended', 'due-date-passed'),
          }),
          { minLength: 1, maxLength: 4 },
        ),
        (flags) => {
          const advice = wording.flaggedAdvice(
            flags.map((each) => flag({ ...each, endDate: '2026-10-01' })),
            behind,
          );
          expect(advice.length).toBeGreaterThan(1);
          expect(advice.join(' ')).toContain('02079460199');
        },
      ),
    );
  });
});

describe('the note on a plan', () => {
  const authority = { ...flag().authority, dataAsOf: '2026-07-24T03:02:00.000Z' };

  test('says its status, whom to ring, and how old the data is in London’s time', () => {
    const note = wording.planNote(flag({ authority }));
    expect(note).toMatch(/^This child is on a child protection plan\. Ring Quick Council/);
    expect(note).toContain('emergency duty team (out of hours) 02079460199');
    expect(note).toMatch(/Data of Quick Council as of 04:02 BST on 24 July 2026\.$/);
  });

  test('does not say that no other is in force if the plan has ended', () => {
    const note = wording.planNote(flag({ status: 'ended', endDate: '2026-10-01' }));
    expect(note).toMatch(/^This plan ended on 1 October 2026 and is shown for information\. Ring/);
    expect(note).not.toContain('No current plan');
  });

  test('for an unborn child gives the due date or end, both before it and after', () => {
    const unborn = { type: 'unborn-child-protection-plan', dueOrEndDate: '2026-12-01' } as const;
    expect(wording.planNote(flag(unborn))).toContain('due date or end is 1 December 2026');
    const passed = wording.planNote(flag({ ...unborn, status: 'due-date-passed' }));
    expect(passed).toContain('due date or end was 1 December 2026');
    expect(passed).toContain(wording.DUE_DATE_PASSED);
  });
});
