import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isOfficeOpen, officeHoursSchema, officeHoursText } from '#schemas/office-hours.ts';

const WEEK = 'Mon-Fri 08:30-17:00';
const at = (iso: string): number => Date.parse(iso);

describe('an office is open by London time', () => {
  test.for([
    ['Monday at 3 in the morning', '2026-11-30T03:00:00Z', false],
    ['just before it opens', '2026-11-30T08:29:59.999Z', false],
    ['when it opens', '2026-11-30T08:30:00Z', true],
    ['just before it closes', '2026-11-30T16:59:59.999Z', true],
    ['when it closes', '2026-11-30T17:00:00Z', false],
    ['in summer just before it opens', '2026-07-01T07:29:59Z', false],
    ['in summer when it opens', '2026-07-01T07:30:00Z', true],
    ['in summer when it closes', '2026-07-01T16:00:00Z', false],
    ['on a Saturday', '2026-11-28T10:00:00Z', false],
    ['on a Sunday', '2026-11-29T10:00:00Z', false],
    ['on Christmas Day', '2026-12-25T10:00:00Z', false],
    ['on the day kept for a Boxing Day at a weekend', '2026-12-28T10:00:00Z', false],
    ['on the day after it', '2026-12-29T10:00:00Z', true],
  ] as const)('%s', ([, iso, open]) => {
    expect(isOfficeOpen(WEEK, at(iso))).toBe(open);
  });

  test('through the hour that the clocks skip and the hour that they repeat', () => {
    const sunday = 'Sun 01:30-02:30';
    // In spring 01:00 GMT is 02:00 on the clock; in autumn the clock shows 01:30 twice.
    expect(isOfficeOpen(sunday, at('2026-03-29T00:59:00Z'))).toBe(false);
    expect(isOfficeOpen(sunday, at('2026-03-29T01:00:00Z'))).toBe(true);
    expect(isOfficeOpen(sunday, at('2026-03-29T01:30:00Z'))).toBe(false);
    expect(isOfficeOpen(sunday, at('2026-10-25T00:30:00Z'))).toBe(true);
    expect(isOfficeOpen(sunday, at('2026-10-25T01:00:00Z'))).toBe(false);
    expect(isOfficeOpen(sunday, at('2026-10-25T01:30:00Z'))).toBe(true);
  });
});

test('the bank holidays in England are known, and so are their substitute days', () => {
  // As published by the government for England and Wales.
  const published = [
    '2025-01-01 2025-04-18 2025-04-21 2025-05-05 2025-05-26 2025-08-25 2025-12-25 2025-12-26',
    '2026-01-01 2026-04-03 2026-04-06 2026-05-04 2026-05-25 2026-08-31 2026-12-25 2026-12-28',
    '2027-01-01 2027-03-26 2027-03-29 2027-05-03 2027-05-31 2027-08-30 2027-12-27 2027-12-28',
    '2028-01-03 2028-04-14 2028-04-17 2028-05-01 2028-05-29 2028-08-28 2028-12-25 2028-12-26',
  ].flatMap((year) => year.split(' '));
  const closed: string[] = [];
  for (let day = at('2025-01-01T12:00:00Z'); day < at('2029-01-01'); day += 86_400_000) {
    const weekday = new Date(day).getUTCDay();
    const isOpen = isOfficeOpen(WEEK, day);
    if (weekday !== 0 && weekday !== 6 && isOpen === false) {
      closed.push(new Date(day).toISOString().slice(0, 10));
    }
  }
  expect(closed).toEqual(published);
});

test('several periods are accepted, in the ways in which people write days and times', () => {
  const hours = 'Mon-Thu 08:45-17:00, Fri 08:45-12:00';
  expect(officeHoursSchema.parse(hours)).toBe(hours);
  expect(isOfficeOpen(hours, at('2026-11-26T16:00:00Z'))).toBe(true);
  expect(isOfficeOpen(hours, at('2026-11-27T16:00:00Z'))).toBe(false);
  expect(officeHoursText(hours)).toBe(
    'Monday to Thursday, 8:45am to 5pm; Friday, 8:45am to midday',
  );
  expect(officeHoursText('Sat-Sun 00:00-24:00')).toBe('Saturday to Sunday, midnight to midnight');
});

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const minutes = fc.oneof(
  fc.integer({ min: 0, max: 1_440 }),
  fc.constantFrom(0, 60, 90, 510, 1_020, 1_439, 1_440),
);
const period = fc
  .record({
    first: fc.nat(6),
    last: fc.nat(6),
    from: minutes,
    until: minutes,
  })
  .filter(({ first, last, from, until }) => first <= last && from < until);
