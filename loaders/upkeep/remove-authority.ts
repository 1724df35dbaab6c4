import type { NamedPerson } from '#schemas/audit/named-person.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { withLock } from '../load/lock.ts';
import { asDecisionFailed, LoadFailed, requireOpen } from '../load-failed.ts';

/**
 * Removes an authority from the directory that was added by mistake, so that it is no longer missed. One that
 * ever loaded a file stays: its children's plans must not go with it, and its silence must be noticed.
 *
 * @throws {MayBeDone} if the store failed after something was sent to it
 * @throws {LoadFailed} if it is not known, has loaded or is loading a file, or the store failed before that; nothing
 * was changed
 */
export async function removeAuthority(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  { lockWaitMs, ...named }: NamedPerson & { lockWaitMs?: number },
): Promise<void> {
  let begun = false;
  try {
    await withLock(store, authority, lockWaitMs, async (lock) => {
      await requireOpen(store);
      const { authority: known } = await store.intakeState(authority);
      if (known === undefined) {
        throw new LoadFailed(LOAD_FAILED.unknownAuthority(authority));
      }
      const hasLoaded =
        known.sequence !== undefined ||
        anchor.authority(authority) !== undefined ||
        anchor.loadInProgress(authority) !== undefined ||
        anchor.heldFiles().some((heldFile) => heldFile.authority === authority) ||
        (await store.tally()).has(authority);
      if (hasLoaded) {
        throw new LoadFailed(LOAD_FAILED.authorityStays(authority));
      }
      await store.requireAdministrator();
      begun = true;
      await store.removeAuthority(lock, named);
    });
  } catch (error) {
    throw asDecisionFailed(error, begun ? LOAD_FAILED.removalUnknown : undefined);
  }
}
