import type { CalendarDate } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { TracedField } from '#schemas/wording/records.ts';

/** What an authority says of a person; compared and dropped, never stored. */
export type Traced = {
  nhsNumber: NhsNumber;
  dateOfBirth: CalendarDate;
  /** All given names, with spaces between. */
  givenName: string;
  familyName: string;
};

/** What is known of an NHS number. Everything but `no-match` and `sensitive` implies a comparison. */
export type TraceOutcome =
  | { kind: 'verified' }
  | { kind: 'no-match' }
  | { kind: 'sensitive' }
  | { kind: 'not-verified'; differs: readonly TracedField[] }
  /** Verified, and no longer in use; `replacedBy` only where telling it is safe. */
  | { kind: 'inactive'; replacedBy?: NhsNumber };

/**
 * Where NHS numbers are traced: a register in a file today, a client of a national service at another time.
 * Whoever loads neither knows nor cares.
 */
export type NumberTracer = {
  /**
   * One outcome for each person, in their order. At most {@link TRACED_AT_ONCE} are asked for at once.
   *
   * @param signal aborted at the deadline; what comes later is not waited for
   * @throws {NumberTracingUnavailable} where it cannot be told just now; the file is then CPF05
   */
  trace(people: readonly Traced[], signal: AbortSignal): Promise<readonly TraceOutcome[]>;
  /**
   * All numbers known to have been replaced or withdrawn; the same list for as long as nothing has changed. What
   * is sensitive is not among them. Absent where numbers can only be asked about one by one.
   *
   * @throws {NumberTracingUnavailable}
   */
  notInUse?(): Promise<readonly NhsNumber[]>;
};

export const TRACED_AT_ONCE = 100;

/** Numbers cannot be traced just now. The message is for the operator and holds nothing of a person. */
export class NumberTracingUnavailable extends Error {
  override name = 'NumberTracingUnavailable';
}
