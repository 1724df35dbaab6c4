import { appendFile, cp, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { allEvents } from '../../support/audit-events.ts';
import { root, startServing } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, fill, testFolder, until } from '../../support/service.ts';
import { startLoad } from '../../support/service-load.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

/** Two versions run side by side on one Redis. */

const PARTS = ['service', 'store', 'loaders', 'schemas', 'package.json'];
const HELD = Array.from({ length: 10 }, (_, i) => testNumber(900 + i));

let store: TestStore;
let newTree: string;
const serving: Awaited<ReturnType<typeof startServing>>[] = [];

beforeAll(async () => {
  newTree = await testFolder();
  await mkdir(newTree, { recursive: true });
  for (const part of PARTS) await cp(join(root, part), join(newTree, part), { recursive: true });
  await symlink(join(root, 'node_modules'), join(newTree, 'node_modules'));
  await appendFile(join(newTree, 'store/lookup.lua'), '\n-- the next version\n');
  store = await startTestStore({ kind: 'demo' });
  await fill(store.adminStore, store.anchor, {
    code: 'ZZ101',
    rows: HELD.map((nhsNumber) => ({ nhsNumber })),
  });
});
afterAll(async () => {
  await Promise.all(serving.map((service) => service.stop()));
  await store?.stop();
  await rm(newTree, { recursive: true, force: true, maxRetries: 5 });
});

async function start(role: 'lookup' | 'all', tree?: string) {
  const { username, password } = store.server.users.admin;
  const service = await startServing(
    [],
    {
      ROLE: role,
      DATA_DIR: store.dataDir,
      REDIS_URL: `unix://${username}:${password}@localhost${store.server.socketPath}`,
    },
    tree,
  );
  serving.push(service);
  return service;
}

const isReady = async (baseUrl: string) => (await fetch(`${baseUrl}/_status`)).status === 200;

test('an upgrade loses no lookup: the old version answers until the new one can, and then stops', async () => {
  const old = await start('all');
  await until(() => isReady(old.baseUrl), 'the old version to be ready');
  const token = await (await openDemoIssuer(store.dataDir)).sign(claims(), 3_600);
  let target = old.baseUrl;
  const load = startLoad(() => target, token, HELD, 8);
  await until(() => load.answered() > 50, 'answers of the old version');

  // A lookup process cannot install its functions, and says that it is not ready.
  const lookups = await start('lookup', newTree);
  await until(async () => {
    const status = await fetch(`${lookups.baseUrl}/_status`);
    expect(status.status).toBe(503);
    return (await status.text()).includes('lacks the functions of this version');
  }, 'the status to say so');
  const whole = await start('all', newTree);
  await until(() => isReady(whole.baseUrl), 'the new version to be ready');
  await until(() => isReady(lookups.baseUrl), 'the new lookup process to be ready');
  // On a busy machine a check of the store may fail, and then the next one succeeds.
  await until(() => isReady(old.baseUrl), 'the old version to be ready beside it');

  const before = load.answered();
  target = lookups.baseUrl;
  await until(() => load.answered() > before + 50, 'answers of the new version');
  const { code } = await old.stop('SIGTERM');
  expect(code).toBe(0);
  const after = load.answered();
  await until(() => load.answered() > after + 50, 'answers after the old version stopped');
  const all = await load.stop();

  expect(all.filter(({ status }) => status !== 200)).toEqual([]);
  const events = await allEvents(store.dataDir, store.adminStore);
  // A lookup whose reply came too late for its answer is on record as such, and was asked again.
  const undelivered = new Set(
    events.flatMap((event) =>
      event.type === 'not-delivered' || event.type === 'could-not-check' ? [event.auditId] : [],
    ),
  );
  const looked = events.flatMap((event) =>
    event.type === 'lookup' && !undelivered.has(event.auditId) ? [event] : [],
  );
  const recorded = new Set(looked.map(({ auditId }) => auditId));
  expect(recorded.size).toBe(all.length);
  expect(all.filter(({ auditId = '' }) => !recorded.has(auditId))).toEqual([]);
  // Both versions answered, each with its own functions.
  expect(new Set(looked.map(({ versions }) => versions.functions)).size).toBe(2);
});
