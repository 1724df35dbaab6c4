/**
 * A calendar day as `YYYY-MM-DD`, from 1900 to 2199. Plans start and end on days, not at instants: their
 * time stamps carry no zone (`TS.NHS.DateType1` in the CP-IS schemas).
 */
export type CalendarDate = string & { readonly __brand: 'CalendarDate' };

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** The day named by year, month (1 to 12) and day of month; `undefined` if there is no such day. */
export function calendarDate(year: number, month: number, day: number): CalendarDate | undefined {
  if (!Number.isInteger(year) || year < 1900 || year > 2199) return undefined;
  const utc = new Date(Date.UTC(year, month - 1, day));
  if (utc.getUTCMonth() !== month - 1 || utc.getUTCDate() !== day) return undefined;
  return utc.toISOString().slice(0, 10) as CalendarDate;
}

/** 1900-01-01 and 2199-12-31, in days since 1970-01-01. */
export const FIRST_DAY = -25_567;
export const LAST_DAY = 84_005;
const isInRange = (day: number): boolean => day >= FIRST_DAY && day <= LAST_DAY;

/** The dates of the days in that range, by day. Loads ask for the same few thousand days over and over. */
const dates = new Map<number, CalendarDate>();

/** Reads `YYYY-MM-DD`, strictly. */
export function parseIsoDate(text: string): CalendarDate | undefined {
  if (text.length !== 10 || text.charCodeAt(4) !== HYPHEN || text.charCodeAt(7) !== HYPHEN) {
    return undefined;
  }
  return dayOf(number(text, 0, 4), number(text, 5, 7), number(text, 8, 10));
}

/** Reads `YYYYMMDD`, strictly. */
export function parseCompactDate(text: string): CalendarDate | undefined {
  if (text.length !== 8) return undefined;
  return dayOf(number(text, 0, 4), number(text, 4, 6), number(text, 6, 8));
}

const HYPHEN = 45;
const ZERO = 48;

/** The digits of a text from one position to another; NaN if there is anything else. */
function number(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** The same as {@link calendarDate}, with always the same string for the same day, which is quick to look up. */
function dayOf(year: number, month: number, day: number): CalendarDate | undefined {
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= 31)) return undefined;
  const key = (year * 12 + month) * 32 + day;
  const known = named.get(key);
  if (known !== undefined) return known;
  const date = calendarDate(year, month, day);
  if (date !== undefined) named.set(key, date);
  return date;
}

const named = new Map<number, CalendarDate>();

/** Days since 1970-01-01; the form in which the store keeps a day. */
export function epochDay(date: CalendarDate): number {
  const month = number(date, 5, 7);
  // Counted from March, so that the leap day is the last of its year.
  const year = number(date, 0, 4) - (month > 2 ? 0 : 1);
  const leapDays = Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400);
  const before = DAYS_FROM_MARCH[month] ?? Number.NaN;
  return year * 365 + leapDays + before + number(date, 8, 10) - MARCH_OF_YEAR_0;
}

/** The day before 1 March of the year 0, in days before 1970-01-01. */
const MARCH_OF_YEAR_0 = 719_469;
/** Days from 1 March to the first of each month, by its number. */
const DAYS_FROM_MARCH = [Number.NaN, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];

export function fromEpochDay(day: number): CalendarDate {
  let date = dates.get(day);
  if (date === undefined) {
    date = new Date(day * DAY_MS).toISOString().slice(0, 10) as CalendarDate;
    if (isInRange(day)) dates.set(day, date);
  }
  return date;
}

export function addDays(date: CalendarDate, days: number): CalendarDate {
  return fromEpochDay(epochDay(date) + days);
}

/** The same day `years` later; 29 February becomes 1 March if the year has none. */
export function addYears(date: CalendarDate, years: number): CalendarDate {
  const year = number(date, 0, 4) + years;
  const [month, day] = [number(date, 5, 7), number(date, 8, 10)];
  const isSkipped = month === 2 && day === 29 && !isLeapYear(year);
  const later = isSkipped ? dayOf(year, 3, 1) : dayOf(year, month, day);
  return later ?? (`${year}${isSkipped ? '-03-01' : date.slice(4)}` as CalendarDate);
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

const londonOffset = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'Europe/London',
  timeZoneName: 'longOffset',
});
/** London's hours ahead of UTC at midnight of each day in the range, plus one; 0 if not asked for yet. */
const midnights = new Int8Array(LAST_DAY - FIRST_DAY + 1);

