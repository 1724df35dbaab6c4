import type { Redis } from 'ioredis';
import { list } from './connection/reply.ts';
import { FUNCTIONS } from './functions/functions.ts';
import { keys } from './keys.ts';

/** Counters that all processes add to, one set for each window of time. */
export type SharedUse = {
  /**
   * Adds amounts to a window's counters and returns their totals in the same order; `undefined` if the store
   * did not answer. Never rejects.
   */
  add(
    window: number,
    uses: readonly { name: string; amount: number }[],
  ): Promise<readonly number[] | undefined>;
};

/** Longer than a window, because processes' clocks may differ. */
const KEPT_MS = 180_000;

export function createSharedUse(redis: Redis): SharedUse {
  return {
    async add(window, uses) {
      try {
        const reply = await redis.fcall(
          FUNCTIONS.addUse,
          1,
          keys.use(window),
          KEPT_MS,
          ...uses.flatMap(({ name, amount }) => [name, amount]),
        );
        const totals = list(reply).map(Number);
        return totals.length === uses.length ? totals : undefined;
      } catch {
        return undefined;
      }
    },
  };
}
