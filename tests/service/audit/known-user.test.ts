import { expect, test } from 'vitest';
import { type KnownUser, knownUser } from '#service/audit/search/known-user.ts';

const OF = { issuer: 'https://id.example', user: '555021935107' };
const caller = { issuer: OF.issuer, user: OF.user };
const at = '2026-11-24T03:00:00.000Z';
const SEARCH = { type: 'audit-search', at, caller };
const LOOKUP = { type: 'lookup', at, caller };

/** What is known about somebody while the index gets further with every query. */
const asked = (events: readonly (typeof SEARCH)[], indexed: number): Promise<KnownUser> => {
  let until = indexed;
  return knownUser(async ({ type }) => {
    const found = events.slice(0, until++);
    return found.filter((event) => type === undefined || event.type === type);
  }, OF);
};

test('nobody who searches the audit is mistaken for anybody else, however far the index has got', async () => {
  expect(await asked([SEARCH], 0)).not.toBe('known');
  expect(await asked([SEARCH], 1)).toBe('watches');
  expect(await asked([LOOKUP, SEARCH], 1)).toBe('watches');
  expect(await asked([LOOKUP], 1)).toBe('known');
  expect(await asked([], 0)).toBe('unknown');
});
