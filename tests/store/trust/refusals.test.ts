import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { READINESS } from '#schemas/wording/store.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { keys } from '#store/keys.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../../support/test-store.ts';

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
});
afterAll(() => t.stop());

/** A real connection, on which one command fails for as long as the test gives words for it. */
function refusing(
  redis: Redis,
  command: string,
  first: string,
  words: () => string | undefined,
): Redis {
  return new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        const refusal = name === command && args[0] === first ? words() : undefined;
        return refusal === undefined
          ? Reflect.apply(value, target, args)
          : Promise.reject(new Error(refusal));
      };
    },
  });
}

test('a process that no longer watches the store leaves nothing behind on the connection', async () => {
  const redis = await t.connect('lookup');
  const counts = () => redis.eventNames().map((name) => [name, redis.listenerCount(name)]);
  const before = counts();
  const readiness = watchStore(redis);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  expect(counts()).not.toEqual(before);
  await readiness.stop();
  expect(counts()).toEqual(before);
});

const STAMPS = ['fcall', FUNCTIONS.stamps] as const;
const OPENED = ['get', keys.open] as const;
const LOADING = 'LOADING Redis is loading the dataset in memory';
const NO_RIGHT = 'NOPERM this user has no permissions';
const NO_RIGHT_IN_FUNCTION = 'ERR ACL failure in script: this user has no permissions';

test.each([
  ['functions', STAMPS, 'ERR Function not found', READINESS.noFunctions],
  ['functions', STAMPS, NO_RIGHT, READINESS.refusesFunctions('NOPERM')],
  ['functions', STAMPS, NO_RIGHT_IN_FUNCTION, READINESS.refusesFunctions('NOPERM')],
  ['functions', STAMPS, LOADING, READINESS.refusesFunctions('LOADING')],
  ['redis-reachable', OPENED, LOADING, READINESS.refusesChecks('LOADING')],
  ['redis-reachable', OPENED, 'Connection is closed.', READINESS.unreachable],
] as const)('lookups close and the check %s says why: %j fails with %s', async (...one) => {
  const [name, [command, first], words, says] = one;
  let refused = false;
  const redis = refusing(await t.connect('lookup'), command, first, () =>
    refused ? words : undefined,
  );
  const readiness = watchStore(redis);
  const check = () => readiness.checks().find((each) => each.name === name);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  refused = true;
  await until(() => check()?.detail === says, 'the check to fail for that reason');
  expect(readiness.open).toBe(false);
  refused = false;
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await readiness.stop();
});

test.each([
  ['blocked-users', 'hkeys', keys.blocked, READINESS.blockedUnread],
  ['numbers-in-use', 'sismember', keys.notInUse(0), READINESS.numbersInUseUnread],
  ['worker', 'get', keys.heartbeat, READINESS.workerUnread],
] as const)('lookups stay open and the check %s says why it fails', async (...one) => {
  const [name, command, first, says] = one;
  let words: string | undefined = NO_RIGHT;
  const redis = refusing(await t.connect('lookup'), command, first, () => words);
  const readiness = watchStore(redis);
  const check = () => readiness.checks().find((each) => each.name === name);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  expect(check()).toMatchObject({ ok: false, detail: says.notAllowed });
  words = 'WRONGTYPE Operation against a key holding the wrong kind of value';
  await until(() => check()?.detail === says.unanswered, 'the other reason');
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  words = undefined;
  await until(() => check()?.ok === true, 'the check to pass');
  await readiness.stop();
});
