import type { Authority } from '#schemas/authority.ts';
import type { LimitReached } from '#schemas/errors.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { SAMPLE_AUTHORITIES, SAMPLE_REHEARSALS } from '#schemas/sample.ts';
import { type CoverageLimits, type CoverageState, coverageOf, type Directory } from './coverage.ts';

/** What a demo answers for a number as if it had happened, since no upload can cause it. */
type Rehearsal =
  | { kind: 'unchecked' }
  | { kind: 'limited'; limit: LimitReached }
  | {
      kind: 'behind';
      /** The directory, with an authority that has sent nothing for longer than allowed. */
      authorities: ReadonlyMap<string, Authority>;
      coverage: CoverageState;
    };

/** What is rehearsed in a lookup that is made: a limit stops it before. */
export type Rehearsed = Exclude<Rehearsal, { kind: 'limited' }>;

/** The rehearsal for a number; `undefined` for every number if there is no demo with the sample. */
export type Rehearse = (nhsNumber: NhsNumber) => Rehearsal | undefined;

/** Whether the sample was loaded here: in another demo, such as a load test's, these numbers are ordinary. */
const holdsSample = (authorities: ReadonlyMap<string, Authority>): boolean =>
  SAMPLE_AUTHORITIES.every(({ code }) => authorities.has(code));

const HOUR_MS = 3_600_000;
const BEHIND_BY_MS = 2 * 24 * HOUR_MS;
const LIMIT: LimitReached = { of: 'user', limit: 120, windowSeconds: 60, retryAfterSeconds: 30 };

function behind(directory: Directory, code: string, limits: CoverageLimits): Rehearsal {
  const now = Date.now();
  const dataAsOf = new Date(now - limits.upToDateMs - BEHIND_BY_MS).toISOString();
  const aged = new Map(
    [...directory.authorities].map(([each, authority]) => [
      each,
      each === code ? { ...authority, dataAsOf } : authority,
    ]),
  );
  const { expected, dataset } = directory;
  const coverage = coverageOf({ authorities: aged, expected, dataset }, now, limits);
  return { kind: 'behind', authorities: aged, coverage };
}

/**
 * The states that a supplier has to handle and that a healthy demo never has, each for a number of the
 * sample: an authority that is behind, a limit reached, a check that cannot be made. Everything else about
 * such a request is real: who may ask, the audit, the form of the answer.
 */
export function createRehearsals({
  isDemo,
  directory,
  limits,
}: {
  /** Undefined while it is not known. */
  isDemo: () => boolean | undefined;
  directory: Directory;
  limits: CoverageLimits;
}): Rehearse {
  return function rehearse(nhsNumber) {
    if (isDemo() !== true || !holdsSample(directory.authorities)) return undefined;
    const rehearsed = SAMPLE_REHEARSALS.find((each) => each.nhsNumber === nhsNumber);
    switch (rehearsed?.rehearses) {
      case undefined:
        return undefined;
      case 'unchecked':
        return { kind: 'unchecked' };
      case 'limited':
        return { kind: 'limited', limit: LIMIT };
      case 'behind':
        return behind(directory, rehearsed?.authority ?? '', limits);
    }
  };
}
