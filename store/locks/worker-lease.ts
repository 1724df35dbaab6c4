import type { Redis } from 'ioredis';
import { LeaseLost } from '../errors.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { keys } from '../keys.ts';
import { type Lease, takeLease } from './authority-lock.ts';

/** How long a lease lasts without renewal. */
const WORKER_LEASE_MS = 15_000;

/** The right to be the one worker, if the audit log has a second copy. */
export type WorkerLease = {
  /** The token of the lease, which trimming the audit streams needs. */
  token: string;
  /** Higher than that of any earlier worker. */
  epoch: number;
  /**
   * If it has expired and nobody else had it since, it is taken again.
   *
   * @throws {LeaseLost} if somebody else had it
   */
  renew(): Promise<void>;
  release(): Promise<void>;
};

/**
 * The number of the last worker to run; 0 before the first. A worker that got the lease and found that it
 * lacked something does not count.
 */
export const workedEpoch = async (redis: Redis): Promise<number> =>
  Number((await redis.get(keys.workerAtWork)) ?? 0);

/** Who has the lease, by its token; `undefined` if nobody has. */
export const leaseHolder = async (redis: Redis): Promise<string | undefined> =>
  (await redis.get(keys.workerLock)) ?? undefined;

/**
 * Whether another worker has started its work since. Then this one knows less than what was acknowledged and
 * sealed: what it misses is no sign of a loss.
 */
export async function isReplaced(
  redis: Redis,
  { token, epoch }: Pick<WorkerLease, 'token' | 'epoch'>,
): Promise<boolean> {
  const [holder, worked] = await Promise.all([leaseHolder(redis), workedEpoch(redis)]);
  return holder !== token && worked > epoch;
}

/** The number of keys that identify the worker. They exist before any dataset does. */
export const workerKeys = (redis: Redis): Promise<number> =>
  redis.exists(keys.workerLock, keys.workerFence, keys.workerAtWork, keys.workerState);

/** A version of a worker's state that the second copy had in full, and whose it is. */
export type StateMark = { epoch: number; version: number };

/** From now on no worker takes over an older state than this. */
export async function markState(redis: Redis, { epoch, version }: StateMark): Promise<void> {
  // Each worker has its own field, so that a replaced worker that does not know it takes nothing back.
  await redis.hset(keys.workerState, String(epoch), version);
}

/** From now on this is the newest state that the copy is known to have had. */
export async function setMark(redis: Redis, mark: StateMark): Promise<void> {
  const others = (await redis.hkeys(keys.workerState)).filter((one) => Number(one) !== mark.epoch);
  await markState(redis, mark);
  if (others.length > 0) await redis.hdel(keys.workerState, ...others);
}

/** The newest state that the copy is known to have had; `undefined` before the first that was signed. */
export async function markedState(redis: Redis): Promise<StateMark | undefined> {
  const marks = Object.entries(await redis.hgetall(keys.workerState));
  return marks
    .map(([epoch, version]) => ({ epoch: Number(epoch), version: Number(version) }))
    .toSorted((one, other) => other.epoch - one.epoch)[0];
}

/**
 * From now on this is the running worker.
 *
 * @returns false, and nothing is changed, if its lease has expired since it was taken
 */
export async function beginWork(
  redis: Redis,
  { token, epoch }: Pick<WorkerLease, 'token' | 'epoch'>,
): Promise<boolean> {
  const lease = [keys.workerLock, keys.workerFence, keys.workerAtWork];
  const begun = await redis.fcall(FUNCTIONS.beginWork, lease.length, ...lease, token, epoch);
  if (begun !== 1) return false;
  const newest = await markedState(redis);
  if (newest !== undefined) await setMark(redis, newest);
  return true;
}

/**
 * `undefined` if another worker has it. A lease of an ended process on this machine is taken over.
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
