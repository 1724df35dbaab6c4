import {
  addDays,
  type CalendarDate,
  calendarDate,
  londonInstant,
  londonMidnight,
  parseIsoDate,
} from './calendar.ts';

const MINUTE_MS = 60_000;
const NUMBERS = /^([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})$/;
const WORDS = /^([0-9]{1,2}) ?([a-z]{3,9})\.? ?([0-9]{4})$/i;
const TIME_OF_DAY = /^(.+?)(?:,? +|T)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?$/i;
const MONTHS = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];

/** For the message if one of these cannot be read. */
export const TYPED_DAYS = 'a day such as 27/11/2026, 27 November 2026 or 2026-11-27';

/** The month with this name or beginning of at least three letters; 0 if there is none. */
const monthOf = (name: string): number =>
  MONTHS.findIndex((month) => month.startsWith(name.toLowerCase())) + 1;

/**
 * A day as people in Britain type it: `27/11/2026`, `27.11.2026`, `27 Nov 2026`, `27 November 2026` or
 * `2026-11-27`. The day comes before the month. A year has four digits, since with two the century is not
 * clear.
 */
export function readTypedDay(text: string): CalendarDate | undefined {
  const typed = text.trim();
  const numbers = NUMBERS.exec(typed);
  if (numbers) return calendarDate(Number(numbers[3]), Number(numbers[2]), Number(numbers[1]));
  const words = WORDS.exec(typed);
  if (words) return calendarDate(Number(words[3]), monthOf(words[2] ?? ''), Number(words[1]));
  return parseIsoDate(typed);
}

/** A day with a time in London, `27/11/2026 08:30`, as milliseconds; `undefined` for anything else. */
export function readTypedTime(text: string): number | undefined {
  const [, day = '', hours, minutes, seconds = '0'] = TIME_OF_DAY.exec(text.trim()) ?? [];
  const date = readTypedDay(day);
  if (date === undefined || Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) {
    return undefined;
  }
  const timeOfDay = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS + Number(seconds) * 1000;
  return londonInstant(date, timeOfDay);
}

const INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$/;
const iso = (at: number): string => new Date(at).toISOString();

/**
 * A time in a search as people write it: a day or a time in London, or an instant (ISO 8601). A day given as
 * the end is included.
 */
export function readTypedInstant(text: string, of: 'from' | 'to'): string | undefined {
  const date = readTypedDay(text);
  if (date !== undefined) return iso(londonMidnight(of === 'to' ? addDays(date, 1) : date));
  const time = readTypedTime(text);
  if (time !== undefined) return iso(time);
  return INSTANT.test(text) ? text : undefined;
}

/** ISO 8601 of a day or time as people type it; anything else is left as it is, and the reader judges it. */
export function isoOfTyped(text: string): string {
  const time = readTypedTime(text);
  return time === undefined ? (readTypedDay(text) ?? text) : new Date(time).toISOString();
}
