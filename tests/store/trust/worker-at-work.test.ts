import { afterEach, expect, test } from 'vitest';
import { isOpen, isWorkerAtWork } from '#store/trust/server.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

let t: TestStore;

afterEach(() => t.stop());

test('a store that a lost worker has left open is not taken for one that a worker keeps open', async () => {
  t = await startTestStore();
  await t.adminStore.createDataset('demo', 'test');
  const worker = await t.keep();
  await until(() => worker.state.opened, 'the store to open');
  // On a busy machine a worker may say nothing for seconds.
  await until(() => isWorkerAtWork(t.admin), 'the worker to be seen at work');
  await worker.stop();
  expect([await isOpen(t.admin), await isWorkerAtWork(t.admin)]).toEqual([true, false]);
});
