import { randomUUID } from 'node:crypto';
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { servedDataset } from '#service/files/served-dataset.ts';
import { startService } from '#service/main.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { runDatasetFaults } from '../faults/dataset-harness.ts';
import { commandsInTurn } from '../support/commands.ts';
import { testNumber } from '../support/rows.ts';
import { SEED } from '../support/seed.ts';
import { startTestService, type TestService, testFolder, until } from '../support/service.ts';

const run = commandsInTurn();

/** A process answers only from the dataset it is meant for, whichever Redis REDIS_URL names. */

const HELD = testNumber(1);
const POINTS = 24;

let own: TestService;
let other: TestService;
const folders: string[] = [];

beforeAll(async () => {
  [own, other] = await Promise.all([
    startTestService({ authorities: [{ code: 'ZZ1', rows: [{ nhsNumber: HELD }] }] }),
    startTestService({ authorities: [{ code: 'ZZ1' }] }),
  ]);
});
afterAll(async () => {
  await Promise.all([own.stopAndRemove(), other.stopAndRemove()]);
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function urlOf(service: TestService, role: 'lookup' | 'admin'): Promise<string> {
  const found = await findEmbeddedRedis(service.dataDir);
  if (found === undefined) throw new Error('no Redis is running');
  const { username, password } = found.users[role];
  return `unix://${username}:${password}@localhost${found.socketPath}`;
}

async function newFolder(): Promise<string> {
  const folder = await testFolder();
  folders.push(folder);
  await copyFile(join(own.dataDir, 'demo-issuer.json'), join(folder, 'demo-issuer.json'));
  return folder;
}

/**
 * Collects what the process answers about a child in its own dataset, until it gives an answer or its `/_status` says
 * the expected words.
 */
async function answersOf(environment: Record<string, string>, expected: string) {
  const log = createLog('silent', { write: () => undefined });
  const service = await startService(readConfiguration({ PORT: '0', ...environment }), { log });
  try {
    const answers = new Set<string | number>();
    await until(async () => {
      const response = await fetch(`${service.baseUrl}/lookup`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-request-id': randomUUID(),
          authorization: `Bearer ${await own.token()}`,
        },
        body: JSON.stringify({ nhsNumber: HELD }),
      });
      const { outcome } = (await response.json()) as { outcome?: string };
      answers.add(outcome ?? response.status);
      const status = await (await fetch(`${service.baseUrl}/_status`)).text();
      return outcome !== undefined || status.includes(expected);
    }, `an answer, or "${expected}" to be said`);
    return [...answers];
  } finally {
    await service.stop();
  }
}

test(`whatever a process is pointed at, a child in its dataset is never reported as not flagged (${POINTS} mixes of seed ${SEED})`, async () => {
  expect(await runDatasetFaults({ seed: SEED, points: POINTS })).toEqual([]);
});

test('a lookup process does not answer from another dataset until a named person confirms it', async () => {
  const DATA_DIR = await newFolder();
  const lookups = { ROLE: 'lookup', DATA_DIR };
  const mine = { ...lookups, REDIS_URL: await urlOf(own, 'lookup') };
  const theirs = { ...lookups, REDIS_URL: await urlOf(other, 'lookup') };
  const id = (await other.store.dataset())?.id ?? '';
  expect((await answersOf(mine, 'a dataset that is none')).at(-1)).toBe('flagged');
  expect(await answersOf(theirs, `cp-flags confirm dataset ${id}`)).toEqual([503]);

  const words = ['--by', 'A. Example', '--reason', 'moved'];
  const misnamed = await run(['confirm', 'dataset', servedDataset(mine) ?? '', ...words], theirs);
  expect(misnamed.code).toBe(1);
  expect(misnamed.stderr).toContain(`Redis holds dataset ${id}`);
  // An event that waits for one dataset must not be written into another.
  await writeFile(join(DATA_DIR, 'audit-spool', 'waits.sqlite'), '');
  const waits = await run(['confirm', 'dataset', id, ...words], theirs);
  expect(waits.code).toBe(1);
  expect(waits.stderr).toContain('wait in');
  await rm(join(DATA_DIR, 'audit-spool'), { recursive: true });
  expect(await run(['confirm', 'dataset', id, ...words], theirs)).toMatchObject({ code: 0 });
  expect(servedDataset(mine)).toBe(id);
  expect(await other.events()).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ type: 'dataset-confirmed', by: 'A. Example' }),
    ]),
  );
});

test('a process of any role keeps to the dataset of its data folder, and does not close another', async () => {
  const REDIS_URL = await urlOf(other, 'admin');
  await own.stop();
  for (const ROLE of ['all', 'worker']) {
    const environment = { ROLE, REDIS_URL, DATA_DIR: own.dataDir };
    const answers = await answersOf(environment, 'different dataset');
    expect(answers.filter((answer) => typeof answer === 'string')).toEqual([]);
    const held = await run(['audit', 'hold', '--by', 'A', '--reason', 'B'], environment);
    expect(held.code).toBe(1);
    expect(held.stderr).toContain('different dataset');
  }
  await until(
    async () => (await fetch(`${other.baseUrl}/_status`)).status === 200,
    'answers from the other dataset',
  );
});
