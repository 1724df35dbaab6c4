import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import type { OdsCode } from '#schemas/authority.ts';
import { LockLost } from '../errors.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { keys } from '../keys.ts';

export type AuthorityLock = {
  authority: OdsCode;
  /** Higher than any loader's before; rows under an older fence are refused. */
  fence: number;
  token: string;
  /** @throws {LockLost} where the lease had run out and another took it. */
  renew(): Promise<void>;
  release(): Promise<void>;
};

const LEASE_MS = 30_000;

/** True of a lock's token whose process ran on this machine and is gone. */
function hasDied(token: string): boolean {
  const [host, pid] = token.split('/');
  if (host !== hostname() || !Number.isInteger(Number(pid))) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

/**
 * `undefined` where another loader holds the authority. The lease is 30 s: renew it while at work.
 * One held by a process of this machine that is gone is taken over.
 */
export async function lockAuthority(
  redis: Redis,
  code: OdsCode,
): Promise<AuthorityLock | undefined> {
  const token = `${hostname()}/${process.pid}/${randomUUID()}`;
  const take = () =>
    redis.fcall(FUNCTIONS.lockAuthority, 2, keys.lock(code), keys.lockFence(code), token, LEASE_MS);
  let fence = await take();
  if (fence === 0) {
    // A loader that was killed need not be waited for: its fence keeps it out, should it live after all.
    const holder = await redis.get(keys.lock(code));
    if (holder !== null && hasDied(holder)) {
      await redis.fcall(FUNCTIONS.renewLock, 1, keys.lock(code), holder, '0');
      fence = await take();
    }
  }
  if (typeof fence !== 'number' || fence === 0) return undefined;
  const lease = (ms: number) =>
    redis.fcall(FUNCTIONS.renewLock, 1, keys.lock(code), token, String(ms));
  return {
    authority: code,
    fence,
    token,
    async renew() {
      if ((await lease(LEASE_MS)) !== 1) throw new LockLost(code);
    },
    async release() {
      await lease(0);
    },
  };
}
