import type { OdsCode } from '#schemas/authority.ts';
import type { CalendarDate } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { TracedField } from '#schemas/wording/records.ts';
import type { ListedNumbers } from '#store/rows/not-in-use.ts';

/** What an authority says about a person; compared and dropped, never stored. */
export type Traced = {
  nhsNumber: NhsNumber;
  dateOfBirth: CalendarDate;
  /** All given names, with spaces between. */
  givenName: string;
  familyName: string;
};

/** What is known about an NHS number. Everything but `no-match` and `sensitive` implies a comparison. */
export type TraceOutcome =
  | { kind: 'verified' }
  | { kind: 'no-match' }
  | { kind: 'sensitive' }
  | { kind: 'not-verified'; differs: readonly TracedField[] }
  /** Verified, and no longer in use; `replacedBy` only if revealing it is safe. */
  | { kind: 'inactive'; replacedBy?: NhsNumber }
  /** Nothing is known about it at present, which never counts as "not known": the record waits. */
  | { kind: 'not-traced' };

/** Where NHS numbers are traced: a register in a file, or a national service. The loader treats both alike. */
export type NumberTracer = {
  /**
   * One outcome for each person, in their order. At most {@link TRACED_AT_ONCE} are asked for at once.
   *
   * @param signal aborted at the deadline; what comes later is not waited for
   * @param authority whose upload it is, as far as that is known
   * @throws {NumberTracingUnavailable} if numbers cannot be traced just now; the file is then CPF05
   */
  trace(
    people: readonly Traced[],
    signal: AbortSignal,
    authority?: OdsCode,
  ): Promise<readonly TraceOutcome[]>;
  /** How long tracing one group of people may take. Default a minute. */
  deadlineMs?: number;
  /** Whether each person costs a request, so that a file to be refused anyway is not traced. */
  isCostly?: boolean;
  /**
   * Every number that is known, and whether it is in use; the same lists for as long as nothing has changed.
   * Absent if numbers can only be asked about one by one.
   *
   * @throws {NumberTracingUnavailable}
   */
  listed?(): Promise<ListedNumbers>;
};

export const TRACED_AT_ONCE = 100;

/** Numbers cannot be traced at present. The message is for the operator and says nothing about a person. */
export class NumberTracingUnavailable extends Error {
  override name = 'NumberTracingUnavailable';
}
