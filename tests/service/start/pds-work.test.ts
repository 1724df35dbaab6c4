import { expect, onTestFinished, test } from 'vitest';
import { sendOutcome } from '#loaders/synthetic/made-up-pds.ts';
import { startPdsWork } from '#service/start/pds-work.ts';
import { startTestPds } from '../../support/pds.ts';
import { until } from '../../support/test-store.ts';
import { startLoading, temporaryFolder } from '../../support/upload-loading.ts';
import { planOf } from '../../support/upload-model.ts';

/** Longer than a request waits before it gives up, and short enough for this test to wait it out. */
const PAUSE_SECONDS = '31';

const { t, newAuthority, loadRecords } = await startLoading();

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
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const work = startPdsWork({
    tracer,
    store: t.store,
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
  // The request about the second person waits for the pause to end.
  const waiting = work.reverify();
  await until(() => !tracer.state.ok, 'PDS asking to wait');
  await work.stop();
  await waiting;
  // If the stop had waited for the pause to end, the second person would have been asked about too.
  expect(asked).toBe(1);
});
