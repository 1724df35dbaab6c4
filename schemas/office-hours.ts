import { z } from 'zod';
import {
  addDays,
  type CalendarDate,
  calendarDate,
  epochDay,
  fromEpochDay,
  londonIso,
} from './calendar.ts';

/** Days of the week in their order, as hours name them and as people read them. */
const DAYS = {
  Mon: 'Monday',
  Tue: 'Tuesday',
  Wed: 'Wednesday',
  Thu: 'Thursday',
  Fri: 'Friday',
  Sat: 'Saturday',
  Sun: 'Sunday',
} as const;
type Day = keyof typeof DAYS;
const ORDER = Object.keys(DAYS) as Day[];

/** When an office is open: on these days of the week (0: Monday), from and until these minutes of the day. */
type Part = { days: readonly [number, number]; from: number; until: number };

const PART =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))? ([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/;
const PARTS_AT_MOST = 7;
const MINUTES_A_DAY = 1_440;

function readPart(text: string): Part | undefined {
  const found = PART.exec(text);
  if (found === null) return undefined;
  const [, first = '', last = first, fromHour, fromMinute, untilHour, untilMinute] = found;
  const days = [ORDER.indexOf(first as Day), ORDER.indexOf(last as Day)] as const;
  const from = Number(fromHour) * 60 + Number(fromMinute);
  const until = Number(untilHour) * 60 + Number(untilMinute);
  return days[0] <= days[1] && from < until && until <= MINUTES_A_DAY
    ? { days, from, until }
    : undefined;
}

function readParts(text: string): Part[] | undefined {
  const parts = text.split(', ').map(readPart);
  const read = parts.filter((part) => part !== undefined);
  return read.length === parts.length && read.length <= PARTS_AT_MOST ? read : undefined;
}

/** When an authority's office answers, by London's clocks: `Mon-Thu 08:45-17:00, Fri 08:45-16:30`. */
export const officeHoursSchema = z.string().refine((text) => readParts(text) !== undefined, {
  error:
    'must be days and times like Mon-Fri 08:30-17:00, with a comma and a space between several',
});

/** The Monday, or another day of the week, on or after a date. */
const onOrAfter = (date: CalendarDate, weekday: number): CalendarDate =>
  addDays(date, (weekday - weekdayOf(date) + 7) % 7);

/** 0: Monday. The first day of the epoch was a Thursday. */
const weekdayOf = (date: CalendarDate): number => (((epochDay(date) + 3) % 7) + 7) % 7;

/** Source: the anonymous Gregorian algorithm (Meeus, Astronomical Algorithms, chapter 8). */
function easterSunday(year: number): CalendarDate {
  const golden = year % 19;
  const century = Math.floor(year / 100);
  const ofCentury = year % 100;
  const moon =
    (19 * golden +
      century -
      Math.floor(century / 4) -
      Math.floor((century - Math.floor((century + 8) / 25) + 1) / 3) +
      15) %
    30;
  const weekday =
    (32 + 2 * (century % 4) + 2 * Math.floor(ofCentury / 4) - moon - (ofCentury % 4)) % 7;
  const late = Math.floor((golden + 11 * moon + 22 * weekday) / 451);
  const days = moon + weekday - 7 * late + 114;
  return dateOf(year, Math.floor(days / 31), (days % 31) + 1);
}

function dateOf(year: number, month: number, day: number): CalendarDate {
  const date = calendarDate(year, month, day);
  if (date === undefined) throw new Error('no such date');
  return date;
}

/**
 * Bank holidays of England by their standing rules; a day proclaimed for one year is not known here. Source:
 * Banking and Financial Dealings Act 1971, schedule 1, and the yearly proclamations of New Year's Day and the
 * May holiday.
 */
function bankHolidays(year: number): ReadonlySet<CalendarDate> {
  const easter = easterSunday(year);
  const christmas = dateOf(year, 12, 25);
  const newYear = dateOf(year, 1, 1);
  // One at a weekend is kept on the next weekdays.
  const christmasDays = [christmas, addDays(christmas, 1)].filter((day) => weekdayOf(day) < 5);
  for (let day = addDays(christmas, 2); christmasDays.length < 2; day = addDays(day, 1)) {
    if (weekdayOf(day) < 5) christmasDays.push(day);
  }
  return new Set([
    weekdayOf(newYear) < 5 ? newYear : onOrAfter(newYear, 0),
    addDays(easter, -2),
    addDays(easter, 1),
    onOrAfter(dateOf(year, 5, 1), 0),
    onOrAfter(dateOf(year, 5, 25), 0),
    onOrAfter(dateOf(year, 8, 25), 0),
    ...christmasDays,
  ]);
}

/**
 * Whether an office with these hours is open at an instant (milliseconds), by London's clocks; closed on bank
 * holidays. `undefined` if the hours cannot be read.
 */
export function isOfficeOpen(hours: string, at: number): boolean | undefined {
  const parts = readParts(hours);
  if (parts === undefined) return undefined;
  const shown = londonIso(at);
  const date = fromEpochDay(epochDay(shown.slice(0, 10) as CalendarDate));
  if (bankHolidays(Number(shown.slice(0, 4))).has(date)) return false;
  const minute = Number(shown.slice(11, 13)) * 60 + Number(shown.slice(14, 16));
  const weekday = weekdayOf(date);
  return parts.some(
    ({ days: [first, last], from, until }) =>
      weekday >= first && weekday <= last && minute >= from && minute < until,
  );
}

function timeText(minutes: number): string {
  if (minutes === 720) return 'midday';
  if (minutes % MINUTES_A_DAY === 0) return 'midnight';
  const [hour, minute] = [Math.floor(minutes / 60), minutes % 60];
  const past = minute === 0 ? '' : `:${String(minute).padStart(2, '0')}`;
  return `${hour % 12 === 0 ? 12 : hour % 12}${past}${hour < 12 ? 'am' : 'pm'}`;
}

/** Hours as people read them: `Monday to Friday, 8:30am to 5pm`. `undefined` if they cannot be read. */
export const officeHoursText = (hours: string): string | undefined =>
  readParts(hours)
    ?.map(({ days: [first, last], from, until }) => {
      const days = [...new Set([first, last])].map((day) => DAYS[ORDER[day] as Day]);
      return `${days.join(' to ')}, ${timeText(from)} to ${timeText(until)}`;
    })
    .join('; ');
