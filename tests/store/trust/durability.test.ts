import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keys } from '#store/keys.ts';
import {
  conditionsOf,
  DURABILITY_FIELD,
  DURABLE,
  durabilityProblem,
} from '#store/trust/durability.ts';
import { type Readiness, watchStore } from '#store/trust/readiness.ts';
import { startStoreVerifier } from '#store/trust/verifier.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../../support/test-store.ts';

/**
 * A lookup process may not read Redis's settings, so it relies on a worker's report about the current run of Redis. A
 * report counts for three seconds, and for longer while Redis's own counters show that nothing can have changed.
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

/** Expects that lookups are open at the next poll. On a busy machine a poll may take too long, and is then made again. */
const opens = (): Promise<void> =>
  until(async () => {
    await readiness.refresh();
    return readiness.open;
  }, 'lookups to be open');

/** Expects that lookups are stopped for this reason. */
async function stopsFor(reason: RegExp): Promise<void> {
  await until(async () => {
    await readiness.refresh();
    return reason.test(durable());
  }, `${reason} to be said`);
  expect(readiness.open).toBe(false);
}

async function said(): Promise<{
  run: string;
  at: number;
  settings: Record<string, string>;
  conditions: string;
}> {
  return JSON.parse((await t.admin.hget(keys.dataset, DURABILITY_FIELD)) ?? '') as never;
}
const say = async (differing: object): Promise<unknown> =>
  t.admin.hset(keys.dataset, DURABILITY_FIELD, JSON.stringify({ ...(await said()), ...differing }));

test('nothing is answered if no worker of this version reports, and the check says so', async () => {
  await worker.stop();
  // A worker of an earlier version opens the store without reporting this.
  await t.admin.hdel(keys.dataset, DURABILITY_FIELD);
  await stopsFor(/^No worker of this version has reported how Redis writes to disk\./);
});

/** Changes the last report as if the worker had ended this long ago. */
const ago = async (ms: number): Promise<unknown> => say({ at: (await said()).at - ms });

test('a report about another run, or an older worker’s report that is three seconds old, does not count', async () => {
  await worker.stop();
  const right = await said();
  await say({ at: Date.now() - 10_000, conditions: undefined });
  await stopsFor(/was last reported \d+ seconds ago, and it may have changed since/);

  const notSince = /No worker has reported how Redis writes to disk since Redis started\./;
  await say({ at: Date.now(), run: '0'.repeat(40) });
  await stopsFor(notSince);

  await say(right);
  await opens();
  await t.admin.hset(keys.dataset, DURABILITY_FIELD, '{"run":5}');
  await stopsFor(notSince);
});

test('lookups continue without a worker, even if somebody without the right tries to change settings', async () => {
  await worker.stop();
  await ago(3_600_000);
  await opens();
  const stranger = await t.connect('lookup');
  await expect(stranger.config('SET', 'appendfsync', 'no')).rejects.toThrow('NOPERM');
  await opens();
});

describe('without a worker, lookups stop if', () => {
  const CHANGES: Record<string, () => Promise<unknown>> = {
    'a setting was changed': () => t.admin.config('SET', 'appendfsync', 'everysec'),
    'a setting was changed and set back': async () => {
      await t.admin.config('SET', 'appendfsync', 'everysec');
      await t.admin.config('SET', 'appendfsync', 'always');
    },
    'a setting was changed in a transaction': () =>
      t.admin.multi().config('SET', 'appendfsync', 'no').exec(),
    'the command counts were reset': () => t.admin.config('RESETSTAT'),
  };
  test.for(Object.keys(CHANGES))('%s, and continue once a worker is back', async (name) => {
    await worker.stop();
    await ago(10_000);
    await opens();
    await CHANGES[name]?.();
    await stopsFor(/it may have changed since/);
    await t.admin.config('SET', 'appendfsync', 'always');
    worker = startStoreVerifier(await t.connect('worker'), t.anchor, {
      resume: () => Promise.reject(new Error('nothing to resume is expected here')),
    });
    await until(() => readiness.open, 'readiness');
  });
});

test('an old report counts only while everything that it depends on is unchanged', () => {
  const info = new Map([
    ['run_id', 'a'],
    ['role', 'master'],
    ['aof_enabled', '1'],
    ['aof_last_write_status', 'ok'],
    ['master_link_status', 'up'],
    ['sync_full', '1'],
    ['cmdstat_config|set', 'calls=1,usec=2,usec_per_call=2.00'],
    ['cmdstat_config|resetstat', 'calls=1,usec=2,usec_per_call=2.00'],
  ]);
  const report = JSON.stringify({
    run: 'a',
    at: 0,
    settings: DURABLE,
    conditions: conditionsOf(info),
  });
  const problem = (now: typeof info) => durabilityProblem(report, now, 60_000);
  expect(problem(info)).toBeUndefined();
  for (const name of info.keys()) {
    expect(problem(new Map(info).set(name, 'calls=3,usec=4')), name).toBeDefined();
  }
});

test('a worker never reports settings as unchanged if they changed while it was reading them', async () => {
  const { conditions } = await said();
  await t.admin.config('SET', 'appendfsync', 'everysec');
  await until(async () => (await said()).settings['appendfsync'] === 'everysec', 'the report');
  expect((await said()).conditions).not.toBe(conditions);
});

test('a lookup user of a build from before 0.1.0 has enough rights, so it can be replaced last', async () => {
  const { username, password } = t.server.users.lookup;
  const before =
    'resetkeys resetchannels clearselectors -@all +ping +info +time +client|setname +config|get (+fcall ~cpf:{p*}:* ~cpf:{system}:audit) (+hmget +hlen %R~cpf:{p*}:children) (+xadd %W~cpf:{*}:audit) (+hget +hset ~cpf:{p*}:seen) (+hgetall %R~cpf:dataset %R~cpf:authority:*) (+get %R~cpf:open %R~cpf:heartbeat) (+hkeys %R~cpf:blocked) (+fcall +hincrby +pexpire ~cpf:{use}:*)';
  const rules = before.match(/\([^)]*\)|\S+/g) ?? [];
  await t.admin.call('ACL', 'SETUSER', username, ...rules, `>${password}`);
  const wanting = () => readiness.checks().filter(({ ok }) => !ok);
  // That user may not ask whether a number is in use. A check warns that it may not, and no lookup stops because of it.
  await until(async () => {
    await readiness.refresh();
    return readiness.open && wanting().some(({ name }) => name === 'numbers-in-use');
  }, 'lookups to be open with these rights');
  expect(wanting().filter(({ advisory }) => advisory !== true)).toEqual([]);
});
