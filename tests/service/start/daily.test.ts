import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startDaily } from '#service/start/daily.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

const DAY_MS = 86_400_000;

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
});
afterAll(() => t?.stop());

test('what is due each day is done once a day, and on the day on which a clock that was ahead is put right', async () => {
  const at = Date.now();
  let now = at + 30 * DAY_MS;
  const daily = startDaily({
    store: t.store,
    anchor: t.anchor,
    verifier: { state: { opened: true, problem: false, detail: '' } },
    heldMs: DAY_MS,
    log: createLog('silent'),
    now: () => now,
  });
  await daily.look();
  expect(t.anchor.lastPurgedAt()).toBe(now);
  now += DAY_MS - 1;
  await daily.look();
  expect(t.anchor.lastPurgedAt()).toBe(at + 30 * DAY_MS);
  now = at;
  await daily.look();
  expect(t.anchor.lastPurgedAt()).toBe(at);
  await daily.stop();
});

test('what is due each day is not done by a clock of this machine that is ahead alone', async () => {
  const at = Date.now();
  t.anchor.rememberPurgedAt(at);
  vi.useFakeTimers({ toFake: ['Date'], now: at + 400 * DAY_MS });
  const daily = startDaily({
    store: t.store,
    anchor: t.anchor,
    verifier: { state: { opened: true, problem: false, detail: '' } },
    heldMs: DAY_MS,
    log: createLog('silent'),
  });
  try {
    await daily.look();
  } finally {
    vi.useRealTimers();
  }
  expect(t.anchor.lastPurgedAt()).toBe(at);
  await daily.stop();
});
