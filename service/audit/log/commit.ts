// One file, since its tables, the code that fills them and the code that reads them must agree.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import {
  inRecordedTransaction,
  inTransaction,
  isBusy,
  openDurable,
  statementsOf,
  untilFree,
} from '#store/files/sqlite.ts';
import type { Hash } from '../tlog/hash.ts';

/** How much of a log is sealed: this decides, whatever files there are. */
export type Commit = {
  /** The id of this log, which no other log has. */
  id: string;
  dataset: string;
  origin: string;
  size: number;
  root: Hash;
  /** The number of the last event sealed of every stream, in the order of the store's list of streams. */
  numbers: number[];
  /** Entries before this one are pruned. */
  minimumIndex: number;
  /** The number of every stream's last event before `minimumIndex`. */
  prunedNumbers: number[];
};

export type RetentionHold = { id: number; at: string; by: string; reason: string };

/** A hold whose event is perhaps not on disk yet, and how that event names the act and the person. */
export type UnrecordedHold = RetentionHold & { auditId: string; account?: string | undefined };

/** `changed`: it became the last one in force, or no longer is, since somebody decided. */
export type HoldEnding = 'ended' | 'changed' | 'not-in-force';

const DATABASE = 'sealing.sqlite';
const BUSY_TIMEOUT_MS = 5_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS log (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL,
    dataset TEXT NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL, root TEXT NOT NULL,
    numbers TEXT NOT NULL, minimumIndex INTEGER NOT NULL, prunedNumbers TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS hold (id INTEGER PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL,
    reason TEXT NOT NULL, ended TEXT) STRICT;
  CREATE TABLE IF NOT EXISTS unrecordedHold (hold INTEGER PRIMARY KEY, auditId TEXT NOT NULL,
    account TEXT, tries INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE IF NOT EXISTS accepted (stream INTEGER NOT NULL, sealed INTEGER NOT NULL,
    found INTEGER NOT NULL, PRIMARY KEY (stream, sealed, found)) STRICT;
  CREATE TABLE IF NOT EXISTS foreignEntry (stream INTEGER NOT NULL, number INTEGER NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (stream, number)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS contradiction (witness TEXT NOT NULL, name TEXT NOT NULL,
    size INTEGER NOT NULL, ours INTEGER NOT NULL, at TEXT NOT NULL, accepted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (witness, size)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
`;

const numbersText = z.string().transform((json) => z.array(z.number()).parse(JSON.parse(json)));
const commitRow = z.object({
  id: z.string(),
  dataset: z.string(),
  origin: z.string(),
  size: z.number(),
  root: z.string().transform((hex) => Buffer.from(hex, 'hex').toString('latin1')),
  numbers: numbersText,
  minimumIndex: z.number(),
  prunedNumbers: numbersText,
});
const holdRow = z.object({ id: z.number(), at: z.string(), by: z.string(), reason: z.string() });
const unrecordedHoldRow = holdRow.extend({
  auditId: z.string(),
  account: z
    .string()
    .nullable()
    .transform((account) => account ?? undefined),
});
const gapRow = z.object({ stream: z.number(), sealed: z.number(), found: z.number() });
const countRow = z.object({ n: z.number() });
const foreignRow = z.object({ stream: z.number(), last: z.number(), count: z.number() });
type ForeignEntries = z.infer<typeof foreignRow>;
const nameRow = z.object({ name: z.string() });
const toldRow = z.object({ json: z.string() });
const sealingState = z.object({
  problem: z.boolean(),
  detail: z.string(),
  /** ISO 8601: since when. */
  since: z.string(),
  /** ISO 8601: when the worker last said so. */
  at: z.string(),
  gaps: z.array(gapRow),
});
/** What the worker reports of its sealing. */
export type SealingState = z.infer<typeof sealingState>;

const verifiedPart = z.object({
  at: z.string(),
  from: z.number(),
  to: z.number(),
  problem: z.string().optional(),
});
type VerifiedPart = z.infer<typeof verifiedPart>;

const contradictionRow = z.object({
  name: z.string(),
  size: z.number(),
  ours: z.number(),
  at: z.string(),
});
/**
 * A witness's knowledge of this log contradicts what is here: it has `size` entries, more than the `ours`
 * signed here, or a different root.
 */
export type Contradiction = z.infer<typeof contradictionRow>;

const witnessingState = z.object({
  problem: z.boolean(),
  detail: z.string(),
  /** ISO 8601: when the worker last said so. */
  at: z.string(),
  /** The newest checkpoint that enough witnesses have cosigned, and when they had. */
  witnessed: z.object({ size: z.number(), at: z.string() }).optional(),
  witnesses: z.array(
    z.object({ name: z.string(), size: z.number().optional(), at: z.string().optional() }),
  ),
});
/** The state of witnessing, as the worker publishes it. */
export type WitnessingState = z.infer<typeof witnessingState>;

const hex = (hash: Hash): string => Buffer.from(hash, 'latin1').toString('hex');

/**
 * A hold that is unrecorded here and unknown to the attached file, which gave its number to another hold, gets a number
 * of its own. What is still to be recorded of all others is in that file.
 */
function keepOwnHolds(db: DatabaseSync): void {
  const numbers = db
    .prepare(
      `SELECT ours.id AS n FROM main.unrecordedHold JOIN main.hold AS ours ON ours.id = hold
         JOIN other.hold AS theirs ON theirs.id = ours.id
         WHERE (ours.at, ours.by, ours.reason) <> (theirs.at, theirs.by, theirs.reason)`,
    )
    .all()
    .map((row) => countRow.parse(row).n);
  for (const id of numbers) {
    const row = db
      .prepare(
        'SELECT max(id) + 1 AS n FROM (SELECT id FROM main.hold UNION SELECT id FROM other.hold)',
      )
      .get();
    const { n } = countRow.parse(row);
    db.prepare('UPDATE main.hold SET id = ? WHERE id = ?').run(n, id);
    db.prepare('UPDATE main.unrecordedHold SET hold = ? WHERE hold = ?').run(n, id);
  }
  db.exec('DELETE FROM main.unrecordedHold WHERE hold IN (SELECT id FROM other.hold)');
}

/**
 * The commit point of a log, and what belongs to it: one SQLite file in the log's folder with synchronous
 * FULL, which several processes may have open. What a method wrote is on disk when it returns.
 */
export class CommitFile {
  readonly #db: DatabaseSync;
  readonly #sql: (text: string) => StatementSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#sql = statementsOf(db);
  }

  /** Opens, or creates, the file in an existing folder. */
  static open(folder: string, options: { timeoutMs?: number } = {}): CommitFile {
    return new CommitFile(openDurable(CommitFile.pathIn(folder), SCHEMA, options));
  }

  static pathIn(folder: string): string {
    return join(folder, DATABASE);
  }

  /** Whether a folder is one that a worker writes, rather than a copy of a log's public files. */
  static isThere(folder: string): boolean {
    return existsSync(CommitFile.pathIn(folder));
  }

  static openIfThere(folder: string): CommitFile | undefined {
    return CommitFile.isThere(folder) ? CommitFile.open(folder) : undefined;
  }

  /** What is committed; quicker than opening the file for every use, and without leaving a trace. */
  static readIfThere(folder: string): Commit | undefined {
    return CommitFile.lookIfThere(folder, (commits) => commits.read());
  }

  /** The same as {@link CommitFile.size}, for a folder that may not have a log. */
  static sizeIfThere(folder: string): ReturnType<CommitFile['size']> {
    return CommitFile.lookIfThere(folder, (commits) => commits.size());
  }

  /** Opens an existing file for reading only; fails if its journal must be replayed first. */
  static openToRead(folder: string, { timeoutMs = BUSY_TIMEOUT_MS } = {}): CommitFile {
    return new CommitFile(
      new DatabaseSync(CommitFile.pathIn(folder), { readOnly: true, timeout: timeoutMs }),
    );
  }

  /** Reads the file of a folder that may not have a log. */
  static lookIfThere<T>(
    folder: string,
    look: (commits: CommitFile) => T,
    options: { timeoutMs?: number } = {},
  ): T | undefined {
    if (!CommitFile.isThere(folder)) return undefined;
    let opened: CommitFile | undefined;
    try {
      opened = CommitFile.openToRead(folder, options);
      return look(opened);
    } catch (error) {
      if (isBusy(error)) throw error;
      // After a crash the journal must be replayed first, which needs the right to write; so does a missing
      // table of an older version.
      const commits = CommitFile.open(folder, options);
      try {
        return look(commits);
      } finally {
        commits.close();
      }
    } finally {
      opened?.close();
    }
  }

  /** Adds what belongs to the log besides its size, from another such file of the same log. */
  static addFrom(folder: string, path: string): void {
    const commits = CommitFile.open(folder);
    const db = commits.#db;
    try {
      db.prepare('ATTACH ? AS other').run(path);
      const tables = db
        .prepare(
          "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name <> 'log' AND name IN (SELECT name FROM other.sqlite_schema)",
        )
        .all()
        .map((row) => nameRow.parse(row).name);
      inTransaction(db, () => {
        if (tables.includes('hold')) keepOwnHolds(db);
        for (const name of tables) {
          db.exec(`INSERT OR REPLACE INTO main.${name} SELECT * FROM other.${name}`);
        }
      });
      db.exec('DETACH other');
    } finally {
      commits.close();
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  read(): Commit | undefined {
    const row = this.#sql('SELECT * FROM log').get();
    return row === undefined ? undefined : commitRow.parse(row);
  }

  /** Which log it is, and how many events it has. */
  size(): { log: string; size: number } | undefined {
    const commit = this.read();
    return commit && { log: commit.id, size: commit.size };
  }

  write(commit: Commit): void {
    const { id, dataset, origin, size, root, numbers, minimumIndex, prunedNumbers } = commit;
    this.#sql(
      'INSERT OR REPLACE INTO log (one, id, dataset, origin, size, root, numbers, minimumIndex, prunedNumbers) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)',
    ).run(
      id,
      dataset,
      origin,
      size,
      hex(root),
      JSON.stringify(numbers),
      minimumIndex,
      JSON.stringify(prunedNumbers),
    );
  }

  /** Holds in force, oldest first. */
  retentionHolds(): RetentionHold[] {
    return this.#sql('SELECT id, at, by, reason FROM hold WHERE ended IS NULL ORDER BY id')
      .all()
      .map((row) => holdRow.parse(row));
  }

  /** Begins a hold. It is in force from now on, so that nothing is removed if the process ends before it is recorded. */
  addRetentionHold({
    by,
    reason,
    auditId,
    account,
  }: Omit<UnrecordedHold, 'id' | 'at'>): RetentionHold {
    return inTransaction(this.#db, () => {
      const row = this.#sql(
        'INSERT INTO hold (at, by, reason) VALUES (?, ?, ?) RETURNING id, at, by, reason',
      ).get(new Date().toISOString(), by, reason);
      const hold = holdRow.parse(row);
      this.#sql('INSERT INTO unrecordedHold (hold, auditId, account) VALUES (?, ?, ?)').run(
        hold.id,
        auditId,
        account ?? null,
      );
      return hold;
    });
  }

  /** Holds in force that are not known to be recorded. */
  unrecordedHolds(): UnrecordedHold[] {
    return this.#sql(
      'SELECT id, at, by, reason, auditId, account FROM unrecordedHold JOIN hold ON id = hold WHERE ended IS NULL ORDER BY id',
    )
      .all()
      .map((row) => unrecordedHoldRow.parse(row));
  }

  /**
   * Records a hold, unless somebody else has done so since. If that is cut short, it is recorded again as the same act.
   *
   * @param record may take a second or two: nothing can be sealed meanwhile
   */
  async recordHold(id: number, record: () => Promise<void>): Promise<void> {
    // On disk first: nobody takes back a hold that somebody else may have recorded.
    await untilFree(() =>
      this.#sql('UPDATE unrecordedHold SET tries = tries + 1 WHERE hold = ?').run(id),
    );
    await inRecordedTransaction(this.#db, async () => {
      const { changes } = this.#sql('DELETE FROM unrecordedHold WHERE hold = ?').run(id);
      if (changes === 1) await record();
    });
  }

  /**
   * Takes back a hold that is known not to be recorded. Its number is not used again.
   *
   * @param tries how often the caller has tried to record it: if anybody else has, it may be recorded
   */
  takeBackHold(id: number, tries: number): 'taken back' | 'recorded' | 'perhaps recorded' {
    return inTransaction(this.#db, () => {
      const row = this.#sql('SELECT tries AS n FROM unrecordedHold WHERE hold = ?').get(id);
      if (row === undefined) return 'recorded';
      if (countRow.parse(row).n > tries) return 'perhaps recorded';
      this.#sql('DELETE FROM unrecordedHold WHERE hold = ?').run(id);
      this.#sql('UPDATE hold SET ended = ? WHERE id = ?').run(new Date().toISOString(), id);
      return 'taken back';
    });
  }

  /**
   * Ends a hold and records it, or does neither: nothing becomes removable without a record. If that is cut short once
   * it is recorded, the hold is still in force, and is recorded as ended again when somebody ends it again.
   *
   * @param record as for {@link CommitFile.recordHold}
   * @param isLast whether somebody decided on it as on the last one in force; not compared if absent
   */
  async endRetentionHold(
    id: number,
    record: () => Promise<void>,
    isLast?: boolean,
  ): Promise<HoldEnding> {
    return inRecordedTransaction(this.#db, async () => {
      const inForce = this.retentionHolds();
      if (inForce.every((hold) => hold.id !== id)) return 'not-in-force';
      if (isLast !== undefined && isLast !== (inForce.length === 1)) return 'changed';
      this.#db.prepare('UPDATE hold SET ended = ? WHERE id = ?').run(new Date().toISOString(), id);
      await record();
      return 'ended';
    });
  }

  /** Gaps that somebody has answered for, past which sealing continues. */
  acceptedGaps(): SealingState['gaps'] {
    return this.#sql('SELECT stream, sealed, found FROM accepted')
      .all()
      .map((row) => gapRow.parse(row));
  }

  readPastGaps(): Commit | undefined {
    const commit = this.read();
    return commit && { ...commit, numbers: this.pastGaps(commit.numbers) };
  }

  /** These numbers of the streams' last events, past the gaps after them that somebody has answered for. */
  pastGaps(sealed: readonly number[]): number[] {
    const numbers = [...sealed];
    for (const gap of this.acceptedGaps()) {
      if (numbers[gap.stream] === gap.sealed && gap.found > gap.sealed) {
        numbers[gap.stream] = gap.found - 1;
      }
    }
    return numbers;
  }

  acceptGap({ stream, sealed, found }: SealingState['gaps'][number]): void {
    this.#sql('INSERT OR IGNORE INTO accepted (stream, sealed, found) VALUES (?, ?, ?)').run(
      stream,
      sealed,
      found,
    );
  }

  /** Entries of the streams that were not events: somebody else writes to Redis. */
  noteForeign(entries: readonly { stream: number; number: number }[]): void {
    if (entries.length === 0) return;
    const insert = this.#sql('INSERT OR IGNORE INTO foreignEntry (stream, number) VALUES (?, ?)');
    inTransaction(this.#db, () => {
      for (const { stream, number } of entries) insert.run(stream, number);
    });
  }

  /** How many of them nobody has answered for yet. */
  foreign(): number {
    const row = this.#sql('SELECT count(*) AS n FROM foreignEntry WHERE answered = 0').get();
    return countRow.parse(row).n;
  }

  /** The same, a stream each, with the number of the last one. */
  foreignByStream(): ForeignEntries[] {
    const rows = this.#db
      .prepare(
        'SELECT stream, max(number) AS last, count(*) AS count FROM foreignEntry WHERE answered = 0 GROUP BY stream',
      )
      .all();
    return z.array(foreignRow).parse(rows);
  }

  /** A named person answers for these, but not for any recorded since they were read. */
  answerForForeign(known: readonly ForeignEntries[]): void {
    const answer = this.#db.prepare(
      'UPDATE foreignEntry SET answered = 1 WHERE stream = ? AND number <= ?',
    );
    inTransaction(this.#db, () => {
      for (const { stream, last } of known) answer.run(stream, last);
    });
  }

  /** @returns false if a named person has answered for it */
  noteContradiction(witness: string, contradiction: Contradiction): boolean {
    const { name, size, ours, at } = contradiction;
    // What it named before is no longer what it knows.
    this.#sql('DELETE FROM contradiction WHERE witness = ? AND size <> ? AND accepted = 0').run(
      witness,
      size,
    );
    this.#sql(
      'INSERT OR IGNORE INTO contradiction (witness, name, size, ours, at) VALUES (?, ?, ?, ?, ?)',
    ).run(witness, name, size, ours, at);
    const standing = this.#sql(
      'SELECT count(*) AS n FROM contradiction WHERE witness = ? AND size = ? AND accepted = 0',
    ).get(witness, size);
    return countRow.parse(standing).n === 1;
  }

  /** The contradictions that nobody has answered for yet: this is an old copy of the log, or a fork of it. */
  contradictions(): Contradiction[] {
    return this.#sql(
      'SELECT name, size, ours, at FROM contradiction WHERE accepted = 0 ORDER BY size DESC, name',
    )
      .all()
      .map((row) => contradictionRow.parse(row));
  }

  /** The witness now knows that the log continues what it knew, up to this size. */
  withdrawContradictions(witness: string, size: number): void {
    this.#sql('DELETE FROM contradiction WHERE witness = ? AND size <= ? AND accepted = 0').run(
      witness,
      size,
    );
  }

  /** A named person answers for these, but not for any recorded since they were read. */
  answerForContradictions(known: readonly Contradiction[]): void {
    const answer = this.#db.prepare(
      'UPDATE contradiction SET accepted = 1 WHERE name = ? AND size = ? AND ours = ?',
    );
    inTransaction(this.#db, () => {
      for (const { name, size, ours } of known) answer.run(name, size, ours);
    });
  }

  #told(name: string): unknown {
    const row = this.#sql('SELECT json FROM told WHERE name = ?').get(name);
    return row === undefined ? undefined : JSON.parse(toldRow.parse(row).json);
  }

  #tell(name: string, value: unknown): void {
    this.#sql('INSERT OR REPLACE INTO told (name, json) VALUES (?, ?)').run(
      name,
      JSON.stringify(value),
    );
  }

  sealing(): SealingState | undefined {
    return sealingState.optional().parse(this.#told('sealing'));
  }

  tellSealing(state: SealingState): void {
    this.#tell('sealing', state);
  }

  witnessing(): WitnessingState | undefined {
    return witnessingState.optional().parse(this.#told('witnessing'));
  }

  tellWitnessing(state: WitnessingState): void {
    this.#tell('witnessing', state);
  }

  /** The part of the log that the worker last verified. */
  verified(): VerifiedPart | undefined {
    return verifiedPart.optional().parse(this.#told('verified'));
  }

  tellVerified(part: VerifiedPart): void {
    this.#tell('verified', part);
  }
}
