import type { Redis } from 'ioredis';
import { z } from 'zod';
import { keys } from '../keys.ts';

/** Field of `cpf:dataset`: how far its events are sealed, and in which log. */
const FIELD = 'auditSealed';

const sealedSizeSchema = z.object({ log: z.string(), size: z.int() });
/** How many events a log has. */
export type SealedSize = z.infer<typeof sealedSizeSchema>;

/** From now on this log with fewer events is known to be an old copy. */
export async function noteSealedSize(redis: Redis, { log, size }: SealedSize): Promise<void> {
  const sealed: SealedSize = { log, size };
  await redis.hset(keys.dataset, FIELD, JSON.stringify(sealed));
}

/**
 * How many events a worker has sealed in a log, if this is more than are in it here: then what is here is an old copy
 * or another folder. A log on its way is read after this is asked.
 *
 * @param read what is here; `undefined` if nothing is
 */
export async function sealedBeyond(
  redis: Redis,
  read: () => SealedSize | undefined | Promise<SealedSize | undefined>,
): Promise<{ here: number; sealed: number } | undefined> {
  const text = await redis.hget(keys.dataset, FIELD);
  const here = await read();
  if (text === null || here === undefined) return undefined;
  const known = sealedSizeSchema.parse(JSON.parse(text));
  const isOld = known.log === here.log && known.size > here.size;
  return isOld ? { here: here.size, sealed: known.size } : undefined;
}
