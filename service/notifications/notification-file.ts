// One file, since its tables, the code that fills them and the code that reads them must agree.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { notifiedAttendanceSchema } from '#schemas/attendance.ts';
import { councilsProtecting } from '#schemas/audit/protections.ts';
import {
  ENTRY_HOURS,
  type Notification,
  type NotificationEntry,
  type NotificationId,
  notificationEntrySchema,
  notificationIdSchema,
  notificationSchema,
} from '#schemas/notification.ts';
import { inTransaction, openDurable, statementsOf } from '#store/files/sqlite.ts';
import { isKeptFrom } from '../audit/search/view.ts';
import {
  type KeptWhereabouts,
  type NotifiedAccess,
  type NotifiedAttendance,
  withheldAccess,
  withheldKey,
  withoutPlace,
  withoutWho,
} from './accesses.ts';

/** How far the log has been read. */
export type Cursor = {
  /** Every event before it has been read. */
  position: number;
  /** Milliseconds: the start of the window to be notified next. */
  windowAt: number;
  /** Milliseconds: the latest event read so far. */
  logAt: number;
};

/** An entry with what only this file needs. */
type StoredEntry = {
  row: number;
  authority: string;
  count: number;
  entry: NotificationEntry;
};

const DATABASE = 'notifications.sqlite';
/** As text, later than every id of a notification and every instant. */
export const AFTER_ALL = '~';
const WRITER_WAITS_MS = 5_000;
/** A request can be made again; the process that answers it has others to answer. */
const READER_WAITS_MS = 500;
const ENTRY_MS = ENTRY_HOURS * 3_600_000;
const SENT_AGAIN_WITHIN_MS = 3 * 86_400_000;
/** How long an entry can still be added to, because an event may be sealed long after it happened. */
const ENTRY_KEPT_MS = ENTRY_MS + 7 * 86_400_000;
const EXPIRED = 'at < ? OR (position > 0 AND position <= ?)';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL,
    windowAt INTEGER NOT NULL, logAt INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS entry (row INTEGER PRIMARY KEY AUTOINCREMENT, authority TEXT NOT NULL,
    key TEXT NOT NULL, firstId TEXT NOT NULL, firstAt INTEGER NOT NULL, lastId TEXT NOT NULL,
    lastAt INTEGER NOT NULL, count INTEGER NOT NULL, told INTEGER NOT NULL, json TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS entry_of ON entry (authority, key, row);
  CREATE INDEX IF NOT EXISTS entry_untold ON entry (told, firstAt) WHERE count > told;
  CREATE TABLE IF NOT EXISTS at_once (entry INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE IF NOT EXISTS attendance (entry INTEGER PRIMARY KEY, json TEXT NOT NULL, told INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS notification (authority TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
    position INTEGER NOT NULL, json TEXT NOT NULL, written INTEGER NOT NULL,
    PRIMARY KEY (authority, id)) STRICT;
  CREATE INDEX IF NOT EXISTS notification_unwritten ON notification (authority, id) WHERE written = 0;
  CREATE TABLE IF NOT EXISTS authority (code TEXT PRIMARY KEY, last TEXT NOT NULL,
    lastPosition INTEGER NOT NULL, removed TEXT) STRICT;
  CREATE TABLE IF NOT EXISTS unread (position INTEGER PRIMARY KEY, count INTEGER NOT NULL,
    at INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS protection (restriction TEXT PRIMARY KEY, child TEXT NOT NULL,
    authority TEXT NOT NULL, act TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS protection_of ON protection (child);
  CREATE TABLE IF NOT EXISTS in_full (authority TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (authority, id)) STRICT;
  CREATE TABLE IF NOT EXISTS changed (authority TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (authority, id)) STRICT;
  CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
`;

const cursorRow = z.object({ position: z.number(), windowAt: z.number(), logAt: z.number() });
const entryRow = z.object({
  row: z.number(),
  authority: z.string(),
  firstId: z.string(),
  firstAt: z.number(),
  lastId: z.string(),
  lastAt: z.number(),
  count: z.number(),
  told: z.number(),
  json: z.string(),
  attendance: z.string().nullish(),
});
const detailSchema = notificationEntrySchema.pick({
  nhsNumber: true,
  plans: true,
  user: true,
  role: true,
  organisation: true,
  setting: true,
  withheld: true,
  barred: true,
  reason: true,
});
const notificationRow = z.object({
  authority: z.string(),
  id: notificationIdSchema,
  json: z.string().transform((json) => notificationSchema.parse(JSON.parse(json))),
});
const authorityRow = z.object({
  last: notificationIdSchema,
  lastPosition: z.number(),
  removed: notificationIdSchema.nullable(),
});
const keptEntryRow = z.object({ row: z.number(), key: z.string(), json: z.string() });
const protectionRow = z.object({
  restriction: z.string(),
  authority: z.string(),
  act: z.enum(['set', 'ended']),
});
const idRow = z.object({ id: z.string() });
const jsonRow = z.object({ json: z.string() });
const numberRow = z.object({ number: z.number().nullable() });
const listRow = z.object({
  code: z.string(),
  last: z.string(),
  oldest: z.string().nullable(),
  kept: z.number(),
  unwritten: z.number(),
});
const unreadRow = z.object({ position: z.number(), count: z.number(), at: z.number() });

const stateSchema = z.object({
  problem: z.boolean(),
  detail: z.string(),
  /** ISO 8601: when it was said. */
  at: z.iso.datetime(),
  /** Events of the log that have been read. */
  position: z.int(),
  /** Sealed events that have not been read yet. */
  behind: z.int(),
  /** ISO 8601: the oldest access that no notification reports yet. */
  oldestUntold: z.iso.datetime().optional(),
  /** Notifications waiting to be written into the outbox. */
  unwritten: z.int(),
  /** Unreadable events from the time for which notifications are kept. */
  unreadable: z.int(),
});
/** The state of the notifying, for all readers. */
export type NotifierState = z.infer<typeof stateSchema>;

function withoutWhere(whole: NotificationEntry): NotificationEntry {
  const { attendance } = whole;
  const said = attendance && { attendance: withoutPlace(attendance) };
  return { ...withoutWho(whole), ...said };
}

/** The id of a protection that an earlier version stored without its own. */
const withoutId = (nhsNumber: string, authority: string): string => `${nhsNumber} ${authority}`;

/** Protections as an earlier version stored them: by child and council. */
function takeOverWhereabouts(db: DatabaseSync): void {
  const table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'whereabouts'";
  if (db.prepare(table).get() === undefined) return;
  inTransaction(db, () => {
    if (db.prepare(table).get() === undefined) return;
    db.exec(
      `INSERT INTO protection (restriction, child, authority, act, at)
         SELECT child || ' ' || authority, child, authority, 'set', 0 FROM whereabouts ORDER BY rowid;
       DROP TABLE whereabouts;`,
    );
  });
}

function openFile(folder: string, timeoutMs: number): DatabaseSync {
  // Without spilling, a reader waits only for the commit of a transaction.
  const pragmas = 'PRAGMA secure_delete = ON; PRAGMA cache_spill = OFF;';
  return openDurable(join(folder, DATABASE), SCHEMA, { pragmas, timeoutMs });
}

const iso = (instant: number): string => new Date(instant).toISOString();

/**
 * Notifications and the position in the log, beside the log: one SQLite file with synchronous FULL. One
 * process writes it (see the notifier); any number read. Removed contents are overwritten.
 */
export class NotificationFile {
  readonly #db: DatabaseSync;
  readonly #sql: (text: string) => StatementSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#sql = statementsOf(db);
  }

  /** Opens, or creates, the file in an existing folder, for the one process that writes it. */
  static open(folder: string): NotificationFile {
    const db = openFile(folder, WRITER_WAITS_MS);
    // A reader does not do this: the writer may still run the version that needs them as they are.
    takeOverWhereabouts(db);
    return new NotificationFile(db);
  }

  /** Reads from the file of a folder; `undefined` before there is one. @throws while it cannot be read */
  static read<T>(folder: string, work: (file: NotificationFile) => T): T | undefined {
    if (!existsSync(join(folder, DATABASE))) return undefined;
    const file = new NotificationFile(openFile(folder, READER_WAITS_MS));
    try {
      return work(file);
    } finally {
      file.close();
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /** Does all of it or nothing. It is on disk when this returns. */
  transaction<T>(work: () => T): T {
    return inTransaction(this.#db, work);
  }

  cursor(): Cursor {
    const row = this.#sql('SELECT position, windowAt, logAt FROM cursor').get();
    return row === undefined ? { position: 0, windowAt: 0, logAt: 0 } : cursorRow.parse(row);
  }

  /** Something of the log has been read. */
  begun(): boolean {
    return this.#sql('SELECT 1 FROM cursor').get() !== undefined;
  }

  moveTo({ position, windowAt, logAt }: Cursor): void {
    this.#sql(
      'INSERT OR REPLACE INTO cursor (one, position, windowAt, logAt) VALUES (1, ?, ?, ?)',
    ).run(position, windowAt, logAt);
  }

  /** The councils that keep back where a child is looked up, by the acts read so far, the oldest first. */
  #keptBy(nhsNumber: string): string[] {
    return councilsProtecting(
      this.#sql('SELECT restriction, authority, act FROM protection WHERE child = ? ORDER BY rowid')
        .all(nhsNumber)
        .map((row) => protectionRow.parse(row)),
    );
  }

  /** An access may be recorded between a council's act and its effect: then its event names no council. */
  #isKept({
    authority,
    nhsNumber,
    keptBy,
  }: Pick<NotifiedAccess, 'authority' | 'nhsNumber' | 'keptBy'>): boolean {
    return isKeptFrom(authority, keptBy, this.#keptBy(nhsNumber));
  }

  /** Counts an access: in the entry that it repeats, or as the first of a new one. */
  add(access: NotifiedAccess): void {
    const isKept = this.#isKept(access);
    const { authority, key, auditId, at, atOnce, keptBy, ...rest } = isKept
      ? withheldAccess(access)
      : access;
    const json = JSON.stringify(detailSchema.parse(rest));
    const newest = this.#sql(
      'SELECT * FROM entry WHERE authority = ? AND key = ? ORDER BY row DESC LIMIT 1',
    ).get(authority, key);
    const last = newest && entryRow.parse(newest);
    const entry = last && Math.abs(at - last.firstAt) < ENTRY_MS ? last : undefined;
    if (keptBy[0] === authority) {
      this.#sql('INSERT OR IGNORE INTO in_full (authority, id, at) VALUES (?, ?, ?)').run(
        authority,
        entry?.firstId ?? auditId,
        at,
      );
    }
    if (entry !== undefined) {
      // If a clock stepped back, the later access looks older; what was sent first stays.
      this.#sql(
        'UPDATE entry SET count = count + 1, lastId = ?, lastAt = ?, json = ? WHERE row = ?',
      ).run(auditId, Math.max(at, entry.lastAt), json, entry.row);
      if (atOnce) this.#sql('INSERT OR IGNORE INTO at_once (entry) VALUES (?)').run(entry.row);
      return;
    }
    this.#sql(
      'INSERT INTO entry (authority, key, firstId, firstAt, lastId, lastAt, count, told, json) VALUES (?, ?, ?, ?, ?, ?, 1, 0, ?)',
    ).run(authority, key, auditId, at, auditId, at, json);
  }

  /** Stores the outcome of a known access; a later one replaces an earlier one. */
  attended(said: NotifiedAttendance): void {
    const { authority, key, attendance } = said;
    const found = this.#sql(
      'SELECT row, key, json FROM entry WHERE authority = ? AND key IN (?, ?) ORDER BY row DESC LIMIT 1',
    ).get(authority, key, withheldKey(key));
    if (found === undefined) return;
    const entry = keptEntryRow.parse(found);
    const isWithheld = entry.key !== key || this.#isKept(said);
    this.#sql(
      `INSERT INTO attendance (entry, json, told) VALUES (?, ?, 0)
       ON CONFLICT (entry) DO UPDATE SET json = excluded.json, told = 0`,
    ).run(entry.row, JSON.stringify(isWithheld ? withoutPlace(attendance) : attendance));
  }

  /**
   * A council begins or stops keeping back where a child is looked up. From then on, what is stored here for councils
   * without the oldest protection says neither who looked nor where, except for looks that another council was told
   * about first. What they were given before cannot be taken back.
   */
  keepWhereabouts({ restriction, act, authority, nhsNumber, at }: KeptWhereabouts): void {
    // What an earlier version stored has no id: it belongs to the first act that comes.
    this.#sql('UPDATE OR IGNORE protection SET restriction = ? WHERE restriction = ?').run(
      restriction,
      withoutId(nhsNumber, authority),
    );
    const { changes } = this.#sql(
      `INSERT INTO protection (restriction, child, authority, act, at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (restriction) DO UPDATE SET act = excluded.act, at = excluded.at
         WHERE act <> excluded.act`,
    ).run(restriction, nhsNumber, authority, act, at);
    // An act that was cut short is recorded once more: what another council was told since stays.
    if (changes === 0) return;
    const [first] = this.#keptBy(nhsNumber);
    if (first === undefined) return;
    const others = 'authority <> ? AND json LIKE ?';
    const child = [first, `%"nhsNumber":"${nhsNumber}"%`] as const;
    for (const row of this.#sql(
      `SELECT row, key, json FROM entry WHERE ${others}
         AND (authority, firstId) NOT IN (SELECT authority, id FROM in_full)`,
    ).all(...child)) {
      const { row: number, key, json } = keptEntryRow.parse(row);
      const detail = detailSchema.parse(JSON.parse(json));
      if (detail.withheld === true) continue;
      this.#sql('UPDATE entry SET key = ?, json = ? WHERE row = ?').run(
        withheldKey(key),
        JSON.stringify(withoutWho(detail)),
        number,
      );
      const attended = this.#sql('SELECT json FROM attendance WHERE entry = ?').get(number);
      if (attended === undefined) continue;
      const said = notifiedAttendanceSchema.parse(JSON.parse(jsonRow.parse(attended).json));
      this.#sql('UPDATE attendance SET json = ? WHERE entry = ?').run(
        JSON.stringify(withoutPlace(said)),
        number,
      );
    }
    const kept = this.#sql(`SELECT authority, id, json FROM notification WHERE ${others}`);
    const inFull = this.#sql('SELECT 1 FROM in_full WHERE authority = ? AND id = ?');
    for (const each of kept.all(...child)) {
      const { authority: code, id, json: notification } = notificationRow.parse(each);
      const isOpen = (entry: NotificationEntry): boolean =>
        entry.nhsNumber === nhsNumber &&
        entry.withheld !== true &&
        inFull.get(code, entry.id) === undefined;
      if (!notification.entries.some(isOpen)) continue;
      const entries = notification.entries.map((entry) =>
        isOpen(entry) ? withoutWhere(entry) : entry,
      );
      this.#sql('UPDATE notification SET json = ? WHERE authority = ? AND id = ?').run(
        JSON.stringify({ ...notification, entries }),
        code,
        id,
      );
      this.#sql('INSERT OR IGNORE INTO changed (authority, id) VALUES (?, ?)').run(code, id);
    }
  }

  /** Entries, in the order in which they began. */
  #entries(which: string, ...values: (number | string)[]): StoredEntry[] {
    return this.#sql(
      `SELECT entry.*, attendance.json AS attendance FROM entry
       LEFT JOIN attendance ON attendance.entry = entry.row WHERE ${which} ORDER BY row`,
    )
      .all(...values)
      .map((each) => {
        const { row, authority, firstId, firstAt, lastId, lastAt, count, told, json, attendance } =
          entryRow.parse(each);
        const entry = {
          id: firstId,
          again: told > 0,
          ...detailSchema.parse(JSON.parse(json)),
          ...(attendance && { attendance: notifiedAttendanceSchema.parse(JSON.parse(attendance)) }),
          count,
          first: iso(firstAt),
          last: iso(lastAt),
          lastId,
        };
        return { row, authority, count, entry };
      });
  }

  /**
   * What is due: entries not sent yet; and sent ones with more accesses since, once their 24 hours are over
   * or if each access is notified at once.
   *
   * @param now milliseconds
   */
  due(now: number): StoredEntry[] {
    return this.#entries(
      `(count > entry.told AND (entry.told = 0 OR firstAt <= ? OR row IN (SELECT entry FROM at_once)))
         OR attendance.told = 0`,
      now - ENTRY_MS,
    );
  }

  /** An authority's sent entries that have changed since, by more accesses or an outcome, in their present state. */
  changedSince(authority: string): NotificationEntry[] {
    return this.#entries(
      'authority = ? AND entry.told > 0 AND (count > entry.told OR attendance.told = 0)',
      authority,
    ).map(({ entry }) => entry);
  }

  /** Stores a notification, with the fact that its entries are sent. */
  tell(notification: Notification, position: number, entries: readonly StoredEntry[]): void {
    const { id, createdAt, authority } = notification;
    this.#sql(
      'INSERT INTO notification (authority, id, at, position, json, written) VALUES (?, ?, ?, ?, ?, 0)',
    ).run(authority.code, id, Date.parse(createdAt), position, JSON.stringify(notification));
    this.#sql(
      'INSERT INTO authority (code, last, lastPosition) VALUES (?, ?, ?) ON CONFLICT (code) DO UPDATE SET last = excluded.last, lastPosition = excluded.lastPosition',
    ).run(authority.code, id, position);
    const told = this.#sql('UPDATE entry SET told = ? WHERE row = ?');
    const toldAtOnce = this.#sql('DELETE FROM at_once WHERE entry = ?');
    const toldAttendance = this.#sql('UPDATE attendance SET told = 1 WHERE entry = ?');
    const keptInFull = this.#sql('UPDATE in_full SET at = ? WHERE authority = ? AND id = ?');
    for (const { row, count, entry } of entries) {
      keptInFull.run(Date.parse(createdAt), authority.code, entry.id);
      told.run(count, row);
      toldAtOnce.run(row);
      toldAttendance.run(row);
    }
  }

  /** An authority's last notification, still stored or not. */
  lastOf(authority: string): z.infer<typeof authorityRow> | undefined {
    const row = this.#sql('SELECT last, lastPosition, removed FROM authority WHERE code = ?').get(
      authority,
    );
    return row === undefined ? undefined : authorityRow.parse(row);
  }

  /** Events from a position on could not be read. */
  unreadAt(position: number, count: number, at: number): void {
    this.#sql('INSERT OR REPLACE INTO unread (position, count, at) VALUES (?, ?, ?)').run(
      position,
      count,
      at,
    );
  }

  /** The event at this position has been read after all. */
  readAfterAll(position: number): void {
    this.#sql('DELETE FROM unread WHERE position = ?').run(position);
  }

  unread(): z.infer<typeof unreadRow>[] {
    return this.#sql('SELECT position, count, at FROM unread ORDER BY position')
      .all()
      .map((row) => unreadRow.parse(row));
  }

  #number(sql: string, ...values: number[]): number | undefined {
    return numberRow.parse(this.#sql(sql).get(...values)).number ?? undefined;
  }

  unreadSince(position: number): number {
    return (
      this.#number('SELECT sum(count) AS number FROM unread WHERE position >= ?', position) ?? 0
    );
  }

  /** Milliseconds: the oldest access of an unsent entry. */
  oldestUntold(): number | undefined {
    return this.#number('SELECT min(firstAt) AS number FROM entry WHERE count > told AND told = 0');
  }

  unwrittenCount(): number {
    return this.#number('SELECT count(*) AS number FROM notification WHERE written = 0') ?? 0;
  }

  /** Notifications not in the outbox yet, in each authority's order: the same share of each authority's. */
  unwritten(atMost: number): Notification[] {
    return this.#sql(
      // Numbered by the index alone, since notifications are long.
      `SELECT notification.authority, notification.id, notification.json FROM (
         SELECT authority, id, row_number() OVER (PARTITION BY authority ORDER BY id) AS nth
           FROM notification WHERE written = 0 ORDER BY nth, authority LIMIT ?) AS next
       JOIN notification ON notification.authority = next.authority AND notification.id = next.id
       ORDER BY next.nth, next.authority`,
    )
      .all(atMost)
      .map((row) => notificationRow.parse(row).json);
  }

  written(notifications: readonly Notification[]): void {
    this.transaction(() => {
      const write = this.#sql('UPDATE notification SET written = 1 WHERE authority = ? AND id = ?');
      for (const { authority, id } of notifications) write.run(authority.code, id);
    });
  }

  /** Notifications that now say less than their written files. */
  changed(atMost: number): Notification[] {
    return this.#sql(
      'SELECT authority, id, json FROM changed JOIN notification USING (authority, id) LIMIT ?',
    )
      .all(atMost)
      .map((row) => notificationRow.parse(row).json);
  }

  /** Records that the uncollected files of a notification now say what it says. */
  rewritten({ authority, id }: Notification): void {
    this.#sql('DELETE FROM changed WHERE authority = ? AND id = ?').run(authority.code, id);
  }

  /** Marks an authority's notifications after one, or all that are kept, to be written into the outbox again. */
  writeAgain(authority: string, after: string): number {
    const done = this.#sql(
      'UPDATE notification SET written = 0 WHERE authority = ? AND id > ?',
    ).run(authority, after);
    return Number(done.changes);
  }

  /** An authority's notifications after one, in order: as many as fit, and at least one if there is one. */
  page(
    authority: string,
    after: string,
    { most, mostCharacters }: { most: number; mostCharacters: number },
  ): { notifications: Notification[]; more: boolean } {
    const rows = this.#sql(
      'SELECT authority, id, json FROM notification WHERE authority = ? AND id > ? ORDER BY id LIMIT ?',
    ).iterate(authority, after, most + 1);
    const notifications: Notification[] = [];
    let characters = 0;
    for (const row of rows) {
      characters += jsonRow.parse(row).json.length;
      const full = notifications.length === most || characters > mostCharacters;
      if (full && notifications.length > 0) return { notifications, more: true };
      notifications.push(notificationRow.parse(row).json);
    }
    return { notifications, more: false };
  }

  /** One notification, while it is kept. */
  find(authority: string, id: string): Notification | undefined {
    const row = this.#sql(
      'SELECT authority, id, json FROM notification WHERE authority = ? AND id = ?',
    ).get(authority, id);
    return row === undefined ? undefined : notificationRow.parse(row).json;
  }

  /** An authority's notifications before one, the newest first. */
  newest(authority: string, before: NotificationId | undefined, most: number): Notification[] {
    return this.#sql(
      'SELECT authority, id, json FROM notification WHERE authority = ? AND id < ? ORDER BY id DESC LIMIT ?',
    )
      .all(authority, before ?? AFTER_ALL, most)
      .map((row) => notificationRow.parse(row).json);
  }

  /**
   * The ids of entries that an authority was sent again in a notification or within three days after it: a look is
   * sent again a day later at most, and what came of it another day later.
   */
  sentAgainFrom(authority: string, id: NotificationId): string[] {
    return this.#sql(
      // Notifications are long, and few of them have any.
      `SELECT DISTINCT json_extract(entry.value, '$.id') AS id FROM (
         SELECT json FROM notification WHERE authority = ?1 AND id >= ?2 AND instr(json, '"again":true') > 0
           AND at <= ?3 + (SELECT at FROM notification WHERE authority = ?1 AND id = ?2)) AS later,
         json_each(later.json, '$.entries') AS entry WHERE json_extract(entry.value, '$.again')`,
    )
      .all(authority, id, SENT_AGAIN_WITHIN_MS)
      .map((row) => idRow.parse(row).id);
  }

  /** Notifications made before `before` or from a pruned part of the log. */
  expired(before: number, minimumIndex: number): { authority: string; id: NotificationId }[] {
    return this.#sql(`SELECT authority, id FROM notification WHERE ${EXPIRED}`)
      .all(before, minimumIndex)
      .map((row) => notificationRow.pick({ authority: true, id: true }).parse(row));
  }

  /** Removes those that are {@link expired}, and anything else no longer needed. */
  prune(before: number, minimumIndex: number, now: number): void {
    this.transaction(() => {
      const removed = this.expired(before, minimumIndex);
      this.#sql(`DELETE FROM notification WHERE ${EXPIRED}`).run(before, minimumIndex);
      const mark = this.#sql(
        "UPDATE authority SET removed = max(coalesce(removed, ''), ?) WHERE code = ?",
      );
      const settle = this.#sql('DELETE FROM changed WHERE authority = ? AND id = ?');
      for (const { authority, id } of removed) {
        mark.run(id, authority);
        settle.run(authority, id);
      }
      this.#sql('DELETE FROM entry WHERE count = told AND firstAt < ?').run(now - ENTRY_KEPT_MS);
      this.#sql('DELETE FROM attendance WHERE entry NOT IN (SELECT row FROM entry)').run();
      this.#sql(
        'DELETE FROM in_full WHERE at < ? AND (authority, id) NOT IN (SELECT authority, firstId FROM entry)',
      ).run(before);
      // Until then it keeps its place, in case its end turns out to be lost.
      this.#sql("DELETE FROM protection WHERE act = 'ended' AND at < ?").run(before);
      this.#sql('DELETE FROM unread WHERE at < ?').run(before);
    });
  }

  /** One line for each authority ever notified. */
  list(): z.infer<typeof listRow>[] {
    return this.#sql(
      'SELECT code, last, min(id) AS oldest, count(id) AS kept, count(id) - coalesce(sum(written), 0) AS unwritten FROM authority LEFT JOIN notification ON authority = code GROUP BY code ORDER BY code',
    )
      .all()
      .map((row) => listRow.parse(row));
  }

  state(): NotifierState | undefined {
    const row = this.#sql("SELECT json FROM told WHERE name = 'state'").get();
    if (row === undefined) return undefined;
    return stateSchema.parse(JSON.parse(jsonRow.parse(row).json));
  }

  tellState(state: NotifierState): void {
    this.#sql("INSERT OR REPLACE INTO told (name, json) VALUES ('state', ?)").run(
      JSON.stringify(state),
    );
  }
}
