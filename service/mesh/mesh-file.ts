import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { z } from 'zod';
import { type OperatorEvent, operatorEventSchema } from '#schemas/audit/audit-event.ts';
import { inTransaction, openDurable } from '#store/files/sqlite.ts';

/**
 * `stored`: on our disk. `handed`: the intake has it. `done`: MESH knows. `left`: not for this service.
 * `wrong`: it cannot be fetched, and is tried again. `gone`: MESH has removed it.
 */
const RECEIVED = ['stored', 'handed', 'done', 'left', 'wrong', 'gone'] as const;
type ReceivedState = (typeof RECEIVED)[number];

/**
 * `waiting`: to be sent. `asked`: the first part was sent, and it is unknown whether it was taken. `sending`:
 * taken, with parts to come. `sent`: all of it taken. `delivered`: fetched by its recipient. `failed`: not
 * delivered, and not retried automatically. `unclear`: nobody knows whether it was taken. `dropped`: by a
 * person.
 */
const SENT = [
  'waiting',
  'asked',
  'sending',
  'sent',
  'delivered',
  'failed',
  'unclear',
  'dropped',
] as const;
type SentState = (typeof SENT)[number];

const receivedRow = z.object({
  id: z.string(),
  state: z.enum(RECEIVED),
  at: z.number(),
  tries: z.number(),
  notBefore: z.number(),
  detail: z.string(),
});
/** A message of our inbox. Instants are milliseconds since 1970. */
export type Received = z.infer<typeof receivedRow>;

const sentRow = z.object({
  key: z.string(),
  name: z.string(),
  recipient: z.string(),
  workflowId: z.string(),
  subject: z.string(),
  state: z.enum(SENT),
  /** From 1: how often it was sent again, each time under another local id. */
  attempt: z.number(),
  messageId: z.string(),
  chunks: z.number(),
  chunksSent: z.number(),
  tries: z.number(),
  addedAt: z.number(),
  changedAt: z.number(),
  notBefore: z.number(),
  code: z.string(),
  detail: z.string(),
});
/** A message that is sent, or was. */
export type Sent = z.infer<typeof sentRow>;

/** The same for the same attempt, so that MESH can be asked whether it has the message. */
export const localIdOf = ({ key, attempt }: Pick<Sent, 'key' | 'attempt'>): string =>
  `cpf-${key}-${attempt}`;

/** The name by which a person knows it. */
export const titleOf = ({ subject, name }: Pick<Sent, 'subject' | 'name'>): string =>
  subject === '' ? name : subject;

const reportRow = z.object({ id: z.string(), at: z.number(), text: z.string() });
/** A report from MESH on something unknown to this service. */
type StrayReport = z.infer<typeof reportRow>;

const decisionRow = z.object({
  key: z.string(),
  keptAt: z.number(),
  event: z.string().transform((json) => operatorEventSchema.parse(JSON.parse(json))),
});
/** A person's decision about a message, which is not known to be on record. Until it is, nothing else changes the message. */
type Decision = z.infer<typeof decisionRow>;

const times = z.object({ polledAt: z.number(), handshakeAt: z.number() });

const stateSchema = z.object({
  problem: z.boolean(),
  detail: z.string(),
  /** ISO 8601: when it was said. */
  at: z.iso.datetime(),
});
/** The state of the client, for all readers. */
type MeshState = z.infer<typeof stateSchema>;

