import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { someAtATime } from '#store/functions.ts';

test('every key is asked about once, in order, never two calls at a time and never many keys in one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer(), { maxLength: 300 }), async (keys) => {
      let underWay = 0;
      const replies = await someAtATime(keys, async (some) => {
        expect(++underWay).toBe(1);
        expect(some.length).toBeLessThanOrEqual(32);
        await Promise.resolve();
        underWay--;
        return some.map((key) => [key, 2 * key]);
      });
      expect(replies).toEqual(keys.map((key) => [key, 2 * key]));
    }),
  );
});

test('where one call fails, nothing is said of any key', async () => {
  const keys = Array.from({ length: 100 }, (_, i) => i);
  const asked = someAtATime(keys, async (some) => {
    if (some.includes(70)) throw new Error('lost');
    return some;
  });
  await expect(asked).rejects.toThrow('lost');
});
