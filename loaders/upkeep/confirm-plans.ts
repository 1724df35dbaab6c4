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
 * Ends a difference for an authority that has said that no plan which it wants to be held is missing: the store had lost
 * plans, and records of the full refresh that followed were refused. Audited first.
 *
 * @throws {LoadFailed} if there is no such difference, no full refresh has come since, or the store failed
 */
export async function confirmPlans(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  { lockWaitMs, ...named }: NamedPerson & { lockWaitMs?: number },
): Promise<void> {
  try {
    await withLock(store, authority, lockWaitMs, async (lock) => {
      await requireOpen(store);
      await endInterrupted(store, anchor, lock);
      const missing = anchor.missingFiles(authority);
      const differences = missing.filter(({ fullOnly }) => fullOnly === 'difference');
      if (differences.length === 0) throw new LoadFailed(LOAD_FAILED.nothingToConfirm(authority));
      const refreshes = differences.flatMap(({ refusedIn }) => refusedIn ?? []);
      if (refreshes.length < differences.length) {
        throw new LoadFailed(LOAD_FAILED.refreshFirst(authority));
      }
      await store.appendEvent({
        type: 'plans-confirmed',
        auditId: randomUUID(),
        by: named.by,
        detail: { authority, fullRefresh: Math.max(...refreshes), ...whyDetail(named) },
      });
      const others = missing.filter(({ fullOnly }) => fullOnly !== 'difference');
      // Before the anchor: an authority that is not reconciled counts as one whose difference has been forgotten.
      await store.changeAuthority(lock, { reconciled: others.length === 0 });
      anchor.keepMissingFiles(authority, others);
    });
  } catch (error) {
    throw asLoadFailed(error, false);
  }
}
