import { afterEach, expect, test } from 'vitest';
import { partitionOf } from '#schemas/nhs-number.ts';
import { tellNotInUse } from '#service/start/not-in-use.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { CLOSED, keys } from '#store/keys.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

let t: TestStore | undefined;
afterEach(() => t?.stop());

test('the numbers not in use are loaded each time the store opens, and a worker started before that reports no failure', async () => {
  t = await startTestStore();
  const { admin } = t;
  const number = testNumber(1);
  const listed = { notInUse: [number], inUse: [], sensitive: [] };
  const warned: string[] = [];
  const verifier = await t.keep();
  await verifier.look();
  const stop = await tellNotInUse({
    tracer: { listed: async () => listed },
    store: t.store,
    verifier,
    everyMs: 3_600_000,
    log: { ...createLog('silent'), warn: (message: string) => void warned.push(message) },
  });
  const known = keys.notInUse(partitionOf(number));
  const isKnown = async (): Promise<boolean> => (await admin.sismember(known, number)) === 1;
  await t.adminStore.createDataset('demo', 'test');
  await until(isKnown, 'the number to be known');
  expect(verifier.state.opened).toBe(true);

  // This is how an older copy that has been restored looks.
  await admin.set(keys.open, `${CLOSED}for a test`);
  await admin.del(known);
  await until(isKnown, 'the number to be known again');
  expect(warned).toEqual([]);
  await stop();
});
