import { randomUUID } from 'node:crypto';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, MissingFile } from '#store/trust/anchor.ts';
import { withLock } from '../load/lock.ts';
import { endInterrupted } from '../load/resume.ts';
import { asDecisionFailed, LoadFailed, Overtaken, requireOpen } from '../load-failed.ts';

/** The full refresh that came after every difference of an authority and has refused records. */
type RefusedRefresh =
  | { kind: 'nothing-differs' }
  | { kind: 'not-come' }
  | { kind: 'come'; number: number };

/** Which full refresh an authority can be asked about, or why none. */
export function refusedRefresh(anchor: Anchor, authority: OdsCode): RefusedRefresh {
  const differences = anchor
    .missingFiles(authority)
    .filter(({ fullOnly }) => fullOnly === 'difference');
  const refreshes = differences.flatMap(({ refusedIn }) => refusedIn ?? []);
  if (differences.length === 0) return { kind: 'nothing-differs' };
  if (refreshes.length < differences.length) return { kind: 'not-come' };
  return { kind: 'come', number: Math.max(...refreshes) };
}

/**
 * Ends a difference once the authority has said that every plan that it wants to be held is there. The store had lost
 * plans, and records of the full refresh that followed were refused. Audited first.
 *
 * @param fullRefresh the number of the full refresh that the authority was asked about
 * @throws {Overtaken} if another one counts
 * @throws {MayBeDone} if the store failed after something was sent to it
 * @throws {LoadFailed} if there is no such difference, no full refresh has come since, or the store failed before that
 */
export async function confirmPlans(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  { lockWaitMs, fullRefresh, ...named }: NamedPerson & { fullRefresh: number; lockWaitMs?: number },
): Promise<void> {
  let begun = false;
  const begins = () => {
    begun = true;
  };
  try {
    await withLock(store, authority, lockWaitMs, async (lock) => {
      await requireOpen(store);
      await endInterrupted(store, anchor, lock, begins);
      const base = anchor.authority(authority);
      const refresh = refusedRefresh(anchor, authority);
      if (refresh.kind === 'nothing-differs') {
        throw new LoadFailed(LOAD_FAILED.nothingToConfirm(authority));
      }
      if (refresh.kind === 'not-come') throw new LoadFailed(LOAD_FAILED.refreshFirst(authority));
      if (refresh.number !== fullRefresh) {
        throw new Overtaken(LOAD_FAILED.otherRefresh(authority, refresh.number));
      }
      begins();
      await store.appendEvent({
        type: 'plans-confirmed',
        auditId: randomUUID(),
        by: named.by,
        detail: { authority, fullRefresh, ...whyDetail(named) },
      });
      const withoutDifference = (files: readonly MissingFile[]) =>
        files.filter(({ fullOnly }) => fullOnly !== 'difference');
      const others = withoutDifference(anchor.missingFiles(authority));
      // Before the anchor: an authority that is not reconciled counts as one whose difference has been forgotten.
      await store.changeAuthority(lock, { reconciled: others.length === 0 });
      anchor.changeMissingFiles(authority, base, withoutDifference);
    });
  } catch (error) {
    throw asDecisionFailed(error, begun ? LOAD_FAILED.decisionUnknown : undefined);
  }
}
