import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { startProxy } from '../../support/proxy.ts';
import { startStopwatch } from '../../support/stopwatch.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../../support/test-store.ts';

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore();
});
afterAll(() => store?.stop());

/** Two seconds of silence, the time to connect again, and an allowance for a busy machine. */
const REPLACED_WITHIN_MS = 6_000;
/** Commands with this deadline are still waiting when the connection is replaced. */
const PATIENT_MS = 60_000;

async function connectByProxy({ server } = store) {
  const proxy = await startProxy(server.socketPath);
  const { username, password } = server.users.admin;
  const redis = connectStore(
    { url: `redis://127.0.0.1:${proxy.port}`, username, password },
    { name: 'test-proxied', commandTimeoutMs: PATIENT_MS },
  );
  await whenReady(redis, WAIT_MS);
  return {
    proxy,
    redis,
    id: () => redis.client('ID'),
    async stop(): Promise<void> {
      redis.disconnect();
      await proxy.stop();
    },
  };
}

const outcome = (command: Promise<unknown>): Promise<'answered' | 'refused'> =>
  command.then(
    () => 'answered' as const,
    () => 'refused' as const,
  );

describe.concurrent('a connection', () => {
  test.for(['up', 'down', 'both'] as const)(
    'that goes silent (%s) is replaced, and commands waiting on it are refused',
    async (way) => {
      const { proxy, redis, id, stop } = await connectByProxy();
      const before = await id();
      proxy.mute(way);
      const read = startStopwatch();
      expect(await outcome(redis.set(`mute:${way}`, '1'))).toBe('refused');
      await until(() => redis.status === 'ready', 'the connection to be replaced');
      expect(read()).toBeLessThan(REPLACED_WITHIN_MS);
      expect(await id()).not.toBe(before);
      // The command is sent only once: if it was lost on its way, it is not sent again.
      expect(await redis.get(`mute:${way}`)).toBe(way === 'down' ? '1' : null);
      await stop();
    },
  );

  test('that is silent from its start is replaced', async () => {
    const { proxy, redis, stop } = await connectByProxy();
    proxy.mute('both', { newOnes: true });
    // Cutting the connection makes the client connect again and hear nothing from the first moment.
    redis.stream.destroy();
    await until(() => proxy.accepted() >= 2);
    proxy.healNewOnes();
    const read = startStopwatch();
    await until(() => redis.status === 'ready', 'the connection to be replaced');
    expect(read()).toBeLessThan(REPLACED_WITHIN_MS);
    await stop();
  });

  test('that goes silent, as does every new one, is replaced once new ones are answered', async () => {
    const { proxy, redis, id, stop } = await connectByProxy();
    const before = await id();
    proxy.mute('both', { newOnes: true });
    await until(() => proxy.accepted() >= 2, 'a new connection to be tried');
    expect(redis.status).toBe('ready');
    proxy.healNewOnes();
    await until(async () => (await id().catch(() => before)) !== before, 'the replacement');
    await stop();
  });

  test('whose answers are out of step is replaced', async () => {
    const { proxy, redis, id, stop } = await connectByProxy();
    const before = await id();
    // With two commands waiting, the repeated answer to the first would be taken for the answer to the second.
    proxy.repeatNext();
    await Promise.all([redis.get('a'), redis.get('b')]);
    await until(() => proxy.accepted() > 1, 'the connection to be replaced');
    await until(() => redis.status === 'ready');
    expect(await id()).not.toBe(before);
    expect(await redis.echo('asked')).toBe('asked');
    await stop();
  });

  test('closed at one end is replaced', async () => {
    const { proxy, redis, stop } = await connectByProxy();
    proxy.endDown();
    await until(() => proxy.accepted() > 1 && redis.status === 'ready', 'the replacement');
    expect(await redis.ping()).toBe('PONG');
    await stop();
  });

  test('whose answers are late is kept', async () => {
    const { proxy, redis, id, stop } = await connectByProxy();
    const before = await id();
    // A second there and back, which leaves another before the connection counts as silent.
    proxy.delay(500);
    expect(await id()).toBe(before);
    expect(await id()).toBe(before);
    expect(proxy.accepted()).toBe(1);
    expect(redis.status).toBe('ready');
    await stop();
  });
});

test.concurrent('a Redis that is slow keeps its connections, and answers the commands that wait', async () => {
  const busy = await startTestStore();
  const { proxy, redis, id, stop } = await connectByProxy(busy);
  const before = await id();
  // This takes longer than the allowed silence and the wait for a second connection.
  const asked = performance.now();
  const answered = await redis.eval(
    "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end local till = now() + 5000 repeat until now() > till return 'done'",
    0,
  );
  expect(answered).toBe('done');
  expect(await id()).toBe(before);
  // One is the connection itself, and the others asked whether Redis answers anybody else.
  expect(proxy.accepted()).toBeGreaterThan(1);
  const EVERY_MS = 2_000;
  expect(proxy.accepted()).toBeLessThanOrEqual(
    1 + Math.floor((performance.now() - asked) / EVERY_MS),
  );
  await stop();
  await busy.stop();
});
