import { afterEach, beforeEach, expect, test } from 'vitest';
import { keys } from '#store/keys.ts';
import { DURABILITY_FIELD } from '#store/trust/durability.ts';
import { type Readiness, watchStore } from '#store/trust/readiness.ts';
import { startStoreVerifier } from '#store/trust/verifier.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../../support/test-store.ts';

/**
 * A lookup process may not read Redis's settings. It believes what a worker says of them, for three seconds
 * and for the run of Redis of which it was said.
 */

let t: TestStore;
let readiness: Readiness;
let worker: ReturnType<typeof startStoreVerifier>;

beforeEach(async () => {
  t = await startTestStore();
  await t.adminStore.createDataset('demo', 'test');
  worker = startStoreVerifier(await t.connect('worker'), t.anchor, {
    resume: () => Promise.reject(new Error('nothing to resume is expected here')),
  });
  readiness = watchStore(await t.connect('lookup'));
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
});
afterEach(async () => {
  await readiness.stop();
  await worker.stop();
  await t.stop();
});

const durable = (): string =>
  readiness.checks().find(({ name }) => name === 'durable')?.detail ?? '';

async function said(): Promise<{ run: string; at: number; settings: Record<string, string> }> {
  return JSON.parse((await t.admin.hget(keys.dataset, DURABILITY_FIELD)) ?? '') as never;
}
const say = async (differing: object): Promise<unknown> =>
  t.admin.hset(keys.dataset, DURABILITY_FIELD, JSON.stringify({ ...(await said()), ...differing }));

test('nothing is answered if no worker of this version reports, and the check says so', async () => {
  await worker.stop();
  // As the worker of an earlier version, which opens the store and says nothing of this.
  await t.admin.hdel(keys.dataset, DURABILITY_FIELD);
  await readiness.refresh();
  expect(readiness.open).toBe(false);
  expect(durable()).toContain('No worker of this version has reported how Redis writes to disk.');
});

test('a report older than three seconds, or of another run, no longer counts', async () => {
  await worker.stop();
  const { at } = await said();
  await say({ at: at - 10_000 });
  await readiness.refresh();
  expect(readiness.open).toBe(false);
  expect(durable()).toMatch(/was last reported 1[0-9] s ago; 3 s are allowed/);

  await say({ at: Date.now(), run: '0'.repeat(40) });
  await readiness.refresh();
  expect(readiness.open).toBe(false);
  expect(durable()).toContain('No worker has reported how Redis writes to disk since it started.');

  await t.admin.hset(keys.dataset, DURABILITY_FIELD, '{"run":5}');
  await readiness.refresh();
  expect(readiness.open).toBe(false);
});

test('lookups end on their own once workers are gone, and continue once one is back', async () => {
  await worker.stop();
  await until(() => !readiness.open, 'readiness being withdrawn');
  worker = startStoreVerifier(await t.connect('worker'), t.anchor, {
    resume: () => Promise.reject(new Error('nothing to resume is expected here')),
  });
  await until(() => readiness.open, 'readiness');
});

test('the lookup user of the version before is enough, so that it can be replaced last', async () => {
  const { username, password } = t.server.users.lookup;
  const before =
    'resetkeys resetchannels clearselectors -@all +ping +info +time +client|setname +config|get (+fcall ~cpf:{p*}:* ~cpf:{system}:audit) (+hmget +hlen %R~cpf:{p*}:children) (+xadd %W~cpf:{*}:audit) (+hget +hset ~cpf:{p*}:seen) (+hgetall %R~cpf:dataset %R~cpf:authority:*) (+get %R~cpf:open %R~cpf:heartbeat) (+hkeys %R~cpf:blocked) (+fcall +hincrby +pexpire ~cpf:{use}:*)';
  const rules = before.match(/\([^)]*\)|\S+/g) ?? [];
  await t.admin.call('ACL', 'SETUSER', username, ...rules, `>${password}`);
  await readiness.refresh();
  expect(readiness.open).toBe(true);
  // It may not ask whether a number is in use, which stops no lookup; the changelog says so.
  const wanting = readiness.checks().filter(({ ok }) => !ok);
  expect(wanting.filter(({ advisory }) => advisory !== true)).toEqual([]);
  expect(wanting.map(({ name }) => name)).toContain('numbers-in-use');
});
