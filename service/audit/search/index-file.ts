// One file, since its tables, the code that fills them and the code that reads them must agree.

import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { AUDIT_OUTCOMES, type AuditCriteria } from '#schemas/audit/audit-search.ts';
import { isOutOfHours } from '#schemas/people/out-of-hours.ts';
import { AUDIT_INDEX } from '#schemas/wording/audit.ts';
import { inTransaction, isDamaged, statementsOf } from '#store/files/sqlite.ts';
import { CommitFile } from '../log/commit.ts';
import { type Followed, type SealedEvent, type SealedLook, sealedRun } from '../log/sealed.ts';
import { type Indexed, indexed, indexedLook } from './indexed.ts';
import type { Viewer } from './view.ts';

/** Version of the tables below and their contents. An index of another version is rebuilt. */
const VERSION = 5;
const BUSY_TIMEOUT_MS = 5_000;
/** Cache for the pages that events are moved into. */
const CACHE_KIB = 32_768;
const TEXTS_REMEMBERED = 100_000;
const QUARTER_HOUR_MS = 900_000;
/** A search reads all of them, which takes 3 ms. */
const RECENT_AT_MOST = 32_768;

const OF_EVENT = `at INTEGER NOT NULL, type INTEGER NOT NULL, child INTEGER, issuer INTEGER, user INTEGER,
    organisation INTEGER, role INTEGER, access INTEGER, outcome INTEGER, code INTEGER, times INTEGER NOT NULL,
    outOfHours INTEGER NOT NULL`;
const OF_HELD = `(authority INTEGER NOT NULL, at INTEGER NOT NULL, entry INTEGER NOT NULL,
    PRIMARY KEY (authority, at, entry)) STRICT, WITHOUT ROWID`;

/**
 * Positions of events by search criterion, and nothing that is not in the log: the events themselves are read
 * from there. Each text is stored once, in `text`; a lookup is text 1.
 */
const SCHEMA = `
  CREATE TABLE log (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL,
    size INTEGER NOT NULL, minimumIndex INTEGER NOT NULL) STRICT;
  CREATE TABLE text (id INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE event (entry INTEGER PRIMARY KEY, ${OF_EVENT}) STRICT;
  CREATE TABLE held ${OF_HELD};
  CREATE INDEX byTime ON event (at);
  CREATE INDEX byChild ON event (child, at) WHERE child IS NOT NULL;
  CREATE INDEX byUser ON event (user, at) WHERE user IS NOT NULL;
  CREATE INDEX byOrganisation ON event (organisation, at) WHERE organisation IS NOT NULL;
  CREATE INDEX byRareType ON event (type, at) WHERE type > 1;
  INSERT INTO text (id, value) VALUES (1, 'lookup');
`;
/**
 * The newest events wait in tables without indexes, until many are indexed together: then several share a
 * page, and writing pages is the cost. Searches read both.
 */
const RECENT = `
  CREATE TABLE recent (entry INTEGER PRIMARY KEY, ${OF_EVENT}) STRICT;
  CREATE TABLE recentHeld ${OF_HELD};
  CREATE VIEW everyEvent AS SELECT * FROM event UNION ALL SELECT * FROM recent;
  CREATE VIEW heldEvent AS
    SELECT held.entry, held.at, type, child, issuer, user, organisation, role, access, outcome, code, times,
      outOfHours, authority FROM held JOIN event ON event.entry = held.entry
    UNION ALL
    SELECT recentHeld.entry, recentHeld.at, type, child, issuer, user, organisation, role, access, outcome, code,
      times, outOfHours, authority FROM recentHeld JOIN recent ON recent.entry = recentHeld.entry;
`;
const MOVE_RECENT = `
  INSERT INTO event SELECT * FROM recent ORDER BY entry;
  INSERT INTO held SELECT * FROM recentHeld;
  DELETE FROM recent;
  DELETE FROM recentHeld;
`;
const LOOKUP = 1;
const NO_TEXT = 0;
/** Children about whom a council keeps something back, or did. */
const KEPT_BACK = `SELECT child FROM everyEvent WHERE type = ? AND type > ${LOOKUP} AND child IS NOT NULL`;

