import { expect, onTestFinished, test } from 'vitest';
import type { PdsTracer } from '#loaders/check/tracing/pds/pds-tracer.ts';
import { sendOutcome } from '#loaders/synthetic/made-up-pds.ts';
import { resetSequence } from '#loaders/upkeep/reset-sequence.ts';
import { startPdsWork } from '#service/start/pds-work.ts';
import { readNotice, writeNotice } from '#service/uploads/notices.ts';
import type { Store } from '#store/store.ts';
import { startTestPds } from '../../support/pds.ts';
import { testNumber } from '../../support/rows.ts';
import { until } from '../../support/test-store.ts';
import { startLoading, temporaryFolder } from '../../support/upload-loading.ts';
import { planOf } from '../../support/upload-model.ts';

/** Longer than a request waits before it gives up, and short enough for this test to wait it out. */
const PAUSE_SECONDS = '31';

const { t, newAuthority, loadRecords } = await startLoading();

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const startWork = (folder: string, tracer: PdsTracer, store: Store = t.store) =>
  startPdsWork({
    tracer,
    store,
    anchor: t.anchor,
    verifier: { state: { opened: true, problem: false, detail: '' } },
    noticesDir: folder,
    acknowledgementsDir: folder,
    privacyOutbox: folder,
    reverifyMs: 0,
    rememberMs: 0,
    lookEveryMs: 60_000,
    log,
  });

test('work with PDS stops without waiting out a pause that PDS asked for, and asks nothing more', async () => {
  const p = await startTestPds();
  onTestFinished(() => p.stop());
  await loadRecords(newAuthority(), 1, [planOf(1), planOf(2)]);
  const folder = temporaryFolder();
  let asked = 0;
  p.pds.instead = (_request, response, path) => {
    if (!path.includes('/Patient/')) return false;
    asked += 1;
    sendOutcome(response, 429, 'TOO_MANY_REQUESTS', { 'retry-after': PAUSE_SECONDS });
    return true;
  };
  const tracer = p.tracer({ awayMs: 0 });
  const work = startWork(folder, tracer);
  // The request about the second person waits for the pause to end.
  const waiting = work.reverify();
  await until(() => !tracer.state.ok, 'PDS asking to wait');
  await work.stop();
  await waiting;
  // If the stop had waited for the pause to end, the second person would have been asked about too.
  expect(asked).toBe(1);
});

test('what PDS shows about a number and what a load finds go into one notice, whichever comes first', async () => {
  const p = await startTestPds();
  onTestFinished(() => p.stop());
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(11)]);
  p.pds.records.set(testNumber(11), {
    nhsNumber: testNumber(19),
    dateOfBirth: '2019-03-05',
    names: [{ given: ['Ada'], family: 'Example' }],
    security: 'U',
  });
  const folder = temporaryFolder();
  let tried = 0;
  const work = startWork(folder, p.tracer({ awayMs: 0 }), {
    ...t.store,
    lockAuthority(code) {
      if (code === authority) tried += 1;
      return t.store.lockAuthority(code);
    },
  });
  onTestFinished(() => work.stop());
  // A file of the authority is being loaded again.
  const loading = await t.store.lockAuthority(authority);
  const checking = work.reverify();
  await until(() => tried > 0, 'the number that is no longer in use');
  expect(await readNotice(folder, authority, 1)).toBeUndefined();
  await writeNotice(folder, {
    id: crypto.randomUUID(),
    createdAt: '2026-11-24T06:00:00.000Z',
    authority: { code: authority },
    sequence: 1,
    numbers: [{ nhsNumber: testNumber(12) }],
    omitted: 0,
  });
  await loading?.release();
  await checking;
  expect((await readNotice(folder, authority, 1))?.numbers.map((each) => each.nhsNumber)).toEqual([
    testNumber(12),
    testNumber(11),
  ]);
});

test('a notice gives the number that the file has itself, also for file 0 of a new numbering', async () => {
  const p = await startTestPds();
  onTestFinished(() => p.stop());
  const authority = newAuthority();
  await loadRecords(authority, 412);
  await resetSequence(t.store, t.anchor, authority, { by: 'A. Example', reason: 'new system' });
  await loadRecords(authority, 0, [planOf(21)], { createdAt: '202611240300+0000' });
  p.pds.records.set(testNumber(21), {
    nhsNumber: testNumber(29),
    dateOfBirth: '2019-03-05',
    names: [{ given: ['Ada'], family: 'Example' }],
    security: 'U',
  });
  const folder = temporaryFolder();
  const work = startWork(folder, p.tracer({ awayMs: 0 }));
  onTestFinished(() => work.stop());
  await work.reverify();
  expect((await readNotice(folder, authority, 0))?.numbers.map((each) => each.nhsNumber)).toEqual([
    testNumber(21),
  ]);
});
