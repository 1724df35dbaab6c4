import { randomUUID } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { READINESS, VERIFIER } from '#schemas/wording/store.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { FUNCTIONS_VERSION, restoreFunctions } from '#store/functions/functions.ts';
import { keys } from '#store/keys.ts';
import { beginWork, isReplaced, takeWorkerLease } from '#store/locks/worker-lease.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { confirmClock, confirmOldCopy } from '#store/trust/confirm.ts';
import { DURABILITY_FIELD } from '#store/trust/durability.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { startStoreVerifier } from '#store/trust/verifier.ts';
import { endingAt } from '../../support/cut-short.ts';
import { holdReplies } from '../../support/held-replies.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../../support/test-store.ts';

const DAY_MS = 86_400_000;

let t: TestStore | undefined;
afterEach(() => t?.stop());

test('a worker without a dataset says so once, and not at every check', async () => {
  t = await startTestStore();
  const verifier = await t.keep();
  for (let i = 0; i < 5; i++) await verifier.look();
  expect(t.problems).toEqual(['There is no dataset yet. Create one with `cp-flags init`.']);
});

test('a check that is asked for while another is under way sees what was done before it was asked for', async () => {
  t = await startTestStore();
  let holding = true;
  const replies = holdReplies(
    await t.connect('worker'),
    (command, [key]) => holding && command === 'hgetall' && key === keys.dataset,
  );
  const verifier = startStoreVerifier(replies.redis, t.anchor, {
    resume: () => Promise.reject(new Error('nothing to resume is expected here')),
  });
  await until(() => replies.held.length > 0, 'a check that has seen no dataset');
  await t.adminStore.createDataset('demo', 'test');
  const asked = verifier.look();
  holding = false;
  while (replies.held.length > 0) replies.held[0]?.release();
  await asked;
  expect(verifier.state).toMatchObject({ opened: true, problem: false });
  await verifier.stop();
});

test('a worker says what is wrong once, however often it checks', async () => {
  t = await startTestStore({ kind: 'demo' });
  await t.admin.del('cpf:{p7}:children');
  await t.admin.set('cpf:open', 'another run');
  const verifier = await t.keep();
  for (let i = 0; i < 5; i++) await verifier.look();
  const wrong = t.problems.filter((detail) => detail.startsWith('The store is not whole'));
  const verifying = t.problems.filter((detail) => detail === 'The store is being verified.');
  // Both this worker and the one that opened the store may say so.
  expect(wrong.length).toBeLessThanOrEqual(2);
  expect(verifying.length).toBeLessThanOrEqual(3);
});

test('a worker whose anchor cannot be written says so once, and does not say in between that the store is open', async () => {
  t = await startTestStore();
  await t.adminStore.createDataset('demo', 'test');
  const before = await t.keep();
  await until(() => before.state.opened, 'the store to open');
  // Nobody else records in the anchor what this worker cannot.
  await before.stop();
  const record = () =>
    t?.store.appendEvent({ type: 'purge', auditId: randomUUID(), by: 'test', detail: {} });
  await record();
  const { anchor } = endingAt(t, 'rememberAuditNumbers');
  const verifier = startStoreVerifier(await t.connect('worker'), anchor, {
    resume: () => Promise.reject(new Error('nothing to resume is expected here')),
  });
  const said: string[] = [];
  verifier.onChange(({ detail }) => said.push(detail));
  for (let i = 0; i < 5; i++) {
    await verifier.look();
    await record();
  }
  await verifier.stop();
  expect(said.filter((detail) => detail === VERIFIER.open)).toEqual([]);
  expect(
    said.filter((detail) => detail === VERIFIER.failed('the process ended here')),
  ).toHaveLength(1);
});

