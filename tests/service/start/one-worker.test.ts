import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { keepLease, lastLease } from '#service/standby/guard.ts';
import { becomeOneWorker, StoppedStandingBy } from '#service/start/one-worker.ts';
import { openRedis } from '#service/start/redis.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { createTelemetry } from '#service/telemetry/telemetry.ts';
import { keys } from '#store/keys.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { startRedisServer, type TestRedisServer } from '../../support/redis-server.ts';
import { testFolder, until } from '../../support/service.ts';

let server: TestRedisServer;
const steps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of steps.splice(0).toReversed()) await step();
});

/** A worker on this data folder, waiting for its turn, and the reasons it gives meanwhile. */
async function wait(dataDir: string, copy: string) {
  const configuration = readConfiguration({
    DATA_DIR: dataDir,
    REDIS_URL: server.url,
    AUDIT_COPY: copy,
  });
  const log = createLog('silent');
  const said: string[] = [];
  const stop = new AbortController();
  const redis = await openRedis(configuration);
  steps.push(() => redis.stop());
  const own: (() => Promise<void> | void)[] = [];
  const start = {
    configuration,
    log,
    telemetry: createTelemetry(configuration, { version: '0', log }),
    add: (step: () => Promise<void> | void) => void own.push(step),
  };
  const turn = becomeOneWorker(start, redis, {
    onStandBy: async (why) => void said.push(why),
    stopped: stop.signal,
  });
  steps.push(async () => {
    stop.abort();
    await turn.catch(() => undefined);
    for (const step of own.toReversed()) await step();
  });
  return { turn, said, stop, configuration };
}

test('a worker that lacks something stands by, and does not stop the previous worker from returning while the copy is away', async () => {
  server = await startRedisServer();
  steps.push(() => server.stop());
  const folder = await testFolder();
  const copy = join(folder, 'copy');
  mkdirSync(copy);
  await server.admin.hset(keys.dataset, {
    id: '00000000-0000-4000-8000-000000000001',
    kind: 'demo',
    createdAt: new Date().toISOString(),
  });
  await server.admin.set(keys.workerAtWork, '4');
  renameSync(copy, `${copy}-away`);

  const another = await wait(join(folder, 'another'), copy);
  await until(() => another.said.length > 0, 'it to stand by');
  expect(another.said[0]).toContain('is not there');

  const last = await wait(join(folder, 'last'), copy);
  await keepLease(last.configuration, { epoch: 4 });
  const { lease } = (await last.turn) ?? {};
  expect(lease?.epoch).toBeGreaterThan(0);
  expect(await server.admin.get(keys.workerAtWork)).toBe(String(lease?.epoch));

  another.stop.abort();
  await expect(another.turn).rejects.toThrow(StoppedStandingBy);
});

test('a Redis where a worker waits for the first dataset counts as empty, and one that holds anything else does not', async () => {
  server = await startRedisServer();
  steps.push(() => server.stop());
  const folder = await testFolder();
  const copy = join(folder, 'copy');
  mkdirSync(copy);
  const waiting = await wait(join(folder, 'data'), copy);
  await waiting.turn;
  const anchor = Anchor.open(join(folder, 'anchor'));
  steps.push(() => anchor.close());
  const store = createStore(server.admin, anchor);
  expect(await server.admin.dbsize()).toBeGreaterThan(0);
  expect(await store.isEmpty()).toBe(true);
  await server.admin.set('another', '1');
  expect(await store.isEmpty()).toBe(false);
});

/** A worker that takes over and cannot record that, as if it had been killed just before; then events can be recorded again. */
async function takeOverUnrecorded() {
  server = await startRedisServer();
  steps.push(() => server.stop());
  const folder = await testFolder();
  const copy = join(folder, 'copy');
  mkdirSync(copy);
  const anchor = Anchor.open(join(folder, 'anchor'));
  steps.push(() => anchor.close());
  await server.admin.set(keys.workerAtWork, '4');
  await server.admin.set(keys.audit('system'), 'x');
  const { turn, configuration } = await wait(join(folder, 'data'), copy);
  await expect(turn).rejects.toThrow('WRONGTYPE');
  await server.admin.del(keys.audit('system'));
  return {
    epoch: Number(await server.admin.get(keys.workerAtWork)),
    configuration,
    start: (data: string) => wait(join(folder, data), copy),
    takeovers: async () =>
      (await createStore(server.admin, anchor).readEvents('system')).filter(
        ({ type }) => type === 'worker-took-over',
      ),
  };
}

test('a takeover is recorded once, also if the worker ends before it could be, and starts again', async () => {
  const { epoch, start, takeovers } = await takeOverUnrecorded();
  expect(epoch).not.toBe(4);
  for (let time = 0; time < 2; time++) {
    const again = await start('data');
    expect((await again.turn)?.lease.epoch).toBeGreaterThan(epoch);
    expect(await takeovers()).toMatchObject([{ by: 'worker', detail: { epoch } }]);
  }
});

test('a takeover that was not recorded is recorded when its worker takes over again, although another ran in between', async () => {
  const { epoch: lost, configuration, start, takeovers } = await takeOverUnrecorded();
  const auditId = lastLease(configuration)?.tookOver?.auditId;
  const epochs: number[] = [];
  for (const data of ['another', 'data']) {
    // The worker before has ended.
    await server.admin.del(keys.workerLock);
    const next = await start(data);
    epochs.push((await next.turn)?.lease.epoch ?? 0);
  }
  const [another, again] = epochs;
  expect(await takeovers()).toMatchObject([
    { detail: { epoch: another } },
    { auditId, detail: { epoch: lost } },
    { detail: { epoch: again } },
  ]);
});
