import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type NhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { keys, partitions } from '../keys.ts';

/**
 * Says which NHS numbers were replaced or withdrawn, instead of those before: if nothing is held for
 * one, a lookup is could-not-check. Doing it again changes nothing.
 */
export async function setNotInUse(redis: Redis, numbers: readonly NhsNumber[]): Promise<void> {
  const byPartition = partitions.map((): NhsNumber[] => []);
  for (const number of numbers) byPartition[partitionOf(number)]?.push(number);
  await Promise.all(
    byPartition.map((some, partition) =>
      redis.fcall(FUNCTIONS.setNotInUse, 1, keys.notInUse(partition), ...some),
    ),
  );
}

/** What is known of a number beside what is held under it. */
export type NumberState = 'in-use' | 'not-in-use' | 'sensitive';

/**
 * Says what is so of one number. Of a sensitive one a lookup continues showing the flag, and not who has looked.
 *
 * @param state `?` only asks
 * @returns what was so before
 */
export async function markNumber(
  redis: Redis,
  number: NhsNumber,
  state: NumberState | '?',
): Promise<NumberState> {
  const key = keys.notInUse(partitionOf(number));
  return z
    .enum(['in-use', 'not-in-use', 'sensitive'])
    .parse(await redis.fcall(FUNCTIONS.markNumber, 1, key, number, state));
}
