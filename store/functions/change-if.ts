import type { Redis } from 'ioredis';
import { FUNCTIONS } from './functions.ts';

/** The value of a field that is not there. */
export const NONE = '';

/**
 * Changes a hash in one step, if one of its fields still has this value.
 *
 * @param value of the field, or {@link NONE}
 * @param change `set` with fields and values, or `remove` with fields (without any, the whole hash)
 * @returns false if it has another value; then nothing was changed
 */
export async function changeIf(
  redis: Redis,
  hash: string,
  [field, value]: readonly [field: string, value: string],
  ...change: readonly string[]
): Promise<boolean> {
  return (await redis.fcall(FUNCTIONS.changeIf, 1, hash, field, value, ...change)) === 1;
}
