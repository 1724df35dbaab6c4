import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import type { Authority, OdsCode } from '#schemas/authority.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import type { OwnBreakers } from '#schemas/uploads/breakers.ts';
import type { ColumnMapping } from '#schemas/uploads/columns.ts';
import { STORE } from '#schemas/wording/store.ts';
import { changeIf } from '../functions/change-if.ts';
import { keys } from '../keys.ts';
import type { AuthorityLock } from '../locks/authority-lock.ts';
import { createTurns, TurnsBusy } from '../locks/turns.ts';
import {
  authorityFields,
  createDirectoryReader,
  expectedFields,
  knownField,
  parseAuthority,
  readDataset,
  readExpectedSince,
} from './dataset.ts';

export type AuthorityDetails = {
  name?: string;
  officeHoursPhone?: string;
  /** When that number was given, ISO 8601. */
  officeHoursPhoneAsOf?: string;
  /** As in an authority; '' removes them. */
  officeHours?: string;
  emergencyDutyTeamPhone?: string;
  /** When that number was given, ISO 8601. */
  emergencyDutyTeamPhoneAsOf?: string;
  /** Replaces everything that the authority has set for itself. */
  breakers?: OwnBreakers;
  /** Replaces what its case system calls its columns and plans. */
  columns?: ColumnMapping;
};

/** What clinicians read and ring: the audit has it before and after. */
const CONTACT = ['name', 'officeHoursPhone', 'officeHours', 'emergencyDutyTeamPhone'] as const;

function contactChanges(
  held: Record<string, string>,
  given: Record<string, string>,
): Record<string, string> {
  const changed = CONTACT.filter((field) => (given[field] ?? held[field]) !== held[field]);
  return Object.fromEntries(
    changed.flatMap((field) => [
      [`${field}Before`, held[field] ?? ''],
      [`${field}After`, given[field] ?? ''],
    ]),
  );
}

/** For the audit: the whole list expected from then on. */
export const expectedDetail = ({ area, kind, authorities }: ExpectedAuthorities) => ({
  area,
  areaKind: kind,
  expected: authorities.length,
  authorities: authorities.map(({ code }) => code).join(' '),
});

/** Field of a hash: the last turn that began to change its settings. */
const TURN_FIELD = 'turn';

type Turn = {
  /** Without fields it changes nothing, but is refused to a Redis user who may not change any. */
  write: (hash: string, fields: Record<string, string>) => Promise<void>;
  /** The whole hash if no fields are given. */
  remove: (hash: string, ...fields: string[]) => Promise<void>;
  record: (event: WrittenEvent) => Promise<void>;
};

/** Whether everything is still as it was shown to the person who changes it. */
type AsShown = () => Promise<boolean>;

/**
 * Which authorities are expected and known, with their names and telephone numbers. Changes are audited first.
 *
 * @param append records an event
 */
