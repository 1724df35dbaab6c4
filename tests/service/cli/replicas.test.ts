import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { endSingle, goSingle, listReplicas, setPromotable } from '#service/cli/replicas.ts';
import { SINGLE_FIELD } from '#store/connection/single-mode.ts';
import { keys } from '#store/keys.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { startRedisServer, type TestRedisServer } from '../../support/redis-server.ts';

const NAMED = { by: 'A. Example', reason: 'the replica is away' };

let folder: string;
let first: TestRedisServer;
let second: TestRedisServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-cli-replicas-'));
  [first, second] = await Promise.all([startRedisServer(), startRedisServer()]);
  await second.replicate(first);
  const anchor = Anchor.open(join(folder, 'anchor'));
  await createStore(first.admin, anchor).createDataset('demo', 'test');
  anchor.close();
});
afterAll(async () => {
  await Promise.all([first?.stop(), second?.stop()]);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const configuration = (differing: Record<string, string> = {}) =>
  readConfiguration({
    DATA_DIR: folder,
    REDIS_URL: first.url,
    REDIS_REPLICAS: '1',
    ...differing,
  });

/** What a command prints, or the message with which it fails. */
async function said(command: () => Promise<void>): Promise<string> {
  const log = vi.spyOn(console, 'log').mockReturnValue();
  try {
    await command();
    return log.mock.calls.flat().join('\n');
  } catch (error) {
    return error instanceof Error ? error.message : 'unknown';
  } finally {
    log.mockRestore();
  }
}

test('replicas are listed, set aside and put back, using the address from the list', async () => {
  // A replica reports its progress each second, on a busy machine later.
  await expect
    .poll(() => said(() => listReplicas(configuration())))
    .toBe(`127.0.0.1:${second.port}: attached\n1 attached, 1 required.`);
  const server = `127.0.0.1:${second.port}`;
  expect(await said(() => setPromotable(configuration(), server, false, NAMED))).toBe(
    `${server} is not promoted any more. Restart it, then put it back.`,
  );
  expect(await second.admin.config('GET', 'replica-priority')).toContain('0');
  expect(await said(() => setPromotable(configuration(), server, true, NAMED))).toBe(
    `${server} may be promoted again.`,
  );
  const primary = `127.0.0.1:${first.port}`;
  expect(await said(() => setPromotable(configuration(), primary, false, NAMED))).toBe(
    `${primary} is no replica.`,
  );
  expect(await said(() => setPromotable(configuration(), 'nowhere', false, NAMED))).toContain(
    'Name the replica as HOST:PORT',
  );
});

test('single mode is not ordered with the folders of a worker that another has replaced', async () => {
  const replaced = configuration({ AUDIT_COPY: join(folder, 'second-copy') });
  await first.admin.set(keys.workerAtWork, '2');
  try {
    expect(await said(() => goSingle(replaced, NAMED))).toBe(COPY.notTheWorker);
    expect(await first.admin.hget(keys.dataset, SINGLE_FIELD)).toBeNull();
  } finally {
    await first.admin.del(keys.workerAtWork);
  }
});

test('single mode is turned on and off once, and turned on only if something waits', async () => {
  expect(await said(() => goSingle(configuration(), NAMED))).toContain('Ordered.');
  expect(await said(() => goSingle(configuration(), NAMED))).toContain('ordered already');
  const anchor = Anchor.open(join(folder, 'anchor'));
  expect(anchor.single()).toBe(true);
  anchor.close();
  expect(await said(() => endSingle(configuration(), NAMED))).toContain('Ended.');
  expect(await said(() => endSingle(configuration(), NAMED))).toContain(
    'wait for the replicas already',
  );
  expect(await said(() => goSingle(configuration({ REDIS_REPLICAS: '0' }), NAMED))).toContain(
    'REDIS_REPLICAS is not set',
  );
});
