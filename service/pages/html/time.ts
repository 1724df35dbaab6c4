import { londonIso } from '#schemas/calendar.ts';
import { type Cell, shownCell } from '../../audit/search/cells.ts';

const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', timeZone: 'UTC' });

/** `14:05 on 3 May`, in London time; in the hour repeated in autumn, with which one it is. */
export function timeText(at: number): string {
  const iso = londonIso(at);
  return `${iso.slice(11, 16)}${zoneText(at)} on ${day.format(Date.parse(iso.slice(0, 10)))}`;
}

/** The same with the year, for what may be long ago: `14:05 on 3 May 2026`. */
export const timeOfYearText = (at: number): string =>
  `${timeText(at)} ${londonIso(at).slice(0, 4)}`;

const shortDay = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });

/** A calendar date, `YYYY-MM-DD`, in a table: `3 May 2026`. */
export const shortDateText = (date: string): string => shortDay.format(Date.parse(date));

/** When something was, in a table: `3 May 2026, 14:05`. */
export function shortTimeText(at: number): string {
  const iso = londonIso(at);
  return `${shortDateText(iso.slice(0, 10))}, ${iso.slice(11, 16)}${zoneText(at)}`;
}

const INSTANT = /\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/g;

/** A text with its instants in the form of {@link shortTimeText}. */
export const withShortTimes = (text: string): string =>
  text.replaceAll(INSTANT, (instant) => shortTimeText(Date.parse(instant)));

/** Text from the audit for a page: with its instants in the form of {@link shortTimeText}. */
export const shownText = (cell: Cell): string => shownCell(withShortTimes(String(cell)));

const HOUR_MS = 3_600_000;

/** Whether London's clocks show this time twice. */
function isRepeated(at: number): boolean {
  const shown = londonIso(at).slice(0, 16);
  return [at - HOUR_MS, at + HOUR_MS].some((other) => londonIso(other).slice(0, 16) === shown);
}

const zoneText = (at: number): string =>
  isRepeated(at) ? ` (${londonIso(at).endsWith('+01:00') ? 'summer time' : 'winter time'})` : '';