export function createDirectory(redis: Redis, append: (event: WrittenEvent) => Promise<void>) {
  const readDirectory = createDirectoryReader(redis);
  const changeSettings = createTurns(redis);

  /**
   * Changes settings in hashes. What is read here is still so when it is written, even if the lease has run out and
   * another has begun meanwhile: then nothing is written.
   *
   * @param work its changes reject with {@link TurnsBusy}, which says if their event is on record by then
   */
  function changeInTurn<T>(
    hashes: readonly string[],
    work: (turn: Turn) => Promise<T>,
  ): Promise<T> {
    return changeSettings(async () => {
      const mine = [TURN_FIELD, randomUUID()] as const;
      let isRecorded = false;
      async function change(hash: string, ...how: string[]): Promise<void> {
        if (await changeIf(redis, hash, mine, ...how)) return;
        throw new TurnsBusy(isRecorded ? STORE.settingsOvertaken : STORE.settingsBusy);
      }
      try {
        for (const hash of hashes) await redis.hset(hash, ...mine);
        return await work({
          write: (hash, fields) => change(hash, 'set', ...Object.entries(fields).flat()),
          remove: (hash, ...fields) => change(hash, 'remove', ...fields),
          async record(event) {
            await append(event);
            isRecorded = true;
          },
        });
      } finally {
        // Otherwise something would be left of an authority that was never added.
        for (const hash of hashes) {
          await changeIf(redis, hash, mine, 'remove', TURN_FIELD).catch(() => undefined);
        }
      }
    });
  }

  async function readAuthority(code: OdsCode, given: Record<string, string>) {
    const held = await redis.hgetall(keys.authority(code));
    const isKnown = (await redis.hexists(keys.dataset, knownField(code))) === 1;
    const isSame = Object.entries(given).every(([field, value]) => held[field] === value);
    return { held, isKnown, isSame };
  }

  return {
    /**
     * Called before an act that only the administrator may do is recorded. Changes nothing.
     *
     * @throws if the Redis user is another
     */
    async requireAdministrator(): Promise<void> {
      await redis.hdel(keys.dataset, '');
    },

    /** The authorities whose plans the dataset should hold; `undefined` if not set. */
    expected: async (): Promise<ExpectedAuthorities | undefined> =>
      (await readDataset(redis))?.expected,

    /** Since when such a list counts, ISO 8601; `undefined` if an earlier version set it. */
    expectedSince: (expected: ExpectedAuthorities): Promise<string | undefined> =>
      readExpectedSince(redis, expected),

    /** Replaces that list, unless it is no longer the one that was shown. Audited first. */
    setExpected(
      expected: ExpectedAuthorities,
      named: NamedPerson,
      isAsShown?: AsShown,
    ): Promise<'set' | 'overtaken'> {
      return changeInTurn([keys.dataset], async ({ write, record }) => {
        if ((await isAsShown?.()) === false) return 'overtaken';
        // So that a change is not on record that a Redis user may not make.
        await write(keys.dataset, {});
        await record({
          type: 'authorities-expected',
          auditId: randomUUID(),
          by: named.by,
          detail: { ...expectedDetail(expected), ...whyDetail(named) },
        });
        await write(keys.dataset, expectedFields(expected));
        return 'set';
      });
    },

    /** The directory, by code. */
    async authorities(): Promise<Authority[]> {
      const held = await readDataset(redis);
      return held === undefined ? [] : [...(await readDirectory(held.codes)).values()];
    },

    async authority(code: OdsCode): Promise<Authority | undefined> {
      return parseAuthority(code, await redis.hgetall(keys.authority(code)));
    },

    /**
     * Adds an authority to those known, or changes its name and telephone numbers, unless something is no longer as it
     * was shown; fields not given stay. Audited first.
     *
     * @throws if it would be left without a name or an emergency duty team number.
     */
    async setAuthority(
      code: OdsCode,
      details: AuthorityDetails,
      by: string | NamedPerson,
      isAsShown?: AsShown,
    ): Promise<'added' | 'changed' | 'unchanged' | 'overtaken'> {
      const given = authorityFields(details);
      // Most files repeat what is held, and wait for nobody.
      const { isKnown, isSame } = await readAuthority(code, given);
      if (isKnown && isSame && isAsShown === undefined) return 'unchanged';
      return changeInTurn([keys.authority(code), keys.dataset], async ({ write, record }) => {
        if ((await isAsShown?.()) === false) return 'overtaken';
        const { held, isKnown, isSame } = await readAuthority(code, given);
        if (parseAuthority(code, { ...held, ...given }) === undefined) {
          throw new Error(
            `Authority ${code} needs a name and an emergency duty team number before it can be kept.`,
          );
        }
        if (isKnown && isSame) return 'unchanged';
        // As for the list.
        if (!isKnown) await write(keys.dataset, {});
        await record({
          type: 'authority-set',
          auditId: randomUUID(),
          by: typeof by === 'string' ? by : by.by,
          detail: {
            authority: code,
            fields: Object.keys(given).join(','),
            ...contactChanges(held, given),
            ...(typeof by === 'string' ? {} : whyDetail(by)),
          },
        });
        await write(keys.authority(code), given);
        // Last, so that an authority is known only once it can be read.
        if (!isKnown) await write(keys.dataset, { [knownField(code)]: 'expected' });
        return isKnown ? 'changed' : 'added';
      });
    },

    /**
     * Removes the locked authority, which must never have loaded anything, from those known. Audited first.
     * Doing it again changes nothing.
     *
     * @throws {LockLost} if another has locked it since; it stays
     * @throws {TurnsBusy} if its settings were changed meanwhile
     */
    removeAuthority(lock: AuthorityLock, named: NamedPerson): Promise<void> {
      const { authority } = lock;
      const hashes = [keys.authority(authority), keys.dataset];
      return changeInTurn(hashes, async ({ remove, record }) => {
        await record({
          type: 'authority-removed',
          auditId: randomUUID(),
          by: named.by,
          detail: { authority, ...whyDetail(named) },
        });
        await lock.renew();
        // First, so that an authority is known only as long as it can be read.
        await remove(keys.dataset, knownField(authority));
        await remove(keys.authority(authority));
        await redis.del(keys.files(authority));
      });
    },
  };
}
