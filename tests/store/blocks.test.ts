import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { userKeyOf } from '#schemas/people/identity.ts';
import { type Blocks, createBlocks, markOf } from '#store/blocks.ts';
import { keys } from '#store/keys.ts';
import type { Store } from '#store/store.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../support/test-store.ts';

/** An unblocking ends the block that it found. It never undoes one that somebody else made meanwhile. */

const ISSUER = 'https://id.example';
const of = (user: string, reason: string) => ({ issuer: ISSUER, user, by: 'A. Example', reason });

let t: TestStore;
let blocks: Blocks;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  blocks = createBlocks(await t.connect('loader'), t.store);
});
afterAll(() => t?.stop());

const isBlocked = (user: string): Promise<boolean> => blocks.isBlocked(userKeyOf(ISSUER, user));

/** What the audit has about a user, in order. */
const actsOn = async (user: string): Promise<string[]> =>
  (await t.adminStore.readEvents('system')).flatMap((event) =>
    'detail' in event && event.detail['user'] === user ? [event.type] : [],
  );

/** Whether a user is blocked, by the record alone: an event names a block, and no unblocking does. */
async function isBlockedByRecord(user: string): Promise<boolean> {
  const named = new Set<string>();
  const ended = new Set<string>();
  for (const event of await t.adminStore.readEvents('system')) {
    if (!('detail' in event) || event.detail['user'] !== user) continue;
    const ids = event.type === 'user-unblocked' ? ended : named;
    for (const id of String(event.detail['blocks']).split(', ')) ids.add(id);
  }
  return [...named].some((id) => !ended.has(id));
}

/**
 * Another process, in which somebody else is faster: they act once its next act is on record, and before it counts.
 *
 * @param first they act before it is on record
 */
async function heldUp(others: () => Promise<unknown>, first = false): Promise<Blocks> {
  let isFirst = true;
  const store: Pick<Store, 'appendEvent'> = {
    async appendEvent(...event) {
      if (isFirst && first) await others();
      await t.store.appendEvent(...event);
      if (isFirst && !first) await others();
      isFirst = false;
    },
  };
  return createBlocks(await t.connect('loader'), store);
}

test('a block that was made while an earlier one was being ended stays, and the unblocking says so', async () => {
  const user = 'nurse-1';
  await blocks.block(of(user, 'card stolen'));
  const slow = await heldUp(async () => {
    expect(await blocks.unblock(of(user, 'new card'))).toBe('unblocked');
    expect(await blocks.block(of(user, 'inquiry 7'))).toBe(true);
  });
  expect(await slow.unblock(of(user, 'new card'))).toBe('blocked-again');
  expect(await isBlocked(user)).toBe(true);
  expect(await blocks.list()).toMatchObject([{ user, reason: 'inquiry 7' }]);
  expect((await actsOn(user)).at(-1)).toBe('user-remains-blocked');
});

test('a user who is blocked again while somebody unblocks them remains blocked, and the first block stays as it was', async () => {
  const user = 'nurse-2';
  await blocks.block({ ...of(user, 'card stolen'), desk: 'operator' });
  const slow = await heldUp(async () => {
    expect(await blocks.block({ ...of(user, 'inquiry 8'), desk: 'officer' })).toBe(false);
  });
  expect(await slow.unblock(of(user, 'new card'))).toBe('blocked-again');
  expect(await isBlocked(user)).toBe(true);
  expect((await blocks.list()).filter((block) => block.user === user)).toMatchObject([
    { reason: 'card stolen', desk: 'operator' },
  ]);
});

test('a user who was unblocked by somebody else meanwhile is unblocked', async () => {
  const user = 'nurse-3';
  await blocks.block(of(user, 'card stolen'));
  const slow = await heldUp(() => blocks.unblock(of(user, 'new card')));
  expect(await slow.unblock(of(user, 'new card'))).toBe('unblocked');
  expect(await isBlocked(user)).toBe(false);
  expect(await blocks.unblock(of(user, 'new card'))).toBe('not-blocked');
});