test('a worker that keeps the store closed for missing events counts as alive, and one that is gone does not', async () => {
  t = await startTestStore();
  const { admin } = t;
  await t.adminStore.createDataset('demo', 'test');
  const verifier = await t.keep();
  await until(() => verifier.state.opened, 'the store to open');
  const readiness = watchStore(await t.connect('lookup'));
  const is = (name: string) => readiness.checks().find((check) => check.name === name);
  await admin.del(keys.audit('system'));
  await until(() => is('opened')?.detail === READINESS.eventsMissing, 'the store to be closed');
  // As if the store had been closed for longer than a sign of life counts.
  const longAgo = Date.now() - 3_600_000;
  await admin.set(keys.heartbeat, longAgo);
  const said = async (): Promise<{ at: number }> =>
    JSON.parse((await admin.hget(keys.dataset, DURABILITY_FIELD)) ?? '{}') as { at: number };
  const { at } = await said();
  await until(async () => (await said()).at > at, 'the worker to look again');
  /** On a busy machine a poll may take too long, and is then made again. */
  const sees = (detail: string): Promise<void> =>
    until(async () => {
      await readiness.refresh();
      return is('worker')?.detail === detail;
    }, `readiness to say "${detail}"`);
  await sees(READINESS.worker);
  expect(is('worker')?.ok).toBe(true);
  expect(is('opened')?.ok).toBe(false);

  await verifier.stop();
  await admin.hset(
    keys.dataset,
    DURABILITY_FIELD,
    JSON.stringify({ ...(await said()), at: longAgo }),
  );
  await sees(READINESS.noWorker);
  expect(is('worker')?.ok).toBe(false);
  await readiness.stop();
});

test('a store is not opened by what was known of other copies before their witnesses had been asked', async () => {
  t = await startTestStore();
  await t.adminStore.createDataset('demo', 'test');
  let done = false;
  const verifier = startStoreVerifier(await t.connect('worker'), t.anchor, {
    resume: () => Promise.reject(new Error('nothing to resume is expected here')),
    copy: {
      get done() {
        return done;
      },
      // The witnesses answer right after this was read for the first time.
      problem() {
        const known = done ? 'A witness knows a newer log.' : undefined;
        done = true;
        return Promise.resolve(known);
      },
    },
  });
  const opened: boolean[] = [];
  verifier.onChange((state) => void opened.push(state.opened));
  await until(() => verifier.state.confirmation === 'old-copy', 'the witnesses to be heard');
  expect(opened).not.toContain(true);
  await verifier.stop();
});

test('a live data folder that was last alive days ago opens only once a named person confirms it', async () => {
  t = await startTestStore();
  await t.adminStore.createDataset('live', 'test');
  const alive = Date.now() - 3 * DAY_MS - 60_000;
  t.anchor.rememberClock(alive);
  const verifier = await t.keep();
  await verifier.look();
  const confirmation = 'old-copy';
  expect(verifier.state).toMatchObject({ opened: false, problem: true, confirmation });
  expect(verifier.state.detail).toContain('was last in use 3 days ago');
  const readiness = watchStore(await t.connect('lookup'));
  await until(() => readiness.checks().some(({ detail }) => detail.includes('confirm old-copy')));

  const named = { by: 'A. Example', reason: 'nothing was loaded' };
  expect(await confirmOldCopy(await t.connect('worker'), t.anchor, named)).toBe(alive);
  await verifier.look();
  expect(verifier.state).not.toHaveProperty('confirmation');
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await readiness.stop();
  expect(await confirmOldCopy(await t.connect('worker'), t.anchor, named)).toBeUndefined();
  const events = await t.adminStore.readEvents('system');
  expect(events.map(({ type }) => type)).toContain('old-copy-confirmed');
});

