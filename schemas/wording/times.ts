import { type CalendarDate, londonIso, longDateText } from '../calendar.ts';

/*
 * How a time is written for people. All of them are London's. Times that programs read (JSON, XML, CSV) stay ISO 8601.
 */

/** Milliseconds, or ISO 8601. */
type Instant = number | string;

const ISO = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T/;

/** In a form, from London's ISO 8601. What is no instant stays as it is: what was stored must not stop a sentence. */
function written(at: Instant, form: (london: string) => string): string {
  const instant = typeof at === 'number' || ISO.test(at) ? new Date(at).getTime() : Number.NaN;
  return Number.isNaN(instant) ? String(at) : form(londonIso(instant));
}

const zoneOf = (london: string): string => (london.endsWith('+01:00') ? 'BST' : 'GMT');

const HOUR_MS = 3_600_000;

/** The zone, if London's clocks show this time twice. */
function zoneIfRepeated(london: string): string {
  const at = Date.parse(london);
  const minute = london.slice(0, 16);
  const repeated = [at - HOUR_MS, at + HOUR_MS].some((other) =>
    londonIso(other).startsWith(minute),
  );
  return repeated ? ` ${zoneOf(london)}` : '';
}

const sentence = (london: string, zone: string, end = 16): string =>
  `${london.slice(11, end)}${zone} on ${longDateText(london.slice(0, 10) as CalendarDate)}`;

/** In a sentence on a page: `14:05 on 3 May 2026`. In the hour repeated in autumn it has the zone. */
export const timeText = (at: Instant): string =>
  written(at, (london) => sentence(london, zoneIfRepeated(london)));

/** The same to the second, of what may be tried again within the minute: `14:05:30 on 3 May 2026`. */
export const secondText = (at: Instant): string =>
  written(at, (london) => sentence(london, zoneIfRepeated(london), 19));

/**
 * In a sentence that is read elsewhere too, where other clocks may be UTC: of a command, in a log, an alert or an
 * acknowledgement. `14:05 BST on 3 May 2026`
 */
export const zonedTimeText = (at: Instant): string =>
  written(at, (london) => sentence(london, ` ${zoneOf(london)}`));

const shortDay = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });

/** A calendar date, `YYYY-MM-DD`, in a table on a page: `3 May 2026`. */
export const shortDateText = (date: string): string => shortDay.format(Date.parse(date));

/** Standing alone on a page, as in a table: `3 May 2026, 14:05`. */
export const shortTimeText = (at: Instant): string =>
  written(
    at,
    (london) =>
      `${shortDateText(london.slice(0, 10))}, ${london.slice(11, 16)}${zoneIfRepeated(london)}`,
  );

/** In a table that a command prints, where it can be sorted: `2026-05-03 14:05:30 BST`. */
export const sortableTimeText = (at: Instant): string =>
  written(at, (london) => `${london.slice(0, 10)} ${london.slice(11, 19)} ${zoneOf(london)}`);

const INSTANT = /\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/g;

/** A text for a page, with the instants in it as {@link timeText} writes them. */
export const withTimeTexts = (text: string): string => text.replaceAll(INSTANT, timeText);
