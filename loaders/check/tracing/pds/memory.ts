import { createHmac } from 'node:crypto';
import { rmSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { OdsCode } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { isDamaged, openDurable, statementsOf } from '#store/files/sqlite.ts';
import { type PlainName, plainName } from '../names.ts';
import type { Traced } from '../tracer.ts';
import { createRate, RATE_SCHEMA, type TracingRate } from './rate.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS verified (digest BLOB PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS looked (digest BLOB PRIMARY KEY, at INTEGER NOT NULL, usable INTEGER NOT NULL) STRICT, WITHOUT ROWID;
${RATE_SCHEMA};`;

/**
 * What was verified and when, so that a night of changes needs few requests. Keyed digests only: without the
 * key nobody learns whom they concern, and with it only whether a guess is right. What was not verified is
 * never stored.
 */
export class TracingMemory {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #sql: (text: string) => StatementSync;
  readonly #key: string;

  private constructor(path: string, db: DatabaseSync, key: string) {
    this.#db = db;
    this.#sql = statementsOf(db);
    this.path = path;
    this.#key = key;
  }

  /**
   * Opens the file, or creates it. A damaged one is started again: it only saves requests, so a power cut may
   * lose its contents and nothing waits for the disk.
   */
  static open(path: string, key: string): TracingMemory {
    const open = (): DatabaseSync =>
      openDurable(path, SCHEMA, { pragmas: 'PRAGMA synchronous = OFF;' });
    try {
      return new TracingMemory(path, open(), key);
    } catch (error) {
      if (!isDamaged(error)) throw error;
      rmSync(path, { force: true });
      return new TracingMemory(path, open(), key);
    }
  }

  rate(perSecond: number): TracingRate {
    return createRate(this.#db, perSecond);
  }

  /** Whether the person was verified for this authority, as they are now described, since `since`. */
  wasVerified(authority: OdsCode, person: Traced, since: number): boolean {
    return (
      this.#isRemembered(this.#personDigest(authority, person, nameOf(person)), since) &&
      !this.#isUnusable(person.nhsNumber)
    );
  }

  /**
   * Whether an authority sent, and had verified, this number with this date of birth under a name in the
   * record. An authority may have sent only some of the given names.
   */
  wasSentAs(authority: OdsCode, person: Identified, names: readonly PlainName[]): boolean {
    return names.some(({ family, given }) => {
      const sent = [...given.map((_, i) => given.slice(0, i + 1)), ...given.map((one) => [one])];
      return sent.some((some) =>
        this.#isRemembered(this.#personDigest(authority, person, { family, given: some }), 0),
      );
    });
  }

  rememberVerified(authority: OdsCode, person: Traced, at: number): void {
    this.#sql('INSERT INTO verified VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at').run(
      this.#personDigest(authority, person, nameOf(person)),
      at,
    );
    this.rememberLooked(person.nhsNumber, at, true);
  }

  /** Whether the number's record was checked since `since`. */
  wasLookedAt(nhsNumber: NhsNumber, since: number): boolean {
    const found = this.#sql('SELECT 1 FROM looked WHERE digest = ? AND at >= ?');
    return found.get(this.#digest('number', nhsNumber), since) !== undefined;
  }

  /** @param usable false if no plan can be held under the number any longer: the person is then verified again */
  rememberLooked(nhsNumber: NhsNumber, at: number, usable: boolean): void {
    this.#sql(
      'INSERT INTO looked VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, usable = excluded.usable',
    ).run(this.#digest('number', nhsNumber), at, usable ? 1 : 0);
  }

  /** Removes everything older than this. */
  forget(before: number): void {
    this.#sql('DELETE FROM verified WHERE at < ?').run(before);
    this.#sql('DELETE FROM looked WHERE at < ?').run(before);
  }

  close(): void {
    this.#db.close();
  }

  #isRemembered(digest: Buffer, since: number): boolean {
    const found = this.#sql('SELECT 1 FROM verified WHERE digest = ? AND at >= ?');
    return found.get(digest, since) !== undefined;
  }

  #isUnusable(nhsNumber: NhsNumber): boolean {
    const found = this.#sql('SELECT 1 FROM looked WHERE digest = ? AND usable = 0');
    return found.get(this.#digest('number', nhsNumber)) !== undefined;
  }

  #personDigest(authority: OdsCode, person: Identified, { family, given }: PlainName): Buffer {
    const { nhsNumber, dateOfBirth } = person;
    return this.#digest(authority, nhsNumber, dateOfBirth, family, given.join(' '));
  }

  #digest(...parts: readonly string[]): Buffer {
    return createHmac('sha256', `cp-flags tracing ${this.#key}`)
      .update(parts.join('\u001f'))
      .digest();
  }
}

type Identified = Pick<Traced, 'nhsNumber' | 'dateOfBirth'>;

const nameOf = ({ givenName, familyName }: Traced): PlainName => plainName(givenName, familyName);