const countRow = z.object({ state: z.string(), count: z.number() });
export type MeshCounts = {
  /** Ready to be fetched, or fetched and not yet with the intake. */
  unfetched: number;
  /** In the mailbox, and not for this service by its settings. */
  left: number;
  waiting: number;
  /** Milliseconds since 1970: the oldest that MESH does not have yet. */
  oldestWaiting: number | undefined;
  /** Taken by MESH, and not fetched by its recipient yet. */
  undelivered: number;
  failed: number;
  unclear: number;
};

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS received (id TEXT PRIMARY KEY, state TEXT NOT NULL, at INTEGER NOT NULL,
    tries INTEGER NOT NULL, notBefore INTEGER NOT NULL, detail TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS sent (key TEXT PRIMARY KEY, name TEXT NOT NULL, recipient TEXT NOT NULL,
    workflowId TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL,
    messageId TEXT NOT NULL, chunks INTEGER NOT NULL, chunksSent INTEGER NOT NULL, tries INTEGER NOT NULL,
    addedAt INTEGER NOT NULL, changedAt INTEGER NOT NULL, notBefore INTEGER NOT NULL, code TEXT NOT NULL,
    detail TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS sent_state ON sent (state, notBefore);
  CREATE INDEX IF NOT EXISTS sent_message ON sent (messageId);
  CREATE TABLE IF NOT EXISTS report (id TEXT PRIMARY KEY, at INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS decision (key TEXT PRIMARY KEY, keptAt INTEGER NOT NULL, event TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS times (one INTEGER PRIMARY KEY CHECK (one = 1), polledAt INTEGER NOT NULL,
    handshakeAt INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
`;
const DATABASE = 'mesh.sqlite';
const READER_WAITS_MS = 500;

/**
 * What was received and sent by MESH: one SQLite file with synchronous FULL, without anything of a child. One
 * process at a time writes it; any number read it, and a person's decision may be written too.
 */
export class MeshFile {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Opens, or creates, the file in an existing folder. */
  static open(folder: string, timeoutMs?: number): MeshFile {
    const options = timeoutMs === undefined ? {} : { timeoutMs };
    return new MeshFile(openDurable(join(folder, DATABASE), SCHEMA, options));
  }

  /** Works on the file of a folder; `undefined` before there is one. @throws while it cannot be read */
  static use<T>(folder: string, work: (file: MeshFile) => T): T | undefined {
    if (!existsSync(join(folder, DATABASE))) return undefined;
    const file = MeshFile.open(folder, READER_WAITS_MS);
    try {
      return work(file);
    } finally {
      file.close();
    }
  }

  close(): void {
    this.#db.close();
  }

  #run(sql: string, values: Record<string, SQLInputValue>): number {
    return Number(this.#db.prepare(sql).run(values).changes);
  }

  #all(sql: string, ...values: SQLInputValue[]): Record<string, SQLOutputValue>[] {
    return this.#db.prepare(sql).all(...values);
  }

  received(id: string): Received | undefined {
    const [row] = this.#all('SELECT * FROM received WHERE id = ?', id);
    return row && receivedRow.parse(row);
  }

  /** Messages in this state, the oldest first. */
  receivedIn(state: ReceivedState): Received[] {
    return z
      .array(receivedRow)
      .parse(this.#all('SELECT * FROM received WHERE state = ? ORDER BY at, id', state));
  }

  /** Whether a message is for this service is decided again, since its settings may have changed. */
  forgetLeft(): void {
    this.#run("DELETE FROM received WHERE state = 'left'", {});
  }

  setReceived(row: Received): void {
    this.#run(
      `INSERT INTO received VALUES (:id, :state, :at, :tries, :notBefore, :detail)
       ON CONFLICT (id) DO UPDATE SET state = :state, tries = :tries, notBefore = :notBefore, detail = :detail`,
      row,
    );
  }

  sent(key: string): Sent | undefined {
    const [row] = this.#all('SELECT * FROM sent WHERE key = ?', key);
    return row && sentRow.parse(row);
  }

  sentAs(messageId: string): Sent | undefined {
    if (messageId === '') return undefined;
    const [row] = this.#all('SELECT * FROM sent WHERE messageId = ?', messageId);
    return row && sentRow.parse(row);
  }

  /**
   * What is due at this instant: first what MESH has not taken yet, the oldest first, then what may have been
   * fetched by now. Times set by a clock that has been put back since are ignored.
   */
  due(now: number, atMost: number): Sent[] {
    const sql = `SELECT * FROM sent WHERE state IN ('waiting', 'asked', 'sending', 'sent')
      AND (notBefore <= ?1 OR changedAt > ?1) ORDER BY state = 'sent', addedAt, key LIMIT ?2`;
    return z.array(sentRow).parse(this.#all(sql, now, atMost));
  }

  sentIn(...states: SentState[]): Sent[] {
    const marks = states.map(() => '?').join(', ');
    const sql = `SELECT * FROM sent WHERE state IN (${marks}) ORDER BY addedAt, key`;
    return z.array(sentRow).parse(this.#all(sql, ...states));
  }

  addSent(row: Sent): void {
    this.#run(
      `INSERT INTO sent VALUES (:key, :name, :recipient, :workflowId, :subject, :state, :attempt, :messageId,
       :chunks, :chunksSent, :tries, :addedAt, :changedAt, :notBefore, :code, :detail)`,
      row,
    );
  }

  /**
   * Changes a row unless somebody has changed it since it was read, or has decided about it.
   *
   * @returns whether it was changed
   */
  changeSent(row: Sent, change: Partial<Sent>, now: number): boolean {
    const { state, attempt, messageId, chunks, chunksSent, tries, notBefore, code, detail } = {
      ...row,
      ...change,
    };
    const of = { messageId, chunks, chunksSent };
    const changed = { state, attempt, ...of, tries, notBefore, code, detail };
    const before = { key: row.key, stateBefore: row.state, attemptBefore: row.attempt };
    return (
      this.#run(
        `UPDATE sent SET state = :state, attempt = :attempt, messageId = :messageId,
         chunks = :chunks, chunksSent = :chunksSent, tries = :tries, changedAt = :changedAt, notBefore = :notBefore,
         code = :code, detail = :detail
         WHERE key = :key AND state = :stateBefore AND attempt = :attemptBefore
         AND key NOT IN (SELECT key FROM decision)`,
        { ...changed, ...before, changedAt: now },
      ) === 1
    );
  }

  /** Decisions that are kept, and not carried out. */
  decisions(): Decision[] {
    return z.array(decisionRow).parse(this.#all('SELECT * FROM decision'));
  }

  /** Keeps a decision about a message until it is recorded. It must be one about which nobody else has decided. */
  keepDecision(key: string, event: OperatorEvent, now: number): void {
    this.#run('INSERT INTO decision VALUES (:key, :keptAt, :event)', {
      key,
      keptAt: now,
      event: JSON.stringify(operatorEventSchema.parse(event)),
    });
  }

  /**
   * Ends a decision that is kept. Doing it again changes nothing.
   *
   * @param changeOf what it changes, if it is on record
   */
  endDecision(auditId: string, now: number, changeOf?: (row: Sent) => Partial<Sent>): void {
    inTransaction(this.#db, () => {
      const decision = this.decisions().find(({ event }) => event.auditId === auditId);
      if (decision === undefined) return;
      this.#run('DELETE FROM decision WHERE key = :key', { key: decision.key });
      const row = this.sent(decision.key);
      if (row !== undefined && changeOf !== undefined) this.changeSent(row, changeOf(row), now);
    });
  }

  /** Does all of some work on the file, or none of it. */
  atOnce<T>(work: () => T): T {
    return inTransaction(this.#db, work);
  }

  addReport(report: StrayReport): void {
    this.#run('INSERT OR IGNORE INTO report VALUES (:id, :at, :text)', report);
  }

  reports(): StrayReport[] {
    return z.array(reportRow).parse(this.#all('SELECT * FROM report ORDER BY at, id'));
  }

  times(): z.infer<typeof times> {
    const [row] = this.#all('SELECT polledAt, handshakeAt FROM times');
    return row === undefined ? { polledAt: 0, handshakeAt: 0 } : times.parse(row);
  }

  setTimes(change: Partial<z.infer<typeof times>>): void {
    this.#run('INSERT OR REPLACE INTO times VALUES (1, :polledAt, :handshakeAt)', {
      ...this.times(),
      ...change,
    });
  }

  state(): MeshState | undefined {
    const [row] = this.#all("SELECT json FROM told WHERE name = 'state'");
    return typeof row?.['json'] === 'string'
      ? stateSchema.parse(JSON.parse(row['json']))
      : undefined;
  }

  tellState(state: MeshState): void {
    const json = JSON.stringify(state);
    this.#run("INSERT OR REPLACE INTO told VALUES ('state', :json)", { json });
  }

  counts(): MeshCounts {
    const of = (table: 'received' | 'sent') => {
      const rows = this.#all(`SELECT state, count(*) AS count FROM ${table} GROUP BY state`);
      const counts = z.array(countRow).parse(rows);
      return (...states: string[]): number =>
        counts
          .filter(({ state }) => states.includes(state))
          .reduce((sum, { count }) => sum + count, 0);
    };
    const received = of('received');
    const sent = of('sent');
    const untaken = this.sentIn('waiting', 'asked', 'sending');
    const [oldest] = untaken;
    return {
      unfetched: received('stored', 'wrong'),
      left: received('left'),
      waiting: untaken.length,
      oldestWaiting: oldest?.addedAt,
      undelivered: sent('sent'),
      failed: sent('failed'),
      unclear: sent('unclear'),
    };
  }

  /**
   * Removes what ended before these instants: one for finished messages, one for those that MESH may still
   * report on.
   *
   * @returns the keys of what was sent
   */
  prune({ ended, open }: { ended: number; open: number }): string[] {
    this.#run("DELETE FROM received WHERE state <> 'stored' AND at < :open", { open });
    this.#run('DELETE FROM report WHERE at < :open', { open });
    const removed = this.#all(
      `DELETE FROM sent WHERE (state IN ('delivered', 'dropped') AND changedAt < ?)
       OR (state IN ('sent', 'failed', 'unclear') AND addedAt < ?) RETURNING key`,
      ended,
      open,
    );
    return z
      .array(z.object({ key: z.string() }))
      .parse(removed)
      .map(({ key }) => key);
  }
}
