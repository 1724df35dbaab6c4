import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, AnchoredAuthority, BegunLoad } from '#store/trust/anchor.ts';
import { applyJournal } from '../apply/apply.ts';
import { LoadFailed } from '../apply/load-failed.ts';
import { isPurge, resumePurge } from '../apply/purge-rows.ts';
import { restrictionActs } from '../apply/restriction-act.ts';
import { withdrawalActs } from '../apply/withdrawal-act.ts';
import { type HeldFile, journalSchema } from '../spool/journal.ts';
import { Spool, SpoolInUse } from '../spool/spool.ts';

/** A file that may be the one that was cut short. */
type FileInHand = { sequence: number; sha256: string };

/**
 * Carries to its end whatever load of the authority a crash cut short, before another begins.
 *
 * @param file the one to be loaded; absent if something else is to be done
 * @returns what the anchor expects, if the journal is gone and this very file has to do instead
 * @throws {LoadFailed} if the journal is gone and this is another file
 */
export async function endInterrupted(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  file?: FileInHand,
  stopped?: AbortSignal,
): Promise<AnchoredAuthority | undefined> {
  const { authority } = lock;
  const load = anchor.loadInProgress(authority);
  if (load === undefined) return undefined;
  if ((await resumeUnderLock(store, anchor, load, lock, stopped)) === 'resumed') return undefined;
  const { sequenceOffset } = await store.intakeState(authority);
  const number = load.sequence - sequenceOffset;
  if (number !== file?.sequence || load.sha256 !== file.sha256) {
    throw new LoadFailed(
      LOAD_FAILED.journalGoneBefore(
        number,
        authority,
        file === undefined ? 'do this again' : 'this one',
      ),
    );
  }
  const highest = Math.max(load.sequence, anchor.authority(authority)?.sequence ?? 0);
  return { sequence: highest, rows: load.rows, digest: load.digest };
}

/** Removes the spool of a finished load, except for what of it is held. */
export async function keepWhatWaits(spool: Spool, hold: HeldFile | undefined): Promise<void> {
  if (hold?.untraced !== undefined) spool.keepWaiting(hold.untraced);
  else if (hold !== undefined) await spool.keepHeld(false);
}

/** Ends a load from its journal, or says that the journal is gone. The caller holds the authority. */
export async function resumeUnderLock(
  store: Store,
  anchor: Anchor,
  load: BegunLoad,
  lock: AuthorityLock,
  stopped?: AbortSignal,
): Promise<'resumed' | 'lost'> {
  if (isPurge(load)) {
    await resumePurge(store, anchor, load, lock);
    return 'resumed';
  }
  const acts = [withdrawalActs, restrictionActs].find(({ isOf }) => isOf(load));
  if (acts !== undefined) {
    await acts.finish(store, anchor, load, lock);
    return 'resumed';
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
