import type { Redis } from 'ioredis';
import { LockLost } from '../errors.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { keys } from '../keys.ts';
import type { AuthorityLock } from '../locks/authority-lock.ts';

/**
 * Stores what the locked authority does, or did, about one of its children. Somebody who was held up, or whose command
 * arrives late, replaces nothing that was done since.
 *
 * @param key the authority's acts of this kind
 * @param replaces ids of acts that are forgotten in the same step
 * @throws {LockLost} and then nothing was written
 */
export async function keepAct(
  redis: Redis,
  { authority, token }: Pick<AuthorityLock, 'authority' | 'token'>,
  key: string,
  act: { id: string },
  replaces: readonly string[] = [],
): Promise<void> {
  const lock = keys.lock(authority);
  const kept = await redis.fcall(
    FUNCTIONS.keepAct,
    2,
    lock,
    key,
    token,
    act.id,
    JSON.stringify(act),
    ...replaces,
  );
  if (kept !== 1) throw new LockLost(authority);
}
