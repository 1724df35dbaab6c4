import { afterAll, beforeAll, expect, test } from 'vitest';
import { keys } from '#store/keys.ts';
import {
  removeUnreadableLists,
  unreadableLists,
  watchAccessLists,
} from '#store/trust/access-lists.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore();
  await t.adminStore.createDataset('demo', 'test');
});
afterAll(() => t.stop());

test('every unreadable list is counted once, in partitions without others and in one with many', async () => {
  // More lists than one call looks through. The next call continues here before it goes on to later partitions.
  const many = Array.from({ length: 400 }, (_, i) => [testNumber(i), 'foreign'] as const);
  await t.admin.hset(keys.accessLists(6), Object.fromEntries(many));
  for (const partition of [0, 3, 7, 20, 40]) {
    await t.admin.hset(keys.accessLists(partition), testNumber(partition), 'foreign');
  }
  const lists = watchAccessLists(await t.connect('worker'));
  await until(() => lists.unreadable === many.length + 5, 'all lists');
  await t.admin.del(keys.accessLists(6));
  await until(() => lists.unreadable === 5, 'the removal');
  expect(lists.failure).toBeUndefined();
  await lists.stop();
});

test('an unreadable list is found and removed whatever the bytes of its field', async () => {
  const fields = [Buffer.from([0xff]), Buffer.from([0xfe]), Buffer.from('é'), Buffer.alloc(0)];
  for (const field of fields) await t.admin.hset(keys.accessLists(9), field, 'foreign');
  const redis = await t.connect('worker');
  const found = await unreadableLists(redis, 9);
  expect(found).toHaveLength(fields.length);
  await removeUnreadableLists(redis, 9);
  expect(await t.admin.hlen(keys.accessLists(9))).toBe(0);
});
