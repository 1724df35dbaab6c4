// One file, since its tables, the code that fills them and the code that reads them must agree.

import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setImmediate } from 'node:timers';
import { z } from 'zod';
import { DATASET, STORE } from '#schemas/wording/store.ts';
import { DATASET_KINDS, type Dataset } from '../authorities/dataset.ts';
import { doEach, inTransaction, openDurable, statementsOf } from '../files/sqlite.ts';

/** A load that has started to change the store and is not yet known to have ended. */
export type BegunLoad = {
  authority: string;
  sequence: number;
  sha256: string;
  /** The folder of its spool and decisions, from which it can be resumed. */
  journal: string;
  /** What the authority will hold when the load is done. */
  rows: number;
  digest: string;
};

/** Part or all of a file that waits for somebody's decision. */
export type AnchoredHeldFile = {
  id: string;
  authority: string;
  /** The file's number, with the authority's offset. */
  sequence: number;
  /** Where its rows are. */
  folder: string;
  /** Milliseconds since 1970. */
  at: number;
  /** What else its loader wants to know about it. */
  json: string;
};

/** The held file that is added, and the id of the one that is removed. */
type HeldFileChanges = { holds?: AnchoredHeldFile | undefined; drops?: string | undefined };

/** What ends or begins with a load; `missing`: exactly these files are still missing. */
type LoadChanges = HeldFileChanges & { missing?: readonly MissingFile[] | undefined };

/** What an authority was doing about one of its children, by the act's id. */
const actInDoubtSchema = z.object({ authority: z.string(), act: z.string() });
const actsInDoubtSchema = z.array(actInDoubtSchema);
type ActInDoubt = z.infer<typeof actInDoubtSchema>;

const missingFileSchema = z.object({
  sequence: z.number(),
  number: z.number(),
  /**
   * Only a full refresh replaces it: a new numbering has begun since, so it cannot come again; or, once it was loaded,
   * the store held something other than what was loaded.
   */
  fullOnly: z.enum(['new-numbering', 'difference']).optional(),
  /** After a difference: the number of a full refresh with refused records, which may be what the store had lost. */
  refusedIn: z.number().optional(),
});
/**
 * A file that was applied in part and cannot be continued, or after which the store differed. `sequence` has the
 * authority's offset, `number` has not.
 */
export type MissingFile = z.infer<typeof missingFileSchema>;

const missingFilesSchema = z.record(
  z.string(),
  // Earlier versions kept one.
  z.array(missingFileSchema).or(missingFileSchema.transform((one) => [one])),
);

export type AnchoredAuthority = { sequence: number; rows: number; digest: string };

/** Another loader has changed the authority since. */
class Overtaken extends Error {
  override name = 'Overtaken';

  constructor() {
    super(STORE.overtaken);
  }
}

