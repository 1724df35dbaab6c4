import type { Anchor, AnchoredAuthority, BegunLoad } from '#store/anchor.ts';
import type { AuthorityLock, Store } from '#store/store.ts';
import { applyJournal } from './apply.ts';
import { journalSchema } from './journal.ts';
import { LoadFailed } from './load-failed.ts';
import type { WholeHeader } from './read.ts';
import { Spool } from './spool.ts';

/**
 * Carries to its end whatever load of the authority a crash cut short, before another begins.
 *
 * @returns what the anchor expects, where the journal is gone and this very file has to do instead
 * @throws {LoadFailed} where the journal is gone and this is another file
 */
export async function endInterrupted(
  store: Store,
  anchor: Anchor,
  { authority, sequence }: WholeHeader,
  sha256: string,
  lock: AuthorityLock,
): Promise<AnchoredAuthority | undefined> {
  const load = anchor.loadInProgress(authority);
  if (load === undefined) return undefined;
  if ((await resumeUnderLock(store, anchor, load, lock)) === 'resumed') return undefined;
  if (load.sequence !== sequence || load.sha256 !== sha256) {
    throw new LoadFailed(
      `File ${load.sequence} of authority ${authority} was cut short and its journal is gone. Load that file again first, then this one.`,
    );
  }
  const highest = Math.max(sequence, anchor.authority(authority)?.sequence ?? sequence);
  return { sequence: highest, rows: load.rows, digest: load.digest };
}

/** Ends a load from its journal, or says that the journal is gone. The caller holds the authority. */
export async function resumeUnderLock(
  store: Store,
  anchor: Anchor,
  load: BegunLoad,
  lock: AuthorityLock,
): Promise<'resumed' | 'lost'> {
  let spool: Spool;
  try {
    spool = Spool.open(load.journal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'lost';
    throw error;
  }
  try {
    const json = spool.journal();
    if (json === undefined) return 'lost';
    await applyJournal(store, anchor, lock, spool, journalSchema.parse(JSON.parse(json)));
  } catch (error) {
    spool.close();
    throw error;
  }
  spool.remove();
  return 'resumed';
}
