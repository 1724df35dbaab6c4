import { parseNhsNumber, unspacedNhsNumber } from '#schemas/nhs-number.ts';
import type { Finding } from '#schemas/uploads/acknowledgement.ts';

/**
 * More than the rows of the largest authority, so that each refusal is explained, and few enough to store.
 * Those beyond are only counted.
 */
export const LISTED_AT_MOST = 5_000;

/** Findings in the order they came, capped. */
export class Findings {
  readonly listed: Finding[] = [];
  omitted = 0;

  add(...findings: readonly Finding[]): void {
    for (const finding of findings) {
      if (this.listed.length < LISTED_AT_MOST) this.listed.push(finding);
      else this.omitted += 1;
    }
  }

  /** In the order of the file, findings on the whole file first. */
  sorted(): Finding[] {
    return this.listed.toSorted((one, other) => (one.record ?? 0) - (other.record ?? 0));
  }
}

/**
 * The local id as a finding may show it: left out if an authority uses the NHS number as its own id, since
 * findings are read in places where NHS numbers must not be.
 */
export function shownLocalId(localId: string): { localId?: string } {
  if (localId === '' || parseNhsNumber(unspacedNhsNumber(localId)) !== undefined) return {};
  return { localId };
}
