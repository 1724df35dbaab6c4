import { addDays, type CalendarDate, londonDate } from '#schemas/calendar.ts';
import { lastAdultBirth } from '#schemas/plans/plan.ts';
import type { UploadFormat } from '#schemas/uploads/formats.ts';

/** A plan is entered once it is decided; one that starts later than this is probably a mistake. */
export const START_AHEAD_DAYS = 31;
/** Ten months; no pregnancy is known about earlier. */
const DUE_AHEAD_DAYS = 304;
/** An end is sent when a plan has ended; one further off is probably a mistake in the year. */
const END_AHEAD_DAYS = 365;

/** What all records of a file are checked against. */
export type CheckContext = {
  format: UploadFormat;
  today: CalendarDate;
  tomorrow: CalendarDate;
  /** The last day on which a plan may begin, end or be due without a finding. */
  lastStart: CalendarDate;
  lastEnd: CalendarDate;
  lastDue: CalendarDate;
  /** Anybody born later is not yet 18. Use it only in comparisons: its year may not have that day. */
  lastAdultBirth: string;
};

/** @param receivedAt when the file was received, milliseconds */
export function checkContext(format: UploadFormat, receivedAt: number): CheckContext {
  const today = londonDate(receivedAt);
  return {
    format,
    today,
    tomorrow: addDays(today, 1),
    lastStart: addDays(today, START_AHEAD_DAYS),
    lastEnd: addDays(today, END_AHEAD_DAYS),
    lastDue: addDays(today, DUE_AHEAD_DAYS),
    lastAdultBirth: lastAdultBirth(today),
  };
}
