import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { nhsNumberSchema } from '#schemas/nhs-number.ts';
import { type PlanRow, type SpooledRow, spooledRowSchema } from '#schemas/row.ts';
import { packRow, unpackRow } from '#store/rows.ts';
import type { RowEffect } from '#store/store.ts';
import type { PlacedRow } from './decide.ts';

const FOLDER_PREFIX = 'load-';
const DATABASE = 'spool.sqlite';

const SCHEMA = `
  CREATE TABLE row (id INTEGER PRIMARY KEY, record INTEGER NOT NULL, number TEXT NOT NULL,
    type TEXT NOT NULL, start TEXT NOT NULL, json TEXT NOT NULL, place TEXT NOT NULL, effect TEXT) STRICT;
  CREATE UNIQUE INDEX identity ON row (number, type, start);
  CREATE INDEX record ON row (record);
  CREATE TABLE held (number TEXT NOT NULL, packed TEXT NOT NULL) STRICT;
  CREATE INDEX held_number ON held (number);
  CREATE TABLE journal (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL) STRICT;
`;

const rowSchema = z.object({ json: z.string(), place: z.string() });
const recordRowSchema = rowSchema.extend({ record: z.number() });
const decidedRowSchema = rowSchema.extend({
  id: z.number(),
  effect: z.enum(['added', 'changed', 'unchanged', 'superseded']),
});

/**
 * A load's own disk: the minimised rows of a file while it is checked, then the journal from which a load
 * is carried to its end whatever happens to the process.
 *
 * One SQLite file (0600) in a folder of its own (0700). SQLite keeps memory flat at any size of file,
 * finds a repeated plan by its index, and says with one COMMIT, synced, that the decisions stand. The file
 * is locked for as long as the process that has it open lives, which is how an abandoned one is told.
 */
export class Spool {
  /** Absolute path. Its name is random letters: no digits that could be taken for a number. */
  readonly folder: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(folder: string, db: DatabaseSync) {
    this.folder = folder;
    this.#db = db;
  }

  /** @param spoolDir made if absent */
  static create(spoolDir: string): Spool {
    mkdirSync(spoolDir, { recursive: true, mode: 0o700 });
    const folder = resolve(spoolDir, `${FOLDER_PREFIX}${randomLetters()}`);
    mkdirSync(folder, { mode: 0o700 });
    closeSync(openSync(join(folder, DATABASE), 'wx', 0o600));
    const db = openDatabase(folder);
    db.exec(SCHEMA);
    syncFolder(folder);
    syncFolder(spoolDir);
    db.exec('BEGIN');
    return new Spool(folder, db);
  }

  /** @throws where there is no such spool, or another process has it open */
  static open(folder: string): Spool {
    statSync(join(folder, DATABASE));
    const db = openDatabase(folder);
    db.exec('BEGIN EXCLUSIVE');
    return new Spool(folder, db);
  }

