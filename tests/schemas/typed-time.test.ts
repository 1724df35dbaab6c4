import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromEpochDay, longDateText } from '#schemas/calendar.ts';
import { readTypedDay, readTypedTime } from '#schemas/typed-time.ts';

test('a day is read the same in every form that people in Britain type', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40_000 }), (day) => {
      const date = fromEpochDay(day);
      const [year = '', month = '', dayOfMonth = ''] = date.split('-');
      const long = longDateText(date);
      for (const text of [
        date,
        `${dayOfMonth}/${month}/${year}`,
        `${Number(dayOfMonth)}/${Number(month)}/${year}`,
        `${dayOfMonth}.${month}.${year}`,
        `${dayOfMonth}-${month}-${year}`,
        long,
        long.toUpperCase(),
        long.replace(/ ([A-Z][a-z]{2})[a-z]* /, ' $1 '),
        ` ${date} `,
      ]) {
        expect(readTypedDay(text), text).toBe(date);
      }
    }),
  );
});

test.each([
  '',
  '11/27/2026',
  '31/02/2026',
  '27/11/26',
  '27 Foo 2026',
  '27/11',
  'today',
  '2026-11-27x',
])('%j is not a day', (text) => expect(readTypedDay(text)).toBeUndefined());

test('a time of day without a zone is London time', () => {
  expect(readTypedTime('27/11/2026 08:30')).toBe(Date.UTC(2026, 10, 27, 8, 30));
  expect(readTypedTime('1 July 2026, 08:30')).toBe(Date.UTC(2026, 6, 1, 7, 30));
  expect(readTypedTime('2026-07-01T08:30:15')).toBe(Date.UTC(2026, 6, 1, 7, 30, 15));
  for (const text of [
    '2026-07-01',
    '27/11/2026 24:00',
    '27/11/2026 08:60',
    '2026-07-01T08:30:15Z',
  ]) {
    expect(readTypedTime(text), text).toBeUndefined();
  }
});