test('a store whose clock was ahead and has been corrected opens once a named person confirms it, but not while clocks differ', async () => {
  t = await startTestStore({ kind: 'demo' });
  const ahead = Date.now() + 3_600_000;
  t.anchor.rememberClock(ahead);
  await t.admin.set('cpf:open', 'another run');
  // The lookup process's clock was ahead as well.
  let aheadSeconds = 3_600;
  const lookup = await t.connect('lookup');
  const time = lookup.time.bind(lookup);
  // The client returns strings, although its types say numbers.
  lookup.time = async () => {
    const [seconds, microseconds] = await time();
    return [Number(seconds) + aheadSeconds, Number(microseconds)];
  };
  const readiness = watchStore(lookup, { clock: () => Date.now() + aheadSeconds * 1_000 });
  const clockSays = (): string =>
    readiness.checks().find(({ name }) => name === 'clock')?.detail ?? '';
  await until(() => clockSays().includes('less than a second apart'), 'the clock to be ahead');
  aheadSeconds = 0;
  await until(() => clockSays().includes('cp-flags confirm clock'), 'the clock to be put back');

  const verifier = await t.keep();
  await verifier.look();
  expect(verifier.state).toMatchObject({ opened: false, problem: true });
  expect(verifier.state.detail).toMatch(
    /behind a time that was already seen .* cp-flags confirm clock/,
  );

  const worker = await t.connect('worker');
  const named = { by: 'A. Example', reason: 'it started an hour ahead' };
  vi.useFakeTimers({ toFake: ['Date'], now: ahead });
  expect(await confirmClock(worker, t.anchor, named)).toMatchObject({ kind: 'apart' });
  vi.useRealTimers();
  expect(await confirmClock(worker, t.anchor, named, ahead - 1)).toEqual({ kind: 'changed' });
  expect(await confirmClock(worker, t.anchor, named)).toEqual({ kind: 'confirmed', newest: ahead });
  expect(await confirmClock(worker, t.anchor, named)).toEqual({ kind: 'not-behind' });
  await verifier.look();
  expect(verifier.state.opened).toBe(true);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await readiness.stop();
  const events = await t.adminStore.readEvents('system');
  expect(events.find(({ type }) => type === 'clock-confirmed')).toMatchObject({
    by: 'A. Example',
    detail: { reason: 'it started an hour ahead' },
  });
});

test('a demo, or a live data folder last alive yesterday, opens without help, on record', async () => {
  for (const [kind, ago] of [
    ['demo', 30 * DAY_MS],
    ['live', DAY_MS - 3_600_000],
  ] as const) {
    t = await startTestStore();
    await t.adminStore.createDataset(kind, 'test');
    t.anchor.rememberClock(Date.now() - ago);
    const verifier = await t.keep();
    const one = t;
    await until(() => verifier.state.opened, 'the store to open');
    const opened = (await one.adminStore.readEvents('system')).find(
      ({ type }) => type === 'store-opened',
    );
    expect(JSON.stringify(opened)).toContain('"lastAlive":"');
    await t.stop();
    t = undefined;
  }
});

test('a store whose functions somebody has replaced is closed, and opens again once they are put back', async () => {
  t = await startTestStore({ kind: 'demo' });
  const readiness = watchStore(await t.connect('lookup'));
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  const worker = await t.connect('worker');
  await worker.call(
    'FUNCTION',
    'LOAD',
    'REPLACE',
    `#!lua name=cpf_${FUNCTIONS_VERSION}\nredis.register_function('cpf_other', function() return 0 end)`,
  );
  await until(
    () => readiness.checks().some(({ detail }) => detail === VERIFIER.functionsReplaced),
    'the store to be closed',
  );
  expect(readiness.open).toBe(false);
  await restoreFunctions(worker);
  await t.admin.del(keys.open);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await readiness.stop();
});

test('a store whose functions somebody has replaced and put back between two looks is closed, and verified again', async () => {
  t = await startTestStore({ kind: 'demo' });
  const store = t;
  const readiness = watchStore(await t.connect('lookup'));
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  const verifier = await t.keep();
  await verifier.look();
  // As a process of another version does, and again and again.
  const other =
    '#!lua name=cpf_other\nredis.register_function("cpf_other", function() return 0 end)';
  const worker = await t.connect('worker');
  await worker.call('FUNCTION', 'LOAD', other);
  for (let n = 0; n < 3; n++) {
    await worker.call('FUNCTION', 'LOAD', other).catch(() => undefined);
    await verifier.look();
    expect(verifier.state.opened).toBe(true);
  }
  const said = () => store.problems.includes(VERIFIER.functionsPutBack);
  expect(said()).toBe(false);

  const own = await worker.call(
    'FUNCTION',
    'LIST',
    'LIBRARYNAME',
    `cpf_${FUNCTIONS_VERSION}`,
    'WITHCODE',
  );
  const code = (own as string[][])[0]?.at(-1) ?? '';
  await worker
    .pipeline()
    .call(
      'FUNCTION',
      'LOAD',
      'REPLACE',
      `#!lua name=cpf_${FUNCTIONS_VERSION}\nredis.register_function('cpf_evil', function() return 0 end)`,
    )
    .call('FUNCTION', 'LOAD', 'REPLACE', code)
    .exec();
  await until(said, 'the store to be closed');
  await t.admin.del(keys.open);
  await until(() => verifier.state.opened, 'the store to be verified again');
  await readiness.stop();
});

