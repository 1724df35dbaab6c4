import { expect, test } from 'vitest';
import { LoadFailed } from '#loaders/load-failed.ts';
import { createLease } from '#service/cli/lease.ts';

function counted() {
  const open = new Set<number>();
  let opened = 0;
  const lease = createLease<number>(async (use) => {
    const number = (opened += 1);
    open.add(number);
    await use(number);
    open.delete(number);
  });
  return { lease, open };
}

test('a failed load does not stop the others, and the next load opens again', async () => {
  const { lease, open } = counted();
  const { promise: going, resolve: goOn } = Promise.withResolvers<void>();
  const other = lease.use(async (number) => {
    await going;
    return { number, stillOpen: open.has(number) };
  });
  await expect(lease.use(() => Promise.reject(new TypeError('gone')))).rejects.toThrow(LoadFailed);
  expect(await lease.use((number) => Promise.resolve(number))).toBe(2);
  goOn();
  expect(await other).toEqual({ number: 1, stillOpen: true });
  // Nobody is using the first one any more.
  await expect.poll(() => [...open]).toEqual([2]);
  lease.end();
  await expect.poll(() => [...open]).toEqual([]);
});
