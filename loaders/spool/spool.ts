import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { SpooledRow } from '#schemas/plans/row.ts';
import { type EchoedRecord, echoedRecordSchema } from '#schemas/uploads/acknowledgement.ts';
import { type FileLock, lockFile } from '#store/files/sqlite.ts';
import { makeFolderNow, syncFolder, syncFolderNow } from '#store/files/whole-file.ts';
import type { RowEffect } from '#store/rows/row-calls.ts';
import type { PackedRow } from '#store/rows/rows.ts';
import { type IndexedPlan, PlanIndex } from './plan-index.ts';
import { SpoolFile } from './spool-file.ts';
import type { PlacedRow, SpooledRecord, Whose } from './spooled-rows.ts';
import { lineOf, recordsAs, recordsOf } from './spooled-rows.ts';
import { peopleFile, type WaitingPerson } from './waiting-people.ts';

export const FOLDER_PREFIX = 'load-';
const LOCK = 'lock';
const ROWS = 'rows';
const HELD = 'held';
const ECHO = 'echo';
const DECIDED = 'decided';
const PLANS = 'plans';
/** Followed by how often some of it was left waiting, so that a crash never mixes one and the next. */
const WAITING = 'waiting-';

/** What a decided row will do: its effect on the store, or that it is removed. */
export type DecidedEffect = RowEffect | 'removed';
export type DecidedRow = PackedRow & { effect: DecidedEffect };

const LETTERS: Record<DecidedEffect, string> = {
  added: 'a',
  changed: 'c',
  unchanged: 'u',
  superseded: 's',
  removed: 'r',
};
const EFFECTS = new Map(
  (Object.keys(LETTERS) as DecidedEffect[]).map((effect) => [LETTERS[effect], effect]),
);

const NUMBER_LENGTH = 10;
/** SHA-256 of everything before it, in hex; the journal's position, as sixteen digits; a line end. */
const FOOTER = /^([0-9a-f]{64})([0-9]{16})\n$/;
const FOOTER_LENGTH = 81;

const NO_PLANS: readonly IndexedPlan[] = [];
/** Records and decided rows of an ordinary file need not be read back from the disk. */
const KEPT_IN_MEMORY = 20_000;

/**
 * A load's own storage: the minimised rows of a file while it is checked, then the journal from which a load
 * is finished whatever happens to the process; and rows held for a decision.
 *
 * A folder (0700) of files (0600) that are only appended to; the contents of an ordinary file are also kept
 * in memory, and not read back. Which plans the file has is known to {@link PlanIndex}. The folder is locked
 * for as long as the process that has it open lives, which distinguishes it from an abandoned one.
 */
export class Spool {
  /** Absolute path. Its name is random letters: no digits that could be taken for a number. */
  readonly folder: string;
  readonly #lock: FileLock;
  #index: PlanIndex;
  readonly #rows: SpoolFile;
  readonly #held: SpoolFile;
  readonly #echo: SpoolFile;
  readonly #decided: SpoolFile;
  /** The records that still wait to be traced, with the people in them. */
  readonly #waiting: SpoolFile;
  readonly #people: SpoolFile;
  /** The records, as long as they are few. */
  #recordsHere: SpooledRecord[] | undefined = [];
  /** The decided rows, as long as they are few and were decided here. */
  #decidedHere: DecidedRow[] | undefined;
  addedRecords = 0;
  /** How many rows were decided on here. */
  decidedRows = 0;
  /** The position of the journal in the file of decided rows. */
  #decidedLength: number | undefined;

  /** @param waited how often some of the file was left waiting before */
  private constructor(
    folder: string,
    lock: FileLock,
    opened: 'new' | 'whole' | 'held',
    waited = 0,
  ) {
    this.folder = folder;
    this.#lock = lock;
    this.#index = new PlanIndex(join(folder, PLANS));
    // Left by a process that died.
    if (opened !== 'new') rmSync(join(folder, PLANS), { force: true });
    const held = waited === 0 ? HELD : `${WAITING}${waited}`;
    const file = (name: string): SpoolFile => {
      const path = join(folder, name);
      if (opened === 'whole' || (opened === 'held' && name === held)) {
        try {
          return SpoolFile.open(path);
        } catch (error) {
          if (!isAbsent(error)) throw error;
        }
      }
      // Left by an earlier attempt that failed.
      if (opened === 'held') rmSync(path, { force: true });
      return SpoolFile.create(path);
    };
    this.#rows = file(ROWS);
    this.#held = file(held);
    this.#waiting = file(`${WAITING}${waited + 1}`);
    this.#people = file(peopleFile(waited + 1));
    this.#echo = file(ECHO);
    this.#decided = file(DECIDED);
    this.#decidedHere = opened === 'whole' ? undefined : [];
  }

