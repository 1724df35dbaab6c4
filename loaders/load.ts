import type { Acknowledgement } from '#schemas/acknowledgement.ts';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { Anchor, BegunLoad } from '#store/anchor.ts';
import type { Store } from '#store/store.ts';
import { applyJournal } from './apply.ts';
import type { CsvMetadata } from './csv-metadata.ts';
import type { Journal } from './journal.ts';
import { asLoadFailed, LoadFailed } from './load-failed.ts';
import { withLock } from './lock.ts';
import { readUpload } from './read.ts';
import { ReadFile } from './read-file.ts';
import { endInterrupted, resumeUnderLock } from './resume.ts';
import { SourceBytes, type UploadSource } from './source.ts';
import { Spool } from './spool.ts';

export type { CsvMetadata } from './csv-metadata.ts';
export { LoadFailed } from './load-failed.ts';
export type { UploadSource } from './source.ts';
export { sweepSpools } from './spool.ts';

export type LoadOptions = {
  /** Folder for spools, made if absent (0700). On the same machine for as long as loads are under way. */
  spoolDir: string;
  /** Whether a file may make an authority known here that was not; for an operator's own loads. */
  addAuthority: boolean;
  /** The authority that sends, where its token or mailbox tells; a file of another one is CPF01. */
  authority?: OdsCode;
  /** For a CSV: what it does not say of itself. */
  metadata?: CsvMetadata;
  /** Largest file, as sent and once unpacked. Default 64 MiB. */
  maxBytes?: number;
  /** Milliseconds since 1970; default the present. */
  now?: () => number;
  /** Who loads: an operator's name, or how the file came in. Goes into the audit. */
  by: string;
  /** How long to wait for another loader of the same authority. Default 45 s, longer than a dead one's lease. */
  lockWaitMs?: number;
};

const MAX_BYTES = 67_108_864;

/**
 * Loads one file of an authority, Spine XML or CSV, plain or gzip, and returns its acknowledgement.
 *
 * Either the whole file was sound enough to be loaded (CPF02, CPF03: every accepted record is in the
 * store, on disk, and the sequence number is used up) or nothing of it was (CPF01, CPF04: nothing changed
 * but the audit, and the number can be used again). A repeat of a loaded file is answered with its first
 * acknowledgement. A load that was cut short is carried to its end first, whichever file comes.
 *
 * @throws {LoadFailed} where the store, the disk or the source failed. A load that had begun to be
 * applied is resumed by the next load of the authority or by {@link resumeLoad}; any other left no trace.
 */
export async function loadFile(
  store: Store,
  anchor: Anchor,
  source: UploadSource,
  options: LoadOptions,
): Promise<Acknowledgement> {
  const receivedAt = (options.now ?? Date.now)();
  // Before anything is waited for: from here on a source that breaks off is noticed.
  const bytes = new SourceBytes(source, options.maxBytes ?? MAX_BYTES);
  let spool: Spool | undefined;
  let begun = false;
  try {
    await requireDataset(store);
    const spooled = Spool.create(options.spoolDir);
    spool = spooled;
    const read = await readUpload(
      bytes,
      source,
      {
        receivedAt,
        metadata: options.metadata ?? {},
        authority: options.authority,
      },
      spooled,
    );
    const file = new ReadFile(store, anchor, read, { ...options, name: source.name, receivedAt });
    const header = read.usable;
    if (header === undefined) return await file.refuse('CPF01');
    return await withLock(store, header.authority, options.lockWaitMs, async (lock) => {
      const lost = await endInterrupted(store, anchor, header, read.sha256, lock);
      const answer = await file.refusalOrRepeat(header);
      if (answer !== undefined) {
        // Answered from the ledger: the load had come to its end, only the anchor was not told.
        if (lost !== undefined && answer.code !== 'CPF04') {
          anchor.commitLoad(header.authority, lost);
        }
        return answer;
      }
      const journal = await file.decide(header, spooled, lock, lost !== undefined);
      if (journal === undefined) return file.refuse('CPF04');
      spooled.commitJournal(JSON.stringify(journal));
      // Whoever was held up for longer than the lease has been overtaken, and what it decided is old.
      await lock.renew();
      begun = true;
      anchor.beginLoad({ ...pick(journal), journal: spooled.folder, ...journal.expected });
      const acknowledgement = await applyJournal(store, anchor, lock, spooled, journal);
      begun = false;
      return acknowledgement;
    });
  } catch (error) {
    throw asLoadFailed(error, begun);
  } finally {
    bytes.close();
    if (spool !== undefined) discard(spool, anchor);
  }
}

/**
 * Carries a load that a crash cut short to the end it would have had, from its journal.
 *
 * @throws {LoadFailed} where the store failed, another loader holds the authority, or the journal is gone
 */
export async function resumeLoad(
  store: Store,
  anchor: Anchor,
  load: BegunLoad,
  options: { lockWaitMs?: number } = {},
): Promise<void> {
  try {
    const authority = odsCodeSchema.parse(load.authority);
    await withLock(store, authority, options.lockWaitMs, async (lock) => {
      // Another process may have done it while this one waited.
      const still = anchor.loadInProgress(authority);
      if (still === undefined) return;
      if ((await resumeUnderLock(store, anchor, still, lock)) === 'lost') {
        throw new LoadFailed(
          `File ${still.sequence} of authority ${authority} was cut short and its journal is gone. Load that file again.`,
        );
      }
    });
  } catch (error) {
    throw asLoadFailed(error, true);
  }
}

/** Removes a spool, unless the anchor counts on it for a load under way. */
function discard(spool: Spool, anchor: Anchor): void {
  spool.close();
  const needed = anchor.loadsInProgress().some(({ journal }) => journal === spool.folder);
  if (!needed) spool.remove();
}

const pick = ({ authority, sequence, sha256 }: Journal) => ({ authority, sequence, sha256 });

/** Before anything else, so that not even the audit of a refusal is written to a Redis that is no store. */
async function requireDataset(store: Store): Promise<void> {
  if ((await store.dataset()) === undefined) {
    throw new LoadFailed('The store holds no dataset. Create one with `cp-flags init`.');
  }
}
