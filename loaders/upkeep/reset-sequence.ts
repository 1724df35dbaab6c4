import { randomUUID } from 'node:crypto';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { lastFileNumber, type OdsCode } from '#schemas/authority.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { withLock } from '../load/lock.ts';
import { endInterrupted } from '../load/resume.ts';
import { asDecisionFailed, LoadFailed, Overtaken, requireOpen } from '../load-failed.ts';

/**
 * Restarts the numbering of an authority's files, for a new case system. From now on an offset is added to
 * their numbers inside the store, so that they continue after those that were used; acknowledgements still
 * give the file's own number. A file made before the newest one loaded so far belongs to the old numbering,
 * and is refused.
 *
 * A file that is missing is of the old numbering, and could then no longer be loaded: only a full refresh would replace
 * it, which somebody has to accept.
 *
 * @param seen the highest number inside the store and the offset, as the person who decided saw them: a new numbering
 * changes only the offset
 * @returns the highest number used in the old numbering, and the numbers of it that are missing; no highest number if
 * the new numbering had begun already and only missing files were left to decide about
 * @throws {Overtaken} if either has changed since
 * @throws {MayBeDone} if the store failed after something was sent to it
 * @throws {LoadFailed} if the authority has loaded nothing, the new numbering has begun already, or the store failed
 * before that; nothing was changed
 */
export async function resetSequence(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  {
    lockWaitMs,
    fullRefreshFollows = false,
    seen,
    ...named
  }: NamedPerson & {
    lockWaitMs?: number;
    fullRefreshFollows?: boolean;
    seen?: { sequence: number; sequenceOffset: number };
  },
): Promise<{ highest: number | undefined; missing: number[] }> {
  let begun = false;
  const begins = () => {
    begun = true;
  };
  try {
    return await withLock(store, authority, lockWaitMs, async (lock) => {
      await requireOpen(store);
      await endInterrupted(store, anchor, lock, begins);
      const base = anchor.authority(authority);
      const { authority: known, sequenceOffset } = await store.intakeState(authority);
      if (known?.sequence === undefined) {
        throw new LoadFailed(LOAD_FAILED.noNumbering(authority));
      }
      if (
        seen !== undefined &&
        (seen.sequence !== known.sequence || seen.sequenceOffset !== sequenceOffset)
      ) {
        throw new Overtaken(LOAD_FAILED.numberingOvertaken(authority));
      }
      const missing = anchor
        .missingFiles(authority)
        .filter(({ fullOnly }) => fullOnly === undefined)
        .map(({ number }) => number);
      const highest = lastFileNumber(known);
      if (highest === undefined && missing.length === 0) {
        throw new LoadFailed(LOAD_FAILED.numberingBegun(authority));
      }
      if (missing.length > 0 && !fullRefreshFollows) {
        throw new LoadFailed(LOAD_FAILED.numberingLacks(missing, authority));
      }
      begins();
      await store.appendEvent({
        type: 'sequence-reset',
        auditId: randomUUID(),
        by: named.by,
        detail: {
          authority,
          ...whyDetail(named),
          ...(highest !== undefined && { highest }),
          ...(missing.length > 0 && { missing: missing.join(',') }),
        },
      });
      // One more than the highest, since a numbering may begin with 0.
      await store.changeAuthority(lock, {
        sequenceOffset: known.sequence + 1,
        ...(known.dataAsOf !== undefined && { numberedAfter: known.dataAsOf }),
      });
      anchor.changeMissingFiles(authority, base, (files) =>
        files.map((file) => ({ fullOnly: 'new-numbering', ...file })),
      );
      return { highest, missing };
    });
  } catch (error) {
    throw asDecisionFailed(error, begun ? LOAD_FAILED.decisionUnknown : undefined);
  }
}