/** The hour last asked for: a load asks for the same one with every record. Clocks change on the hour. */
let lastOffset = { hour: Number.NaN, offsetMs: 0 };

function londonOffsetMs(instant: number): number {
  const hour = Math.floor(instant / HOUR_MS);
  if (lastOffset.hour !== hour) lastOffset = { hour, offsetMs: londonOffsetOf(instant) };
  return lastOffset.offsetMs;
}

function londonOffsetOf(instant: number): number {
  const name = londonOffset.formatToParts(instant).find((part) => part.type === 'timeZoneName');
  const offset = /([+-])([0-9]{2}):([0-9]{2})/.exec(name?.value ?? '');
  if (!offset) return 0;
  return (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3])) * 60_000;
}

/** London's offset at midnight UTC of the days of a month: `before` one of them, and `after` from it on. */
type MonthOffsets = { before: number; changes: number; after: number };
const months = new Map<number, MonthOffsets>();

/**
 * London's offset at midnight UTC of a day. Asking `Intl` day by day costs a load a quarter of a second.
 * Clocks change at most once a month, so the day is found by bisection.
 */
function midnightOffsetMs(utc: number): number {
  const date = new Date(utc);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const key = year * 12 + month;
  let offsets = months.get(key);
  if (offsets === undefined) {
    let [from, to] = [Date.UTC(year, month, 1), Date.UTC(year, month + 1, 1)];
    const [before, after] = [londonOffsetOf(from), londonOffsetOf(to)];
    // The first offset holds up to `from`, the other from `to`.
    while (before !== after && to - from > DAY_MS) {
      const middle = from + Math.floor((to - from) / DAY_MS / 2) * DAY_MS;
      if (londonOffsetOf(middle) === before) from = middle;
      else to = middle;
    }
    offsets = { before, changes: to, after };
    months.set(key, offsets);
  }
  return utc < offsets.changes ? offsets.before : offsets.after;
}

/**
 * The instant, in milliseconds, at which a day begins in London.
 *
 * London has changed its clocks at 01:00 UTC or later since 1972, so midnight is neither skipped nor
 * repeated and the offset at midnight UTC of that day is also the one in force at London's midnight.
 */
export function londonMidnight(date: CalendarDate): number {
  const day = epochDay(date);
  const utc = day * DAY_MS;
  const hours = midnights[day - FIRST_DAY];
  if (hours !== undefined && hours > 0) return utc - (hours - 1) * HOUR_MS;
  const offsetMs = midnightOffsetMs(utc);
  midnights[day - FIRST_DAY] = offsetMs / HOUR_MS + 1;
  return utc - offsetMs;
}

/**
 * The instant, in milliseconds, at which London's clocks show a time of a day, given in milliseconds since
 * its midnight. In an hour that the clocks repeat it is the second time; an hour that they skip is read as
 * the one before it.
 */
export function londonInstant(date: CalendarDate, timeOfDayMs: number): number {
  const utc = Date.parse(date) + timeOfDayMs;
  return utc - londonOffsetMs(utc);
}

/** The day in London at an instant in milliseconds. */
export function londonDate(instant: number): CalendarDate {
  return fromEpochDay(Math.floor((instant + londonOffsetMs(instant)) / DAY_MS));
}

const twoDigits = (count: number): string => String(count).padStart(2, '0');

/** An instant as London's clocks show it, with their offset: `2026-07-01T09:00:00.000+01:00`. */
export function londonIso(instant: number): string {
  const offsetMs = londonOffsetMs(instant);
  const minutes = Math.abs(offsetMs) / 60_000;
  const shown = new Date(instant + offsetMs).toISOString().slice(0, -1);
  const zone = `${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
  return `${shown}${offsetMs < 0 ? '-' : '+'}${zone}`;
}

const longDate = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
});

/** For people: `14 September 2026`. */
export function longDateText(date: CalendarDate): string {
  return longDate.format(Date.parse(date));
}
