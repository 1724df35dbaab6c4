import { randomUUID } from 'node:crypto';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { withLock } from '../load/lock.ts';
import { endInterrupted } from '../load/resume.ts';
import { asLoadFailed, LoadFailed, requireOpen } from '../load-failed.ts';

/**
 * Lets an authority's files be numbered again, as a new case system does. From now on an offset is added to
 * their numbers inside the store, so that they continue after those that were used; acknowledgements continue
 * saying the file's own number. What was made before the newest file loaded so far is of the old numbering,
 * and is refused.
 *
 * @returns the highest number used in the old numbering
 * @throws {LoadFailed} if the authority has loaded nothing, or the store failed; nothing was changed
 */
export async function resetSequence(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  { lockWaitMs, ...named }: NamedPerson & { lockWaitMs?: number },
): Promise<number> {
  try {
    return await withLock(store, authority, lockWaitMs, async (lock) => {
      await requireOpen(store);
      await endInterrupted(store, anchor, lock);
      const { authority: known, sequenceOffset } = await store.intakeState(authority);
      if (known?.sequence === undefined) {
        throw new LoadFailed(LOAD_FAILED.noNumbering(authority));
      }
      await store.appendEvent({
        type: 'sequence-reset',
        auditId: randomUUID(),
        by: named.by,
        detail: { authority, ...whyDetail(named), highest: known.sequence - sequenceOffset },
      });
      // One more than the highest, since a numbering may begin with 0.
      await store.changeAuthority(lock, {
        sequenceOffset: known.sequence + 1,
        ...(known.dataAsOf !== undefined && { numberedAfter: known.dataAsOf }),
      });
      return known.sequence - sequenceOffset;
    });
  } catch (error) {
    throw asLoadFailed(error, false);
  }
}
