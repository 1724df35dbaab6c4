import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import {
  CASE_STATES,
  CASE_STEPS,
  type CaseState,
  type CaseStep,
  type JudgedStep,
  judgeStep,
} from '#schemas/audit/access-case.ts';
import type { AccessCaseEvent } from '#schemas/audit/audit-event.ts';
import { inRecordedTransaction, openDurable } from '#store/files/sqlite.ts';

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

const digestOf = (salt: string, words: string): string =>
  createHash('sha256').update(`${salt} ${words}`).digest('hex');

/**
 * Cases on accesses, in a file of their own that cannot be rebuilt: their notes can be erased, and the log
 * has only a salted digest of them. A step is recorded before it is stored here, or neither happens.
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

  /** Cases, newest first; of one organisation if one is given. */
  list(organisation: string | undefined, limit: number, before?: number): CasePage {
    const where = ['number < ?', ...(organisation === undefined ? [] : ['organisation = ?'])];
    const cases = this.#db
      .prepare(`SELECT * FROM accessCase WHERE ${where.join(' AND ')} ORDER BY number DESC LIMIT ?`)
      .all(
        before ?? Number.MAX_SAFE_INTEGER,
        ...(organisation === undefined ? [] : [organisation]),
        limit + 1,
      )
      .map((row) => caseRow.parse(row));
    const next = cases.length > limit ? cases[limit - 1]?.number : undefined;
    return { cases: cases.slice(0, limit), ...(next !== undefined && { next }) };
  }

  /** Cases in which a breach is proposed, which waits for a second person; of one organisation if one is given. */
  proposed(organisation: string | undefined): AccessCase[] {
    return this.#db
      .prepare(
        "SELECT * FROM accessCase WHERE state = 'breach-proposed' AND organisation = coalesce(?, organisation)",
      )
      .all(organisation ?? null)
      .map((row) => caseRow.parse(row));
  }

  find(id: string): AccessCase | undefined {
    const row = this.#db.prepare('SELECT * FROM accessCase WHERE id = ?').get(id);
    return row === undefined ? undefined : caseRow.parse(row);
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
    const row = this.#db
      .prepare('SELECT * FROM accessCase WHERE entry = ? ORDER BY number DESC LIMIT 1')
      .get(entry);
    return row === undefined ? undefined : caseRow.parse(row);
  }

  #openOn(entry: number): AccessCase | undefined {
    const row = this.#db
      .prepare(
        "SELECT * FROM accessCase WHERE entry = ? AND state IN ('under-inquiry', 'breach-proposed')",
      )
      .get(entry);
    return row === undefined ? undefined : caseRow.parse(row);
  }

  #insert(access: CaseAccess, id: string, state: CaseState, at: string): AccessCase {
    const { entry, accessId, organisation, about } = access;
    const row = this.#db
      .prepare(
        `INSERT INTO accessCase (id, entry, accessId, organisation, about, state, openedAt, changedAt)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
      )
      .get(id, entry, accessId, organisation, about, state, at, at);
    return caseRow.parse(row);
  }

  /** Writes a step and records it, or does neither. One at a time, since the file is locked meanwhile. */
  async #write<T>(work: () => T, event: (written: T) => AccessCaseEvent | undefined): Promise<T> {
    const turn = this.#turn.then(() =>
      inRecordedTransaction(this.#db, async () => {
        const written = work();
        const recorded = event(written);
        if (recorded !== undefined) await this.#record(recorded);
        return written;
      }),
    );
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #addStep(
    { number }: AccessCase,
    step: CaseStep,
    { by, account }: CaseActor['event'],
    words: string,
    at: string,
  ): string {
    const salt = randomBytes(16).toString('hex');
    this.#db
      .prepare(
        `INSERT INTO step (caseNumber, number, step, at, by, words, salt)
         VALUES (?, (SELECT count(*) + 1 FROM step WHERE caseNumber = ?), ?, ?, ?, ?, ?)`,
      )
      .run(number, number, step, at, account === undefined ? by : `${by}, ${account}`, words, salt);
    return digestOf(salt, words);
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

  async #take(
    id: string | undefined,
    access: CaseAccess | undefined,
    step: Exclude<CaseStep, 'erase'>,
    actor: CaseActor,
    words: string,
  ): Promise<StepTaken> {
    let digest = '';
    const { taken } = await this.#write(
      (): { taken: StepTaken; of?: AccessCase } => {
        const before = id === undefined ? undefined : this.find(id);
        const about = before ?? access;
        const open = access && this.#openOn(access.entry);
        if (open !== undefined) return { taken: { kind: 'open', id: open.id } };
        if (about === undefined) return { taken: { kind: 'refused', why: 'not-now' } };
        const { state, proposedBy = null } = before ?? {};
        const judged = judgeStep(
          { state, about: about.about, proposedBy: proposedBy ?? undefined },
          step,
          actor.key,
        );
        if (judged.kind === 'refused') return { taken: judged };
        const at = new Date().toISOString();
        const of = before ?? this.#insert(about, randomUUID(), judged.state, at);
        this.#db
          .prepare(
            'UPDATE accessCase SET state = ?, proposedBy = ?, changedAt = ? WHERE number = ?',
          )
          .run(
            judged.state,
            step === 'propose-breach' ? actor.key : step === 'note' ? proposedBy : null,
            at,
            of.number,
          );
        digest = this.#addStep(of, step, actor.event, words, at);
        return { taken: { kind: 'taken', id: of.id }, of };
      },
      ({ of }) => of && this.#event(of, step, actor.event, digest),
    );
    return taken;
  }

  #event(
    { id, entry, accessId, organisation }: AccessCase,
    step: CaseStep,
    actor: CaseActor['event'] & Pick<AccessCaseEvent, 'reason'>,
    digest?: string,
  ): AccessCaseEvent {
    return {
      type: 'access-case',
      auditId: randomUUID(),
      ...actor,
      step,
      case: id,
      entry,
      accessId,
      organisation,
      ...(digest !== undefined && { words: digest }),
    };
  }

  /** Ended cases with notes, that last changed before a time (ISO 8601), oldest first. */
  ended(before: string): AccessCase[] {
    return this.#db
      .prepare(
        `SELECT * FROM accessCase WHERE state IN ('explained', 'breach') AND changedAt < ?
         AND EXISTS (SELECT 1 FROM step WHERE caseNumber = accessCase.number AND words IS NOT NULL)
         ORDER BY number`,
      )
      .all(before)
      .map((row) => caseRow.parse(row));
  }

  /**
   * Erases the notes of a case with their salts, so that the digests in the log reveal nothing any more.
   *
   * @param found the case as it was looked at; if a step has been taken since, nothing is erased
   */
  async erase(
    found: AccessCase,
    actor: Pick<AccessCaseEvent, 'caller' | 'by' | 'account' | 'requestId' | 'reason'>,
  ): Promise<Erased> {
    return this.#write(
      () => {
        if (this.find(found.id)?.changedAt !== found.changedAt) return 'changed';
        const { changes } = this.#db
          .prepare(
            'UPDATE step SET words = NULL, salt = NULL WHERE caseNumber = ? AND words IS NOT NULL',
          )
          .run(found.number);
        return changes === 0 ? 'empty' : 'erased';
      },
      (erased) => (erased === 'erased' ? this.#event(found, 'erase', actor) : undefined),
    );
  }
}