const clock = (minute: number): string =>
  [Math.floor(minute / 60), minute % 60].map((n) => String(n).padStart(2, '0')).join(':');
const periods = fc.array(period, { minLength: 1, maxLength: 7 });
type Period = { first: number; last: number; from: number; until: number };
const hoursOf = (all: readonly Period[]): string =>
  all
    .map(({ first, last, from, until }) => {
      const days = first === last ? DAYS[first] : `${DAYS[first]}-${DAYS[last]}`;
      return `${days} ${clock(from)}-${clock(until)}`;
    })
    .join(', ');

test('an office is open in exactly its periods, at any minute of any week', () => {
  const shown = new Intl.DateTimeFormat('en-GB', {
    timeZone: 'Europe/London',
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  // On any day, and around the hours that the clocks skip and repeat in three years.
  const minute = fc.oneof(
    fc.integer({ min: Date.UTC(2020, 0, 1) / 60_000, max: Date.UTC(2040, 0, 1) / 60_000 }),
    fc
      .tuple(
        fc.constantFrom('2026-03-29', '2026-10-25', '2027-03-28', '2028-10-29'),
        fc.integer({ min: -120, max: 240 }),
      )
      .map(([day, after]) => at(`${day}T00:00:00Z`) / 60_000 + after),
  );
  let opened = 0;
  fc.assert(
    fc.property(periods, minute, (all, when) => {
      const instant = when * 60_000;
      // Bank holidays have a test of their own.
      fc.pre(isOfficeOpen('Mon-Sun 00:00-24:00', instant) === true);
      const parts = new Map(
        shown.formatToParts(instant).map(({ type, value }) => [type, value] as const),
      );
      const weekday = DAYS.indexOf(parts.get('weekday') ?? '');
      const now = Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
      const open = all.some(
        ({ first, last, from, until }) =>
          first <= weekday && weekday <= last && from <= now && now < until,
      );
      if (open) opened++;
      expect(isOfficeOpen(hoursOf(all), instant)).toBe(open);
    }),
    { numRuns: 500 },
  );
  expect(opened).toBeGreaterThan(50);
});

test('hours in any other form are refused, and nothing is inferred from them', () => {
  const written = periods.map(hoursOf);
  const changed = fc
    .tuple(written, fc.nat(60), fc.nat(2), fc.constantFrom('', ' ', '-', ',', '0', '9', 'Mon', 'x'))
    .map(([text, place, gone, odd]) => text.slice(0, place) + odd + text.slice(place + gone));
  let refused = 0;
  fc.assert(
    fc.property(written, changed, (good, other) => {
      expect(officeHoursSchema.safeParse(good).success).toBe(true);
      const isGood = officeHoursSchema.safeParse(other).success;
      if (!isGood) refused++;
      expect(isOfficeOpen(other, at('2026-11-30T10:00:00Z')) !== undefined).toBe(isGood);
      expect(officeHoursText(other) !== undefined).toBe(isGood);
    }),
  );
  expect(refused).toBeGreaterThan(20);
  for (const text of [
    '',
    'Mon-Fri',
    'Fri-Mon 08:00-17:00',
    'Mon-Fri 17:00-08:00',
    'Mon-Fri 08:00-08:00',
    'Mon-Fri 8:00-17:00',
    'Mon-Fri 08:00-24:30',
    'Mon-Fri 08:00-17:00,Sat 08:00-12:00',
    Array.from({ length: 8 }, () => 'Mon 08:00-09:00').join(', '),
  ]) {
    expect(officeHoursSchema.safeParse(text).success).toBe(false);
    expect(officeHoursText(text)).toBeUndefined();
  }
});
