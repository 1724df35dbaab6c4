import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { partitionOf } from '#schemas/nhs-number.ts';
import { whenReady } from '#store/connection/connection.ts';
import { keys } from '#store/keys.ts';
import { createLookupStore, type LookupResult } from '#store/lookup.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { confirmPromotion, lookAtPromotion } from '#store/trust/confirm.ts';
import { type Readiness, watchStore } from '#store/trust/readiness.ts';
import { BEGUN_PROMOTION } from '#store/trust/server.ts';
import { type StoreVerifier, startStoreVerifier } from '#store/trust/verifier.ts';
import { lookupEvent } from '../support/lookup-event.ts';
import { startRedisServer, type TestRedisServer } from '../support/redis-server.ts';
import { testNumber } from '../support/rows.ts';
import { until, WAIT_MS } from '../support/test-store.ts';

/** A promoted replica may lack the latest answers, and nobody may discover that only afterwards. */

const NUMBER = testNumber(1);
const ENTRY = JSON.stringify({
  name: 'A Nurse',
  role: 'Nurse',
  organisation: { code: 'ZZX', name: 'Test Hospital' },
});

let folder: string;
let anchor: Anchor;
let first: TestRedisServer;
let second: TestRedisServer;
let verifiers: StoreVerifier[];
let watched: Readiness[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-promotion-'));
  [verifiers, watched] = [[], []];
  anchor = Anchor.open(folder);
  [first, second] = await Promise.all([startRedisServer(), startRedisServer()]);
  await createStore(first.admin, anchor).createDataset('live', 'test');
});
afterEach(async () => {
  for (const verifier of verifiers) await verifier.stop();
  for (const readiness of watched) await readiness.stop();
  await Promise.all([first.stop(), second.stop()]);
  anchor.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function keep(server: TestRedisServer): Promise<StoreVerifier> {
  const redis = server.connect();
  await whenReady(redis, WAIT_MS);
  const verifier = startStoreVerifier(redis, anchor, {
    resume: () => Promise.reject(new Error('nothing to resume is expected here')),
  });
  verifiers.push(verifier);
  return verifier;
}

function openLookups(server: TestRedisServer) {
  const redis = server.connect();
  const readiness = watchStore(redis);
  watched.push(readiness);
  const lookups = createLookupStore(redis, readiness);
  const look = (): Promise<LookupResult> =>
    lookups.lookup({
      nhsNumber: NUMBER,
      auditId: randomUUID(),
      event: lookupEvent(NUMBER, '00000000-0000-4000-8000-000000000001'),
      access: 'unscheduled',
      showAccesses: true,
      userKey: 'user-1',
      accessEntry: ENTRY,
      negativesAllowed: true,
    });
  return { readiness, look };
}

const isAnswered = async (look: () => Promise<LookupResult>): Promise<boolean> =>
  (await look()).kind === 'not-flagged';
/** Waits for an answer: on a busy machine readiness may be lost for a moment because a poll came late. */
const answered = (look: () => Promise<LookupResult>): Promise<void> =>
  until(() => isAnswered(look), 'a lookup to be answered');

const said = (readiness: Readiness): string =>
  readiness
    .checks()
    .filter(({ ok, advisory }) => !ok && advisory !== true)
    .map(({ detail }) => detail)
    .join(' ');

/** Makes lookups on the first server, the last three after the second has stopped copying it. */
async function answerAndPromote(): Promise<void> {
  const verifier = await keep(first);
  await until(() => verifier.state.opened, 'the store to open');
  await second.replicate(first);
  const { readiness, look } = openLookups(first);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await answered(look);
  await second.catchUp(first);
  // By now the worker has looked at the store since the copy was made.
  await verifier.look();
  await verifier.look();
  await second.promote();
  for (let i = 0; i < 3; i++) await answered(look);
  await verifier.stop();
  await readiness.stop();
  await first.kill();
}

/** Looks for long enough to be sure that the store stays closed, and until these words say why. */
async function staysClosed(server: TestRedisServer, words: string): Promise<void> {
  const verifier = await keep(server);
  const { readiness, look } = openLookups(server);
  await until(() => readiness.checks()[0]?.ok === true, 'Redis to be reached');
  for (let i = 0; i < 3; i++) {
    await verifier.look();
    await readiness.refresh();
    expect(verifier.state).toMatchObject({ opened: false, problem: true });
    expect(await isAnswered(look)).toBe(false);
  }
  await until(async () => {
    await verifier.look();
    return verifier.state.detail.includes(words);
  }, `"${words}" to be said`);
  await verifier.stop();
  await readiness.stop();
}

test('a promoted replica answers nothing, and says what to do', async () => {
  await answerAndPromote();
  await staysClosed(second, 'cp-flags confirm promotion');
});

test('a promoted replica answers nothing after a restart that leaves no trace in Redis', async () => {
  await answerAndPromote();
  await second.restart();
  expect(await second.admin.info('replication')).toContain('master_replid2:0000');
  await staysClosed(second, 'cp-flags confirm promotion');
});

test('a primary with a replica opens without help after a restart', async () => {
  const verifier = await keep(first);
  await until(() => verifier.state.opened, 'the store to open');
  await second.replicate(first);
  await verifier.look();
  await first.restart();
  const { readiness } = openLookups(first);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
});

test('a replica answers nothing, and nothing is written to it', async () => {
  const verifier = await keep(first);
  await until(() => verifier.state.opened, 'the store to open');
  await second.replicate(first);
  await staysClosed(second, 'This Redis is a replica');
});

test('a primary that was a replica for a while answers nothing, even if it never restarted', async () => {
  const verifier = await keep(first);
  await until(() => verifier.state.opened, 'the store to open');
  await verifier.stop();
  const { readiness, look } = openLookups(first);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await second.replicate(first);
  await second.promote();
  for (let i = 0; i < 3; i++) await answered(look);
  await first.replicate(second);
  await first.promote();
  // Lookups are refused even before a worker has looked.
  await until(async () => {
    await readiness.refresh();
    return said(readiness).includes('cp-flags confirm promotion');
  }, 'the reason to be said');
  expect(await isAnswered(look)).toBe(false);
  // Nothing may be loaded into it either.
  expect(await createStore(first.admin, anchor).isOpen()).toBe(false);
  // A worker does not open it either. The server has the mark of the one that answered, but only because the mark was
  // copied there and back.
  await staysClosed(first, 'cp-flags confirm promotion');
});

/** A promoted server that lacks this many events that were known, two of the system's own among them. */
async function promotedLacking(lookups: number): Promise<Redis> {
  const verifier = await keep(first);
  await until(() => verifier.state.opened, 'the store to open');
  await second.replicate(first);
  await verifier.stop();
  const known = anchor.auditNumbers();
  const of = partitionOf(NUMBER);
  known[of] = (known[of] ?? 0) + lookups;
  await second.promote();
  await first.kill();
  const admin = second.connect(WAIT_MS);
  await whenReady(admin, WAIT_MS);
  const system = (await createStore(admin, anchor).readEvents('system')).length;
  known[known.length - 1] = system + 2;
  anchor.rememberAuditNumbers(known);
  return admin;
}
const replacements = async (admin: Redis): Promise<number> => {
  const store = createStore(admin, anchor);
  const all = [
    ...(await store.readEvents(partitionOf(NUMBER))),
    ...(await store.readEvents('system')),
  ];
  return all.filter(({ type }) => type === 'event-missing').length;
};
const NAMED = { by: 'A. Example', reason: 'the primary is lost' };

test('two people who confirm a promotion at once replace each missing event once', async () => {
  const admin = await promotedLacking(2_500);
  const other = second.connect(WAIT_MS);
  await whenReady(other, WAIT_MS);
  await Promise.all([
    confirmPromotion(admin, anchor, [], NAMED),
    confirmPromotion(other, anchor, [], { ...NAMED, by: 'B. Example' }),
  ]);
  const numbers = (await createStore(admin, anchor).readEvents(partitionOf(NUMBER))).length;
  expect(numbers).toBe(anchor.auditNumbers()[partitionOf(NUMBER)]);
});

test('a confirmation of a promotion that was cut short says once more how many events were missing', async () => {
  const admin = await promotedLacking(1_500);
  const found = await lookAtPromotion(admin, anchor, []);
  expect(found).toMatchObject({ kind: 'promoted', missing: 1_502 });
  for (const step of ['first', 'last'] as const) {
    let filled = 0;
    const cut = new Proxy(admin, {
      get(of, name) {
        const value: unknown = Reflect.get(of, name, of);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          const isFill = name === 'fcall' && String(args[0]).includes('fill_stream');
          if (isFill) filled += 1;
          const isCut = step === 'first' ? filled === 2 : name === 'hset' && filled > 0;
          if (isCut) return Promise.reject(new Error('the process ended here'));
          return value.apply(of, args);
        };
      },
    });
    await expect(confirmPromotion(cut, anchor, [], NAMED)).rejects.toThrow('ended here');
    expect(await replacements(admin)).toBe(step === 'first' ? 1_000 : 1_500);
    expect(await lookAtPromotion(admin, anchor, [])).toMatchObject({ missing: 1_502 });
  }
  expect(await confirmPromotion(admin, anchor, [], NAMED)).toMatchObject({
    kind: 'confirmed',
    missing: 1_502,
  });
  expect(await replacements(admin)).toBe(1_500);
});

test('a named person can continue with a promoted replica, and the audit says what may be missing', async () => {
  const verifier = await keep(first);
  await until(() => verifier.state.opened, 'the store to open');
  await second.replicate(first);
  const before = openLookups(first);
  expect(await before.readiness.whenOpen(WAIT_MS)).toBe(true);
  await answered(before.look);
  await second.catchUp(first);
  await verifier.look();
  await verifier.look();
  await second.promote();
  for (let i = 0; i < 3; i++) await answered(before.look);
  // One, unless a look came too late to be answered and was made again.
  const copied = (await createStore(second.admin, anchor).readEvents(partitionOf(NUMBER))).length;
  expect(copied).toBeGreaterThan(0);
  // At least two of the three events are known outside Redis.
  await verifier.stop();
  const known = anchor.auditNumbers();
  known[partitionOf(NUMBER)] = copied + 2;
  anchor.rememberAuditNumbers(known);
  const missing = (anchor.auditNumbers()[partitionOf(NUMBER)] ?? 0) - copied;
  await first.kill();

  const named = { by: 'A. Example', reason: 'the primary is lost' };
  const admin = second.connect(WAIT_MS);
  await whenReady(admin, WAIT_MS);
  // The page showed another server, which was promoted before this one.
  const other = await confirmPromotion(admin, anchor, [], named, 'another server');
  expect(other).toEqual({ kind: 'changed' });
  const done = await confirmPromotion(admin, anchor, [], named);
  expect(done).toMatchObject({ kind: 'confirmed' });
  expect(done.kind === 'confirmed' && done.missing).toBeGreaterThanOrEqual(2);
  expect(await confirmPromotion(admin, anchor, [], named)).toEqual({ kind: 'known' });
  expect(await admin.hget(keys.dataset, BEGUN_PROMOTION)).toBe('');
  const after = await keep(second);
  await until(() => after.state.opened, 'the store to open again');
  const store = createStore(admin, anchor);
  expect(await store.readEvents('system')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ type: 'promotion-confirmed', by: named.by }),
    ]),
  );
  const events = await store.readEvents(partitionOf(NUMBER));
  expect(events.map(({ type }) => type)).toEqual([
    ...Array.from({ length: copied }, () => 'lookup'),
    ...Array.from({ length: missing }, () => 'event-missing'),
  ]);
  const { readiness, look } = openLookups(second);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await answered(look);
  // The confirmation still holds after a restart, which leaves no trace of the promotion.
  await after.look();
  // Looked for from before it, since the store may be open again before the test's own connection is.
  const noticed = until(() => !readiness.open, 'the restart to be noticed');
  await second.restart();
  await noticed;
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
});
