// One file, since a load, its dry run and its resumption must reach the same end by the same steps.

import { hash, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type EventCaller, whoText } from '#schemas/audit/audit-event.ts';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import type { Breakers } from '#schemas/uploads/breakers.ts';
import type { ColumnMapping } from '#schemas/uploads/columns.ts';
import type { InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import type { StoppedPlan } from '#schemas/uploads/stopped-plan.ts';
import type { WayIn } from '#schemas/wording/files.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { StoreNotWhole } from '#store/errors.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, AnchoredAuthority, BegunLoad } from '#store/trust/anchor.ts';
import { whyLacking } from '#store/trust/lacking.ts';
import type { Resumption } from '#store/trust/verifier.ts';
import { anchoredHeldFile, applyJournal, ledgerEntry } from '../apply/apply.ts';
import type { OnProgress } from '../check/progress.ts';
import { type ReadUpload, readUpload, type WholeHeader } from '../check/read.ts';
import type { NumberTracer } from '../check/tracing/tracer.ts';
import { type Difference, FileDecider } from '../decide/file.ts';
import type { CsvMetadata } from '../formats/common/metadata.ts';
import { SourceBytes, type UploadSource } from '../formats/common/source.ts';
import {
  AuthorityBusy,
  asLoadFailed,
  type FailedSentence,
  LoadFailed,
  requireClock,
  requireOpen,
  unlessStopped,
} from '../load-failed.ts';
import type { HeldFile, Journal } from '../spool/journal.ts';
import { Spool } from '../spool/spool.ts';
import type { LoadSlots } from './load-slots.ts';
import { withLock } from './lock.ts';
import { endInterrupted, giveUp, keepWhatWaits, resumeUnderLock } from './resume.ts';

export type { Difference } from '../decide/file.ts';
export type { CsvMetadata } from '../formats/common/metadata.ts';
export type { UploadSource } from '../formats/common/source.ts';

export type LoadOptions = {
  /** Folder for spools, made if absent (0700). It must stay on the same machine while loads are under way. */
  spoolDir: string;
  /** Whether a file may add an unknown authority; for an operator's own loads. */
  addAuthority: boolean;
  /** The sending authority, if its token or mailbox gives it; a file of another one is CPF01. */
  authority?: OdsCode;
  /** For a CSV: what it does not say about itself. */
  metadata?: CsvMetadata;
  /** How it arrived, so that hints name what its sender can change. Default: the command line. */
  way?: WayIn | undefined;
  /** What the file calls its columns and plans, instead of its authority's settings. */
  columns?: ColumnMapping | undefined;
  /** Largest file, as sent and once unpacked. Default 64 MiB. */
  maxBytes?: number;
  /** Milliseconds since 1970; default the present. */
  now?: () => number;
  /** Who loads: an operator's name, or how the file arrived. Recorded in the audit. */
  by: string;
  /** Who sent it, if it came from a caller: the audit finds it by the user. */
  caller?: EventCaller | undefined;
  /** Traces NHS numbers. If absent they are not traced, which is for a demo only. */
  tracer?: NumberTracer | undefined;
  /**
   * Called with the notice of numbers no longer in use, before any part of the file is applied, so that a
   * crash cannot lose it; loading the file again calls it again. An error that it throws ends the load.
   */
  onNotice?: ((notice: InactiveNumbersNotice) => Promise<void> | void) | undefined;
  /** Codes of the authorities whose acknowledgements repeat refused records (`ACK_ECHO`). */
  echoTo?: readonly string[] | undefined;
  /** What is unusual, and what is too unusual to be applied unseen; an authority's own settings come first. */
  breakers?: Breakers | undefined;
  /** Shared by the loads of one process that run side by side. */
  slots?: LoadSlots | undefined;
  onProgress?: OnProgress | undefined;
  /** Once aborted, the load ends where it can be loaded again or continued from its journal. */
  stopped?: AbortSignal | undefined;
  /** How long to wait for another loader of the same authority. Default 45 s, longer than a dead one's lease. */
  lockWaitMs?: number;
};

const MAX_BYTES = 67_108_864;

/**
 * Loads one file of an authority, Spine XML or CSV, plain or gzip, and returns its acknowledgement.
 *
 * Either the file was sound enough to be loaded (CPF02, CPF03: every accepted record is in the store, on
 * disk, and the sequence number is used up) or none of it was (CPF01, CPF04: only the audit changed, and the
 * number can be used again). Anything too unusual is held, as `held` says: then the acknowledgement is
 * provisional, the number is not used up, and `releaseHeldFile` continues the load. A repeat of a loaded file
 * is answered with its acknowledgement. A load that was cut short is finished first, whichever file comes.
 *
 * @throws {LoadFailed} if the store, the disk or the source failed. A load that had begun to be applied is
 * resumed by the next load of the authority or by {@link resumeLoad}; any other leaves no trace.
 */
export async function loadFile(
  store: Store,
  anchor: Anchor,
  source: UploadSource,
  options: LoadOptions,
): Promise<Acknowledgement> {
  const loading = new Loading(store, anchor, source, options);
  try {
    return await loading.load();
  } catch (error) {
    throw asLoadFailed(error, loading.ifFailed);
  } finally {
    loading.end();
  }
}

/**
 * Loads a file as {@link loadFile} does, if it is the previewed file and would still do what the page said;
 * otherwise nothing changes, not even the audit.
 *
 * @throws {LoadFailed} as {@link loadFile}
 */
export async function loadAsShown(
  store: Store,
  anchor: Anchor,
  source: UploadSource,
  shown: Pick<FileDifference, 'basis' | 'difference'>,
  options: LoadOptions,
): Promise<{ kind: 'answered'; acknowledgement: Acknowledgement } | { kind: 'changed' }> {
  const loading = new Loading(store, anchor, source, options, shown);
  try {
    return { kind: 'answered', acknowledgement: await loading.load() };
  } catch (error) {
    if (error instanceof NotAsShown) return { kind: 'changed' };
    throw asLoadFailed(error, loading.ifFailed);
  } finally {
    loading.end();
  }
}

/** What a file would do. */
type FileDifference = {
  acknowledgement: Acknowledgement;
  difference: Difference;
  /** The plans in force that it would take out of force, the first of them. */
  stopped: readonly StoppedPlan[];
  /**
   * Identifies the file and everything that it was compared with: the dataset, and what its authority holds,
   * has set and has waiting. Empty if nothing was compared.
   */
  basis: string;
};

/**
 * What {@link loadFile} would answer, and how many rows of the store would change, without changing anything:
 * neither the store nor its ledger, audit or anchor. It delays nobody, so the result holds only as long as
 * nobody else loads.
 *
 * @throws {LoadFailed} if the store, the disk or the source failed
 */
export async function differFile(
  store: Store,
  anchor: Anchor,
  source: UploadSource,
  options: Omit<LoadOptions, 'onNotice' | 'lockWaitMs'>,
): Promise<FileDifference> {
  const loading = new Loading(store, anchor, source, options);
  try {
    return await loading.differ();
  } catch (error) {
    throw asLoadFailed(error, LOAD_FAILED.notLoaded);
  } finally {
    loading.end();
  }
}

const NO_DIFFERENCE: Difference = { added: 0, removed: 0, changed: 0, stops: 0 };

/** A file would do something other than what was shown. */
class NotAsShown extends Error {
  override name = 'NotAsShown';
}

const isSame = (one: Difference, other: Difference): boolean =>
  one.added === other.added &&
  one.removed === other.removed &&
  one.changed === other.changed &&
  one.stops === other.stops;

/** One file on its way. */
class Loading {
  /** What is true if it fails now. */
  ifFailed: FailedSentence = LOAD_FAILED.notLoaded;
  readonly #store: Store;
  readonly #anchor: Anchor;
  readonly #source: UploadSource;
  readonly #options: LoadOptions;
  readonly #bytes: SourceBytes;
  readonly #shown: Pick<FileDifference, 'basis' | 'difference'> | undefined;
  #spool: Spool | undefined;
  #giveSlot = (): void => undefined;

  constructor(
    store: Store,
    anchor: Anchor,
    source: UploadSource,
    options: LoadOptions,
    shown?: Pick<FileDifference, 'basis' | 'difference'>,
  ) {
    this.#shown = shown;
    this.#store = store;
    this.#anchor = anchor;
    this.#source = source;
    this.#options = options;
    // Before the first await, so that a source that breaks off from here on is noticed.
    this.#bytes = new SourceBytes(source, options.maxBytes ?? MAX_BYTES);
  }

  async load(): Promise<Acknowledgement> {
    this.#giveSlot = (await this.#options.slots?.take()) ?? this.#giveSlot;
    const { stopped, lockWaitMs } = this.#options;
    const { read, file, spool } = await this.#read();
    const header = read.usable;
    if (header === undefined && this.#shown !== undefined) throw new NotAsShown();
    const acknowledgement =
      header === undefined
        ? await this.#refuse(file, file.refusal(read.refusal ?? 'CPF01'))
        : await withLock(
            this.#store,
            header.authority,
            lockWaitMs,
            (lock) => this.#loadLocked(read, header, file, spool, lock),
            { stopped },
          );
    return withEcho(acknowledgement, spool);
  }

  async differ(): Promise<FileDifference> {
    const { read, file, spool } = await this.#read();
    const header = read.usable;
    const nothing = (acknowledgement: Acknowledgement) => ({
      acknowledgement,
      difference: NO_DIFFERENCE,
      stopped: [],
      basis: '',
    });
    if (header === undefined) return nothing(file.refusal(read.refusal ?? 'CPF01'));
    const basis = await this.#basis(read, header);
    const answer = await file.answer(header);
    if (answer.kind !== 'new') return nothing(answer.acknowledgement);
    const { outcome, ...would } = await file.decide(header, spool, undefined);
    switch (outcome.kind) {
      case 'load':
        return { basis, ...would, acknowledgement: outcome.journal.acknowledgement };
      case 'held':
        return { basis, ...would, acknowledgement: outcome.heldFile.acknowledgement };
      case 'refuse':
        return nothing(file.refusal(outcome.code));
    }
  }

  end(): void {
    this.#bytes.close();
    this.#giveSlot();
    if (this.#spool !== undefined) discard(this.#spool, this.#anchor);
  }

  async #read(): Promise<{ read: ReadUpload; file: FileDecider; spool: Spool }> {
    await requireDataset(this.#store, this.#options.tracer);
    // Not while it waits for its turn: by then, a clock that was wrong may have been corrected and look right.
    const receivedAt = (this.#options.now ?? Date.now)();
    await requireClock(this.#store);
    const spool = Spool.create(this.#options.spoolDir);
    this.#spool = spool;
    const {
      metadata = {},
      way,
      columns,
      authority,
      tracer,
      echoTo,
      onProgress,
      stopped,
    } = this.#options;
    const mappingOf = async (code: OdsCode | undefined) =>
      columns ?? (code === undefined ? undefined : (await this.#store.intakeState(code)).columns);
    const read = await readUpload(
      this.#bytes,
      this.#source,
      { receivedAt, metadata, way, mappingOf, authority, tracer, echoTo, onProgress, stopped },
      spool,
    );
    const by = whoText(this.#options.by);
    const facts = { ...this.#options, by, name: this.#source.name, receivedAt };
    return { read, file: new FileDecider(this.#store, this.#anchor, read, facts), spool };
  }

  async #loadLocked(
    read: ReadUpload,
    header: WholeHeader,
    file: FileDecider,
    spool: Spool,
    lock: AuthorityLock,
  ): Promise<Acknowledgement> {
    const [store, anchor] = [this.#store, this.#anchor];
    await requireOpen(store);
    await requireClock(store);
    const { authority } = header;
    const { stopped } = this.#options;
    const begins = () => {
      this.ifFailed = LOAD_FAILED.loadUnknown;
    };
    await endInterrupted(store, anchor, lock, begins, stopped);
    const base = anchor.authority(authority);
    if (this.#shown !== undefined && this.#shown.basis !== (await this.#basis(read, header))) {
      throw new NotAsShown();
    }
    const answer = await file.answer(header);
    if (this.#shown !== undefined && answer.kind !== 'new') throw new NotAsShown();
    if (answer.kind === 'refused') return this.#refuse(file, answer.acknowledgement);
    await giveNotice(store, read, header, this.#options);
    if (answer.kind === 'repeat') return answer.acknowledgement;
    const { outcome, difference } = await file.decide(header, spool, lock);
    if (this.#shown !== undefined && !isSame(this.#shown.difference, difference)) {
      throw new NotAsShown();
    }
    switch (outcome.kind) {
      case 'refuse':
        return this.#refuse(file, file.refusal(outcome.code));
      case 'held':
        return this.#holdFile(file, spool, lock, outcome, base);
      case 'load':
        return this.#apply(spool, lock, outcome.journal, base);
    }
  }

  /** See {@link FileDifference}. */
  async #basis(
    { sha256 }: ReadUpload,
    { authority, sequence, createdAt, full }: WholeHeader,
  ): Promise<string> {
    const state = await this.#store.intakeState(authority);
    const entry = await this.#store.fileOf(authority, sequence + state.sequenceOffset);
    const waiting = this.#anchor.heldFiles().filter((held) => held.authority === authority);
    const compared = [
      { sha256, authority, sequence, createdAt, full },
      this.#anchor.dataset()?.id,
      this.#anchor.authority(authority),
      state,
      entry && [entry.sha256, entry.code, entry.held],
      waiting.map(({ id }) => id),
    ];
    return hash('sha256', JSON.stringify(compared));
  }

  async #refuse(file: FileDecider, acknowledgement: Acknowledgement): Promise<Acknowledgement> {
    await file.record(acknowledgement);
    return acknowledgement;
  }

  async #apply(
    spool: Spool,
    lock: AuthorityLock,
    journal: Journal,
    base: AnchoredAuthority | undefined,
  ): Promise<Acknowledgement> {
    const [store, anchor] = [this.#store, this.#anchor];
    const { onProgress, slots, stopped } = this.#options;
    const isUnchanged = this.ifFailed === LOAD_FAILED.notLoaded;
    unlessStopped(stopped, isUnchanged ? undefined : LOAD_FAILED.stoppedAfterEarlier);
    await spool.commitJournal(JSON.stringify(journal));
    // A loader delayed beyond its lease has been overtaken, and its decisions are old.
    await lock.renew();
    this.ifFailed = LOAD_FAILED.loadUnknown;
    const load = { ...pick(journal), journal: spool.folder, ...journal.expected };
    await anchor.beginLoad(load, base, journal.drops);
    this.ifFailed = LOAD_FAILED.willResume;
    const replaced = folderOf(anchor, journal.drops);
    const of = spool.decidedRows;
    const acknowledgement = await applyJournal(
      {
        store,
        anchor,
        lock,
        stopped,
        tally: () => {
          // Loads that are ready wait for the last one, and all their rows would be in memory meanwhile.
          spool.forgetRows();
          this.#giveSlot();
          return slots === undefined ? store.tally() : slots.whenQuiet(store.tally);
        },
        onRows: (rows) => onProgress?.({ step: 'applying', rows, of }),
      },
      spool,
      journal,
    );
    this.ifFailed = LOAD_FAILED.loadUnknown;
    await keepWhatWaits(spool, journal.hold);
    removeFolder(replaced);
    return acknowledgement;
  }

  async #holdFile(
    file: FileDecider,
    spool: Spool,
    lock: AuthorityLock,
    { heldFile, drops }: { heldFile: HeldFile; drops: string | undefined },
    base: AnchoredAuthority | undefined,
  ): Promise<Acknowledgement> {
    const { authority, acknowledgement, sequence, sha256 } = heldFile;
    await spool.keepHeld(true);
    const replaced = folderOf(this.#anchor, drops);
    const holds = anchoredHeldFile(heldFile, acknowledgement, spool.folder);
    this.ifFailed = LOAD_FAILED.loadUnknown;
    this.#anchor.changeHeldFiles(authority, base, { holds, drops });
    await this.#store.changeAuthority(lock, {}, ledgerEntry(sequence, sha256, acknowledgement));
    await file.record(acknowledgement);
    removeFolder(replaced);
    return acknowledgement;
  }
}

const folderOf = (anchor: Anchor, id: string | undefined): string | undefined =>
  id === undefined ? undefined : anchor.heldFiles().find((heldFile) => heldFile.id === id)?.folder;

function removeFolder(folder: string | undefined): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}

/**
 * Finishes a load that was cut short, from its journal, as it would have ended. Until then its authority
 * counts as not up to date, because a plan of its newest file may be missing.
 *
 * @throws {StoreNotWhole} if Redis has lost what was to be done
 * @throws {LoadFailed} if the store failed before the authority counted so
 */
export async function resumeLoad(
  store: Store,
  anchor: Anchor,
  { authority: code }: Pick<BegunLoad, 'authority'>,
  { lockWaitMs, stopped }: { lockWaitMs?: number; stopped?: AbortSignal } = {},
): Promise<Resumption> {
  const authority = odsCodeSchema.parse(code);
  async function resume(lock: AuthorityLock): Promise<Resumption> {
    // Another process may have done it while this one waited.
    const load = anchor.loadInProgress(authority);
    if (load === undefined) return { kind: 'resumed' };
    await store.changeAuthority(lock, { reconciled: false });
    try {
      const end = await resumeUnderLock(store, anchor, load, lock, stopped);
      if (end === 'resumed') return { kind: 'resumed' };
      if (end === 'given up') return { kind: end, why: LOAD_FAILED.actGivenUp(authority) };
    } catch (error) {
      if (error instanceof StoreNotWhole) throw error;
      return { kind: 'behind', why: asLoadFailed(error, LOAD_FAILED.willResume).message };
    }
    // In one that is not open, the part held may be older than what was held.
    if (await store.isOpen()) {
      const isDone = await giveUp(store, anchor, load, lock);
      const lacking = whyLacking(anchor, authority);
      if (lacking !== '') return { kind: 'behind', why: lacking };
      if (isDone) return { kind: 'resumed' };
    }
    const { sequenceOffset } = await store.intakeState(authority);
    const why = LOAD_FAILED.journalGone(load.sequence - sequenceOffset, authority);
    return { kind: 'behind', why };
  }
  try {
    return await withLock(store, authority, lockWaitMs, resume, { stopped, resumes: true });
  } catch (error) {
    if (error instanceof AuthorityBusy) return { kind: 'at work', why: error.message };
    if (error instanceof StoreNotWhole) throw error;
    throw asLoadFailed(error, LOAD_FAILED.willResume);
  }
}

async function giveNotice(
  store: Store,
  { inactive }: ReadUpload,
  { authority, authorityName, sequence }: WholeHeader,
  { onNotice, now = Date.now }: LoadOptions,
): Promise<void> {
  if (onNotice === undefined || inactive.numbers.length === 0) return;
  const name = authorityName ?? (await store.authority(authority))?.name;
  await onNotice({
    id: randomUUID(),
    createdAt: new Date(now()).toISOString(),
    authority: { code: authority, ...(name !== undefined && { name }) },
    sequence,
    ...inactive,
  });
}

/** Adds to an answer the refused records that its authority asked for. They are never stored with it. */
function withEcho(acknowledgement: Acknowledgement, spool: Spool): Acknowledgement {
  const refused = acknowledgement.failures.flatMap(({ record }) => record ?? []);
  const echo = spool.echoes([...new Set(refused)]);
  return echo.length === 0 ? acknowledgement : { ...acknowledgement, echo };
}

/** Removes a spool, unless the anchor needs it for a load under way. */
function discard(spool: Spool, anchor: Anchor): void {
  spool.close();
  if (!anchor.spoolsNeeded().includes(spool.folder)) spool.remove();
}

const pick = ({ authority, sequence, sha256 }: Journal) => ({ authority, sequence, sha256 });

/** Before anything else, so that not even the audit of a refusal is written to a Redis that is not a store. */
async function requireDataset(store: Store, tracer: NumberTracer | undefined): Promise<void> {
  const dataset = await store.dataset();
  if (dataset === undefined) {
    throw new LoadFailed(LOAD_FAILED.noDataset);
  }
  if (dataset.kind === 'live' && tracer === undefined) {
    throw new LoadFailed(LOAD_FAILED.notTraced);
  }
}
