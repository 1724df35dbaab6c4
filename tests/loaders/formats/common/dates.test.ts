import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  readCsvDate,
  readInstant,
  readSpineBirthDate,
  readSpinePlanDate,
} from '#loaders/formats/common/dates.ts';
import { addDays, calendarDate } from '#schemas/calendar.ts';
import { day } from '../../../support/rows.ts';

const anyDay = fc.integer({ min: 0, max: 72_000 }).map((days) => addDays(day('1900-01-01'), days));

describe('dates of an upload', () => {
  test('every day since 1900 reads back from every form in which it may be written', () => {
    fc.assert(
      fc.property(anyDay, fc.integer({ min: 0, max: 1439 }), (date, minute) => {
        const [year, month, dayOfMonth] = date.split('-');
        const time = `${String(Math.floor(minute / 60)).padStart(2, '0')}${String(minute % 60).padStart(2, '0')}`;
        const compact = `${year}${month}${dayOfMonth}`;
        expect(readSpinePlanDate(compact + time)).toBe(date);
        expect(readSpineBirthDate(compact)).toBe(date);
        expect(readSpineBirthDate(`${compact}${time}00+0000`)).toBe(date);
        expect(readCsvDate(date)).toBe(date);
        expect(readCsvDate(`${dayOfMonth}/${month}/${year}`)).toBe(date);
        expect(readCsvDate(compact + time)).toBe(date);
      }),
    );
  });

  test('no text in any form is read as a day that does not exist', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1800, max: 2300 }),
        fc.integer({ min: 0, max: 14 }),
        fc.integer({ min: 0, max: 33 }),
        (year, month, dayOfMonth) => {
          const two = (n: number): string => String(n).padStart(2, '0');
          const expected =
            month >= 1 && dayOfMonth >= 1 ? calendarDate(year, month, dayOfMonth) : undefined;
          expect(readSpinePlanDate(`${year}${two(month)}${two(dayOfMonth)}0900`)).toBe(expected);
          expect(readSpineBirthDate(`${year}${two(month)}${two(dayOfMonth)}`)).toBe(expected);
          expect(readCsvDate(`${year}-${two(month)}-${two(dayOfMonth)}`)).toBe(expected);
          expect(readCsvDate(`${two(dayOfMonth)}/${two(month)}/${year}`)).toBe(expected);
        },
      ),
    );
  });

  test('any text is either a day or nothing, and never an error', () => {
    const by = fc.constantFrom('', '-', '/');
    const aMonth = fc.stringMatching(/^(0[0-9]|1[0-3])$/);
    const aDay = fc.stringMatching(/^[0-3][0-9]$/);
    const time = fc.oneof(
      fc.constant(''),
      fc.stringMatching(/^T?[0-2][0-9]:?[0-6][0-9](:?[0-6][0-9](\.[0-9]{1,3})?)?$/),
    );
    const zone = fc.constantFrom('', '', '', 'Z', '+0000', '-01:00', '+2400', '+9');
    const likeADate = fc
      .tuple(fc.stringMatching(/^(18|19|20|21|22)[0-9]{2}$/), by, aMonth, aDay, time, zone)
      .chain(([year, separator, month, dayOfMonth, after, where]) =>
        fc
          .constantFrom([year, month, dayOfMonth], [dayOfMonth, month, year])
          .map((parts) => parts.join(separator) + after + where),
      );
    const read = { days: 0, instants: 0 };
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: likeADate }, fc.string()), (text) => {
        for (const readDate of [readSpinePlanDate, readSpineBirthDate, readCsvDate]) {
          const date = readDate(text);
          if (date === undefined) continue;
          read.days++;
          expect(day(date)).toBe(date);
          expect(text.replaceAll(/[^0-9]/g, '')).toMatch(
            new RegExp(`^(?:${date.replaceAll('-', '')}|${date.split('-').toReversed().join('')})`),
          );
        }
        const instant = readInstant(text);
        if (instant === undefined) return;
        read.instants++;
        expect(Number.isSafeInteger(instant)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(read.days).toBeGreaterThan(40);
    expect(read.instants).toBeGreaterThan(40);
  });

  test.each([
    '202609142400',
    '202609140960',
    '20260914',
    '2026-09-14',
    '20260914090',
    ' 202609140900',
  ])('a plan date in Spine XML has twelve digits with a time that exists: not %s', (text) => {
    expect(readSpinePlanDate(text)).toBeUndefined();
  });

  test.each([
    ['202611222130+0000', '2026-11-22T21:30:00.000Z'],
    ['202611222130+0100', '2026-11-22T20:30:00.000Z'],
    ['20261122213015.5+0000', '2026-11-22T21:30:15.500Z'],
    ['2026-11-22T21:30:00Z', '2026-11-22T21:30:00.000Z'],
    ['2026-11-22T21:30:00.250+01:00', '2026-11-22T20:30:00.250Z'],
    // Without a zone, the time is London's: in winter, in summer, and in the hours around the clock changes.
    ['202611222130', '2026-11-22T21:30:00.000Z'],
    ['202607012130', '2026-07-01T20:30:00.000Z'],
    ['202610250030', '2026-10-24T23:30:00.000Z'],
    ['202610250130', '2026-10-25T01:30:00.000Z'],
    ['202610250300', '2026-10-25T03:00:00.000Z'],
    ['202603290130', '2026-03-29T00:30:00.000Z'],
    ['202603290230', '2026-03-29T01:30:00.000Z'],
    ['20260701', '2026-06-30T23:00:00.000Z'],
  ])('a creation time %s is %s', (text, instant) => {
    expect(new Date(readInstant(text) ?? Number.NaN).toISOString()).toBe(instant);
  });

  test.each(['', 'yesterday', '202613010000', '202611222460', '2026-11-22T21', '2026'])(
    'a creation time "%s" is not read',
    (text) => {
      expect(readInstant(text)).toBeUndefined();
    },
  );
});
