import { expect, test } from 'vitest';
import { phoneText } from '#service/pages/html/parts.ts';
import { timeText } from '#service/pages/html/time.ts';

test('a time in the hour that London’s clocks repeat says which one it is, and other times do not', () => {
  expect(timeText(Date.parse('2026-10-25T00:30:00Z'))).toBe('01:30 (summer time) on 25 October');
  expect(timeText(Date.parse('2026-10-25T01:30:00Z'))).toBe('01:30 (winter time) on 25 October');
  expect(timeText(Date.parse('2026-10-25T02:30:00Z'))).toBe('02:30 on 25 October');
  expect(timeText(Date.parse('2026-03-29T00:59:00Z'))).toBe('00:59 on 29 March');
  expect(timeText(Date.parse('2026-03-29T01:00:00Z'))).toBe('02:00 on 29 March');
  expect(timeText(Date.parse('2026-07-01T23:30:00Z'))).toBe('00:30 on 2 July');
});

test('a telephone number is shown in its usual groups, or as it was given', () => {
  expect(
    [
      '02079460110',
      '+442079460110',
      '01132224403',
      '01619960110',
      '01204337777',
      '03001234567',
      '101',
    ].map(phoneText),
  ).toEqual([
    '020 7946 0110',
    '020 7946 0110',
    '0113 222 4403',
    '0161 996 0110',
    '01204 337777',
    '0300 123 4567',
    '101',
  ]);
});
