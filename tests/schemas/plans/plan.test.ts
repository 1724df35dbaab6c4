import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addDays,
  addYears,
  type CalendarDate,
  epochDay,
  FIRST_DAY,
  fromEpochDay,
  LAST_DAY,
  londonDate,
  londonMidnight,
  parseIsoDate,
} from '#schemas/calendar.ts';
import {
  eighteenthBirthday,
  lastAdultBirth,
  type PlanType,
  planStatus,
  planWindow,
} from '#schemas/plans/plan.ts';
import { day } from '../../support/rows.ts';

const days = (from: string, to: string): fc.Arbitrary<CalendarDate> =>
  fc.integer({ min: epochDay(day(from)), max: epochDay(day(to)) }).map(fromEpochDay);
const recent = days('2000-01-01', '2060-12-31');
const childTypes = fc.constantFrom<PlanType>('child-protection-plan', 'looked-after-child');
const seconds = (text: string): number => Date.parse(text) / 1000;

const london = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'Europe/London',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

describe('a day in London', () => {
  test('begins at 00:00 London time, on every day of sixty years', () => {
    const wrong: string[] = [];
    for (let n = epochDay(day('2000-01-01')); n < epochDay(day('2060-01-01')); n++) {
      const date = fromEpochDay(n);
      const shown = london.format(londonMidnight(date));
      if (shown !== `${date}, 00:00:00`) wrong.push(`${date}: ${shown}`);
    }
    expect(wrong).toEqual([]);
  });

  test.each([
    ['before summer time', '2026-03-29', '2026-03-29T00:00:00Z'],
    ['in summer time', '2026-03-30', '2026-03-29T23:00:00Z'],
    ['on the last day of summer time', '2026-10-25', '2026-10-24T23:00:00Z'],
    ['after summer time', '2026-10-26', '2026-10-26T00:00:00Z'],
  ])('%s begins at the right instant', (_, date, instant) => {
    expect(londonMidnight(day(date))).toBe(Date.parse(instant));
  });

  test('covers every instant from its midnight to the next', () => {
    fc.assert(
      fc.property(recent, fc.integer({ min: 0, max: 82_799_999 }), (date, after) => {
        expect(londonDate(londonMidnight(date) + after)).toBe(date);
        expect(londonDate(londonMidnight(addDays(date, 1)) - 1)).toBe(date);
      }),
    );
  });

  test.each(['2026-02-29', '2026-13-01', '2026-00-10', '1899-12-31', '2200-01-01', '26-01-01', ''])(
    'is not read from %s',
    (text) => {
      expect(parseIsoDate(text)).toBeUndefined();
    },
  );

  test('counts the same forwards and backwards, for every day of three hundred years', () => {
    for (let at = FIRST_DAY; at <= LAST_DAY; at++) {
      const date = fromEpochDay(at);
      if (epochDay(date) === at && Date.parse(date) === at * 86_400_000) continue;
      expect([date, epochDay(date), Date.parse(date) / 86_400_000]).toEqual([date, at, at]);
    }
  });

  test('a year after 29 February is 1 March unless that year has a 29 February', () => {
    expect(addYears(day('2024-02-29'), 1)).toBe('2025-03-01');
    expect(addYears(day('2024-02-29'), 4)).toBe('2028-02-29');
  });
});