const datasetRow = z.object({
  id: z.string(),
  kind: z.enum(DATASET_KINDS),
  createdAt: z.string(),
  created: z.number(),
});
const authorityRow = z.object({ sequence: z.number(), rows: z.number(), digest: z.string() });
const codeRow = z.object({ code: z.string() });
const codedAuthorityRow = authorityRow.extend(codeRow.shape);
const numbersSchema = z.array(z.number());
const loadRow = z.object({
  authority: z.string(),
  sequence: z.number(),
  sha256: z.string(),
  journal: z.string(),
  rows: z.number(),
  digest: z.string(),
});
const holdRow = z.object({
  id: z.string(),
  authority: z.string(),
  sequence: z.number(),
  folder: z.string(),
  at: z.number(),
  json: z.string(),
});
const acknowledgedSchema = z.object({ id: z.string(), offset: z.number(), heartbeat: z.number() });
/** How much replicas had acknowledged: the primary's replication id and offset, and the worker's last sign of life. */
type Acknowledged = z.infer<typeof acknowledgedSchema>;
const jsonRow = z.object({ json: z.string() });
const marksSchema = z.array(z.object({ mark: z.string(), at: z.number() }));
/** A server's mark, and when it was given, in milliseconds of the store's clock. */
type ServerMark = z.infer<typeof marksSchema>[number];

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS dataset (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL,
    kind TEXT NOT NULL, createdAt TEXT NOT NULL, created INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS authority (authority TEXT PRIMARY KEY, sequence INTEGER NOT NULL,
    rows INTEGER NOT NULL, digest TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS load (authority TEXT PRIMARY KEY, sequence INTEGER NOT NULL,
    sha256 TEXT NOT NULL, journal TEXT NOT NULL, rows INTEGER NOT NULL, digest TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS hold (id TEXT PRIMARY KEY, authority TEXT NOT NULL,
    sequence INTEGER NOT NULL, folder TEXT NOT NULL, at INTEGER NOT NULL, json TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS seen (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
`;

/**
 * What the store should hold, kept outside Redis: which dataset, how many rows and what digest for each
 * authority, which loads are under way, and how far the audit had got. After a restart or a restore of Redis
 * the store opens only if it agrees.
 *
 * One SQLite file with synchronous FULL: what a method wrote is on disk when it returns or resolves, and
 * several processes may hold the file open.
 */
export class Anchor {
  readonly #db: DatabaseSync;
  readonly #sql: (text: string) => StatementSync;
  #safeguard: (() => Promise<void>) | undefined;
  /** What was asked for in this turn of the event loop and is committed together. */
  #together: { work: () => void; settle: (failure: { error: unknown } | undefined) => void }[] = [];

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#sql = statementsOf(db);
  }

  /** Opens, or creates, the anchor in its own folder. */
  static open(folder: string): Anchor {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return new Anchor(openDurable(join(folder, 'anchor.sqlite'), SCHEMA));
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /** From now on {@link safeguard} does this. */
  guardWith(safeguard: () => Promise<void>): void {
    this.#safeguard = safeguard;
  }

  /**
   * Resolves once what is anchored, and its spools, would survive the loss of this disk; at once if there is
   * no second copy.
   */
  async safeguard(): Promise<void> {
    await this.#safeguard?.();
  }

  /**
   * Does some work, all of it or none, in one transaction with everything else asked for in the same turn of
   * the event loop, since nearly all of a transaction's time is waiting for the disk. Resolves when it is on
   * disk.
   */
  async #inTurn(work: () => void): Promise<void> {
    if (this.#together.length === 0) setImmediate(() => this.#commitTurn());
    const failure = await new Promise<{ error: unknown } | undefined>((settle) =>
      this.#together.push({ work, settle }),
    );
    if (failure !== undefined) throw failure.error;
  }

  #commitTurn(): void {
    const asked = this.#together;
    this.#together = [];
    const failures = doEach(
      this.#db,
      asked.map(({ work }) => work),
    );
    for (const [at, { settle }] of asked.entries()) settle(failures[at]);
  }

  #dataset(): (Dataset & { created: boolean }) | undefined {
    const row = this.#sql('SELECT id, kind, createdAt, created FROM dataset').get();
    if (row === undefined) return undefined;
    const { created, ...dataset } = datasetRow.parse(row);
    return { ...dataset, created: created === 1 };
  }

  /** The dataset the store should hold; `undefined` before one was created in full. */
  dataset(): Dataset | undefined {
    const held = this.#dataset();
    if (held === undefined || !held.created) return undefined;
    return { id: held.id, kind: held.kind, createdAt: held.createdAt };
  }

  /** The id of a dataset whose creation has begun and is not known to have ended. */
  creating(): string | undefined {
    const held = this.#dataset();
    return held?.created === false ? held.id : undefined;
  }

  /** The dataset to create: the one proposed, but with the id of one whose creation was interrupted. */
  beginDataset({ id, kind, createdAt }: Dataset): Dataset {
    this.#sql(
      `INSERT INTO dataset (one, id, kind, createdAt, created) VALUES (1, ?, ?, ?, 0)
        ON CONFLICT (one) DO UPDATE SET kind = excluded.kind, createdAt = excluded.createdAt WHERE created = 0`,
    ).run(id, kind, createdAt);
    const begun = this.#dataset();
    if (begun === undefined || begun.created) throw new Error(DATASET.exists);
    return { id: begun.id, kind, createdAt };
  }

  commitDataset(): void {
    this.#db.exec('UPDATE dataset SET created = 1');
  }

  authority(code: string): AnchoredAuthority | undefined {
    const row = this.#sql('SELECT sequence, rows, digest FROM authority WHERE authority = ?').get(
      code,
    );
    return row === undefined ? undefined : authorityRow.parse(row);
  }

  authorityCodes(): string[] {
    return this.#sql('SELECT authority AS code FROM authority')
      .all()
      .map((row) => codeRow.parse(row).code);
  }

  authorities(): Map<string, AnchoredAuthority> {
    return new Map(
      this.#sql('SELECT authority AS code, sequence, rows, digest FROM authority')
        .all()
        .map((row) => {
          const { code, ...rest } = codedAuthorityRow.parse(row);
          return [code, rest];
        }),
    );
  }

  /**
   * Before the first row of a file is applied. On disk when it resolves.
   *
   * @param base the authority's state that the load was decided on
   * @param drops the held file that will be gone once it ends
   * @throws {Overtaken} if that is no longer its state, another load of it is under way, or that held file is gone
   */
  beginLoad(load: BegunLoad, base: AnchoredAuthority | undefined, drops?: string): Promise<void> {
    return this.#inTurn(() => {
      this.#requireUnchanged(load.authority, base, drops);
      this.#sql(
        'INSERT OR REPLACE INTO load (authority, sequence, sha256, journal, rows, digest) VALUES (?, ?, ?, ?, ?, ?)',
      ).run(load.authority, load.sequence, load.sha256, load.journal, load.rows, load.digest);
    });
  }

  /** A process that is held up longer than its lease lasts may not know what others have done since. */
  #requireUnchanged(
    authority: string,
    base: AnchoredAuthority | undefined,
    drops: string | undefined,
  ): void {
    const now = this.authority(authority);
    const isSame =
      now?.sequence === base?.sequence && now?.rows === base?.rows && now?.digest === base?.digest;
    const hasDropped = drops !== undefined && this.heldFiles().every(({ id }) => id !== drops);
    if (!isSame || hasDropped || this.loadInProgress(authority) !== undefined) {
      throw new Overtaken();
    }
  }

  /** As {@link Anchor.#requireUnchanged}, for one that has begun a load. */
  #requireUnderWay({ authority, sequence, journal }: BegunLoad): void {
    const now = this.loadInProgress(authority);
    if (now?.sequence !== sequence || now.journal !== journal) throw new Overtaken();
  }

  loadsInProgress(): BegunLoad[] {
    return this.#sql('SELECT authority, sequence, sha256, journal, rows, digest FROM load')
      .all()
      .map((row) => loadRow.parse(row));
  }

  loadInProgress(authority: string): BegunLoad | undefined {
    return this.loadsInProgress().find((load) => load.authority === authority);
  }

  /**
   * After reconciliation, before the acknowledgement: the authority's new state, no load under way, what is
   * held from the file, which held file is gone, and what is still missing. On disk when it resolves.
   *
   * @throws {Overtaken} if this load is no longer under way
   */
  commitLoad(
    load: BegunLoad,
    state: AnchoredAuthority,
    { missing, ...changes }: LoadChanges = {},
  ): Promise<void> {
    return this.#inTurn(() => {
      this.#requireUnderWay(load);
      this.#endLoad(load.authority, state);
      if (missing !== undefined) this.#keepMissingFiles(load.authority, missing);
      this.#changeHeldFiles(changes);
    });
  }

  #endLoad(authority: string, { sequence, rows, digest }: AnchoredAuthority): void {
    this.#sql(
      'INSERT OR REPLACE INTO authority (authority, sequence, rows, digest) VALUES (?, ?, ?, ?)',
    ).run(authority, sequence, rows, digest);
    this.#sql('DELETE FROM load WHERE authority = ?').run(authority);
  }

  /**
   * Abandons a load that can never be continued: what the store holds by now counts.
   *
   * @param state what the store holds, read under the authority's lock from a store that is open; `undefined`
   * if the store does not know the authority, and so holds nothing of it
   * @param changes.missing exactly these files are still missing
   * @param changes.drops the ids of held files that are removed
   * @throws {Overtaken} if this load is no longer under way
   */
  giveUpLoad(
    load: BegunLoad,
    state: AnchoredAuthority | undefined,
    { missing, drops }: { missing: readonly MissingFile[]; drops: readonly string[] },
  ): void {
    const { authority } = load;
    inTransaction(this.#db, () => {
      this.#requireUnderWay(load);
      if (state !== undefined) this.#endLoad(authority, state);
      else this.#sql('DELETE FROM load WHERE authority = ?').run(authority);
      for (const id of drops) this.#changeHeldFiles({ drops: id });
      this.#keepMissingFiles(authority, missing);
    });
  }

  #allMissingFiles(): Record<string, MissingFile[]> {
    return missingFilesSchema.parse(this.#kept('missing') ?? {});
  }

  /** One authority's abandoned files that have not come again. */
  missingFiles(authority: string): MissingFile[] {
    return this.#allMissingFiles()[authority] ?? [];
  }

  /** The authorities with abandoned files that have not come again. */
  lackingFiles(): string[] {
    return Object.keys(this.#allMissingFiles());
  }

  /** Acts that were given up because the store had lost them, though they may be on record: they still hide looks. */
  actsInDoubt(): ActInDoubt[] {
    return actsInDoubtSchema.parse(this.#kept('actsInDoubt') ?? []);
  }

  /** @throws {Overtaken} if it is no longer under way as this load */
  doubtAct(act: string, load: BegunLoad): void {
    const doubted = { authority: load.authority, act };
    inTransaction(this.#db, () => {
      this.#requireUnderWay(load);
      this.#keep('actsInDoubt', [...this.#otherActs(doubted), doubted]);
    });
  }

  /** A named person has answered for it. */
  settleAct(doubted: ActInDoubt): void {
    inTransaction(this.#db, () => this.#keep('actsInDoubt', this.#otherActs(doubted)));
  }

  #otherActs({ authority, act }: ActInDoubt): ActInDoubt[] {
    return this.actsInDoubt().filter((each) => each.authority !== authority || each.act !== act);
  }

  /**
   * Changes which files of an authority are missing.
   *
   * @param base the authority's state that this was decided on
   * @throws {Overtaken} if that is no longer its state, or a load of it is under way
   */
  changeMissingFiles(
    authority: string,
    base: AnchoredAuthority | undefined,
    change: (missing: MissingFile[]) => readonly MissingFile[],
  ): void {
    inTransaction(this.#db, () => {
      this.#requireUnchanged(authority, base, undefined);
      this.#keepMissingFiles(authority, change(this.missingFiles(authority)));
    });
  }

  #keepMissingFiles(authority: string, missing: readonly MissingFile[]): void {
    const { [authority]: before = [], ...others } = this.#allMissingFiles();
    if (missing.length === 0 && before.length === 0) return;
    this.#keep('missing', missing.length === 0 ? others : { ...others, [authority]: missing });
  }

  /**
   * A held file of an authority is added or removed, and no load begins or ends with it.
   *
   * @param base the authority's state that this was decided on
   * @param state its new state, if that changes
   * @throws {Overtaken} if that is no longer its state, a load of it is under way, or the held file is gone already
   */
  changeHeldFiles(
    authority: string,
    base: AnchoredAuthority | undefined,
    changes: HeldFileChanges,
    state?: AnchoredAuthority,
  ): void {
    inTransaction(this.#db, () => {
      this.#requireUnchanged(authority, base, changes.drops);
      if (state !== undefined) this.#endLoad(authority, state);
      this.#changeHeldFiles(changes);
    });
  }

  #changeHeldFiles({ drops, holds }: HeldFileChanges): void {
    if (drops !== undefined) this.#sql('DELETE FROM hold WHERE id = ?').run(drops);
    if (holds === undefined) return;
    this.#sql(
      'INSERT OR REPLACE INTO hold (id, authority, sequence, folder, at, json) VALUES (?, ?, ?, ?, ?, ?)',
    ).run(holds.id, holds.authority, holds.sequence, holds.folder, holds.at, holds.json);
  }

  /** What is held, the oldest first. */
  heldFiles(): AnchoredHeldFile[] {
    return this.#sql('SELECT id, authority, sequence, folder, at, json FROM hold ORDER BY at, id')
      .all()
      .map((row) => holdRow.parse(row));
  }

  /** Folders of spools that are still needed, for loads under way and held files. */
  spoolsNeeded(): string[] {
    return [
      ...this.loadsInProgress().map(({ journal }) => journal),
      ...this.heldFiles().map(({ folder }) => folder),
    ];
  }

  /** Moves the spools to another folder; says where each of them is. */
  moveSpools(to: string): string[] {
    const move = (folder: string): string => join(to, basename(folder));
    const loads = this.loadsInProgress().filter(({ journal }) => isAbsolute(journal));
    inTransaction(this.#db, () => {
      for (const { authority, journal } of loads) {
        this.#sql('UPDATE load SET journal = ? WHERE authority = ?').run(move(journal), authority);
      }
      for (const { id, folder } of this.heldFiles()) {
        this.#sql('UPDATE hold SET folder = ? WHERE id = ?').run(move(folder), id);
      }
    });
    return this.spoolsNeeded().filter(isAbsolute);
  }

  #seen(name: string): number[] {
    const row = this.#sql('SELECT json FROM seen WHERE name = ?').get(name);
    return row === undefined ? [] : numbersSchema.parse(JSON.parse(jsonRow.parse(row).json));
  }

  /** Keeps the higher of each: a value that one process read before another wrote takes nothing back. */
  #remember(name: string, numbers: readonly number[]): void {
    inTransaction(this.#db, () => {
      const before = this.#seen(name);
      const highest = Array.from({ length: Math.max(before.length, numbers.length) }, (_, i) =>
        Math.max(before[i] ?? 0, numbers[i] ?? 0),
      );
      this.#sql('INSERT OR REPLACE INTO seen (name, json) VALUES (?, ?)').run(
        name,
        JSON.stringify(highest),
      );
    });
  }

  /** The last event number seen of each audit stream, in the order of the store's list of streams. */
  auditNumbers(): number[] {
    return this.#seen('audit');
  }

  rememberAuditNumbers(numbers: readonly number[]): void {
    this.#remember('audit', numbers);
  }

  /** The newest remembered time of the store's clock, milliseconds; 0 at first. */
  newestClock(): number {
    return this.#seen('clock')[0] ?? 0;
  }

  rememberClock(clock: number): void {
    this.#remember('clock', [clock]);
  }

  /** Counts from this time on, even if a newer one was remembered. */
  putClockBack(clock: number): void {
    this.#keep('clock', [clock]);
  }

  /** The highest generation seen of each partition. */
  generations(): number[] {
    return this.#seen('generations');
  }

  rememberGenerations(numbers: readonly number[]): void {
    this.#remember('generations', numbers);
  }

  #keep(name: string, value: unknown): void {
    this.#sql('INSERT OR REPLACE INTO seen (name, json) VALUES (?, ?)').run(
      name,
      JSON.stringify(value),
    );
  }

  #kept(name: string): unknown {
    const row = this.#sql('SELECT json FROM seen WHERE name = ?').get(name);
    return row === undefined ? undefined : JSON.parse(jsonRow.parse(row).json);
  }

  /** What every replica that may be promoted is known to have; `undefined` before that was ever the case. */
  acknowledged(): Acknowledged | undefined {
    const kept = this.#kept('acknowledged');
    return kept === undefined ? undefined : acknowledgedSchema.parse(kept);
  }

  rememberAcknowledged(acknowledged: Acknowledged): void {
    this.#keep('acknowledged', acknowledged);
  }

  /** Whether answers may have been given that no replica has, since replicas last acknowledged everything. */
  single(): boolean {
    return this.#kept('single') === true;
  }

  /** Before the first such answer, for each order that nothing waits for replicas. */
  rememberSingle(): void {
    inTransaction(this.#db, () => {
      this.#keep('single', true);
      this.#keep('singleOrder', randomUUID());
    });
  }

  /** Changes with each order that nothing waits for replicas. */
  singleOrder(): unknown {
    return this.#kept('singleOrder');
  }

  /**
   * Replicas have acknowledged everything again.
   *
   * @param order {@link singleOrder} before that was asked: one that was given since counts
   */
  endSingle(order: unknown): void {
    inTransaction(this.#db, () => {
      if (this.singleOrder() === order) this.#keep('single', false);
    });
  }

  /** The marks that the server of this store may have, the newest last; see `store/trust/server.lua`. */
  serverMarks(): ServerMark[] {
    const row = this.#sql("SELECT json FROM seen WHERE name = 'server'").get();
    return row === undefined ? [] : marksSchema.parse(JSON.parse(jsonRow.parse(row).json));
  }

  /** Before the server is given the mark, so that the mark is known however that ends. */
  addServerMark(mark: ServerMark): void {
    inTransaction(this.#db, () => this.#keepMarks([...this.serverMarks(), mark]));
  }

  /** The server was given the mark and had none before. Another worker may have given it a later one. */
  settleServerMark(mark: ServerMark): void {
    inTransaction(this.#db, () => {
      const marks = this.serverMarks();
      const place = marks.findIndex((each) => each.mark === mark.mark);
      this.#keepMarks(place < 0 ? [...marks, mark] : marks.slice(place));
    });
  }

  #keepMarks(marks: readonly ServerMark[]): void {
    this.#sql("INSERT OR REPLACE INTO seen (name, json) VALUES ('server', ?)").run(
      JSON.stringify(marks),
    );
  }

  /** The next server found is the one of this store. */
  forgetServer(): void {
    this.#db.exec("DELETE FROM seen WHERE name = 'server'");
  }

  /** When the store was last known to be whole, milliseconds, to the minute; 0 for never. */
  lastAlive(): number {
    return Math.max(this.newestClock(), this.serverMarks().at(-1)?.at ?? 0);
  }

  /** When the store was last purged, milliseconds since 1970; 0 for never. */
  lastPurgedAt(): number {
    return this.#seen('purged')[0] ?? 0;
  }

  rememberPurgedAt(at: number): void {
    this.#keep('purged', [at]);
  }
}
