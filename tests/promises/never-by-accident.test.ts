import { cp, mkdir, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { partitionOf } from '#schemas/nhs-number.ts';
import { statusSchema } from '#schemas/status.ts';
import { COULD_NOT_CHECK } from '#schemas/wording/lookup.ts';
import { READINESS } from '#schemas/wording/store.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { keys } from '#store/keys.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { testNumber } from '../support/rows.ts';
import { fill, startTestService, type TestService, testFolder, until } from '../support/service.ts';
import { startStopwatch } from '../support/stopwatch.ts';

/**
 * "No flag" is never said by accident: whatever happens to the store, a held number is either flagged or could not be
 * checked. Each fault is made on a real Redis and observed over HTTP.
 */

const HELD = testNumber(1);
const NOT_HELD = testNumber(2);
const ALSO_HELD = testNumber(3);
const RESTORE = 'restore Redis from its last good copy';
/** The promise is two seconds; the rest is for making the requests. */
const AT_ONCE_MS = 2_000 + 1_000;

let services: TestService[] = [];
let folders: string[] = [];

afterEach(async () => {
  // The latest service goes first, since it may use the folder of an earlier one that has ended.
  for (const service of services.toReversed()) await service.stopAndRemove();
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  services = [];
  folders = [];
});

async function start(dataDir?: string): Promise<TestService> {
  const service = await startTestService(
    dataDir === undefined
      ? {
          authorities: [
            { code: 'ZZ1', rows: [{ nhsNumber: HELD }, { nhsNumber: ALSO_HELD }] },
            { code: 'ZZ2' },
          ],
        }
      : { dataDir, kind: 'none' },
  );
  services.push(service);
  return service;
}

type Answer = { status: number; body: { outcome?: string; checked?: boolean; advice?: string[] } };

async function ask(service: TestService, nhsNumber: string): Promise<Answer> {
  const read = startStopwatch();
  const response = await service.lookup({ nhsNumber });
  const body = (await response.json()) as Answer['body'];
  expect(read()).toBeLessThan(AT_ONCE_MS);
  return { status: response.status, body };
}

/** Asks once about a held number, which must never be called not flagged. */
async function askHeld(service: TestService): Promise<'flagged' | 'could-not-check'> {
  const { status, body } = await ask(service, HELD);
  if (status === 200) {
    expect(body.outcome).toBe('flagged');
    return 'flagged';
  }
  expect({ status, body }).toMatchObject({
    status: 503,
    body: { checked: false, advice: [COULD_NOT_CHECK] },
  });
  return 'could-not-check';
}

/**
 * Expects that within two seconds lookups are no longer answered, and none once readiness has found the reason. Before
 * that, a first refusal may be for a poll that came late on a busy machine.
 */
async function becomesCouldNotCheck(service: TestService, reason: string): Promise<void> {
  const read = startStopwatch();
  await until(async () => (await askHeld(service)) === 'could-not-check', 'could-not-check');
  expect(read()).toBeLessThan(AT_ONCE_MS);
  await staysClosed(service, reason);
}

/** Waits until readiness fails for this reason, which lasts. From then on nothing is answered. */
async function staysClosed(service: TestService, reason: string): Promise<void> {
  await until(async () => {
    const { checks } = statusSchema.parse(JSON.parse((await status(service)).text));
    return Object.entries(checks).some(
      ([name, [check]]) =>
        name.startsWith('store:') && check?.status === 'fail' && check.outcome.includes(reason),
    );
  }, `"${reason}" to keep the store closed`);
  expect((await ask(service, NOT_HELD)).status).toBe(503);
}

async function recovers(service: TestService): Promise<void> {
  await until(async () => (await askHeld(service)) === 'flagged', 'the service to answer again');
  await until(async () => {
    const { status, body } = await ask(service, NOT_HELD);
    if (status === 200) expect(body.outcome).toBe('not-flagged');
    return status === 200;
  }, 'an answer for a number that is not held');
  await until(async () => (await status(service)).status === 200, 'readiness');
}

async function status(service: TestService): Promise<{ status: number; text: string }> {
  const response = await fetch(`${service.baseUrl}/_status`);
  return { status: response.status, text: await response.text() };
}

/** Stops a service, changes the files of its Redis, and starts it again on them. */
async function restartWith(
  service: TestService,
  change: (redisFolder: string) => Promise<void>,
): Promise<TestService> {
  await service.stop();
  await change(join(service.dataDir, 'redis'));
  return start(service.dataDir);
}

const appendOnlyFolder = (redisFolder: string): string => join(redisFolder, 'appendonlydir');

async function copyOf(service: TestService): Promise<string> {
  const copy = await testFolder();
  folders.push(copy);
  await cp(appendOnlyFolder(join(service.dataDir, 'redis')), join(copy, 'appendonlydir'), {
    recursive: true,
  });
  return copy;
}

async function replaceBy(copy: string, redisFolder: string): Promise<void> {
  await rm(appendOnlyFolder(redisFolder), { recursive: true });
  await cp(join(copy, 'appendonlydir'), appendOnlyFolder(redisFolder), { recursive: true });
}

async function redisPid(service: TestService): Promise<number> {
  const info = await service.admin.info('server');
  return Number(/process_id:([0-9]+)/.exec(info)?.[1]);
}

describe('lookups are could-not-check, and are answered again without help, after', () => {
  test('turning appendfsync down', async () => {
    const service = await start();
    await recovers(service);
    for (const [name, off, on] of [
      ['appendfsync', 'everysec', 'always'],
      ['appendonly', 'no', 'yes'],
      ['no-appendfsync-on-rewrite', 'yes', 'no'],
      ['maxmemory-policy', 'allkeys-lru', 'noeviction'],
    ] as const) {
      await service.admin.config('SET', name, off);
      await becomesCouldNotCheck(service, `${name} ${on}`);
      await service.admin.config('SET', name, on);
      await recovers(service);
    }
  });

  test('freezing and waking Redis', async () => {
    const service = await start();
    const pid = await redisPid(service);
    process.kill(pid, 'SIGSTOP');
    try {
      await becomesCouldNotCheck(service, READINESS.unreachable);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await recovers(service);
  });

  test('killing Redis again and again under load', async () => {
    const service = await start();
    for (let i = 0; i < 3; i++) {
      const found = await findEmbeddedRedis(service.dataDir);
      expect(found).toBeDefined();
      const pid = await redisPid(service);
      process.kill(pid, 'SIGKILL');
      await Promise.all(Array.from({ length: 50 }, () => askHeld(service)));
      await recovers(service);
      await until(() => service.admin.status === 'ready', 'the test’s own connection');
    }
  });

  test('memory reaching its reserve', async () => {
    const service = await start();
    const used = Number(
      /used_memory:([0-9]+)/.exec(await service.admin.info('memory'))?.[1] ?? Number.NaN,
    );
    await service.admin.config('SET', 'maxmemory', String(Math.round(used * 1.05)));
    await becomesCouldNotCheck(service, 'maxmemory');
    await service.admin.config('SET', 'maxmemory', '128mb');
    await recovers(service);
  });

  test('losing one child and putting it back', async () => {
    const service = await start();
    const key = keys.children(partitionOf(HELD));
    const value = await service.admin.hget(key, HELD);
    await service.admin.hdel(key, HELD);
    expect((await ask(service, HELD)).status).toBe(503);
    const said = async () => (await status(service)).text.includes(RESTORE);
    await until(said, 'the status to say what to do');
    // Only its partition is closed.
    expect(await askHeld(service)).toBe('could-not-check');
    await service.admin.hset(key, HELD, value ?? '');
    await recovers(service);
  });
});

describe('lookups are could-not-check, with what to do, after', () => {
  const MISSING = 'Audit events that were recorded are missing';

  test('FLUSHALL', async () => {
    const service = await start();
    await service.admin.flushall();
    expect((await ask(service, HELD)).status).toBe(503);
    await becomesCouldNotCheck(service, READINESS.noDataset);
    await until(() => service.lines.join('').includes(RESTORE), 'the log to say what to do');
  });

  test.each<[string, (service: TestService, stream: string) => Promise<unknown>]>([
    ['by deleting them', (service, stream) => service.admin.del(stream)],
    [
      'by an event that shortens the stream',
      (service, stream) => service.admin.call('XADD', stream, 'MAXLEN', '=', '0', '0-*', 'x', 'y'),
    ],
  ])('removing audit events while it runs, %s, even after a restart', async (_, takeAway) => {
    const service = await start();
    await recovers(service);
    const anchor = Anchor.open(join(service.dataDir, 'anchor'));
    await until(async () => {
      await askHeld(service);
      return (anchor.auditNumbers()[partitionOf(HELD)] ?? 0) > 5;
    }, 'the anchor to know of the events');
    anchor.close();
    await takeAway(service, keys.audit(partitionOf(HELD)));
    await until(async () => (await askHeld(service)) === 'could-not-check', 'could-not-check');
    await staysClosed(service, MISSING);
    await service.stop();
    await becomesCouldNotCheck(await start(service.dataDir), MISSING);
  });

  test('an authority missing from the directory', async () => {
    const service = await start();
    await service.admin.hdel(keys.dataset, 'authority:ZZ2');
    await until(async () => (await askHeld(service)) === 'could-not-check', 'could-not-check');
    await staysClosed(service, 'no longer knows ZZ2');
  });

  test('a Redis clock that has gone back', async () => {
    const service = await start();
    await service.stop();
    const anchor = Anchor.open(join(service.dataDir, 'anchor'));
    anchor.rememberClock(Date.now() + 3_600_000);
    anchor.close();
    const again = await start(service.dataDir);
    await becomesCouldNotCheck(again, 'Set it by a time server');
  });

  test('an empty Redis', async () => {
    const service = await restartWith(await start(), (folder) =>
      rm(appendOnlyFolder(folder), { recursive: true }),
    );
    await becomesCouldNotCheck(service, READINESS.noDataset);
  });

  test.each([0.3, 0.6, 0.9])('an append-only file with only a share of %d left', async (share) => {
    const service = await restartWith(await start(), async (folder) => {
      const files = await readdir(appendOnlyFolder(folder));
      for (const file of files.filter((name) => name.endsWith('.incr.aof'))) {
        const path = join(appendOnlyFolder(folder), file);
        // Of what comes before the child: a worker goes on reporting, and the end alone may hold nothing else.
        const child = (await readFile(path)).lastIndexOf(HELD);
        expect(child).toBeGreaterThan(0);
        await truncate(path, Math.floor(child * share));
      }
    });
    // What is left may or may not hold the dataset.
    await becomesCouldNotCheck(service, 'from its last good copy');
  });

  test('yesterday’s copy of the Redis data', async () => {
    const before = await startTestService({ authorities: [{ code: 'ZZ1' }] });
    services.push(before);
    await before.stop();
    const yesterday = await copyOf(before);
    const today = await startTestService({ dataDir: before.dataDir, kind: 'none' });
    services.push(today);
    const anchor = Anchor.open(join(today.dataDir, 'anchor'));
    await fill(today.store, anchor, { code: 'ZZ1', rows: [{ nhsNumber: HELD }] });
    anchor.close();
    await until(async () => (await askHeld(today)) === 'flagged', 'the row to be live');
    const service = await restartWith(today, (folder) => replaceBy(yesterday, folder));
    await becomesCouldNotCheck(service, RESTORE);
  });

  test('a copy that lacks only its audit events', async () => {
    const before = await start();
    await before.stop();
    const copy = await copyOf(before);
    const after = await start(before.dataDir);
    await recovers(after);
    const service = await restartWith(after, (folder) => replaceBy(copy, folder));
    await becomesCouldNotCheck(service, MISSING);
  });

  test('another dataset', async () => {
    const other = await startTestService({ authorities: [{ code: 'ZZ1' }, { code: 'ZZ2' }] });
    services.push(other);
    await other.stop();
    const copy = await copyOf(other);
    const service = await restartWith(await start(), (folder) => replaceBy(copy, folder));
    await becomesCouldNotCheck(service, 'different dataset');
  });

  test('an anchor without its Redis, or a Redis without its anchor', async () => {
    const first = await start();
    const service = await restartWith(first, async (folder) => {
      await rm(join(folder, '..', 'anchor'), { recursive: true });
      await mkdir(join(folder, '..', 'anchor'), { mode: 0o700 });
    });
    await becomesCouldNotCheck(service, 'DATA_DIR');
  });
});
