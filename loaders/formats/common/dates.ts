import {
  type CalendarDate,
  calendarDate,
  londonInstant,
  parseCompactDate,
  parseIsoDate,
} from '#schemas/calendar.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/**
 * A plan's date in Spine XML: `YYYYMMDDHHMM`; only the day is kept. `undefined` for anything else, and for a day or a
 * time that does not exist.
 *
 * Source: CP-IS schemas, `TS.NHS.DateType1`.
 */
export function readSpinePlanDate(text: string): CalendarDate | undefined {
  const parts = /^([0-9]{8})([0-9]{2})([0-9]{2})$/.exec(text);
  if (!parts || Number(parts[2]) > 23 || Number(parts[3]) > 59) return undefined;
  return parseCompactDate(parts[1] ?? '');
}

/**
 * A birth date in Spine XML: `YYYYMMDD`, or a longer time stamp; only the day is kept.
 *
 * Source: CP-IS schemas, `TS` (`ts` pattern).
 */
export function readSpineBirthDate(text: string): CalendarDate | undefined {
  const parts = /^([0-9]{8})(?:[0-9]{1,6}(?:\.[0-9]{1,6})?(?:[+-][0-9]{1,4})?)?$/.exec(text);
  return parts ? parseCompactDate(parts[1] ?? '') : undefined;
}

/**
 * What a date with slashes shows about the order of day and month in its column; `undefined` for any other
 * text, and for one such as 05/05/2026, which is the same day either way.
 */
export function slashedOrder(text: string): 'day-first' | 'month-first' | 'either' | undefined {
  const parts = SLASHED.exec(text);
  if (!parts) return undefined;
  const [first, second, year] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  const dayFirst = calendarDate(year, second, first);
  const monthFirst = calendarDate(year, first, second);
  if (dayFirst === undefined) return monthFirst === undefined ? undefined : 'month-first';
  if (monthFirst === undefined) return 'day-first';
  return dayFirst === monthFirst ? undefined : 'either';
}

const SLASHED = /^([0-9]{1,2})\/([0-9]{1,2})\/([0-9]{4})$/;

/** A date in a CSV cell: `YYYY-MM-DD`, `DD/MM/YYYY` or `YYYYMMDDHHMM`. */
export function readCsvDate(text: string): CalendarDate | undefined {
  const iso = parseIsoDate(text);
  if (iso !== undefined) return iso;
  const british = SLASHED.exec(text);
  if (british) return calendarDate(Number(british[3]), Number(british[2]), Number(british[1]));
  return readSpinePlanDate(text);
}

/**
 * When a file was made, in milliseconds: ISO 8601, or the HL7 form `YYYYMMDD[HHMM[SS[.f]]][+ZZZZ]`. A time
 * without a zone is London's; a day without a time counts from its midnight, the earlier and so the safer
 * reading of how fresh the data is.
 */
export function readInstant(text: string): number | undefined {
  const parts =
    /^([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[T ]?([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:\.([0-9]{1,9}))?)?)?(Z|[+-][0-9]{2}:?(?:[0-9]{2})?)?$/.exec(
      text,
    );
  if (!parts) return undefined;
  const [, year, month, day, hours = '0', minutes = '0', seconds = '0', fraction = '0', zone] =
    parts;
  const date = calendarDate(Number(year), Number(month), Number(day));
  if (date === undefined) return undefined;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const timeOfDay =
    (Number(hours) * 60 + Number(minutes)) * MINUTE_MS +
    Number(seconds) * 1000 +
    Math.floor(Number(`0.${fraction}`) * 1000);
  if (zone === undefined) return londonInstant(date, timeOfDay);
  const offset = zoneMs(zone);
  return offset === undefined ? undefined : Date.parse(date) + timeOfDay - offset;
}

function zoneMs(zone: string): number | undefined {
  if (zone === 'Z') return 0;
  const digits = zone.slice(1).replace(':', '');
  const offset = (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2) || '0')) * MINUTE_MS;
  if (offset >= DAY_MS) return undefined;
  return zone.startsWith('-') ? -offset : offset;
}
