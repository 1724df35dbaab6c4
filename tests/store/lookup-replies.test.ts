import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLookupStore, type LookupResult } from '#store/lookup.ts';
import { packRow } from '#store/rows/rows.ts';
import { type Readiness, watchStore } from '#store/trust/readiness.ts';
import { lookupEvent } from '../support/lookup-event.ts';
import { AUTHORITY, testNumber, testRow } from '../support/rows.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../support/test-store.ts';

/** A reply is an answer only if it is exactly what the function writes for this lookup, from a store still trusted. */

const CHILD = testNumber(1);
let t: TestStore;
let redis: Redis;

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  const details = { name: 'Test Council', emergencyDutyTeamPhone: '02079460199' };
  await t.store.setAuthority(AUTHORITY, details, 'test');
  const lock = await t.store.lockAuthority(AUTHORITY);
  if (lock === undefined) throw new Error('the authority is locked');
  await t.store.applyRows(lock, [testRow(CHILD)]);
  await lock.release();
  redis = await t.connect('lookup');
});
afterAll(() => t?.stop());

type Element = [string, string, string, number, number, [string, string, string][], unknown];
type Reply = [number, Element];

/** Looks the child up over a connection that changes the reply, while the store may become what is given. */
async function lookUp(
  change: (reply: Reply) => unknown = (reply) => reply,
  becomes: Partial<Readiness> = {},
): Promise<LookupResult> {
  const watched = watchStore(redis);
  let isReplied = false;
  const readiness = new Proxy(watched, {
    get: (target, name): unknown =>
      Reflect.get(isReplied && name in becomes ? becomes : target, name, target),
  });
  const changing = new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]): Promise<unknown> => {
        const reply: unknown = await Reflect.apply(value, target, args);
        isReplied = true;
        return change(reply as Reply);
      };
    },
  });
  const store = createLookupStore(changing, readiness);
  try {
    if (!(await watched.whenOpen(WAIT_MS))) throw new Error('the store did not open');
    const auditId = randomUUID();
    return await store.lookup({
      nhsNumber: CHILD,
      auditId,
      event: lookupEvent(CHILD, auditId),
      access: 'unscheduled',
      userKey: 'user-1',
      showAccesses: true,
      accessEntry: JSON.stringify({
        name: 'A Nurse',
        role: 'Nurse',
        organisation: { code: 'ZZX', name: 'Test Hospital' },
      }),
      negativesAllowed: true,
    });
  } finally {
    await watched.stop();
  }
}

test('a reply as the function writes it is an answer', async () => {
  // On a busy machine readiness may be lost for a moment.
  await until(async () => (await lookUp()).kind === 'flagged', 'the answer');
});

const ELEMENT = 1;
const changed = (position: number, to: unknown) => (reply: Reply) =>
  reply.with(ELEMENT, (reply[ELEMENT] as unknown[]).with(position, to) as Element);
const row = packRow(testRow(CHILD));

test.each<[string, (reply: Reply) => unknown, string]>([
  ['of another outcome', changed(0, 'perhaps'), 'store'],
  ['about another event', changed(1, randomUUID()), 'store'],
  ['about another child', changed(2, testNumber(2)), 'store'],
  ['without a generation', changed(3, null), 'store'],
  ['without an event’s number', changed(4, null), 'store'],
  ['with no plan', changed(5, []), 'corrupt'],
  ['with a plan that cannot be read', changed(5, [['x', 'current', 'match']]), 'corrupt'],
  ['with a plan in no known state', changed(5, [[row, 'perhaps', 'match']]), 'corrupt'],
  ['with no result for the date of birth', changed(5, [[row, 'current', 'perhaps']]), 'corrupt'],
  ['with nothing about this lookup', ([at]) => [at], 'store'],
  ['without the time', (reply) => reply.with(0, 'now' as never), 'store'],
  ['that is no list', () => 'OK', 'store'],
])('a reply %s is could-not-check', async (_what, change, cause) => {
  await until(async () => {
    const result = await lookUp(change);
    expect(result.kind).toBe('could-not-check');
    return 'cause' in result && result.cause === cause;
  }, `the cause ${cause}`);
});

test.each<[string, Partial<Readiness>]>([
  ['is no longer trusted', { open: false }],
  ['has become another dataset', { dataset: { id: 'another', kind: 'demo' } as never }],
])('an answer is not given if the store %s before it', async (_what, becomes) => {
  expect(await lookUp(undefined, becomes)).toMatchObject({ kind: 'could-not-check' });
  await until(async () => {
    const result = await lookUp(undefined, becomes);
    return 'cause' in result && result.cause === 'store';
  }, 'an answer that is held back');
});
