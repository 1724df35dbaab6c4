import type { Redis } from 'ioredis';
import { type NhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { keys, partitions } from '../keys.ts';

/**
 * Says which NHS numbers were replaced or withdrawn, instead of those before: where nothing is held for
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
