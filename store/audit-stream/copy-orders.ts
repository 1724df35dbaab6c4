import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { keys } from '../keys.ts';
import { type StateMark, setMark } from '../locks/worker-lease.ts';
import { appendEvent } from './events.ts';

/** Field of `cpf:dataset`: whether the audit log has a second copy; by whose order it goes on without. */
const FIELD = 'auditCopy';
const KEPT = 'kept';

const orderSchema = z.object({ by: z.string(), at: z.iso.datetime() });

/** Field of `cpf:dataset`: whether what was sealed last is signed in the second copy. */
const SIGNED_FIELD = 'auditCopySigned';

export const isCopySigned = async (redis: Redis): Promise<boolean> =>
  (await redis.hexists(keys.dataset, SIGNED_FIELD)) === 1;

export async function noteCopySigned(redis: Redis): Promise<void> {
  await redis.hset(keys.dataset, SIGNED_FIELD, '1');
}

/** `none`: the log never had a second copy. `single`: it goes on without, by order of a named person. */
export type CopyOrder =
  | { kind: 'none' }
  | { kind: 'kept' }
  | { kind: 'single'; by: string; at: string };

/** What is ordered of the log's second copy. What cannot be read orders nothing. */
export async function readCopyOrder(redis: Redis): Promise<CopyOrder> {
  const text = await redis.hget(keys.dataset, FIELD);
  if (text === null) return { kind: 'none' };
  if (text === KEPT) return { kind: 'kept' };
  try {
    return { kind: 'single', ...orderSchema.parse(JSON.parse(text)) };
  } catch {
    return { kind: 'kept' };
  }
}

/** From now on nothing is trimmed that the copy lacks, whatever a worker's settings are. */
export async function keepCopy(redis: Redis): Promise<void> {
  await redis.hset(keys.dataset, FIELD, KEPT);
}

/**
 * From now on, by order of a named person, sealed events leave the store once they are in the log alone. Audited
 * first.
 *
 * @returns false if it is so already
 */
export async function orderOneCopy(redis: Redis, named: NamedPerson): Promise<boolean> {
  if ((await readCopyOrder(redis)).kind === 'single') return false;
  await append(redis, 'one-copy-ordered', named);
  const order: z.infer<typeof orderSchema> = { by: named.by, at: new Date().toISOString() };
  await redis.hset(keys.dataset, FIELD, JSON.stringify(order));
  return true;
}

/**
 * The second copy is required again, by the word of a named person. Audited first.
 *
 * @returns false if it is already
 */
export async function requireTwoCopies(redis: Redis, named: NamedPerson): Promise<boolean> {
  if ((await readCopyOrder(redis)).kind !== 'single') return false;
  await append(redis, 'one-copy-ended', named);
  await keepCopy(redis);
  return true;
}

/**
 * From now on a worker takes over this state of a worker, though it is older than one that counted, by the word of a
 * named person. Audited first.
 */
export async function acceptState(
  redis: Redis,
  named: NamedPerson,
  { epoch, version }: StateMark,
): Promise<void> {
  await append(redis, 'older-state-accepted', named, { worker: epoch, version });
  await setMark(redis, { epoch, version });
}

async function append(
  redis: Redis,
  type: 'one-copy-ordered' | 'one-copy-ended' | 'older-state-accepted',
  named: NamedPerson,
  detail: Record<string, number> = {},
): Promise<void> {
  await appendEvent(redis, {
    type,
    auditId: randomUUID(),
    by: named.by,
    detail: { ...whyDetail(named), ...detail },
  });
}
