import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import type { Authority, OdsCode } from '#schemas/authority.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import type { OwnBreakers } from '#schemas/uploads/breakers.ts';
import type { ColumnMapping } from '#schemas/uploads/columns.ts';
import { appendEvent } from '../audit-stream/events.ts';
import { keys } from '../keys.ts';
import type { AuthorityLock } from '../locks/authority-lock.ts';
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

/** Which authorities are expected and known, with their names and telephone numbers. Changes are audited first. */
export function createDirectory(redis: Redis) {
  const readDirectory = createDirectoryReader(redis);

  return {
    /** The authorities whose plans the dataset should hold; `undefined` if not set. */
    expected: async (): Promise<ExpectedAuthorities | undefined> =>
      (await readDataset(redis))?.expected,

    /** Since when such a list counts, ISO 8601; `undefined` if an earlier version set it. */
    expectedSince: (expected: ExpectedAuthorities): Promise<string | undefined> =>
      readExpectedSince(redis, expected),

    /** Replaces that list. Audited first. */
    async setExpected(expected: ExpectedAuthorities, named: NamedPerson): Promise<void> {
      await appendEvent(redis, {
        type: 'authorities-expected',
        auditId: randomUUID(),
        by: named.by,
        detail: { ...expectedDetail(expected), ...whyDetail(named) },
      });
      await redis.hset(keys.dataset, expectedFields(expected));
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
     * Adds an authority to those known, or changes its name and telephone numbers; fields not given stay.
     * Audited first.
     *
     * @throws if it would be left without a name or an emergency duty team number.
     */
    async setAuthority(
      code: OdsCode,
      details: AuthorityDetails,
      by: string | NamedPerson,
    ): Promise<'added' | 'changed' | 'unchanged'> {
      const held = await redis.hgetall(keys.authority(code));
      const given = authorityFields(details);
      const after = { ...held, ...given };
      if (parseAuthority(code, after) === undefined) {
        throw new Error(
          `Authority ${code} needs a name and an emergency duty team number before it can be kept.`,
        );
      }
      const known = (await redis.hexists(keys.dataset, knownField(code))) === 1;
      const same = Object.entries(given).every(([field, value]) => held[field] === value);
      if (known && same) return 'unchanged';
      await appendEvent(redis, {
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
      if (!same) await redis.hset(keys.authority(code), given);
      // Last, so that an authority is known only once it can be read.
      if (!known) await redis.hset(keys.dataset, knownField(code), 'expected');
      return known ? 'changed' : 'added';
    },

    /**
     * Removes the locked authority, which must never have loaded anything, from those known. Audited first.
     * Doing it again changes nothing.
     */
    async removeAuthority(lock: AuthorityLock, named: NamedPerson): Promise<void> {
      const { authority } = lock;
      await appendEvent(redis, {
        type: 'authority-removed',
        auditId: randomUUID(),
        by: named.by,
        detail: { authority, ...whyDetail(named) },
      });
      // First, so that an authority is known only as long as it can be read.
      await redis.hdel(keys.dataset, knownField(authority));
      await redis.del(keys.authority(authority), keys.files(authority));
    },
  };
}
