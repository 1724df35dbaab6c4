import type { Authority } from '#schemas/authority.ts';
import type { CalendarDate } from '#schemas/calendar.ts';
import type { Coverage } from '#schemas/lookup.ts';
import { notFlaggedAdvice } from '#schemas/wording/lookup.ts';
import type { Gate } from '#store/trust/readiness.ts';

export type CoverageLimits = {
  /** An authority is up to date while its data-as-of is younger than this. */
  upToDateMs: number;
  /** Below this share of expected authorities up to date, a negative is could-not-check. */
  minimumShare: number;
};

/** How much of what is expected here is current, with the texts that every answer repeats. */
export type CoverageState = {
  coverage: Coverage;
  upToDate: ReadonlySet<string>;
  negativesAllowed: boolean;
  /** `coverage` as JSON, and the part of it that an audit event holds. */
  json: string;
  eventJson: string;
  /** The advice of a negative as JSON, for a child not known to be under a year old. */
  negativeAdviceJson: string;
};

const CLOCK_TOLERANCE_MS = 5_000;

/**
 * Whether what an authority last sent is recent enough to rely on: younger than the limit, and found in
 * the store as it was sent.
 */
export function isUpToDate(authority: Authority, now: number, upToDateMs: number): boolean {
  if (!authority.reconciled || authority.dataAsOf === undefined) return false;
  const age = now - Date.parse(authority.dataAsOf);
  // Data from the future means that one of the clocks is wrong, and then nothing is known of its age.
  return age > -CLOCK_TOLERANCE_MS && age < upToDateMs;
}

/** Coverage of the authorities expected, at `now` in milliseconds. No authority at all covers nothing. */
export function coverageOf(
  authorities: ReadonlyMap<string, Authority>,
  now: number,
  { upToDateMs, minimumShare }: CoverageLimits,
): CoverageState {
  const upToDate = new Set<string>();
  const notUpToDate: Coverage['notUpToDate'] = [];
  for (const authority of authorities.values()) {
    if (isUpToDate(authority, now, upToDateMs)) {
      upToDate.add(authority.code);
    } else {
      const { code, name, dataAsOf } = authority;
      notUpToDate.push({ code, name, ...(dataAsOf !== undefined && { since: dataAsOf }) });
    }
  }
  const expected = authorities.size;
  const coverage: Coverage = {
    expected,
    upToDate: upToDate.size,
    complete: expected > 0 && notUpToDate.length === 0,
    notUpToDate,
  };
  return {
    coverage,
    upToDate,
    negativesAllowed: expected > 0 && upToDate.size / expected >= minimumShare,
    json: JSON.stringify(coverage),
    eventJson: JSON.stringify({ expected, upToDate: upToDate.size }),
    negativeAdviceJson: JSON.stringify(notFlaggedAdvice(coverage, undefined, now)),
  };
}

/** The advice of a negative as JSON; only a date of birth makes it differ from one child to the next. */
export function negativeAdvice(
  state: CoverageState,
  dateOfBirth: CalendarDate | undefined,
  now: number,
): string {
  return dateOfBirth === undefined
    ? state.negativeAdviceJson
    : JSON.stringify(notFlaggedAdvice(state.coverage, dateOfBirth, now));
}

const RECOMPUTE_AFTER_MS = 1_000;

/** Coverage as of the directory's last poll, computed once for it and not for each lookup. */
export function createCoverage(
  gate: Pick<Gate, 'authorities'>,
  limits: CoverageLimits,
  now: () => number = Date.now,
): () => CoverageState {
  let of: ReadonlyMap<string, Authority> | undefined;
  let at = 0;
  let state: CoverageState | undefined;
  return () => {
    const { authorities } = gate;
    const moment = now();
    if (
      state === undefined ||
      of !== authorities ||
      moment - at >= RECOMPUTE_AFTER_MS ||
      moment < at
    ) {
      state = coverageOf(authorities, moment, limits);
      of = authorities;
      at = moment;
    }
    return state;
  };
}
