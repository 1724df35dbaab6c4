// One file, since its tables, the code that fills them and the code that reads them must agree.

import { hash, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { z } from 'zod';
import type { AlertThresholds } from '#schemas/alert-thresholds.ts';
import {
  type AuditEvent,
  type EnumerationAlertEvent,
  enumerationAlertEventSchema,
} from '#schemas/audit/audit-event.ts';
import { councilsProtecting, type ProtectionAct } from '#schemas/audit/protections.ts';
import { saysNothingHeld } from '#schemas/lookup.ts';
import { isOutOfHours } from '#schemas/people/out-of-hours.ts';
import { inTransaction, openDurable, statementsOf } from '#store/files/sqlite.ts';
import type { Followed, SealedEvent, SealedLook } from '../log/sealed.ts';
import { happenedAt } from '../search/view.ts';
import {
  type BarredAttempt,
  barredAttemptSchema,
  type ProtectedTwice,
  protectedTwiceSchema,
  type UntoldLook,
  untoldLookSchema,
} from './privacy-outbox.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const QUARTER_HOUR_MS = 900_000;
/** Silent reads within an hour out of hours, when scheduled care is closed. */
const OUT_OF_HOURS_AN_HOUR = 30;

const DATABASE = 'enumeration.sqlite';
/** Events are sealed late, and not in the order of their times, so counts are kept this much longer. */
const KEPT_MS = DAY_MS + HOUR_MS;
const ALERTS_KEPT_MS = 90 * DAY_MS;
/** Cache pages for the users who are looking things up at present. */
const CACHE_KIB = 16_384;
const USERS_REMEMBERED = 50_000;
/** Bytes kept of an NHS number's keyed hash: as many whole bytes as a JavaScript integer holds. */
const CHILD_BYTES = 6;
/** As long as the longest rule counts. */
const QUIET_AT_MOST_MS = DAY_MS;
const NEVER = 0;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), dataset TEXT NOT NULL,
    keyedBy TEXT NOT NULL, position INTEGER NOT NULL, youngest INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS user (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE IF NOT EXISTS looked (user INTEGER NOT NULL, child INTEGER NOT NULL,
    unscheduledAt INTEGER NOT NULL, silentAt INTEGER NOT NULL,
    PRIMARY KEY (user, child)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS quiet (user INTEGER NOT NULL, rule INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (user, rule)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS alert (auditId TEXT PRIMARY KEY, at INTEGER NOT NULL, json TEXT NOT NULL,
    counted INTEGER NOT NULL, recorded INTEGER NOT NULL, written INTEGER NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS alert_open ON alert (at) WHERE recorded = 0 OR written = 0;
  CREATE TABLE IF NOT EXISTS barred (auditId TEXT PRIMARY KEY, attempt TEXT NOT NULL, at INTEGER NOT NULL,
    json TEXT NOT NULL, written INTEGER NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS barred_attempt ON barred (attempt, at);
  CREATE INDEX IF NOT EXISTS barred_open ON barred (at) WHERE written = 0;
  CREATE TABLE IF NOT EXISTS twice (auditId TEXT PRIMARY KEY, at INTEGER NOT NULL, json TEXT NOT NULL,
    written INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS untold (auditId TEXT PRIMARY KEY, child INTEGER NOT NULL, at INTEGER NOT NULL,
    json TEXT NOT NULL, written INTEGER NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS untold_child ON untold (child, at);
  CREATE TABLE IF NOT EXISTS protected (restriction TEXT PRIMARY KEY, child INTEGER NOT NULL,
    authority TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS protected_child ON protected (child);
  CREATE TABLE IF NOT EXISTS protection_ended (restriction TEXT PRIMARY KEY) STRICT;
`;

const cursorRow = z.object({
  dataset: z.string(),
  keyedBy: z.string(),
  position: z.number(),
  youngest: z.number(),
});
const idRow = z.object({ id: z.number() });
const protectionRow = z.object({
  restriction: z.string(),
  authority: z.string(),
  act: z.enum(['set', 'ended']),
});
const quietRow = z.object({ rule: z.number(), until: z.number() });
const countRow = z.object({ count: z.number() });
const alertRow = z.object({
  at: z.number(),
  json: z.string().transform((json) => enumerationAlertEventSchema.parse(JSON.parse(json))),
});

const barredRow = z.object({
  json: z.string().transform((json) => barredAttemptSchema.parse(JSON.parse(json))),
});

const twiceRow = z.object({
  json: z.string().transform((json) => protectedTwiceSchema.parse(JSON.parse(json))),
});

const untoldRow = z.object({
  json: z.string().transform((json) => untoldLookSchema.parse(JSON.parse(json))),
});

type Access = 'unscheduled' | 'silent-read';
/** If more than `threshold` children in `windowMs` warrant an alert. */
type Rule = Pick<EnumerationAlertEvent, 'sign' | 'threshold'> & {
  access?: Access;
  windowMs: number;
  /** Counts only when scheduled care is closed. */
  outOfHours?: boolean;
};

/** The longest time first, since it says most. Their order is stored in the file. */
const rulesOf = ({ unscheduled, all }: AlertThresholds): readonly Rule[] => [
  { sign: 'distinct-numbers', windowMs: DAY_MS, threshold: all.day },
  { sign: 'distinct-numbers', access: 'unscheduled', windowMs: DAY_MS, threshold: unscheduled.day },
  { sign: 'distinct-numbers', windowMs: HOUR_MS, threshold: all.hour },
  {
    sign: 'distinct-numbers',
    access: 'unscheduled',
    windowMs: HOUR_MS,
    threshold: unscheduled.hour,
  },
  {
    sign: 'distinct-numbers',
    access: 'unscheduled',
    windowMs: MINUTE_MS,
    threshold: unscheduled.minute,
  },
  {
    sign: 'out-of-hours',
    access: 'silent-read',
    windowMs: HOUR_MS,
    threshold: OUT_OF_HOURS_AN_HOUR,
    outOfHours: true,
  },
];

const IN_WINDOW = {
  unscheduled: '(unscheduledAt > ?2 - $window AND unscheduledAt <= ?2)',
  'silent-read': '(silentAt > ?2 - $window AND silentAt <= ?2)',
};

/** Counts each rule's children of a user in the window that ends at a moment. */
function countingSql(rules: readonly Rule[]): string {
  const counts = rules.map(({ access, windowMs }, i) => {
    const within = (access === undefined ? Object.values(IN_WINDOW) : [IN_WINDOW[access]])
      .join(' OR ')
      .replaceAll('$window', String(windowMs));
    return `count(*) FILTER (WHERE ${within}) AS r${i}`;
  });
  return `SELECT ${counts.join(', ')} FROM looked WHERE user = ?1`;
}

/** What is known about a user's counts without reading the file. */
type Tally = {
  /** When `counts` were right. */
  at: number;
  counts: number[];
  /** Lookups since: no count can have grown by more. */
  since: Record<Access, number>;
  quietUntil: number[];
};

const timeOf = (one: Followed): number => (one.event ?? one).at;
const numberText = (child: number): string => String(child).padStart(10, '0');

type Lookup = Extract<AuditEvent, { type: 'lookup' | 'could-not-check' }>;

const keyOf = ({ caller: { issuer, user } }: Pick<Lookup, 'caller'>): string =>
  JSON.stringify([issuer, user]);

type Answered = Extract<AuditEvent, { type: 'lookup' }>;
type Restricted = Extract<AuditEvent, { type: 'restriction' }>;
type CouldNotCheck = Extract<AuditEvent, { type: 'could-not-check' }>;

/**
 * How many different children each user has looked up in the last minute, hour and day, at any organisation,
 * in any role and by whatever process: an SQLite file beside the sealed log. The position in the log is
 * stored in one transaction with the counts, so that each event counts once wherever a process ends. NHS
 * numbers are stored as keyed hashes.
 */
export class ChildrenCounted {
  readonly #db: DatabaseSync;
  readonly #rules: readonly Rule[];
  readonly #numberKey: string;
  readonly #sql: (text: string) => StatementSync;
  readonly #users = new Map<string, number>();
  readonly #tallies = new Map<number, Tally>();
  /** The user of looks that have the same in common, by what they have in common. */
  #usersOf = new WeakMap<SealedLook['common'], number>();
  #quarter = { at: -1, outOfHours: false };

  private constructor(db: DatabaseSync, thresholds: AlertThresholds, numberKey: string) {
    this.#db = db;
    this.#sql = statementsOf(db);
    this.#rules = rulesOf(thresholds);
    this.#numberKey = numberKey;
  }

  /**
   * Opens, or creates, the file in a log's folder.
   *
   * @param options.numberKey keys the hashes of NHS numbers. With another key children counted before cannot
   * be recognised, so counting starts again.
   */
  static open(
    folder: string,
    { thresholds, numberKey }: { thresholds: AlertThresholds; numberKey: string },
  ): ChildrenCounted {
    const db = openDurable(join(folder, DATABASE), SCHEMA, {
      pragmas: `PRAGMA cache_size = -${CACHE_KIB}`,
    });
    return new ChildrenCounted(db, thresholds, numberKey);
  }

  /** Removes the file; its contents are counted again from the log. */
  static remove(folder: string): void {
    for (const end of ['', '-journal']) rmSync(join(folder, `${DATABASE}${end}`), { force: true });
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #transaction<T>(work: () => T): T {
    try {
      return inTransaction(this.#db, work);
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  #forget(): void {
    this.#users.clear();
    this.#tallies.clear();
    this.#usersOf = new WeakMap();
  }

  get #keyedBy(): string {
    return hash('sha256', `cp-flags enumeration ${this.#numberKey}`).slice(0, 16);
  }

  /**
   * How many events of a log have been counted; `undefined` if counting must start, a day before its end.
   * Counts of another log, or of a longer one, are dropped.
   */
  position(dataset: string, size: number): number | undefined {
    const row = this.#sql('SELECT dataset, keyedBy, position, youngest FROM cursor').get();
    if (row === undefined) return undefined;
    const cursor = cursorRow.parse(row);
    const same = cursor.dataset === dataset && cursor.keyedBy === this.#keyedBy;
    return same && cursor.position <= size ? cursor.position : undefined;
  }

  /** Drops the counts, to start at `position`. Alerts stay, with the users they are about. */
  begin(dataset: string, position: number): void {
    this.#transaction(() => {
      this.#forget();
      this.#db.exec('DELETE FROM looked; DELETE FROM protected; DELETE FROM protection_ended');
      this.#sql(
        'INSERT OR REPLACE INTO cursor (one, dataset, keyedBy, position, youngest) VALUES (1, ?, ?, ?, 0)',
      ).run(dataset, this.#keyedBy, position);
    });
  }

  /**
   * Counts the next events of the log, and stores the alerts that they cause and attempts by barred users.
   *
   * @param now milliseconds: no event, not even one counted before, is treated as later than this, so that a
   * clock that was ahead hides nothing that comes after
   */
  count(events: readonly Followed[], now: number): void {
    const last = events.at(-1);
    if (last === undefined) return;
    this.#transaction(() => {
      let youngest = 0;
      // Streams are sealed one after the other.
      for (const one of events.toSorted((a, b) => timeOf(a) - timeOf(b))) {
        const at = Math.min(timeOf(one), now);
        youngest = Math.max(youngest, at);
        if (one.event === undefined) this.#countCommonLook(one, at, now);
        else this.#countEvent(one.event, at, now);
      }
      this.#sql('UPDATE cursor SET position = ?, youngest = max(min(youngest, ?), ?)').run(
        last.index + 1,
        now,
        youngest,
      );
    });
  }

  #countEvent(event: SealedEvent['event'], at: number, now: number): void {
    if (event.type === 'lookup') {
      this.#countLookup(event, at, now);
      this.#keepUntold(event, at);
    } else if (event.type === 'could-not-check' && saysNothingHeld(event.cause)) {
      this.#countLookup(event, Math.min(happenedAt(event), now), now);
    } else if (event.type === 'enumeration-alert') this.#keepAlert(event);
    if (event.type === 'could-not-check' && event.barredBy !== undefined) {
      this.#keepBarred(event, event.barredBy, Math.min(happenedAt(event), now));
    }
    if (event.type === 'restriction') this.#keepTwice(event, at);
  }

  #countCommonLook({ common, child }: SealedLook, at: number, now: number): void {
    let user = this.#usersOf.get(common);
    if (user === undefined) {
      user = this.#userOf(keyOf(common));
      this.#usersOf.set(common, user);
    }
    this.#countLook(user, common, this.#childOf(numberText(child)), at, now);
  }

  #countLookup(lookup: Lookup, at: number, now: number): void {
    const user = this.#userOf(keyOf(lookup));
    this.#countLook(user, lookup, this.#childOf(lookup.nhsNumber), at, now);
  }

  #countLook(
    user: number,
    { caller, access }: Pick<Lookup, 'caller' | 'access'>,
    child: number,
    at: number,
    now: number,
  ): void {
    const unscheduled = access === 'unscheduled';
    this.#sql(
      `INSERT INTO looked (user, child, unscheduledAt, silentAt) VALUES (?1, ?2, ?3, ?4)
       ON CONFLICT (user, child) DO UPDATE SET
         unscheduledAt = max(min(unscheduledAt, ?5), excluded.unscheduledAt),
         silentAt = max(min(silentAt, ?5), excluded.silentAt)`,
    ).run(user, child, unscheduled ? at : NEVER, unscheduled ? NEVER : at, now);

    const tally = this.#tallyOf(user);
    tally.since[access]++;
    if (!this.#rules.some((rule, i) => this.#mayExceed(tally, rule, i, at))) return;
    this.#recount(user, tally, at);
    this.#rules.forEach((rule, i) => {
      const { sign, threshold, windowMs } = rule;
      const count = tally.counts[i] ?? 0;
      if (count <= threshold || !this.#applies(tally, rule, i, at)) return;
      this.#insertAlert(
        {
          type: 'enumeration-alert',
          auditId: randomUUID(),
          caller,
          sign,
          ...(rule.access !== undefined && { access: rule.access }),
          count,
          threshold,
          windowSeconds: windowMs / 1_000,
          occurredAt: new Date(at).toISOString(),
        },
        at,
        true,
      );
      this.#quieten(user, tally, i, at);
    });
  }

  #childOf(nhsNumber: string): number {
    const hashed = hash('sha256', `${this.#numberKey} ${nhsNumber}`);
    return Number.parseInt(hashed.slice(0, 2 * CHILD_BYTES), 16);
  }

  /** Records an attempt by a barred user, at most one an hour for a user and a child. */
  #keepBarred(tried: CouldNotCheck, councils: readonly string[], at: number): void {
    const { auditId, caller, nhsNumber } = tried;
    const attempt = JSON.stringify([caller.issuer, caller.user, this.#childOf(nhsNumber)]);
    const row: BarredAttempt = {
      auditId,
      at: new Date(at).toISOString(),
      caller,
      councils: [...councils],
    };
    this.#sql(
      `INSERT INTO barred (auditId, attempt, at, json, written)
       SELECT ?1, ?2, ?3, ?4, 0
       WHERE NOT EXISTS (SELECT 1 FROM barred WHERE attempt = ?2 AND at > ?3 - ${HOUR_MS} AND at < ?3 + ${HOUR_MS})
       ON CONFLICT (auditId) DO NOTHING`,
    ).run(auditId, attempt, at, JSON.stringify(row));
  }

  /**
   * Records a look whose place no council is told, at most one a day for a child: the council that has protected the
   * child the longest has no plan that is shown any more, so it is not notified, and the place is kept from the others.
   */
  #keepUntold({ auditId, access, nhsNumber, shown, whereaboutsOf }: Answered, at: number): void {
    const first = whereaboutsOf?.[0];
    if (first === undefined || access === 'silent-read') return;
    if (shown?.some(({ authority }) => authority === first) === true) return;
    const row: UntoldLook = { auditId, at: new Date(at).toISOString(), first };
    this.#sql(
      `INSERT INTO untold (auditId, child, at, json, written)
       SELECT ?1, ?2, ?3, ?4, 0
       WHERE NOT EXISTS (SELECT 1 FROM untold WHERE child = ?2 AND at > ?3 - ${DAY_MS} AND at < ?3 + ${DAY_MS})
       ON CONFLICT (auditId) DO NOTHING`,
    ).run(auditId, this.#childOf(nhsNumber), at, JSON.stringify(row));
  }

  /**
   * Records that a second council protects a child: it may do so to learn where the child is. The act names
   * the councils that protected it before, except one whose act had not yet taken effect: that one is known
   * from its own act.
   */
  #keepTwice(event: Restricted, at: number): void {
    const { auditId, act, kind, restriction, authority, nhsNumber, protectedBy = [] } = event;
    if (kind !== 'whereabouts') return;
    const child = this.#childOf(nhsNumber);
    const before = this.#protections(child);
    this.#sql(
      'INSERT OR IGNORE INTO protected (restriction, child, authority) VALUES (?, ?, ?)',
    ).run(restriction, child, authority);
    this.#sql(
      act === 'ended'
        ? 'INSERT OR IGNORE INTO protection_ended (restriction) VALUES (?)'
        : 'DELETE FROM protection_ended WHERE restriction = ?',
    ).run(restriction);
    // An act that was cut short is recorded once more.
    const isRepeat = before.some((each) => each.restriction === restriction && each.act === act);
    if (act === 'ended' || isRepeat) return;
    const [oldest = authority, next = authority] = councilsProtecting(this.#protections(child));
    // Only a protection whose end was lost can become the oldest of several again.
    const [first, council] =
      protectedBy[0] === undefined && oldest === authority
        ? [authority, next]
        : [protectedBy[0] ?? oldest, authority];
    if (first === council) return;
    const row: ProtectedTwice = {
      auditId,
      at: new Date(at).toISOString(),
      council,
      first,
    };
    this.#sql(
      'INSERT INTO twice (auditId, at, json, written) VALUES (?, ?, ?, 0) ON CONFLICT (auditId) DO NOTHING',
    ).run(auditId, at, JSON.stringify(row));
  }

  /** What is on record about the protections of a child, the oldest record first. */
  #protections(child: number): ProtectionAct[] {
    return this.#sql(
      `SELECT restriction, authority, iif(restriction IN (SELECT restriction FROM protection_ended), 'ended', 'set') AS act
         FROM protected WHERE child = ? ORDER BY rowid`,
    )
      .all(child)
      .map((row) => protectionRow.parse(row));
  }

  #applies(tally: Tally, rule: Rule, i: number, at: number): boolean {
    const quietForMs = (tally.quietUntil[i] ?? 0) - at;
    // Longer than any quiet period: a clock was ahead when that began.
    const isQuiet = quietForMs > 0 && quietForMs <= QUIET_AT_MOST_MS;
    return !isQuiet && (rule.outOfHours !== true || this.#outOfHours(at));
  }

  #outOfHours(at: number): boolean {
    const quarter = Math.floor(at / QUARTER_HOUR_MS);
    if (quarter !== this.#quarter.at) this.#quarter = { at: quarter, outOfHours: isOutOfHours(at) };
    return this.#quarter.outOfHours;
  }

  /** Whether a rule's count may have passed its threshold since it was last known. */
  #mayExceed(tally: Tally, rule: Rule, i: number, at: number): boolean {
    const { counts, since } = tally;
    const { access, threshold } = rule;
    const more = access === undefined ? since.unscheduled + since['silent-read'] : since[access];
    // Nothing is known about moments before that of the counts.
    if (at >= tally.at && (more === 0 || (counts[i] ?? 0) + more <= threshold)) return false;
    return this.#applies(tally, rule, i, at);
  }

  #recount(user: number, tally: Tally, at: number): void {
    const row = z
      .record(z.string(), z.number())
      .parse(this.#sql(countingSql(this.#rules)).get(user, at));
    tally.at = at;
    tally.counts = this.#rules.map((_, i) => row[`r${i}`] ?? 0);
    tally.since = { unscheduled: 0, 'silent-read': 0 };
  }

  /** No other alert of this sign for an hour, and none by this rule while it would count the same. */
  #quieten(user: number, tally: Tally, alerted: number, at: number): void {
    for (const [i, { sign, windowMs }] of this.#rules.entries()) {
      if (sign !== this.#rules[alerted]?.sign) continue;
      const until = at + (i === alerted ? Math.max(windowMs, HOUR_MS) : HOUR_MS);
      const before = tally.quietUntil[i] ?? 0;
      if (until <= before && before - at <= QUIET_AT_MOST_MS) continue;
      tally.quietUntil[i] = until;
      this.#sql('INSERT OR REPLACE INTO quiet (user, rule, until) VALUES (?, ?, ?)').run(
        user,
        i,
        until,
      );
    }
  }

  #userOf(key: string): number {
    const known = this.#users.get(key);
    if (known !== undefined) return known;
    if (this.#users.size >= USERS_REMEMBERED) this.#forget();
    this.#sql('INSERT INTO user (key) VALUES (?) ON CONFLICT (key) DO NOTHING').run(key);
    const { id } = idRow.parse(this.#sql('SELECT id FROM user WHERE key = ?').get(key));
    this.#users.set(key, id);
    return id;
  }

  #tallyOf(user: number): Tally {
    const known = this.#tallies.get(user);
    if (known !== undefined) return known;
    const quietUntil = this.#rules.map(() => 0);
    for (const row of this.#sql('SELECT rule, until FROM quiet WHERE user = ?').all(user)) {
      const { rule, until } = quietRow.parse(row);
      quietUntil[rule] = until;
    }
    // Nothing is known yet, so any count may be above its threshold.
    const counts = this.#rules.map(() => Number.POSITIVE_INFINITY);
    const tally = { at: 0, counts, since: { unscheduled: 0, 'silent-read': 0 }, quietUntil };
    this.#tallies.set(user, tally);
    return tally;
  }

  #insertAlert(alert: EnumerationAlertEvent, at: number, counted: boolean): void {
    // One of our own alerts comes back from the log unchanged.
    this.#sql(
      `INSERT INTO alert (auditId, at, json, counted, recorded, written) VALUES (?, ?, ?, ?, ?, 0)
       ON CONFLICT (auditId) DO NOTHING`,
    ).run(alert.auditId, at, JSON.stringify(alert), Number(counted), Number(!counted));
  }

  /** An alert of a lookup process, which the privacy officer also receives. */
  #keepAlert(alert: Extract<AuditEvent, { type: 'enumeration-alert' }>): void {
    this.#insertAlert(enumerationAlertEventSchema.parse(alert), happenedAt(alert), false);
  }

  #alerts(where: string): { alert: EnumerationAlertEvent; at: number }[] {
    return this.#sql(`SELECT at, json FROM alert WHERE ${where} ORDER BY at, auditId`)
      .all()
      .map((row) => {
        const { at, json } = alertRow.parse(row);
        return { alert: json, at };
      });
  }

  /** Alerts that are not in the audit yet. */
  unrecorded(): EnumerationAlertEvent[] {
    return this.#alerts('recorded = 0').map(({ alert }) => alert);
  }

  recorded(auditId: string): void {
    this.#sql('UPDATE alert SET recorded = 1 WHERE auditId = ?').run(auditId);
  }

  /** Alerts not yet given to the privacy officer. */
  unwritten(): { alert: EnumerationAlertEvent; at: number }[] {
    return this.#alerts('written = 0');
  }

  written(auditId: string): void {
    this.#sql('UPDATE alert SET written = 1 WHERE auditId = ?').run(auditId);
  }

  /** Attempts by barred users not yet given to the Guardian. */
  unwrittenBarred(): BarredAttempt[] {
    return this.#sql('SELECT json FROM barred WHERE written = 0 ORDER BY at, auditId')
      .all()
      .map((row) => barredRow.parse(row).json);
  }

  writtenBarred(auditId: string): void {
    this.#sql('UPDATE barred SET written = 1 WHERE auditId = ?').run(auditId);
  }

  /** Second protections of a child not yet given to the Guardian. */
  unwrittenTwice(): ProtectedTwice[] {
    return this.#sql('SELECT json FROM twice WHERE written = 0 ORDER BY at, auditId')
      .all()
      .map((row) => twiceRow.parse(row).json);
  }

  writtenTwice(auditId: string): void {
    this.#sql('UPDATE twice SET written = 1 WHERE auditId = ?').run(auditId);
  }

  /** Looks whose place no council is told, not yet given to the Guardian. */
  unwrittenUntold(): UntoldLook[] {
    return this.#sql('SELECT json FROM untold WHERE written = 0 ORDER BY at, auditId')
      .all()
      .map((row) => untoldRow.parse(row).json);
  }

  writtenUntold(auditId: string): void {
    this.#sql('UPDATE untold SET written = 1 WHERE auditId = ?').run(auditId);
  }

  /** Alerts for children counted, since a moment. */
  alertsSince(at: number): number {
    const row = this.#sql('SELECT count(*) AS count FROM alert WHERE counted = 1 AND at > ?').get(
      at,
    );
    return countRow.parse(row).count;
  }

  /** Removes what no window reaches back to. Measured from the latest event, not from a clock. */
  expire(): void {
    this.#transaction(() => {
      const row = this.#sql('SELECT dataset, keyedBy, position, youngest FROM cursor').get();
      if (row === undefined) return;
      const { youngest } = cursorRow.parse(row);
      this.#sql('DELETE FROM looked WHERE max(unscheduledAt, silentAt) < ?').run(
        youngest - KEPT_MS,
      );
      this.#sql('DELETE FROM quiet WHERE until < ?').run(youngest - KEPT_MS);
      this.#sql('DELETE FROM alert WHERE recorded = 1 AND written = 1 AND at < ?').run(
        youngest - ALERTS_KEPT_MS,
      );
      this.#sql('DELETE FROM barred WHERE written = 1 AND at < ?').run(youngest - KEPT_MS);
      this.#sql('DELETE FROM untold WHERE written = 1 AND at < ?').run(youngest - KEPT_MS);
      this.#sql('DELETE FROM twice WHERE written = 1 AND at < ?').run(youngest - KEPT_MS);
      this.#db.exec(
        'DELETE FROM user WHERE id NOT IN (SELECT user FROM looked) AND id NOT IN (SELECT user FROM quiet)',
      );
      this.#forget();
    });
  }
}
