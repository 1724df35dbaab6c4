import type { Redis } from 'ioredis';
import { LeaseLost } from '../errors.ts';
import { keys } from '../keys.ts';
import { type Lease, takeLease } from './authority-lock.ts';

/** How long a lease counts that is not renewed. */
export const WORKER_LEASE_MS = 15_000;

/** The right to work as the one worker, where the audit log has a second copy. */
export type WorkerLease = {
  /** Of the lease; trimming the audit streams takes it. */
  token: string;
  /** Higher than any worker's before. */
  epoch: number;
  /** The same, or the number of the newest of those that were taken again. */
  readonly newest: number;
  /**
   * Where it has run out and nobody else had it since, it is taken again; true then.
   *
   * @throws {LeaseLost} where somebody else had it
   */
  renew(): Promise<boolean>;
  release(): Promise<void>;
};

/** The number of the worker that had the lease last; 0 before the first. */
export const newestEpoch = async (redis: Redis): Promise<number> =>
  Number((await redis.get(keys.workerFence)) ?? 0);

/**
 * `undefined` where another worker has it. One held by a process of this machine that is gone is taken over.
 *
 * @param givenUp tokens of this process that Redis could not be told to forget
 */
export async function takeWorkerLease(
  redis: Redis,
  givenUp: Set<string>,
): Promise<WorkerLease | undefined> {
  const take = (token?: string): Promise<Lease | undefined> =>
    takeLease(redis, {
      lock: keys.workerLock,
      fenceKey: keys.workerFence,
      leaseMs: WORKER_LEASE_MS,
      givenUp,
      token,
      once: true,
    });
  let lease = await take();
  if (lease === undefined) return undefined;
  const { token, fence: epoch } = lease;
  let fence = epoch;
  return {
    token,
    epoch,
    get newest() {
      return fence;
    },
    async renew() {
      if ((await lease?.renew()) === true) return false;
      lease = await take(token);
      if (lease?.fence !== fence + 1) throw new LeaseLost();
      fence = lease.fence;
      return true;
    },
    async release() {
      await lease?.release();
    },
  };
}
