import type { Redis } from 'ioredis';
import { LeaseLost } from '../errors.ts';
import { keys } from '../keys.ts';
import { type Lease, takeLease } from './authority-lock.ts';

/** How long a lease counts that is not renewed. */
const WORKER_LEASE_MS = 15_000;

/** The right to work as the one worker, if the audit log has a second copy. */
export type WorkerLease = {
  /** The token of the lease, which trimming the audit streams needs. */
  token: string;
  /** Higher than any worker's before. */
  epoch: number;
  /**
   * Where it has run out and nobody else had it since, it is taken again.
   *
   * @throws {LeaseLost} if somebody else had it
   */
  renew(): Promise<void>;
  release(): Promise<void>;
};

/**
 * The number of the worker that was at work last; 0 before the first. One that had the lease and found that it lacked
 * something was not.
 */
export const workedEpoch = async (redis: Redis): Promise<number> =>
  Number((await redis.get(keys.workerAtWork)) ?? 0);

/** How many keys say who the worker is. They are there before any dataset is. */
export const workerKeys = (redis: Redis): Promise<number> =>
  redis.exists(keys.workerLock, keys.workerFence, keys.workerAtWork);

/** Records that this worker works from now on. */
export async function beginWork(redis: Redis, epoch: number): Promise<void> {
  await redis.set(keys.workerAtWork, epoch);
}

/**
 * `undefined` if another worker has it. One held by a process of this machine that is gone is taken over.
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
    async renew() {
      if ((await lease?.renew()) === true) return;
      lease = await take(token);
      if (lease?.fence !== fence + 1) throw new LeaseLost();
      fence = lease.fence;
    },
    async release() {
      await lease?.release();
    },
  };
}