const stateRow = z.object({ id: z.string(), size: z.number(), minimumIndex: z.number() });
const placeRow = z.object({ entry: z.number(), at: z.number() });
const versionRow = z.object({ user_version: z.number() });
const idRow = z.object({ id: z.number() });
const firstRow = z.object({ entry: z.number().nullable() });
const textRow = z.object({ value: z.string() });

/** The file is not, or no longer, a usable index. It is rebuilt. */
export class IndexDamaged extends Error {
  override name = 'IndexDamaged';
}

/** Runs work on the file; any sign of damage becomes {@link IndexDamaged}. */
function sound<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw isDamaged(error) ? new IndexDamaged(AUDIT_INDEX.damaged) : error;
  }
}

/** Removes an index, so that it is made again. */
export function removeIndex(path: string): void {
  for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${end}`, { force: true });
}

/** A position in the order of results: newest first, and for equal times the later entry first. */
export type Place = { entry: number; at: number };

type Period = { from?: number | undefined; to?: number | undefined };

/** How far an index reaches. */
export type Indexing = {
  /** Entries before this one are in it. */
  size: number;
  /** Sealed entries that are not in it. */
  behind: number;
  /** The number of every stream's last event that is sealed. */
  numbers: readonly number[];
};

/** What is stored about an event besides its time and its child: texts by their ids. */
type Row = Record<
  'type' | 'issuer' | 'user' | 'organisation' | 'role' | 'access' | 'outcome' | 'code' | 'times',
  number | null
>;

type Sql = { where: string[]; values: SQLInputValue[]; from: string };

const numberOf = (child: string | undefined): number | null =>
  child !== undefined && /^[0-9]{10}$/.test(child) ? Number(child) : null;

/**
 * The index of a sealed log: an SQLite file that only its owner can read, which can be discarded at any time.
 * Several processes may have it open and extend it.
 */
export class AuditIndex {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #inode: number;
  readonly #recentAtMost: number;
  readonly #sql: (text: string) => StatementSync;
  readonly #texts = new Map<string, number>();
  /** What is stored of looks that have the same in common, by what they have in common. */
  #rows = new WeakMap<SealedLook['common'], Row>();
  readonly #hours = new Map<number, boolean>();

  private constructor(path: string, db: DatabaseSync, recentAtMost: number) {
    this.#path = path;
    this.#db = db;
    this.#recentAtMost = recentAtMost;
    this.#sql = statementsOf(db);
    this.#inode = statSync(path).ino;
  }

  /**
   * Opens, or creates, the index of a log. One of another log or version, or one visibly damaged, is
   * discarded first.
   */
  static open(path: string, log: string, recentAtMost: number): AuditIndex {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    for (const again of [true, false]) {
      const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
      try {
        chmodSync(path, 0o600);
        db.exec(
          `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
           PRAGMA cache_size = -${CACHE_KIB}`,
        );
        const index = new AuditIndex(path, db, recentAtMost);
        if (index.#begin(log)) return index;
      } catch (error) {
        db.close();
        if (!again || !(isDamaged(error) || error instanceof IndexDamaged)) throw error;
      }
      if (db.isOpen) db.close();
      removeIndex(path);
    }
    throw new IndexDamaged(AUDIT_INDEX.notMade);
  }

  /** For reading an existing index; `undefined` if this log has none. */
  static openIfThere(path: string, log: string): AuditIndex | undefined {
    let db: DatabaseSync;
    try {
      statSync(path);
      db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    } catch {
      return undefined;
    }
    try {
      return sound(() => {
        const index = new AuditIndex(path, db, RECENT_AT_MOST);
        if (index.#version() === VERSION && index.state().id === log) return index;
        db.close();
        return undefined;
      });
    } catch (error) {
      if (db.isOpen) db.close();
      throw error;
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /** True once somebody has discarded the file that this one has open. */
  get thrownAway(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#inode;
  }

  #version(): number {
    const row = this.#db.prepare('PRAGMA user_version').get();
    return versionRow.parse(row).user_version;
  }

  /** False if the file holds something else. */
  #begin(log: string): boolean {
    return inTransaction(this.#db, () => {
      if (this.#version() === 0) {
        this.#db.exec(`${SCHEMA} ${RECENT} PRAGMA user_version = ${VERSION}`);
        this.#sql('INSERT INTO log (one, id, size, minimumIndex) VALUES (1, ?, 0, 0)').run(log);
      }
      return this.#version() === VERSION && this.state().id === log;
    });
  }

  /** Its extent: entries from `minimumIndex` to before `size`. */
  state(): { id: string; size: number; minimumIndex: number } {
    return sound(() => stateRow.parse(this.#sql('SELECT id, size, minimumIndex FROM log').get()));
  }

  #known(text: string): number | undefined {
    const row = this.#sql('SELECT id FROM text WHERE value = ?').get(text);
    return row === undefined ? undefined : idRow.parse(row).id;
  }

  /** A text that a row of {@link sums} refers to by id. */
  textOf(id: number | null): string | undefined {
    if (id === null) return undefined;
    const row = this.#sql('SELECT value FROM text WHERE id = ?').get(id);
    return row === undefined ? undefined : textRow.parse(row).value;
  }

  #idOf(text: string | undefined): number | null {
    if (text === undefined) return null;
    let id = this.#texts.get(text) ?? this.#known(text);
    if (id === undefined) {
      const { lastInsertRowid } = this.#sql('INSERT INTO text (value) VALUES (?)').run(text);
      id = Number(lastInsertRowid);
    }
    if (this.#texts.size >= TEXTS_REMEMBERED) this.#texts.clear();
    this.#texts.set(text, id);
    return id;
  }

  #outOfHours(at: number): boolean {
    const quarter = Math.floor(at / QUARTER_HOUR_MS);
    let is = this.#hours.get(quarter);
    if (is === undefined) {
      is = isOutOfHours(at);
      if (this.#hours.size >= TEXTS_REMEMBERED) this.#hours.clear();
      this.#hours.set(quarter, is);
    }
    return is;
  }

  #add(one: Followed): void {
    if (one.event === undefined) this.#addLook(one);
    else this.#addEvent(one);
  }

  #addLook({ index, at, child, common }: SealedLook): void {
    let row = this.#rows.get(common);
    if (row === undefined) {
      row = this.#rowOf(indexedLook(common));
      this.#rows.set(common, row);
    }
    this.#insert(index, at, child, row);
  }

  #addEvent({ index, event }: SealedEvent): void {
    const of = indexed(event);
    this.#insert(index, of.at, numberOf(of.child), this.#rowOf(of));
    for (const authority of of.authorities) {
      this.#sql('INSERT INTO recentHeld (authority, at, entry) VALUES (?, ?, ?)').run(
        this.#idOf(authority),
        of.at,
        index,
      );
    }
  }

  #rowOf(of: Omit<Indexed, 'at' | 'child' | 'authorities'>): Row {
    const { access, outcome } = of;
    return {
      type: this.#idOf(of.type),
      issuer: this.#idOf(of.issuer),
      user: this.#idOf(of.user),
      organisation: this.#idOf(of.organisation),
      role: this.#idOf(of.role),
      access: access === undefined ? null : Number(access === 'unscheduled'),
      outcome: outcome === undefined ? null : AUDIT_OUTCOMES.indexOf(outcome),
      code: this.#idOf(of.code),
      times: of.times,
    };
  }

  #insert(entry: number, at: number, child: number | null, row: Row): void {
    this.#sql(
      'INSERT INTO recent (entry, at, type, child, issuer, user, organisation, role, access, outcome, code, times, outOfHours) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ).run(
      entry,
      at,
      row.type,
      child,
      row.issuer,
      row.user,
      row.organisation,
      row.role,
      row.access,
      row.outcome,
      row.code,
      row.times,
      Number(this.#outOfHours(at)),
    );
  }

  #forget(): void {
    this.#texts.clear();
    this.#rows = new WeakMap();
  }

  /** Removes what the log has pruned, and texts that nothing else uses. */
  #prune(minimumIndex: number): void {
    for (const table of ['event', 'recent', 'held', 'recentHeld']) {
      this.#sql(`DELETE FROM ${table} WHERE entry < ?`).run(minimumIndex);
    }
    this.#sql(
      `DELETE FROM text WHERE id > ${LOOKUP} AND id NOT IN (
         SELECT type FROM everyEvent UNION SELECT issuer FROM everyEvent WHERE issuer IS NOT NULL
         UNION SELECT user FROM everyEvent WHERE user IS NOT NULL
         UNION SELECT organisation FROM everyEvent WHERE organisation IS NOT NULL
         UNION SELECT role FROM everyEvent WHERE role IS NOT NULL
         UNION SELECT code FROM everyEvent WHERE code IS NOT NULL
         UNION SELECT authority FROM held UNION SELECT authority FROM recentHeld)`,
    ).run();
    this.#forget();
    this.#sql('UPDATE log SET minimumIndex = ?').run(minimumIndex);
  }

  /** Moves the newest events into the indexes, if there are many by now. */
  #moveRecent(size: number): void {
    const first = firstRow.parse(this.#sql('SELECT min(entry) AS entry FROM recent').get()).entry;
    if (first !== null && size - first >= this.#recentAtMost) this.#db.exec(MOVE_RECENT);
  }

  /**
   * Extends the index for about `budgetMs`, in one transaction.
   *
   * @param lately as for {@link sealedRun}
   * @throws {IndexDamaged} if it cannot be extended, or reaches further than the log
   */
  update(folder: string, budgetMs: number, lately: readonly Followed[] = []): Indexing | undefined {
    return sound(() => {
      const until = performance.now() + budgetMs;
      try {
        return inTransaction(this.#db, () => {
          // Not earlier: another process may have extended both meanwhile.
          const commit = CommitFile.readIfThere(folder);
          if (commit === undefined) return undefined;
          const { size, minimumIndex } = this.state();
          if (size > commit.size) {
            throw new IndexDamaged(AUDIT_INDEX.ahead);
          }
          if (commit.minimumIndex > minimumIndex) this.#prune(commit.minimumIndex);
          let done = Math.max(size, commit.minimumIndex);
          for (const events of sealedRun(folder, commit, done, lately)) {
            for (const event of events) this.#add(event);
            done += events.length;
            if (performance.now() >= until) break;
          }
          this.#moveRecent(done);
          if (done > size) this.#sql('UPDATE log SET size = ?').run(done);
          return { size: done, behind: commit.size - done, numbers: commit.numbers };
        });
      } catch (error) {
        this.#forget();
        throw error;
      }
    });
  }

  /** Conditions for criteria; `undefined` if they name a text that no event has. */
  #conditions(criteria: AuditCriteria, viewer: Viewer, ends: Period): Sql | undefined {
    const where: string[] = [];
    const values: SQLInputValue[] = [];
    const is = (sql: string, value: SQLInputValue): void => {
      where.push(sql);
      values.push(value);
    };
    const { nhsNumber, activity, outcome } = criteria;
    if (nhsNumber !== undefined) is('event.child = ?', Number(nhsNumber));
    if (activity !== undefined) is('event.access = ?', Number(activity === 'unscheduled'));
    if (outcome !== undefined) is('event.outcome = ?', AUDIT_OUTCOMES.indexOf(outcome));
    const texts: [string, string | undefined][] = [
      ['event.type', criteria.type],
      ['event.authority', criteria.authority],
    ];
    const who: [string, string | undefined][] = [
      ['event.user', criteria.user],
      ['event.organisation', criteria.organisation],
    ];
    if (viewer.kind !== 'authority') texts.push(...who);
    // With the authority as a criterion, it would learn whose plan was shown.
    if (viewer.kind === 'organisation' && criteria.authority !== undefined) return undefined;
    if (viewer.kind === 'organisation') texts.push(['event.organisation', viewer.organisation]);
    if (viewer.kind === 'authority') {
      texts.push(['event.authority', viewer.authority]);
      where.push(`event.type = ${LOOKUP}`);
      where.push('event.access = 1');
      for (const [column, text] of who) {
        if (text === undefined) continue;
        // The rows examined do not show whether somebody hidden from the viewer looked at such a child.
        is(`(${column} = ? OR event.child IN (${KEPT_BACK}))`, this.#known(text) ?? NO_TEXT);
        values.push(this.#known('restriction') ?? NO_TEXT);
      }
    }
    for (const [column, text] of texts) {
      if (text === undefined) continue;
      const id = this.#known(text);
      if (id === undefined) return undefined;
      is(`${column} = ?`, id);
      // Stated so that SQLite sees that this index is enough.
      if (column === 'event.type' && id !== LOOKUP) where.push(`event.type > ${LOOKUP}`);
    }
    const byAuthority = criteria.authority !== undefined || viewer.kind === 'authority';
    if (ends.from !== undefined) is('event.at >= ?', ends.from);
    if (ends.to !== undefined) is('event.at < ?', ends.to);
    return { where, values, from: `${byAuthority ? 'heldEvent' : 'everyEvent'} AS event` };
  }

  /**
   * The positions of the matching events, newest first, after `after`. At most `limit`. For an authority that
   * asks who looked, they include all looks at a child about whom a council ever kept something back.
   */
  find(
    criteria: AuditCriteria,
    viewer: Viewer,
    { limit, after }: { limit: number; after?: Place | undefined },
  ): Place[] {
    return sound(() => {
      const conditions = this.#conditions(criteria, viewer, criteria);
      if (conditions === undefined) return [];
      const { where, values, from } = conditions;
      if (after !== undefined) {
        where.push('(event.at, event.entry) < (?, ?)');
        values.push(after.at, after.entry);
      }
      const which = where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`;
      return this.#sql(
        `SELECT event.entry, event.at FROM ${from} ${which} ORDER BY event.at DESC, event.entry DESC LIMIT ?`,
      )
        .all(...values, limit)
        .map((row) => placeRow.parse(row));
    });
  }

  /**
   * Sums over events, a row for each group. Events without a person are left out.
   *
   * @param columns SQL of ours, with names
   * @param grouped SQL of ours: what makes a group, and which groups and how many of them count
   */
  sums<Row>(
    columns: string,
    criteria: AuditCriteria,
    viewer: Exclude<Viewer, { kind: 'authority' }>,
    grouped: string,
    schema: z.ZodType<Row>,
  ): Row[] {
    return sound(() => {
      const conditions = this.#conditions(criteria, viewer, criteria);
      if (conditions === undefined) return [];
      const { where, values, from } = conditions;
      const which = ['event.user IS NOT NULL', ...where].join(' AND ');
      return this.#sql(`SELECT ${columns} FROM ${from} WHERE ${which} ${grouped}`)
        .all(...values)
        .map((row) => schema.parse(row));
    });
  }

  /** All reads by `work` see the index at one moment. */
  atOneMoment<T>(work: () => T): T {
    return sound(() => {
      this.#db.exec('BEGIN');
      try {
        return work();
      } finally {
        if (this.#db.isTransaction) this.#db.exec('COMMIT');
      }
    });
  }
}

/**
 * Keeps the index of a log up to date, whatever happens to the file: a missing, damaged or foreign one is
 * rebuilt.
 *
 * @param recentAtMost events that wait outside the indexes; given in tests
 */
export function followLog(folder: string, path: string, recentAtMost = RECENT_AT_MOST) {
  let index: AuditIndex | undefined;
  const close = (): void => {
    index?.close();
    index = undefined;
  };
  return {
    /**
     * One step; `undefined` while there is no log, or if the index must be rebuilt.
     *
     * @param lately as for {@link sealedRun}
     */
    step(budgetMs: number, lately?: readonly Followed[]): Indexing | undefined {
      if (index?.thrownAway === true) close();
      try {
        if (index === undefined) {
          const log = CommitFile.readIfThere(folder)?.id;
          if (log === undefined) return undefined;
          index = AuditIndex.open(path, log, recentAtMost);
        }
        return index.update(folder, budgetMs, lately);
      } catch (error) {
        close();
        if (!(error instanceof IndexDamaged)) throw error;
        removeIndex(path);
        return undefined;
      }
    },
    close,
  };
}
