import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type NhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { keys, partitions } from '../keys.ts';

/** What a list of NHS numbers says about those on it. */
export type ListedNumbers = {
  /** Replaced or withdrawn. */
  notInUse: readonly NhsNumber[];
  inUse: readonly NhsNumber[];
  /** Of those in use: their records are sensitive. */
  sensitive: readonly NhsNumber[];
};

/** Comes before a number whose record is sensitive, as in Lua. */
const SENSITIVE = 'S';

/**
 * Says which NHS numbers were replaced or withdrawn: where nothing is held for one, a lookup is
 * could-not-check; and for which no answer shows who has looked. What is known about unlisted numbers stays, since it
 * may come from elsewhere. Doing it again changes nothing.
 */
export async function setNotInUse(redis: Redis, listed: ListedNumbers): Promise<void> {
  const byPartition = (numbers: readonly NhsNumber[]) => Map.groupBy(numbers, partitionOf);
  const [notInUse, inUse] = [byPartition(listed.notInUse), byPartition(listed.inUse)];
  const sensitive = byPartition(listed.sensitive);
  await Promise.all(
    partitions.map((partition) => {
      const hidden = (sensitive.get(partition) ?? []).map((number) => `${SENSITIVE}${number}`);
      const added = [...(notInUse.get(partition) ?? []), ...hidden];
      const removed = inUse.get(partition) ?? [];
      const key = keys.notInUse(partition);
      return redis.fcall(FUNCTIONS.setNotInUse, 1, key, added.length, ...added, ...removed);
    }),
  );
}

/** What is known of a number beside what is held under it. */
const STATES = ['in-use', 'not-in-use', 'sensitive', 'sensitive-not-in-use'] as const;
export type NumberState = (typeof STATES)[number];

/**
 * Records the state of one number. For a sensitive one, a lookup still shows the flag, but not who has
 * looked. One that is no longer in use stays sensitive if it was.
 *
 * @param state `?` only asks
 * @param told false while the change is still to be reported to those concerned
 * @returns the state before; `untold` if its report was still to be made
 */
export async function markNumber(
  redis: Redis,
  number: NhsNumber,
  state: NumberState | '?',
  { told = true }: { told?: boolean } = {},
): Promise<NumberState | 'untold'> {
  const key = keys.notInUse(partitionOf(number));
  return z
    .enum([...STATES, 'untold'])
    .parse(await redis.fcall(FUNCTIONS.markNumber, 1, key, number, state, told ? '' : '1'));
}
