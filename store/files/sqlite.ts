import { chmodSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

/** How long a call waits for another process that is writing to the same file. */
const BUSY_TIMEOUT_MS = 5_000;
const TRIED_EVERY_MS = 50;
const TRIED_FOR_MS = 5_000;
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOT_A_DATABASE = 26;

/** Whether an SQLite call failed because another process holds the file. */
export const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;

/** Whether an SQLite call failed because the file is damaged, or is not an SQLite file. */
export function isDamaged(error: unknown): boolean {
  const { errcode } = error as { errcode?: unknown };
  const code = typeof errcode === 'number' ? errcode & 0xff : undefined;
  return code === SQLITE_CORRUPT || code === SQLITE_NOT_A_DATABASE;
}

/**
 * Opens, or creates, a file (0600) in an existing folder. What a call wrote is on disk when it returns, and
 * several processes may have the file open.
 *
 * @param schema run at every opening, so it creates only what is not there
 * @param options.pragmas besides those for durability
 * @param options.timeoutMs how long a call waits for another process; default 5,000
 */
export function openDurable(
  path: string,
  schema: string,
  { pragmas = '', timeoutMs = BUSY_TIMEOUT_MS }: { pragmas?: string; timeoutMs?: number } = {},
): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: timeoutMs });
  try {
    // Not by umask, which a thread may not set. The journal gets the same mode.
    chmodSync(path, 0o600);
    // A deleted journal may reappear after a power cut and undo what was committed; a truncated one does not,
    // since FULL syncs that too. No write-ahead log: the folder may be on another machine.
    db.exec(`PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; ${pragmas}`);
    db.exec(schema);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Does all of some work on a file, or none of it; on disk when this returns. */
export function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const done = work();
    db.exec('COMMIT');
    return done;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Does something with a file, and again for up to 5 seconds while somebody else has it. Between the tries it blocks
 * nothing.
 *
 * @param isFinal whether it must not be done again, although the file was in use
 */
export async function untilFree<T>(
  work: () => T | Promise<T>,
  isFinal: () => boolean = () => false,
): Promise<T> {
  const giveUpAt = performance.now() + TRIED_FOR_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (isFinal() || !isBusy(error) || performance.now() > giveUpAt) throw error;
    }
    await delay(TRIED_EVERY_MS);
  }
}

/** Begins or ends a transaction, up to 5 seconds later if somebody else has the file. It never blocks the process. */
function execWhenFree(db: DatabaseSync, sql: 'BEGIN IMMEDIATE' | 'COMMIT'): Promise<void> {
  const timeoutMs = Number(db.prepare('PRAGMA busy_timeout').get()?.['timeout']);
  return untilFree(() => {
    db.exec('PRAGMA busy_timeout = 0');
    try {
      db.exec(sql);
    } finally {
      db.exec(`PRAGMA busy_timeout = ${timeoutMs}`);
    }
  });
}

/**
 * Does work that waits for its record. It is on disk when this resolves. A reader can make the end of it wait for up to
 * 5 seconds, but undoes nothing: the record is there by then, and doing the work again would make a second one. SQLite
 * lets nobody begin to read in these seconds, so whatever reads the file in the same thread must not block: it would
 * wait for itself.
 *
 * @param work must not throw once its record is made
 */
export async function inRecordedTransaction<T>(
  db: DatabaseSync,
  work: () => Promise<T>,
): Promise<T> {
  await execWhenFree(db, 'BEGIN IMMEDIATE');
  try {
    const done = await work();
    await execWhenFree(db, 'COMMIT');
    return done;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Does several pieces of work on a file in one transaction, each of them whole or not at all; on disk when
 * this returns.
 *
 * @returns for each, why none of it was done; `undefined` if it was done
 */
export function doEach(
  db: DatabaseSync,
  pieces: readonly (() => void)[],
): ({ error: unknown } | undefined)[] {
  try {
    return inTransaction(db, () =>
      pieces.map((work) => {
        db.exec('SAVEPOINT piece');
        try {
          work();
          return undefined;
        } catch (error) {
          // If SQLite itself abandoned the transaction, as on a full disk, no piece is done.
          if (!db.isTransaction) throw error;
          db.exec('ROLLBACK TO piece');
          return { error };
        } finally {
          if (db.isTransaction) db.exec('RELEASE piece');
        }
      }),
    );
  } catch (error) {
    return pieces.map(() => ({ error }));
  }
}

/** The statements of a file, each prepared once. */
export function statementsOf(db: DatabaseSync): (sql: string) => StatementSync {
  const prepared = new Map<string, StatementSync>();
  return (sql) => {
    let statement = prepared.get(sql);
    if (statement === undefined) {
      statement = db.prepare(sql);
      prepared.set(sql, statement);
    }
    return statement;
  };
}

/** Held until it is closed or its process dies. */
export type FileLock = Pick<DatabaseSync, 'isOpen' | 'close'>;

/**
 * Takes a lock that ends with its process, however that ends; `undefined` if another process holds it.
 *
 * It is an SQLite lock on an empty file, since Node has no flock. Never open the file in any other way:
 * closing a second descriptor in this process would drop the lock.
 */
export function lockFile(path: string): FileLock | undefined {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    // Nothing is ever written to it, so nothing need be synced: that would be ten milliseconds each time.
    lock.exec('PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    chmodSync(path, 0o600);
    return lock;
  } catch (error) {
    lock.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
}
