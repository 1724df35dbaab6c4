import { expect, test } from 'vitest';
import {
  shortTimeText,
  sortableTimeText,
  timeText,
  zonedTimeText,
} from '#schemas/wording/times.ts';
import { phoneText } from '#service/pages/html/parts.ts';

/** London's clocks go back at 02:00 BST on 25 October 2026. */
const FIRST = '2026-10-25T00:30:00Z';
const SECOND = '2026-10-25T01:30:00Z';

test('a time in the hour that London’s clocks repeat says which one it is, and other times on pages do not', () => {
  expect(timeText(FIRST)).toBe('01:30 BST on 25 October 2026');
  expect(timeText(SECOND)).toBe('01:30 GMT on 25 October 2026');
  expect(timeText('2026-10-25T02:30:00Z')).toBe('02:30 on 25 October 2026');
  expect(timeText('2026-03-29T00:59:00Z')).toBe('00:59 on 29 March 2026');
  expect(timeText('2026-03-29T01:00:00Z')).toBe('02:00 on 29 March 2026');
  expect(timeText('2026-07-01T23:30:00Z')).toBe('00:30 on 2 July 2026');
  expect([FIRST, SECOND].map(shortTimeText)).toEqual([
    '25 Oct 2026, 01:30 BST',
    '25 Oct 2026, 01:30 GMT',
  ]);
  expect(shortTimeText('2026-07-01T23:30:00Z')).toBe('2 Jul 2026, 00:30');
});

test('a time that is read outside the pages always says whose it is', () => {
  expect(zonedTimeText('2026-07-01T23:30:00Z')).toBe('00:30 BST on 2 July 2026');
  expect(zonedTimeText(Date.parse('2026-11-29T08:24:00Z'))).toBe('08:24 GMT on 29 November 2026');
  expect(sortableTimeText('2026-07-01T23:30:05.999Z')).toBe('2026-07-02 00:30:05 BST');
});

test('a stored time that cannot be read is shown as it was stored, and stops no sentence', () => {
  expect(
    [timeText, zonedTimeText, shortTimeText, sortableTimeText].map((form) => form('at noon')),
  ).toEqual(Array(4).fill('at noon'));
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
