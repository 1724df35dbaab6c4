import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { Tally } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, BegunLoad } from '#store/trust/anchor.ts';
import { agreesWith, applyJournal, lacksFile, withDiffering } from '../apply/apply.ts';
import { isPurge, resumePurge } from '../apply/purge-rows.ts';
import { restrictionActs } from '../apply/restriction-act.ts';
import { withdrawalActs } from '../apply/withdrawal-act.ts';
import { LoadFailed } from '../load-failed.ts';
import { type HeldFile, journalSchema } from '../spool/journal.ts';
import { Spool, SpoolInUse } from '../spool/spool.ts';

/**
 * Finishes any load of the authority that was cut short, before anything else begins; or abandons it, if its
 * journal is gone. For a store that is open.
 *
 * @param begins called if there is one: it may be what is being repeated, so a fault from here on may come after that
 * was done
 */
export async function endInterrupted(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  begins: () => void,
  stopped?: AbortSignal,
): Promise<void> {
  const load = anchor.loadInProgress(lock.authority);
  if (load === undefined) return rememberEarlierDifference(store, anchor, lock);
  begins();
  if ((await resumeUnderLock(store, anchor, load, lock, stopped)) !== 'lost') return;
  await giveUp(store, anchor, load, lock);
}

/**
 * A difference that only the store knows about. It was found by a version that kept no note of it in the anchor, or
 * before an older anchor was put back. The next file must not end it.
 */
async function rememberEarlierDifference(
  store: Store,
  anchor: Anchor,
  { authority }: AuthorityLock,
): Promise<void> {
  const base = anchor.authority(authority);
  const { authority: known, sequenceOffset } = await store.intakeState(authority);
  if (known?.sequence === undefined || known.reconciled || lacksFile(anchor, authority)) return;
  const file = { sequence: known.sequence, number: known.sequence - sequenceOffset };
  anchor.changeMissingFiles(authority, base, (missing) => withDiffering(missing, file));
}

/**
 * Abandons a load whose journal is gone: the part that reached the store counts, and its authority is behind
 * until its file has come again. Anything held from another file of the same number ends, as it would with
 * the load: it must not be taken for the missing file. For a store that is open, so that an older copy does
 * not count.
 *
 * @returns whether all of the file is held
 */
export async function giveUp(
  store: Store,
  anchor: Anchor,
  load: BegunLoad,
  lock: AuthorityLock,
): Promise<boolean> {
  const { authority } = lock;
  const { sequence } = load;
  const { authority: known, sequenceOffset } = await store.intakeState(authority);
  const entry = await store.fileOf(authority, sequence);
  // It had ended, but the anchor did not know yet.
  const isEntered = entry !== undefined && entry.held === undefined;
  const tally = (await store.tally()).get(authority) ?? new Tally();
  const isWhole = agreesWith(tally, load);
  const highest = anchor.authority(authority)?.sequence ?? 0;
  const file = { sequence, number: sequence - sequenceOffset };
  await store.changeAuthority(lock, { reconciled: isWhole && !lacksFile(anchor, authority) });
  const held = {
    sequence: isEntered ? Math.max(highest, sequence) : highest,
    rows: tally.rows,
    digest: tally.digest,
  };
  const isDone = isEntered || isWhole;
  const before = anchor.missingFiles(authority);
  const others = before.filter((each) => each.sequence !== sequence || each.fullOnly !== undefined);
  const lacking = isEntered ? withDiffering(before, file) : [...others, file];
  // The directory comes before any row: an authority that it does not know yet must not be missed in it.
  const isMissed = !isWhole && (isEntered || known !== undefined);
  anchor.giveUpLoad(load, known && held, {
    missing: isMissed ? lacking : before,
    drops: anchor
      .heldFiles()
      .filter((each) => each.authority === authority && each.sequence === sequence)
      .map(({ id }) => id),
  });
  return isDone;
}

/** Removes the spool of a finished load, except for what is held from it. */
export async function keepWhatWaits(spool: Spool, hold: HeldFile | undefined): Promise<void> {
  if (hold?.untraced !== undefined) spool.keepWaiting(hold.untraced);
  else if (hold !== undefined) await spool.keepHeld(false);
}

/**
 * Ends a load from its journal. The caller holds the authority.
 *
 * @returns `lost` if its journal is gone; `given up` if Redis has lost what was to be done, and none of it
 * was done
 */
export async function resumeUnderLock(
  store: Store,
  anchor: Anchor,
  load: BegunLoad,
  lock: AuthorityLock,
  stopped?: AbortSignal,
): Promise<'resumed' | 'given up' | 'lost'> {
  if (isPurge(load)) {
    await resumePurge(store, anchor, load, lock);
    return 'resumed';
  }
  const acts = [withdrawalActs, restrictionActs].find(({ isOf }) => isOf(load));
  if (acts !== undefined) {
    const end = await acts.finish(store, anchor, load, lock);
    return end === 'done' ? 'resumed' : end;
  }
  let spool: Spool;
  try {
    spool = Spool.open(load.journal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'lost';
    if (!(error instanceof SpoolInUse)) throw error;
    throw new LoadFailed(LOAD_FAILED.loaderHeldUp(load.authority));
  }
  try {
    const json = spool.journal();
    if (json === undefined) return 'lost';
    const journal = journalSchema.parse(JSON.parse(json));
    await applyJournal({ store, anchor, lock, stopped }, spool, journal);
    if (journal.hold === undefined) spool.remove();
    else await keepWhatWaits(spool, journal.hold);
    return 'resumed';
  } finally {
    spool.close();
  }
}