  /** @param spoolDir made if absent */
  static create(spoolDir: string): Spool {
    makeFolderNow(spoolDir);
    const folder = resolve(spoolDir, `${FOLDER_PREFIX}${randomLetters()}`);
    mkdirSync(folder, { mode: 0o700 });
    closeSync(openSync(join(folder, LOCK), 'wx', 0o600));
    return new Spool(folder, lockFolder(folder), 'new');
  }

  /** @throws {SpoolInUse} if another process has it open; or if there is no such spool */
  static open(folder: string): Spool {
    statSync(join(folder, LOCK));
    return new Spool(folder, lockFolder(folder), 'whole');
  }

  /**
   * Opens held rows, to be decided again. The index knows their plans.
   *
   * @throws {SpoolInUse} if another process has it open; or if there is no such spool
   */
  static openHeld(folder: string, whose: Whose & { untraced?: number | undefined }): Spool {
    const { untraced = 0 } = whose;
    statSync(join(folder, untraced === 0 ? HELD : `${WAITING}${untraced}`));
    const spool = new Spool(folder, lockFolder(folder), 'held', untraced);
    for (const { record, rows } of spool.heldRecords(whose)) {
      for (const { row } of rows) spool.#index.add(row, record);
    }
    return spool;
  }

  /** The record that already has this plan, if one does. */
  recordOf(plan: Pick<SpooledRow, 'nhsNumber' | 'type' | 'startDate'>): number | undefined {
    return this.#index.recordOf(plan);
  }

  /** What the file has about a person with more than one plan. */
  plansOf(nhsNumber: NhsNumber): readonly IndexedPlan[] {
    return this.#index.hasSeveral(nhsNumber) ? this.#index.plansOf(nhsNumber) : NO_PLANS;
  }

  addRecord(record: number, rows: readonly PlacedRow[]): void {
    this.addedRecords += 1;
    for (const { row } of rows) this.#index.add(row, record);
    if (this.#recordsHere === undefined) {
      this.#write({ record, rows });
      return;
    }
    this.#recordsHere.push({ record, rows });
    if (this.#recordsHere.length > KEPT_IN_MEMORY) this.#spill();
  }

  #write({ record, rows }: SpooledRecord): void {
    for (const placed of rows) this.#rows.add(lineOf(record, placed));
  }

