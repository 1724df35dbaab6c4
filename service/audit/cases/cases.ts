import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { z } from 'zod';
import {
  CASE_STATES,
  CASE_STEPS,
  type CaseStep,
  type JudgedStep,
  judgeStep,
} from '#schemas/audit/access-case.ts';
import { type AccessCaseEvent, accessCaseEventSchema } from '#schemas/audit/audit-event.ts';
import { isWithoutEffect } from '#store/connection/connection.ts';
import { inRecordedTransaction, openDurable, untilFree } from '#store/files/sqlite.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS accessCase (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    entry INTEGER NOT NULL, accessId TEXT NOT NULL, organisation TEXT NOT NULL, about TEXT NOT NULL,
    state TEXT NOT NULL, proposedBy TEXT, openedAt TEXT NOT NULL, changedAt TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS byEntry ON accessCase (entry);
  CREATE INDEX IF NOT EXISTS proposed ON accessCase (number) WHERE state = 'breach-proposed';
  CREATE INDEX IF NOT EXISTS byOrganisation ON accessCase (organisation, number);
  CREATE TABLE IF NOT EXISTS step (caseNumber INTEGER NOT NULL, number INTEGER NOT NULL, step TEXT NOT NULL,
    at TEXT NOT NULL, by TEXT NOT NULL, words TEXT, salt TEXT,
    PRIMARY KEY (caseNumber, number)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS unfinished (id INTEGER PRIMARY KEY AUTOINCREMENT, change TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0) STRICT;
`;
/** An officer waits while somebody erases; lookups in the same process must not wait long. */
const BUSY_TIMEOUT_MS = 1_000;

const caseRow = z.object({
  number: z.number(),
  id: z.uuid(),
  entry: z.number(),
  accessId: z.string(),
  organisation: z.string(),
  /** The key of the user who made the access. */
  about: z.string(),
  state: z.enum(CASE_STATES),
  proposedBy: z.string().nullable(),
  openedAt: z.string(),
  changedAt: z.string(),
});
/** A case on one access. The log has who made the access and what it showed. */
export type AccessCase = z.infer<typeof caseRow>;

const stepRow = z.object({
  step: z.enum(CASE_STEPS),
  at: z.string(),
  by: z.string(),
  words: z.string().nullable(),
});
type CaseLine = z.infer<typeof stepRow>;

/** The access that a case is opened on. */
type CaseAccess = Pick<AccessCase, 'entry' | 'accessId' | 'organisation' | 'about'>;

/** Who takes a step: their key, and the audit's description of them. */
export type CaseActor = {
  key: string;
  event: Pick<AccessCaseEvent, 'caller' | 'by' | 'account' | 'requestId'>;
};

export type StepTaken =
  | { kind: 'taken'; id: string }
  | Extract<JudgedStep, { kind: 'refused' }>
  /** There is already a case on this access. */
  | { kind: 'open'; id: string };

/** `empty` if the case had no note left. */
type Erased = 'erased' | 'changed' | 'empty';

type RecordStep = (event: AccessCaseEvent) => Promise<void>;

type CasePage = { cases: AccessCase[]; next?: number };

const digestOf = ({ salt, words }: { salt: string; words: string }): string =>
  createHash('sha256').update(`${salt} ${words}`).digest('hex');

/** What a step changes. `note` is absent if it erases the notes. */
const changeSchema = z.strictObject({
  event: accessCaseEventSchema,
  about: z.string(),
  state: z.enum(CASE_STATES),
  proposedBy: z.string().nullable(),
  at: z.string(),
  note: z.strictObject({ words: z.string(), salt: z.string() }).exactOptional(),
});
type Change = z.infer<typeof changeSchema>;

const idRow = z.object({ id: z.number() });
const changeRow = z.object({ change: z.string() });

/** What somebody is told about a step, and what it changes, if anything. */
type Judged<T> = { result: T; change?: Change };

const eventOf = (
  {
    id,
    entry,
    accessId,
    organisation,
  }: Pick<AccessCase, 'id' | 'entry' | 'accessId' | 'organisation'>,
  step: CaseStep,
  actor: CaseActor['event'] & Pick<AccessCaseEvent, 'reason' | 'words'>,
): AccessCaseEvent => ({
  type: 'access-case',
  auditId: randomUUID(),
  ...actor,
  step,
  case: id,
  entry,
  accessId,
  organisation,
});

/**
 * Cases on accesses, in a file of their own that cannot be rebuilt: their notes can be erased, and the log
 * has only a salted digest of them. A step is kept aside first, then recorded, and shown once it is on record. If that is
 * cut short, it is recorded again as the same act.
 */
export class Cases {
  readonly #db: DatabaseSync;
  readonly #record: RecordStep;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(db: DatabaseSync, record: RecordStep) {
    this.#db = db;
    this.#record = record;
  }

  static open(path: string, record: RecordStep): Cases {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const pragmas = 'PRAGMA secure_delete = ON;';
    return new Cases(openDurable(path, SCHEMA, { pragmas, timeoutMs: BUSY_TIMEOUT_MS }), record);
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #cases(where: string, ...values: SQLInputValue[]): AccessCase[] {
    return this.#db
      .prepare(`SELECT * FROM accessCase WHERE ${where}`)
      .all(...values)
      .map((row) => caseRow.parse(row));
  }

  /** Cases, newest first; of one organisation if one is given. */
  list(organisation: string | undefined, limit: number, before?: number): CasePage {
    const cases = this.#cases(
      `number < ? ${organisation === undefined ? '' : 'AND organisation = ? '}ORDER BY number DESC LIMIT ?`,
      before ?? Number.MAX_SAFE_INTEGER,
      ...(organisation === undefined ? [] : [organisation]),
      limit + 1,
    );
    const next = cases.length > limit ? cases[limit - 1]?.number : undefined;
    return { cases: cases.slice(0, limit), ...(next !== undefined && { next }) };
  }

  /** Cases in which a breach is proposed, which waits for a second person; of one organisation if one is given. */
  proposed(organisation: string | undefined): AccessCase[] {
    const where = "state = 'breach-proposed' AND organisation = coalesce(?, organisation)";
    return this.#cases(where, organisation ?? null);
  }

  find(id: string): AccessCase | undefined {
    return this.#cases('id = ?', id)[0];
  }

  /** The steps of a case, oldest first, with the notes that remain. */
  steps({ number }: Pick<AccessCase, 'number'>): CaseLine[] {
    return this.#db
      .prepare('SELECT step, at, by, words FROM step WHERE caseNumber = ? ORDER BY number')
      .all(number)
      .map((row) => stepRow.parse(row));
  }

  /** The open case on the access, or the last case that ended. */
  on(entry: number): AccessCase | undefined {
    return this.#cases('entry = ? ORDER BY number DESC LIMIT 1', entry)[0];
  }

  #openOn(entry: number): AccessCase | undefined {
    return this.#cases("entry = ? AND state IN ('under-inquiry', 'breach-proposed')", entry)[0];
  }

  #unfinished(): number[] {
    return this.#db
      .prepare('SELECT id FROM unfinished ORDER BY id')
      .all()
      .map((row) => idRow.parse(row).id);
  }

  /** Shows what a step changes. */
  #apply({ event, about, state, proposedBy, at, note }: Change): void {
    const { step, case: id, entry, accessId, organisation, by, account } = event;
    if (note === undefined) {
      this.#db
        .prepare(
          'UPDATE step SET words = NULL, salt = NULL WHERE caseNumber = (SELECT number FROM accessCase WHERE id = ?)',
        )
        .run(id);
      return;
    }
    const row = this.#db
      .prepare(
        `INSERT INTO accessCase (id, entry, accessId, organisation, about, state, proposedBy, openedAt, changedAt)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
         state = excluded.state, proposedBy = excluded.proposedBy, changedAt = excluded.changedAt RETURNING *`,
      )
      .get(id, entry, accessId, organisation, about, state, proposedBy, at, at);
    const { number } = caseRow.parse(row);
    this.#db
      .prepare(
        `INSERT INTO step (caseNumber, number, step, at, by, words, salt)
         VALUES (?, (SELECT count(*) + 1 FROM step WHERE caseNumber = ?), ?, ?, ?, ?, ?)`,
      )
      .run(
        number,
        number,
        step,
        at,
        account === undefined ? by : `${by}, ${account}`,
        note.words,
        note.salt,
      );
  }

  /**
   * Records a step that is kept here, and shows it, unless another process has done so.
   *
   * @param sent called just before it is recorded
   */
  async #finish(id: number, sent: () => void = () => undefined): Promise<void> {
    // On disk first: nobody takes back a step that somebody else may have recorded.
    await untilFree(() =>
      this.#db.prepare('UPDATE unfinished SET tries = tries + 1 WHERE id = ?').run(id),
    );
    await inRecordedTransaction(this.#db, async () => {
      const row = this.#db.prepare('DELETE FROM unfinished WHERE id = ? RETURNING change').get(id);
      if (row === undefined) return;
      const change = changeSchema.parse(JSON.parse(changeRow.parse(row).change));
      this.#apply(change);
      sent();
      await this.#record(change.event);
    });
  }

  async #finishAll(): Promise<void> {
    for (const id of this.#unfinished()) await this.#finish(id);
  }

  /** Keeps a step that is about to be taken, judged by everything that was taken before it. */
  async #begin<T>(judge: () => Judged<T>): Promise<{ result: T; id?: number }> {
    for (;;) {
      await this.#finishAll();
      const begun = await inRecordedTransaction(this.#db, () => {
        if (this.#unfinished().length > 0) return Promise.resolve(undefined);
        const { result, change } = judge();
        if (change === undefined) return Promise.resolve({ result });
        const json = JSON.stringify(changeSchema.parse(change));
        const row = this.#db
          .prepare('INSERT INTO unfinished (change) VALUES (?) RETURNING id')
          .get(json);
        return Promise.resolve({ result, ...idRow.parse(row) });
      });
      if (begun !== undefined) return begun;
    }
  }

  /** Takes a step. If that is cut short, or may be on record although it failed, {@link Cases.settle} does the rest. */
  async #takeStep<T>(judge: () => Judged<T>): Promise<T> {
    const { result, id } = await this.#begin(judge);
    if (id === undefined) return result;
    let isSent = false;
    try {
      await this.#finish(id, () => {
        isSent = true;
      });
    } catch (error) {
      if (!isSent || isWithoutEffect(error)) {
        await untilFree(() =>
          this.#db.prepare('DELETE FROM unfinished WHERE id = ? AND tries <= 1').run(id),
        );
      }
      throw error;
    }
    return result;
  }

  /** One at a time, since the file is locked meanwhile. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /** Records and shows steps that were cut short, here or in an earlier process, each as the same act as before. */
  settle(): Promise<void> {
    return this.#inTurn(() => this.#finishAll());
  }

  /** Opens a case on an access. @param words the note */
  open(
    access: CaseAccess,
    step: Exclude<CaseStep, 'erase'>,
    actor: CaseActor,
    words: string,
  ): Promise<StepTaken> {
    return this.#take(undefined, access, step, actor, words);
  }

  /** Takes a further step of a case. @param words the note */
  step(
    id: string,
    step: Exclude<CaseStep, 'erase'>,
    actor: CaseActor,
    words: string,
  ): Promise<StepTaken> {
    return this.#take(id, undefined, step, actor, words);
  }

  #take(
    id: string | undefined,
    access: CaseAccess | undefined,
    step: Exclude<CaseStep, 'erase'>,
    actor: CaseActor,
    words: string,
  ): Promise<StepTaken> {
    const judge = (): Judged<StepTaken> => {
      const before = id === undefined ? undefined : this.find(id);
      const of = before ?? access;
      const open = access && this.#openOn(access.entry);
      if (open !== undefined) return { result: { kind: 'open', id: open.id } };
      if (of === undefined) return { result: { kind: 'refused', why: 'not-now' } };
      const { state, proposedBy = null } = before ?? {};
      const judged = judgeStep(
        { state, about: of.about, proposedBy: proposedBy ?? undefined },
        step,
        actor.key,
      );
      if (judged.kind === 'refused') return { result: judged };
      const note = { words, salt: randomBytes(16).toString('hex') };
      const caseId = before?.id ?? randomUUID();
      const event = eventOf({ ...of, id: caseId }, step, {
        ...actor.event,
        words: digestOf(note),
      });
      return {
        result: { kind: 'taken', id: caseId },
        change: {
          event,
          about: of.about,
          state: judged.state,
          proposedBy: step === 'propose-breach' ? actor.key : step === 'note' ? proposedBy : null,
          at: new Date().toISOString(),
          note,
        },
      };
    };
    return this.#inTurn(() => this.#takeStep(judge));
  }

  /** Ended cases with notes, that last changed before a time (ISO 8601), oldest first. */
  ended(before: string): AccessCase[] {
    return this.#cases(
      `state IN ('explained', 'breach') AND changedAt < ?
       AND EXISTS (SELECT 1 FROM step WHERE caseNumber = accessCase.number AND words IS NOT NULL)
       ORDER BY number`,
      before,
    );
  }

  /**
   * Erases the notes of a case with their salts, so that the digests in the log reveal nothing any more.
   *
   * @param found the case as it was looked at; if a step has been taken since, nothing is erased
   */
  erase(
    found: AccessCase,
    actor: Pick<AccessCaseEvent, 'caller' | 'by' | 'account' | 'requestId' | 'reason'>,
  ): Promise<Erased> {
    const judge = (): Judged<Erased> => {
      const now = this.find(found.id);
      if (now?.changedAt !== found.changedAt) return { result: 'changed' };
      if (this.steps(now).every(({ words }) => words === null)) return { result: 'empty' };
      const { about, state, proposedBy, changedAt: at } = now;
      const event = eventOf(now, 'erase', actor);
      return { result: 'erased', change: { event, about, state, proposedBy, at } };
    };
    return this.#inTurn(() => this.#takeStep(judge));
  }
}
