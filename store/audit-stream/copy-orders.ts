import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { parseJson } from '#schemas/json.ts';
import { changeIf } from '../functions/change-if.ts';
import { keys } from '../keys.ts';
import { type StateMark, setMark } from '../locks/worker-lease.ts';
import { appendEvent } from './events.ts';

/** Field of `cpf:dataset`: whether the audit log has a second copy, or who ordered it to continue without one. */
const FIELD = 'auditCopy';
const KEPT = 'kept';

const orderSchema = z.object({ by: z.string(), at: z.iso.datetime() });

/** Field of `cpf:dataset`: whether what was sealed last is signed in the second copy. */
const SIGNED_FIELD = 'auditCopySigned';

export const isCopySigned = async (redis: Redis): Promise<boolean> =>
  (await redis.hexists(keys.dataset, SIGNED_FIELD)) === 1;

/** From now on what is sealed last is known to be signed in the second copy. */
export async function noteCopySigned(redis: Redis): Promise<void> {
  await redis.hset(keys.dataset, SIGNED_FIELD, '1');
}

/** `none`: the log never had a second copy. `single`: it continues without one, by order of a named person. */
export type CopyOrder =
  | { kind: 'none' }
  | { kind: 'kept' }
  | { kind: 'single'; by: string; at: string };

/** The orders about the log's second copy. An unreadable one orders nothing. */
export const readCopyOrder = async (redis: Redis): Promise<CopyOrder> =>
  parseOrder(await redis.hget(keys.dataset, FIELD));

function parseOrder(text: string | null): CopyOrder {
  if (text === null) return { kind: 'none' };
  const order = orderSchema.safeParse(parseJson(text)).data;
  return order === undefined ? { kind: 'kept' } : { kind: 'single', ...order };
}

/** From now on nothing is trimmed that the copy does not have, whatever the settings of a worker. */
export async function keepCopy(redis: Redis): Promise<void> {
  // If a person has just ordered something, that counts.
  await redis.hsetnx(keys.dataset, FIELD, KEPT);
}

/**
 * From now on, by order of a named person, sealed events leave the store once they are in the log. Audited
 * first.
 *
 * @returns false if that was so already
 */
export async function orderOneCopy(redis: Redis, named: NamedPerson): Promise<boolean> {
  if ((await readCopyOrder(redis)).kind === 'single') return false;
  await append(redis, 'one-copy-ordered', named);
  const order: z.infer<typeof orderSchema> = { by: named.by, at: new Date().toISOString() };
  await redis.hset(keys.dataset, FIELD, JSON.stringify(order));
  return true;
}

/**
 * The second copy is required again, by order of a named person. Audited first.
 *
 * @returns false if it was already
 */
export async function requireTwoCopies(redis: Redis, named: NamedPerson): Promise<boolean> {
  for (let isOnRecord = false; ; isOnRecord = true) {
    const order = await redis.hget(keys.dataset, FIELD);
    if (order === null || parseOrder(order).kind !== 'single') return isOnRecord;
    await append(redis, 'one-copy-ended', named);
    if (await changeIf(redis, keys.dataset, [FIELD, order], 'set', FIELD, KEPT)) return true;
  }
}

/**
 * From now on, by order of a named person, a worker may take over this state of a worker, although a newer one has
 * counted. Audited first.
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
