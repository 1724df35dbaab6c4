import type { Redis } from 'ioredis';
import { FUNCTIONS } from './functions/functions.ts';
import { keys } from './keys.ts';

/**
 * Named numbers that all processes add to, one set each minute, kept for two hours. They use the function and
 * the key with which processes share their limits, so that a lookup process's user needs no further right.
 */
export type Figures = {
  /** Rejects if the store did not answer; it may still have taken them. */
  add(minute: number, amounts: ReadonlyMap<string, number>): Promise<void>;
  /** Those of a minute; `undefined` if there are more names than processes would write. Rejects without an answer. */
  read(minute: number): Promise<ReadonlyMap<string, number> | undefined>;
};

const KEPT_MS = 2 * 3_600_000;
/** Enough for hundreds of processes. Somebody with a lookup process's password could write more. */
const NAMES_AT_MOST = 5_000;

export function createFigures(redis: Redis): Figures {
  return {
    async add(minute, amounts) {
      const args = [...amounts].flat();
      await redis.fcall(FUNCTIONS.addUse, 1, keys.figures(minute), KEPT_MS, ...args);
    },
    async read(minute) {
      const key = keys.figures(minute);
      if ((await redis.hlen(key)) > NAMES_AT_MOST) return undefined;
      const found = Object.entries(await redis.hgetall(key));
      return new Map(found.map(([name, value]) => [name, Number(value)]));
    },
  };
}
