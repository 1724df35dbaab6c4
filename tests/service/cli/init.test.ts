import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { DATASET } from '#schemas/wording/store.ts';
import { createDemo } from '#service/start/demo.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { createDataset } from '#store/trust/create-dataset.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { endingAt } from '../../support/cut-short.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

const run = commandsInTurn();

/** A data folder in which the creation of a dataset was cut short, once Redis had it. */
let t: TestStore;
beforeEach(async () => {
  t = await startTestStore();
  const { anchor } = endingAt(t, 'commitDataset');
  await expect(createDataset(t.admin, anchor, 'demo', 'test')).rejects.toThrow('ended here');
});
afterEach(() => t?.stop());

test('commands say that init does the rest of a creation that was cut short, and it does', async () => {
  const begun = t.anchor.creating();
  const file = join(t.dataDir, 'expected.json');
  const authorities = [{ code: 'V101', name: 'Test Council' }];
  writeFileSync(file, JSON.stringify({ area: 'Testshire', kind: 'pilot', authorities }));
  const environment = { DATA_DIR: t.dataDir, EXPECTED_AUTHORITIES_FILE: file };
  expect(await run(['purge'], environment)).toMatchObject({
    code: 1,
    stderr: `cp-flags: ${DATASET.cutShort}\n`,
  });
  const made = await run(['init', '--live'], environment);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(made.stdout).toContain(`Created a live dataset, DATASET_ID=${begun}.`);
  expect(t.anchor.dataset()).toMatchObject({ id: begun, kind: 'live' });
  expect(await t.adminStore.expected()).toMatchObject({ area: 'Testshire' });
});

test('a demo whose first start was cut short starts', async () => {
  const verifier = await t.keep();
  const configuration = readConfiguration({ DATA_DIR: t.dataDir });
  const demo = createDemo(configuration, createLog('silent'));
  await demo.prepare({
    administrator: t.adminStore,
    loader: t.store,
    anchor: t.anchor,
    verifier,
  });
  demo.stop();
  expect(verifier.state.opened).toBe(true);
  expect((await t.adminStore.authorities()).length).toBeGreaterThan(0);
});
