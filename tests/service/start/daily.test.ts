import { readdirSync, rmSync, utimesSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { Spool } from '#loaders/spool/spool.ts';
import { LATE_FILES_DAYS } from '#loaders/upkeep/purge.ts';
import { addDays, londonDate } from '#schemas/calendar.ts';
import { startDaily } from '#service/start/daily.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { startLoading, temporaryFolder } from '../../support/upload-loading.ts';
import { planOf } from '../../support/upload-model.ts';

const { t, l, newAuthority, loadRecords, rowsOf } = await startLoading();

const DAY_MS = 86_400_000;

/** @param now defaults to the earlier of the two clocks */
const dailyOf = (now?: () => number, spoolDir = l.spoolDir) =>
  startDaily({
    store: t.store,
    anchor: t.anchor,
    verifier: { state: { opened: true, problem: false, detail: '' } },
    heldMs: DAY_MS,
    spoolDir,
    log: createLog('silent'),
    ...(now && { now }),
  });

test('daily work is done once a day, and again on the day when a clock that was ahead is corrected', async () => {
  const at = Date.now();
  let now = at + 30 * DAY_MS;
  const daily = dailyOf(() => now);
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

test('what a killed load left in the spool is removed while the worker runs', async () => {
  const spoolDir = temporaryFolder();
  const left = Spool.create(spoolDir);
  left.close();
  const daily = dailyOf(undefined, spoolDir);
  await daily.look();
  // Its process may be about to lock it.
  expect(readdirSync(spoolDir)).toHaveLength(1);
  utimesSync(left.folder, 0, 0);
  await daily.look();
  expect(readdirSync(spoolDir)).toEqual([]);
  await daily.stop();
  rmSync(spoolDir, { recursive: true });
});

test('daily work is not done because only this machine’s clock is ahead', async () => {
  const at = Date.now();
  t.anchor.rememberPurgedAt(at);
  vi.useFakeTimers({ toFake: ['Date'], now: at + 400 * DAY_MS });
  const daily = dailyOf();
  try {
    await daily.look();
  } finally {
    vi.useRealTimers();
  }
  expect(t.anchor.lastPurgedAt()).toBe(at);
  await daily.stop();
});

test('if both clocks are ahead for less than a day, nothing is removed that may be shown again', async () => {
  const at = Date.now();
  const authority = newAuthority();
  const day = (days: number) => addDays(londonDate(at), days);
  const old = { now: () => at - (LATE_FILES_DAYS + 1) * DAY_MS };
  const over = planOf(1, { startDate: day(-900), endDate: day(-500) });
  const shown = planOf(2, { startDate: day(-900), endDate: day(-200) });
  await loadRecords(authority, 1, [over, shown], old);
  t.anchor.rememberPurgedAt(at - DAY_MS);
  const daily = dailyOf(() => at + 300 * DAY_MS);
  await daily.look();
  await daily.stop();
  expect(await rowsOf(authority, 1)).toEqual([]);
  expect(await rowsOf(authority, 2)).toHaveLength(1);
});
