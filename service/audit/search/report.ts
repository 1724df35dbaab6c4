import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { addDays, londonDate, londonMidnight } from '#schemas/calendar.ts';
import { AUDIT_REPORT } from '#schemas/wording/audit.ts';
import type { SealedEvent } from '../log/sealed.ts';
import type { Cell } from './cells.ts';
import type { Place } from './index-file.ts';
import { type AuditPlaces, type Found, searchAudit } from './search.ts';
import { happenedAt, type Viewer } from './view.ts';

export type Report = {
  title: string;
  /** To be read before the rows. */
  notes: string[];
  columns: string[];
  rows: Cell[][];
};

export type ReportOptions = {
  criteria: AuditCriteria;
  /** How many refusals, or looks at one child, earn a line in a report of them. */
  least: number;
  /** With the names of staff, in a report otherwise without them. */
  names: boolean;
  /** With the organisations and kinds of setting, in a report otherwise without them. */
  places: boolean;
  /** With silent reads, in a report otherwise without them. */
  silentReads: boolean;
  /** With searches of the audit, in a report otherwise without them. */
  searches: boolean;
  /** An authority has no reports: they would show that other councils' children were looked up. */
  viewer: Exclude<Viewer, { kind: 'authority' }>;
};

/** A report that would be cut short is not made. */
export class TooMuch extends Error {
  override name = 'TooMuch';
}

/** Whom a line is about. */
export const WHO = ['user', 'name', 'role', 'organisation', 'issuer'];

type WithCaller = Extract<AuditEvent, { caller?: unknown }>;
export const callerIn = (event: SealedEvent['event']): WithCaller['caller'] =>
  'caller' in event ? event.caller : undefined;

type About = {
  about: string;
  /** The criterion that it requires. */
  needs?: 'nhsNumber' | 'user' | 'organisation';
  /** Covers all time if no time is given; otherwise the last 31 days. */
  allTime: boolean;
};

/** A report with a line for each event, so that it can be made page by page. */
export type EventReport = About & {
  title: string;
  notes: (options: ReportOptions) => string[];
  columns: (options: ReportOptions) => string[];
  /** Covers only events of this type. */
  type?: string;
  /** The line of an event; `undefined` if it has none. */
  row: (found: Found, options: ReportOptions) => Cell[] | 'left-out' | undefined;
  /** What its reader must know first, if anything. */
  warnings?: (places: AuditPlaces, options: ReportOptions) => string[];
  /** Says how many were left out. */
  leftOut?: (count: number) => string;
};

/** A report with a line for each group in which events are counted. */
export type SumReport = About & {
  make: (places: AuditPlaces, options: ReportOptions) => Report;
  /** The column whose figures a chart shows. */
  figure: string;
};

/** How a report is made, and what from. */
export type Maker = EventReport | SumReport;

/** The period of a report that does not cover all time, by default. */
export const REPORTED_DAYS = 31;

/** The start of a report's period, in milliseconds; `undefined`: from the beginning. */
export function reportFrom(
  { allTime }: Pick<Maker, 'allTime'>,
  { from, to }: AuditCriteria,
  now: number,
): number | undefined {
  if (from !== undefined || allTime) return from;
  const month = londonMidnight(addDays(londonDate(now), 1 - REPORTED_DAYS));
  return Math.min(month, to ?? month);
}

const EVENTS_AT_MOST = 50_000;
/** Held in memory at a time, with everything in them. */
const EVENTS_AT_ONCE = 1_000;

/** A part of a report, and where the next one starts. */
export type ReportPage = Report & {
  next?: Place;
  /** The entries behind its rows, in order; none in a report of sums. */
  entries?: number[];
  /** Events examined for this part, and how many of them were left out. */
  looked: number;
  leftOut: number;
};

/** The next lines of a report of events, newest first. Events left out do not shorten a page. */
function eventPage(
  places: AuditPlaces,
  maker: EventReport,
  options: ReportOptions,
  { limit, after }: { limit: number; after?: Place | undefined },
): ReportPage {
  const { type } = maker;
  const criteria = type === undefined ? options.criteria : { ...options.criteria, type };
  const rows: Cell[][] = [];
  const entries: number[] = [];
  let leftOut = 0;
  let looked = 0;
  let next = after;
  do {
    const part = searchAudit(places, criteria, options.viewer, { limit, after: next });
    ({ next } = part);
    for (const [i, found] of part.events.entries()) {
      looked++;
      const row = maker.row(found, options);
      if (row === 'left-out') leftOut++;
      if (row === 'left-out' || row === undefined) continue;
      rows.push(row);
      entries.push(found.index);
      if (rows.length < limit) continue;
      // A full page ends here, whatever else this part had.
      if (i + 1 < part.events.length) next = { at: happenedAt(found.event), entry: found.index };
      break;
    }
  } while (rows.length < limit && next !== undefined && looked < EVENTS_AT_ONCE);
  const { title, notes, columns } = maker;
  return {
    title,
    notes: [...(maker.warnings?.(places, options) ?? []), ...notes(options)],
    columns: columns(options),
    rows,
    entries,
    looked,
    leftOut,
    ...(next !== undefined && { next }),
  };
}

const withNote = (report: Report, maker: EventReport, leftOut: number): Report => ({
  ...report,
  notes:
    leftOut > 0 && maker.leftOut !== undefined
      ? [...report.notes, maker.leftOut(leftOut)]
      : report.notes,
});

/** All of a report. @throws {TooMuch} if it would cover more events than allowed */
export function makeReport(places: AuditPlaces, maker: Maker, options: ReportOptions): Report {
  if ('make' in maker) return maker.make(places, options);
  let after: Place | undefined;
  let looked = 0;
  let leftOut = 0;
  const rows: Cell[][] = [];
  for (;;) {
    const page = eventPage(places, maker, options, { limit: EVENTS_AT_ONCE, after });
    rows.push(...page.rows);
    looked += page.looked;
    leftOut += page.leftOut;
    const { title, notes, columns, next } = page;
    if (next === undefined) return withNote({ title, notes, columns, rows }, maker, leftOut);
    if (looked >= EVENTS_AT_MOST) {
      throw new TooMuch(AUDIT_REPORT.tooMuch(EVENTS_AT_MOST));
    }
    after = next;
  }
}

/**
 * A part of a report. The next part starts at a position in the log or, for a report of sums, after the
 * number of lines shown.
 */
export function makeReportPage(
  places: AuditPlaces,
  maker: Maker,
  options: ReportOptions,
  { limit, after }: { limit: number; after?: Place | undefined },
): ReportPage {
  if (!('make' in maker)) {
    const page = eventPage(places, maker, options, { limit, after });
    return { ...page, ...withNote(page, maker, page.leftOut) };
  }
  const report = maker.make(places, options);
  const end = (after?.entry ?? 0) + limit;
  return {
    ...report,
    rows: report.rows.slice(after?.entry ?? 0, end),
    looked: report.rows.length,
    leftOut: 0,
    ...(end < report.rows.length && { next: { at: 0, entry: end } }),
  };
}