describe('a child’s own plan', () => {
  test('is shown from its start until exactly 365 days after its end, unless 18 comes first', () => {
    fc.assert(
      fc.property(childTypes, recent, fc.nat(4000), recent, (type, startDate, length, birth) => {
        const endDate = addDays(startDate, length);
        const window = planWindow({ type, startDate, endDate, dateOfBirth: birth });
        const birthday = londonMidnight(eighteenthBirthday(birth)) / 1000;
        expect(window.visibleFrom).toBe(londonMidnight(startDate) / 1000);
        expect(window.visibleUntil).toBe(
          Math.min(londonMidnight(addDays(endDate, 365)) / 1000, birthday),
        );
        expect(window.currentUntil).toBe(Math.min(londonMidnight(endDate) / 1000, birthday));
      }),
    );
  });

  test('without an end is current until 00:00 of the 18th birthday and is not shown after it', () => {
    fc.assert(
      fc.property(childTypes, recent, recent, (type, startDate, dateOfBirth) => {
        const window = planWindow({ type, startDate, dateOfBirth });
        expect(window.visibleUntil).toBe(window.currentUntil);
        expect(londonDate(window.visibleUntil * 1000)).toBe(eighteenthBirthday(dateOfBirth));
        expect(londonDate(window.visibleUntil * 1000 - 1)).toBe(
          addDays(eighteenthBirthday(dateOfBirth), -1),
        );
      }),
    );
  });

  test('for somebody born on 29 February stops on 1 March', () => {
    expect(eighteenthBirthday(day('2008-02-29'))).toBe('2026-03-01');
    const { visibleUntil } = planWindow({
      type: 'looked-after-child',
      startDate: day('2020-01-01'),
      dateOfBirth: day('2008-02-29'),
    });
    expect(visibleUntil).toBe(seconds('2026-03-01T00:00:00Z'));
  });

  test('is refused from the 18th birthday, whatever the date of birth and today’s date', () => {
    const birth = days('1999-01-01', '2012-12-31');
    const leapDays = fc.constantFrom(...['2004-02-29', '2008-02-29', '2004-03-01'].map(day));
    const today = fc.oneof(
      days('2017-01-01', '2031-12-31'),
      fc.constantFrom(...['2024-02-29', '2022-02-28', '2022-03-01', '2026-03-01'].map(day)),
    );
    fc.assert(
      fc.property(fc.oneof(birth, leapDays), today, (born, now) => {
        expect(born <= lastAdultBirth(now)).toBe(eighteenthBirthday(born) <= now);
      }),
      { numRuns: 2_000 },
    );
  });

  test('for somebody born in summer stops at midnight London time, an hour before midnight UTC', () => {
    const { visibleUntil } = planWindow({
      type: 'child-protection-plan',
      startDate: day('2020-01-01'),
      dateOfBirth: day('2008-07-01'),
    });
    expect(visibleUntil).toBe(seconds('2026-06-30T23:00:00Z'));
  });

  test('counts 365 days across 29 February and across the clock changes', () => {
    const { visibleUntil } = planWindow({
      type: 'child-protection-plan',
      startDate: day('2023-01-01'),
      endDate: day('2023-06-01'),
      dateOfBirth: day('2019-01-01'),
    });
    expect(visibleUntil).toBe(seconds('2024-05-30T23:00:00Z'));
  });

  test('that was deleted is never shown', () => {
    fc.assert(
      fc.property(childTypes, recent, recent, recent, (type, startDate, deleteDate, birth) => {
        const window = planWindow({ type, startDate, deleteDate, dateOfBirth: birth });
        expect(window.visibleUntil).toBe(window.visibleFrom);
      }),
    );
  });

  test('is current until its end and then ended', () => {
    expect(planStatus('looked-after-child', 100, 99)).toBe('current');
    expect(planStatus('looked-after-child', 100, 100)).toBe('ended');
  });
});

describe('an unborn child’s plan', () => {
  test('is shown until 28 days after the due date, however old the mother is', () => {
    fc.assert(
      fc.property(recent, fc.nat(300), days('1950-01-01', '2012-01-01'), (start, length, birth) => {
        const endDate = addDays(start, length);
        const window = planWindow({
          type: 'unborn-child-protection-plan',
          startDate: start,
          endDate,
          dateOfBirth: birth,
        });
        expect(window.currentUntil).toBe(londonMidnight(endDate) / 1000);
        expect(window.visibleUntil).toBe(londonMidnight(addDays(endDate, 28)) / 1000);
      }),
    );
  });

  test('is current until the due date and then due-date-passed, never ended', () => {
    expect(planStatus('unborn-child-protection-plan', 100, 99)).toBe('current');
    expect(planStatus('unborn-child-protection-plan', 100, 100)).toBe('due-date-passed');
  });
});
