import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { Tally } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, BegunLoad } from '#store/trust/anchor.ts';
import { agreesWith } from './apply.ts';
import { LoadFailed } from './load-failed.ts';

/** What is to be done to rows of the locked authority, beside its files. */
type Act = {
  event: WrittenEvent;
  /** Doing it again changes nothing. */
  change: () => Promise<unknown>;
  /** Keeps that it is done. */
  settle: () => Promise<void>;
};

/**
 * Tells the anchor what the locked authority will hold once an act is done.
 *
 * @param journal kept in the anchor instead of a file's: it names no child, and the rest is in the store
 * @param keep keeps in the store what is to be done, before the anchor knows of it
 * @param change makes of what is held what will be
 */
export async function beginAct(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  {
    journal,
    keep,
    change,
  }: { journal: string; keep: () => Promise<void>; change: (tally: Tally) => void },
): Promise<BegunLoad> {
  const { authority } = lock;
  const anchored = anchor.authority(authority);
  if (anchored === undefined) throw new Error('a row is held of which the anchor does not know');
  const { authority: known } = await store.intakeState(authority);
  // Where the store was found to differ, the last word on what it holds is its own.
  const tally =
    known?.reconciled === false
      ? ((await store.tally()).get(authority)?.copy() ?? new Tally())
      : Tally.from(anchored);
  change(tally);
  await keep();
  await lock.renew();
  const { sequence } = anchored;
  const { rows, digest } = tally;
  const load: BegunLoad = { authority, sequence, sha256: '', journal, rows, digest };
  anchor.beginLoad(load, anchored);
  return load;
}

/**
 * Carries an act that the anchor was told about to its end, from any point: its event is on disk, then the rows change.
 *
 * @param find what is to be done; `undefined` where it was finished before
 * @throws {LoadFailed} with `lost` where the store has lost what was to be done
 */
export async function finishAct(
  store: Store,
  anchor: Anchor,
  { authority, sequence, rows, digest }: BegunLoad,
  lock: AuthorityLock,
  { find, lost }: { find: () => Promise<Act | undefined>; lost: string },
): Promise<void> {
  await store.safeguard();
  const act = await find();
  if (act !== undefined) {
    await store.appendEvent(act.event);
    await act.change();
  }
  const tally = (await store.tally()).get(authority);
  const reconciled = agreesWith(tally, { rows, digest });
  if (act === undefined && !reconciled) throw new LoadFailed(lost);
  await store.changeAuthority(lock, { rows, digest, inForce: tally?.inForce ?? 0, reconciled });
  await act?.settle();
  anchor.commitLoad(authority, { sequence, rows, digest });
}
