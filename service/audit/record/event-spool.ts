import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { inTransaction, isBusy, statementsOf } from '#store/files/sqlite.ts';

/** Events for which there was no room, or that could not be written. */
export type Lost = { count: number; from: string; until: string };

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY AUTOINCREMENT, json TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS lost (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL,
    "from" TEXT NOT NULL, until TEXT NOT NULL) STRICT;
`;
const EXTENSION = '.sqlite';

const eventRow = z.object({ id: z.number(), json: z.string() });
const lostRow = z.object({ count: z.number(), from: z.string(), until: z.string() });
const sizeRow = z.object({ count: z.number(), bytes: z.number() });

/** Opens a spool for this process; `undefined` if another process has it, or has taken it over. */
function openExclusively(path: string): DatabaseSync | undefined {
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    chmodSync(path, 0o600);
    db.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL;',
    );
    db.exec('BEGIN EXCLUSIVE');
    db.exec(SCHEMA);
    db.exec('COMMIT');
    // A process that takes a spool over removes it before it unlocks it. What is written to it then would be lost.
    if (existsSync(path)) return db;
    db.close();
    return undefined;
  } catch (error) {
    db.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
}

/**
 * Events on disk that the store could not take, until it can: one SQLite file for each process, with synchronous FULL,
 * in a folder where the next process finds what a dead one left. Bounded; what does not fit is counted, on disk as
 * well.
 *
 * Every method writes before it returns and throws if the disk does not take it. What is recorded elsewhere or
 * reported is not given out again all the same: only the process that takes this spool over would do it once more.
 */
export class EventSpool {
  readonly #folder: string;
  readonly #path: string;
  readonly #mostBytes: number;
  readonly #db: DatabaseSync;
  readonly #sql: (text: string) => StatementSync;
  #bytes = 0;
  #count = 0;
  /** Events up to this one are recorded elsewhere; of those, so many bytes are still on disk. */
  #recordedUpTo = 0;
  #recordedBytes = 0;
  /** This many of the lost events are reported, and not yet deducted on disk. */
  #settled = 0;

  private constructor(folder: string, path: string, mostBytes: number, db: DatabaseSync) {
    this.#folder = folder;
    this.#path = path;
    this.#mostBytes = mostBytes;
    this.#db = db;
    this.#sql = statementsOf(db);
  }

  static open(folder: string, mostBytes: number): EventSpool {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${randomUUID()}${EXTENSION}`);
    const db = openExclusively(path);
    if (db === undefined) throw new Error('a spool of a new name is in use');
    const spool = new EventSpool(folder, path, mostBytes, db);
    spool.adopt();
    return spool;
  }

  /** Events that wait. */
  get count(): number {
    return this.#count;
  }

  /** Stores events, in order, as long as there is room, and counts the others as lost. */
  keep(events: readonly { json: string; at: string }[]): { lost: number } {
    let [bytes, count, lost] = [this.#bytes, this.#count, 0];
    inTransaction(this.#db, () => {
      const insert = this.#db.prepare('INSERT INTO event (json) VALUES (?)');
      for (const { json, at } of events) {
        const size = Buffer.byteLength(json);
        if (bytes + size > this.#mostBytes) {
          this.#lose({ count: 1, from: at, until: at });
          lost++;
          continue;
        }
        insert.run(json);
        bytes += size;
        count++;
      }
    });
    [this.#bytes, this.#count] = [bytes, count];
    return { lost };
  }

  #lose({ count, from, until }: Lost): void {
    this.#db
      .prepare(
        'INSERT INTO lost (one, count, "from", until) VALUES (1, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET count = count + excluded.count, "from" = min("from", excluded."from"), until = max(until, excluded.until)',
      )
      .run(count, from, until);
  }

  lose(lost: Lost): void {
    inTransaction(this.#db, () => this.#lose(lost));
  }

  /** How many were lost since this was last settled; `undefined` if none. */
  lost(): Lost | undefined {
    const row = this.#sql('SELECT count, "from", until FROM lost').get();
    if (row === undefined) return undefined;
    const lost = lostRow.parse(row);
    const count = lost.count - this.#settled;
    return count > 0 ? { ...lost, count } : undefined;
  }

  /** This many of the lost events are reported. */
  settle(told: Lost): void {
    this.#settled += told.count;
    inTransaction(this.#db, () => {
      this.#db.prepare('UPDATE lost SET count = count - ?').run(this.#settled);
      this.#db.exec('DELETE FROM lost WHERE count <= 0');
    });
    this.#settled = 0;
  }

  /** The events that wait, the oldest first. */
  oldest(atMost: number): { id: number; json: string }[] {
    if (this.#count === 0) return [];
    return this.#db
      .prepare('SELECT id, json FROM event WHERE id > ? ORDER BY id LIMIT ?')
      .all(this.#recordedUpTo, atMost)
      .map((row) => eventRow.parse(row));
  }

  /** These, the oldest, are recorded elsewhere now. */
  remove(events: readonly { id: number; json: string }[]): void {
    if (events.length === 0 && this.#recordedBytes === 0) return;
    this.#recordedUpTo = events.at(-1)?.id ?? this.#recordedUpTo;
    this.#recordedBytes += events.reduce((sum, { json }) => sum + Buffer.byteLength(json), 0);
    this.#count -= events.length;
    inTransaction(this.#db, () => {
      this.#db.prepare('DELETE FROM event WHERE id <= ?').run(this.#recordedUpTo);
    });
    this.#bytes -= this.#recordedBytes;
    this.#recordedBytes = 0;
  }

  /**
   * Takes over the events of ended processes, and removes their files.
   *
   * @returns the files that cannot be read: they stay, for a person to look at, and delay no other
   */
  adopt(): { name: string; error: unknown }[] {
    const unread: { name: string; error: unknown }[] = [];
    for (const name of readdirSync(this.#folder)) {
      const path = join(this.#folder, name);
      if (!name.endsWith(EXTENSION) || path === this.#path) continue;
      try {
        this.#adoptOne(path);
      } catch (error) {
        unread.push({ name, error });
      }
    }
    return unread;
  }

  #adoptOne(path: string): void {
    const other = openExclusively(path);
    if (other === undefined) return;
    try {
      const events = other.prepare('SELECT id, json FROM event ORDER BY id').all();
      const lost = other.prepare('SELECT count, "from", until FROM lost').get();
      // Regardless of the limit: they are on disk already.
      inTransaction(this.#db, () => {
        const insert = this.#db.prepare('INSERT INTO event (json) VALUES (?)');
        for (const row of events) insert.run(eventRow.parse(row).json);
        if (lost !== undefined) this.#lose(lostRow.parse(lost));
      });
      this.#recount();
      rmSync(path, { force: true });
      rmSync(`${path}-journal`, { force: true });
    } finally {
      other.close();
    }
  }

  #recount(): void {
    const row = this.#db
      .prepare(
        'SELECT count(*) FILTER (WHERE id > ?) AS count, coalesce(sum(octet_length(json)), 0) AS bytes FROM event',
      )
      .get(this.#recordedUpTo);
    const { count, bytes } = sizeRow.parse(row);
    this.#bytes = bytes;
    this.#count = count;
  }

  /** Closes it; if it is empty its file is removed too. */
  close(): void {
    const empty = this.#count === 0 && this.lost() === undefined;
    this.#db.close();
    if (!empty) return;
    rmSync(this.#path, { force: true });
    rmSync(`${this.#path}-journal`, { force: true });
  }
}