test('a block that takes effect while two people unblock the user is not ended on record either', async () => {
  const user = 'nurse-6';
  await blocks.block(of(user, 'card stolen'));
  let blocking: Promise<boolean> | undefined;
  const { promise: unblockedTwice, resolve: ended } = Promise.withResolvers<undefined>();
  const slow = await heldUp(async () => {
    expect(await blocks.unblock(of(user, 'new card'))).toBe('unblocked');
    const slowToBlock = await heldUp(() => unblockedTwice);
    blocking = slowToBlock.block(of(user, 'inquiry 11'));
    await until(async () => (await actsOn(user)).at(-1) === 'user-blocked', 'the second block');
  }, true);
  expect(await slow.unblock(of(user, 'new card'))).toBe('unblocked');
  ended(undefined);
  expect(await blocking).toBe(true);
  expect((await actsOn(user)).at(-1)).toBe('user-unblocked');
  expect(await isBlocked(user)).toBe(true);
  expect(await isBlockedByRecord(user)).toBe(true);
  expect(await blocks.unblock(of(user, 'closed'))).toBe('unblocked');
  expect(await isBlockedByRecord(user)).toBe(false);
});

test('in whatever order people’s acts meet, a user is blocked if and only if the record says so', async () => {
  const redis = await t.connect('loader');
  let users = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.constantFrom('block' as const, 'unblock' as const), {
        minLength: 2,
        maxLength: 5,
      }),
      async (scheduler, acts) => {
        const user = `matron-${(users += 1)}`;
        const inTurn = <T extends object>(target: T): T =>
          new Proxy(target, {
            get: (_, name) => {
              const value: unknown = Reflect.get(target, name);
              if (typeof value !== 'function') return value;
              return async (...args: unknown[]): Promise<unknown> => {
                await scheduler.schedule(Promise.resolve());
                return Reflect.apply(value, target, args) as unknown;
              };
            },
          });
        const each = createBlocks(inTurn(redis), inTurn(t.store));
        await blocks.block(of(user, 'card stolen'));
        await scheduler.waitFor(Promise.all(acts.map((act) => each[act](of(user, 'inquiry 12')))));
        expect(await isBlockedByRecord(user)).toBe(await isBlocked(user));
      },
    ),
    { numRuns: 60 },
  );
});

test('a block other than the one that was shown is not ended, and nothing is on record', async () => {
  const user = 'nurse-4';
  await blocks.block(of(user, 'card stolen'));
  const shown = (await blocks.list()).find((block) => block.user === user);
  if (shown === undefined) throw new Error('nobody is blocked');
  await blocks.unblock(of(user, 'new card'), markOf(shown));
  await blocks.block(of(user, 'inquiry 9'));
  const before = await actsOn(user);
  expect(await blocks.unblock(of(user, 'new card'), markOf(shown))).toBe('blocked-again');
  expect(await actsOn(user)).toEqual(before);
  expect(await isBlocked(user)).toBe(true);
});

test('a block by an earlier version is ended like any other', async () => {
  const user = 'nurse-5';
  const earlier = { ...of(user, 'card stolen'), at: '2026-01-05T09:00:00.000Z' };
  await t.admin.hset(keys.blocked, userKeyOf(ISSUER, user), JSON.stringify(earlier));
  expect(await blocks.unblock(of(user, 'new card'), markOf(earlier))).toBe('unblocked');
  expect(await isBlocked(user)).toBe(false);
});

test('of a block and an unblocking at the same moment, what the audit has last is what counts, also in lookup processes', async () => {
  const readiness = watchStore(await t.connect('lookup'));
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  const others = createBlocks(await t.connect('loader'), t.store);
  for (let round = 0; round < 30; round++) {
    const user = `doctor-${round}`;
    await blocks.block(of(user, 'card stolen'));
    await Promise.all([others.block(of(user, 'inquiry 10')), blocks.unblock(of(user, 'new card'))]);
    const stays = (await actsOn(user)).at(-1) !== 'user-unblocked';
    expect(await isBlocked(user)).toBe(stays);
  }
  const held = (await blocks.list()).map(({ user }) => userKeyOf(ISSUER, user)).toSorted();
  await until(
    () => isDeepStrictEqual([...readiness.blocked].toSorted(), held),
    'the lookup process to have read it',
  );
  await readiness.stop();
});
