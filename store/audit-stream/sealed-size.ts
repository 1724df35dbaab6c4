import type { Redis } from 'ioredis';
import { z } from 'zod';
import { changeIf } from '../functions/change-if.ts';
import { keys } from '../keys.ts';

/** Field of `cpf:dataset`: which log seals the events. */
export const AUDIT_LOG_FIELD = 'auditLog';
/** Field of `cpf:dataset`: how far its events are sealed, and in which log. */
const FIELD = 'auditSealed';

const sealedSizeSchema = z.object({ log: z.string(), size: z.int() });
/** How many events a log has. */
export type SealedSize = z.infer<typeof sealedSizeSchema>;

const textOf = ({ log, size }: SealedSize): string =>
  JSON.stringify({ log, size } satisfies SealedSize);

const parseSize = (text: string): SealedSize => sealedSizeSchema.parse(JSON.parse(text));

/**
 * From now on this log with fewer events is known to be an old copy. A worker that was held up, and has a successor,
 * changes nothing.
 *
 * @returns false if something else has been said meanwhile, or before
 */
export async function noteSealedSize(redis: Redis, sealed: SealedSize): Promise<boolean> {
  const [before, sealedBy] = await Promise.all([
    redis.hget(keys.dataset, FIELD),
    redis.hget(keys.dataset, AUDIT_LOG_FIELD),
  ]);
  if (sealedBy !== null && sealedBy !== sealed.log) return false;
  if (before === null) return (await redis.hsetnx(keys.dataset, FIELD, textOf(sealed))) === 1;
  const known = parseSize(before);
  if (known.log === sealed.log && known.size >= sealed.size) return known.size === sealed.size;
  return changeIf(redis, keys.dataset, [FIELD, before], 'set', FIELD, textOf(sealed));
}

/** From now on this log continues, although more of it was sealed, by order of a named person. */
export async function acceptSealedSize(redis: Redis, sealed: SealedSize): Promise<void> {
  await redis.hset(keys.dataset, FIELD, textOf(sealed));
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
  const known = parseSize(text);
  const isOld = known.log === here.log && known.size > here.size;
  return isOld ? { here: here.size, sealed: known.size } : undefined;
}
