import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import type { SealedEvent } from '../log/sealed.ts';
import type { AuditPlaces } from './search.ts';

export type Cell = string | number;

export type Report = {
  title: string;
  /** To be read before the rows are. */
  notes: string[];
  columns: string[];
  rows: Cell[][];
};

export type ReportOptions = {
  criteria: AuditCriteria;
  /** Of refusals: how many make a report of them. */
  least: number;
  /** With the names of staff, where a report is without them otherwise. */
  names: boolean;
};

/** A report that would be cut short is not made. */
export class TooMuch extends Error {
  override name = 'TooMuch';
}

/** Whom a line is about. */
export const WHO = ['user', 'name', 'role', 'organisation', 'issuer'];

type WithCaller = Extract<AuditEvent, { caller?: unknown }>;
export const callerOf = (event: SealedEvent['event']): WithCaller['caller'] =>
  'caller' in event ? event.caller : undefined;

/** How a report is made, and of what. */
export type Maker = {
  about: string;
  /** The criterion that it cannot do without. */
  needs?: 'nhsNumber' | 'user' | 'organisation';
  /** Covers all time where no time is asked for; otherwise the last 31 days. */
  allTime: boolean;
  make: (places: AuditPlaces, options: ReportOptions) => Report;
};