  #spill(): void {
    const records = this.#recordsHere ?? [];
    this.#recordsHere = undefined;
    for (const record of records) this.#write(record);
  }

  addEcho(echo: EchoedRecord): void {
    this.#echo.add(`${JSON.stringify(echo)}\n`);
  }

  /** What can be repeated from some records; only those it was kept for. */
  echoes(records: readonly number[]): EchoedRecord[] {
    const wanted = new Set(records);
    const found: EchoedRecord[] = [];
    if (wanted.size === 0) return found;
    for (const line of this.#echo.lines()) {
      const echo = echoedRecordSchema.parse(JSON.parse(line));
      if (wanted.has(echo.record)) found.push(echo);
    }
    return found;
  }

  /** The records in the order of the file, each with its rows. */
  records(file: Whose): Generator<SpooledRecord> {
    return this.#recordsHere === undefined
      ? recordsOf(this.#rows.lines(), file)
      : recordsAs(this.#recordsHere, file);
  }

  /** Keeps a row apart, to be applied once somebody has decided so. */
  holdBack(record: number, placed: PlacedRow): void {
    this.#held.add(lineOf(record, placed));
  }

  /** The records with rows kept apart, each with those. */
  heldRecords(file: Whose): Generator<SpooledRecord> {
    return recordsOf(this.#held.lines(), file);
  }

  /** Keeps a record apart, to be applied once its people have been traced. */
  wait(record: number, rows: readonly PlacedRow[], people: readonly WaitingPerson[]): void {
    for (const placed of rows) {
      this.#index.add(placed.row, record);
      this.#waiting.add(lineOf(record, placed));
    }
    for (const person of people) this.#people.add(`${JSON.stringify(person)}\n`);
  }

  /** The records that wait to be traced, each with its rows. */
  waitingRecords(file: Whose): Generator<SpooledRecord> {
    return recordsOf(this.#waiting.lines(), file);
  }

  /** Keeps what a row will do, in the order of application. */
  decide(effect: DecidedEffect, nhsNumber: NhsNumber, packed: string): void {
    this.decidedRows += 1;
    this.#decidedHere?.push({ effect, nhsNumber, packed });
    if (this.decidedRows > KEPT_IN_MEMORY) this.#decidedHere = undefined;
    this.#decided.add(`${LETTERS[effect]}${nhsNumber}${packed}\n`);
  }

  /** Everything that was decided, in batches. */
  *decided(batch: number): Generator<DecidedRow[]> {
    if (this.#decidedHere !== undefined) {
      for (let from = 0; from < this.#decidedHere.length; from += batch) {
        yield this.#decidedHere.slice(from, from + batch);
      }
      return;
    }
    let rows: DecidedRow[] = [];
    for (const line of this.#decided.lines(this.#decidedLength)) {
      const effect = EFFECTS.get(line.charAt(0));
      if (effect === undefined) throw new Error('a row of the journal cannot be read');
      rows.push({
        effect,
        nhsNumber: line.slice(1, 1 + NUMBER_LENGTH) as NhsNumber,
        packed: line.slice(1 + NUMBER_LENGTH),
      });
      if (rows.length < batch) continue;
      yield rows;
      rows = [];
    }
    if (rows.length > 0) yield rows;
  }

  /**
   * Writes the journal after the decisions; it, every decision and what is held are on disk when this
   * resolves. A journal that a crash cut short counts as none.
   */
  async commitJournal(json: string): Promise<void> {
    this.#decidedLength = this.#decided.flush();
    this.#decided.add(`${json}\n`);
    const digest = this.#decided.digest();
    this.#decided.add(`${digest}${String(this.#decidedLength).padStart(16, '0')}\n`);
    const waits = this.#waiting.isUntouched ? [] : [this.#waiting, this.#people];
    const used = [this.#decided, ...(this.#held.isUntouched ? [] : [this.#held]), ...waits];
    // All names exist before their folders are synced.
    for (const file of used) file.flush();
    await Promise.all([...used.map((file) => file.sync()), ...this.#folders.map(syncFolder)]);
  }

  /** `undefined` before {@link Spool.commitJournal}, or if it was not finished. */
  journal(): string | undefined {
    let size: number;
    try {
      size = statSync(this.#decided.path).size;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
    const hash = createHash('sha256');
    const journal: Buffer[] = [];
    const footer = FOOTER.exec(this.#decided.text(size - FOOTER_LENGTH));
    if (footer === null) return undefined;
    const begins = Number(footer[2]);
    let at = 0;
    for (const bytes of this.#decided.bytes(size - FOOTER_LENGTH)) {
      hash.update(bytes);
      if (at + bytes.length > begins)
        journal.push(Buffer.from(bytes.subarray(Math.max(0, begins - at))));
      at += bytes.length;
    }
    if (hash.digest('hex') !== footer[1]) return undefined;
    this.#decidedLength = begins;
    return Buffer.concat(journal).toString().trimEnd();
  }

  /** Frees the memory of applied rows, which are not read again. */
  forgetRows(): void {
    this.#recordsHere = [];
    this.#decidedHere = [];
    this.#dropIndex();
  }

  #dropIndex(): void {
    const path = join(this.folder, PLANS);
    this.#index.close();
    rmSync(path, { force: true });
    this.#index = new PlanIndex(path);
  }

  /** Leaves only what waits to be traced. @param waited which of the files it is in */
  keepWaiting(waited: number): void {
    this.#dropIndex();
    this.#closeFiles();
    const kept = [LOCK, `${WAITING}${waited}`, peopleFile(waited)];
    for (const name of readdirSync(this.folder)) {
      if (!kept.includes(name)) rmSync(join(this.folder, name), { force: true });
    }
    this.#syncFolders();
  }

  /** Leaves only the held rows; on disk when it resolves. @param whole all of the file's */
  async keepHeld(whole: boolean): Promise<void> {
    if (whole) {
      this.#spill();
      await this.#rows.sync();
      this.#held.close();
      renameSync(this.#rows.path, this.#held.path);
    } else {
      await this.#held.sync();
    }
    this.#dropIndex();
    for (const file of [this.#rows, this.#echo, this.#decided]) {
      file.close();
      rmSync(file.path, { force: true });
    }
    this.#syncFolders();
  }

  /** This folder, and the one that contains its name. */
  get #folders(): string[] {
    return [this.folder, resolve(this.folder, '..')];
  }

  #syncFolders(): void {
    for (const folder of this.#folders) syncFolderNow(folder);
  }

  #closeFiles(): void {
    for (const file of [
      this.#rows,
      this.#held,
      this.#echo,
      this.#decided,
      this.#waiting,
      this.#people,
    ])
      file.close();
  }

  close(): void {
    this.#closeFiles();
    this.#index.close();
    if (this.#lock.isOpen) this.#lock.close();
  }

  /** Closes the spool and removes it completely. */
  remove(): void {
    this.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** The process that has a spool open is alive, working or delayed. */
export class SpoolInUse extends Error {
  override name = 'SpoolInUse';

  constructor() {
    super('another process has the spool open');
  }
}

function lockFolder(folder: string): FileLock {
  const lock = lockFile(join(folder, LOCK));
  if (lock === undefined) throw new SpoolInUse();
  return lock;
}

function randomLetters(): string {
  return randomBytes(12)
    .toString('hex')
    .replaceAll(/[0-9]/g, (digit) => String.fromCharCode('g'.charCodeAt(0) + Number(digit)));
}