  #run(sql: string, ...values: SQLInputValue[]): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    if (values.length > 0) statement.run(...values);
    return statement;
  }

  /** The record that already holds this plan, if one does. */
  recordOf({
    nhsNumber,
    type,
    startDate,
  }: Pick<SpooledRow, 'nhsNumber' | 'type' | 'startDate'>): number | undefined {
    const found = this.#run(
      'SELECT record FROM row WHERE number = ? AND type = ? AND start = ?',
    ).get(nhsNumber, type, startDate);
    return found === undefined ? undefined : z.number().parse(found['record']);
  }

  addRecord(record: number, rows: readonly PlacedRow[]): void {
    for (const { row, place } of rows) {
      this.#run(
        'INSERT INTO row (record, number, type, start, json, place) VALUES (?, ?, ?, ?, ?, ?)',
        record,
        row.nhsNumber,
        row.type,
        row.startDate,
        JSON.stringify(row),
        place,
      );
    }
  }

  /** Each number once, in batches. */
  *numbers(batch: number): Generator<NhsNumber[]> {
    let last = '';
    for (;;) {
      const numbers = this.#run(
        'SELECT DISTINCT number FROM row WHERE number > ? ORDER BY number LIMIT ?',
      )
        .all(last, batch)
        .map((found) => nhsNumberSchema.parse(found['number']));
      if (numbers.length === 0) return;
      yield numbers;
      last = numbers.at(-1) ?? last;
    }
  }

  /** Keeps what the authority held before this file. */
  addHeld(rows: readonly PlanRow[]): void {
    for (const row of rows) {
      this.#run('INSERT INTO held (number, packed) VALUES (?, ?)', row.nhsNumber, packRow(row));
    }
  }

  held(nhsNumber: string): PlanRow[] {
    return this.#run('SELECT number, packed FROM held WHERE number = ?')
      .all(nhsNumber)
      .map((found) =>
        unpackRow(nhsNumberSchema.parse(found['number']), z.string().parse(found['packed'])),
      );
  }

  rowsOf(nhsNumber: string): SpooledRow[] {
    return this.#run('SELECT json, place FROM row WHERE number = ?')
      .all(nhsNumber)
      .map((found) => placedRow(found).row);
  }

  /** The records in the order of the file, each with its rows. */
  *records(): Generator<{ record: number; rows: PlacedRow[] }> {
    let record = 0;
    for (;;) {
      const found = this.#run(
        'SELECT record, json, place FROM row WHERE record = (SELECT min(record) FROM row WHERE record > ?) ORDER BY id',
      ).all(record);
      const first = found[0];
      if (first === undefined) return;
      record = recordRowSchema.parse(first).record;
      yield { record, rows: found.map(placedRow) };
    }
  }

  /** Marks a record's rows as accepted, with what each will do, in their order. */
  accept(record: number, effects: readonly RowEffect[]): void {
    const ids = this.#run('SELECT id FROM row WHERE record = ? ORDER BY id').all(record);
    ids.forEach((found, i) => {
      this.#run(
        'UPDATE row SET effect = ? WHERE id = ?',
        effects[i] ?? null,
        z.number().parse(found['id']),
      );
    });
  }

  /** The accepted rows in the order of the file, in batches. */
  *accepted(batch: number): Generator<{ row: SpooledRow; effect: RowEffect }[]> {
    let last = 0;
    for (;;) {
      const found = this.#run(
        'SELECT id, json, place, effect FROM row WHERE id > ? AND effect IS NOT NULL ORDER BY id LIMIT ?',
      )
        .all(last, batch)
        .map((row) => ({ ...decidedRowSchema.parse(row), row: placedRow(row).row }));
      if (found.length === 0) return;
      yield found.map(({ row, effect }) => ({ row, effect }));
      last = found.at(-1)?.id ?? last;
    }
  }

  /** Writes the journal; it and every decision are on disk when this returns. */
  commitJournal(json: string): void {
    this.#run('INSERT INTO journal (one, json) VALUES (1, ?)', json);
    this.#db.exec('COMMIT');
    this.#db.exec('BEGIN EXCLUSIVE');
  }

  /** `undefined` before {@link Spool.commitJournal}. */
  journal(): string | undefined {
    const found = this.#run('SELECT json FROM journal').get();
    return found === undefined ? undefined : z.string().parse(found['json']);
  }

  close(): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  /** Closes the spool and removes all of it. */
  remove(): void {
    this.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Removes spools that no load needs any more: those of processes that died before they applied anything.
 *
 * @param needed folders of loads under way
 * @returns how many were removed
 */
export function sweepSpools(spoolDir: string, needed: readonly string[]): number {
  let names: string[];
  try {
    names = readdirSync(spoolDir);
  } catch {
    return 0;
  }
  const keep = new Set(needed.map((folder) => basename(folder)));
  const abandoned = names.filter(
    (name) =>
      name.startsWith(FOLDER_PREFIX) && !keep.has(name) && isAbandoned(join(spoolDir, name)),
  );
  for (const name of abandoned) rmSync(join(spoolDir, name), { recursive: true, force: true });
  return abandoned.length;
}

/** Young folders may belong to a process that has not locked its spool yet. */
const YOUNG_MS = 60_000;

function isAbandoned(folder: string): boolean {
  try {
    if (Date.now() - statSync(folder).mtimeMs < YOUNG_MS) return false;
    Spool.open(folder).close();
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT';
  }
}

function openDatabase(folder: string): DatabaseSync {
  const db = new DatabaseSync(join(folder, DATABASE), { timeout: 0 });
  // In memory: SQLite's temporary files would be children's rows outside the spool.
  db.exec('PRAGMA temp_store = MEMORY; PRAGMA locking_mode = EXCLUSIVE;');
  db.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;');
  return db;
}

function placedRow(found: Record<string, unknown>): PlacedRow {
  const { json, place } = rowSchema.parse(found);
  return { row: spooledRowSchema.parse(JSON.parse(json)), place };
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function randomLetters(): string {
  return randomBytes(12)
    .toString('hex')
    .replaceAll(/[0-9]/g, (digit) => String.fromCharCode('g'.charCodeAt(0) + Number(digit)));
}