test('a mark that another worker gave meanwhile is not forgotten', async () => {
  t = await startTestStore();
  const other = Anchor.open(`${t.dataDir}/anchor`);
  const [mine, theirs] = [
    { mark: 'mine', at: 1 },
    { mark: 'theirs', at: 2 },
  ];
  t.anchor.addServerMark(mine);
  other.addServerMark(theirs);
  t.anchor.settleServerMark(mine);
  expect(t.anchor.serverMarks()).toEqual([mine, theirs]);
  other.settleServerMark(theirs);
  expect(t.anchor.serverMarks()).toEqual([theirs]);
  t.anchor.settleServerMark(mine);
  expect(t.anchor.serverMarks()).toEqual([theirs, mine]);
  other.close();
});

test('a worker that has been replaced neither closes the store for events it does not know of, nor opens it', async () => {
  t = await startTestStore();
  await t.adminStore.createDataset('live', 'test');
  const first = await t.keep();
  await until(() => first.state.opened, 'the store to open');
  await first.stop();
  const redis = await t.connect('worker');
  async function work() {
    const lease = await takeWorkerLease(redis, new Set());
    if (lease === undefined) throw new Error('another worker has the lease');
    await beginWork(redis, lease);
    return lease;
  }
  const held = await work();
  await held.release();
  const successor = await work();
  // As if the successor had sealed and removed events that this worker knows of.
  t.anchor.rememberAuditNumbers(t.anchor.auditNumbers().map((number) => number + 5));

  const opened = await t.admin.get('cpf:open');
  const replaced = await t.keep(() => isReplaced(redis, held));
  await replaced.look();
  expect(replaced.state.detail).toContain('Another worker has taken over');
  expect(await t.admin.get('cpf:open')).toBe(opened);
  await t.admin.del('cpf:open');
  await replaced.look();
  expect(await t.admin.get('cpf:open')).toBeNull();
  await replaced.stop();

  const running = await t.keep(() => isReplaced(redis, successor));
  await running.look();
  expect(running.state.detail).toContain('Audit events that were recorded are missing');
});

/** A live store kept open by a worker; the test says which events are sealed so far. */
async function keptOpen() {
  t = await startTestStore();
  await t.adminStore.createDataset('live', 'test');
  let numbers: readonly number[] = [];
  const right = await t.keep(undefined, () => ({ id: 'the log', size: 0, numbers }));
  await until(() => right.state.opened, 'the store to open');
  const streams = createAuditStreams(await t.connect('worker'));
  await streams.claim('the log');
  numbers = await streams.numbers();
  await streams.trim(numbers, [...numbers.keys()]);
  return { right, numbers };
}

test('a worker with an old copy of its folders does not close a store that another worker finds whole, and says what to set', async () => {
  const { right, numbers } = await keptOpen();
  const opened = await t?.admin.get('cpf:open');
  const old = numbers.map((number) => Math.max(0, number - 1));
  const wrong = await t?.keep(undefined, () => ({ id: 'the log', size: 0, numbers: old }));
  await until(() => wrong?.state.detail.includes('an old copy') === true, 'the sentence');
  expect(await t?.admin.get('cpf:open')).toBe(opened);
  expect(right.state).toMatchObject({ opened: true, problem: false });
  expect(wrong?.state).toMatchObject({ opened: false, problem: true });
});

test('a lone worker with another AUDIT_DIR says so, and not that events are missing', async () => {
  const { right } = await keptOpen();
  await right.stop();
  const wrong = await t?.keep(undefined, () => ({ id: 'another', size: 0, numbers: [] }));
  const isShut = async () => (await t?.admin.get('cpf:open'))?.startsWith('closed') === true;
  await until(isShut, 'the store to be closed');
  // It closes the store before it says so itself.
  await until(
    () => wrong?.state.detail.includes('Set AUDIT_DIR to the folder of that log') === true,
    'the sentence',
  );
  expect(await t?.admin.get('cpf:open')).toContain('Set AUDIT_DIR to the folder of that log');
});
