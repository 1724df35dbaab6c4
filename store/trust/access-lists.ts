import type { Redis } from 'ioredis';
import { type ReadFailure, readFailure } from '../connection/connection.ts';
import { inOneWrite } from '../connection/one-write.ts';
import { list } from '../connection/reply.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { keys, partitions } from '../keys.ts';

const CLOCK_TOLERANCE_MS = 5_000;
const LISTS_A_CALL = 100;
/** A second: some ten milliseconds of Redis, and a country's lists in minutes. */
const LISTS_A_LOOK = 1_000;
const CALLS_A_LOOK = 64;
const LOOK_EVERY_MS = 1_000;
/** Calls sent together hold Redis up together, so only partitions with few lists are looked through in this way. */
const TOGETHER_AT_MOST = 16;

/** Fields may be any bytes, one character each here. */
type Found = { next: string; looked: number; fields: string[] };

async function look(
  redis: Redis,
  partition: number,
  cursor: string,
  name = FUNCTIONS.unreadableLists,
): Promise<Found> {
  const [next = '0', looked, ...fields] = list(
    await redis.callBuffer(
      'fcall',
      name,
      1,
      keys.accessLists(partition),
      cursor,
      LISTS_A_CALL,
      CLOCK_TOLERANCE_MS,
    ),
  ).map((part) => (Buffer.isBuffer(part) ? part.toString('latin1') : String(part)));
  return { next, looked: Number(looked), fields };
}

async function throughAll(redis: Redis, partition: number, name?: string): Promise<string[]> {
  const all = new Set<string>();
  let cursor = '0';
  do {
    const { next, fields } = await look(redis, partition, cursor, name);
    for (const field of fields) all.add(field);
    cursor = next;
  } while (cursor !== '0');
  return [...all];
}

/** The fields of a partition's unreadable lists of accesses: NHS numbers, or any bytes, one character each. */
export const unreadableLists = (redis: Redis, partition: number): Promise<string[]> =>
  throughAll(redis, partition);

/** Removes a partition's unreadable lists, each only if it still cannot be read then. New ones begin. */
export async function removeUnreadableLists(redis: Redis, partition: number): Promise<void> {
  await throughAll(redis, partition, FUNCTIONS.removeUnreadableLists);
}

/** What is known about the lists of those who looked. */
export type AccessLists = {
  /** How many were unreadable when each was last checked. */
  readonly unreadable: number;
  /** How many of them there are in each partition that has any. */
  readonly damaged: ReadonlyMap<number, number>;
  /** Why they cannot be checked, if they cannot. */
  readonly failure: ReadFailure | undefined;
  stop(): Promise<void>;
};

/**
 * Checks every list of accesses repeatedly, a little each second, for entries written by somebody else. Otherwise a
 * damaged list would be noticed only when its child is looked up. A list that was found damaged is checked each time.
 */
export function watchAccessLists(redis: Redis): AccessLists {
  const found = new Map<number, number>();
  let partition = 0;
  let cursor = '0';
  let soFar = 0;
  let failure: ReadFailure | undefined;
  let looking: Promise<void> | undefined;

  async function step(): Promise<void> {
    for (const [damaged] of found) {
      found.set(damaged, (await unreadableLists(redis, damaged)).length);
      if (found.get(damaged) === 0) found.delete(damaged);
    }
    let together = 1;
    let lists = 0;
    for (let calls = 0; calls < CALLS_A_LOOK && lists < LISTS_A_LOOK; ) {
      const seen = await lookOn(Math.min(together, CALLS_A_LOOK - calls));
      calls += together;
      lists += seen;
      together = seen < LISTS_A_CALL ? Math.min(2 * together, TOGETHER_AT_MOST) : 1;
    }
  }

  /** Continues in this many partitions at once. Returns how many lists were looked at. */
  async function lookOn(count: number): Promise<number> {
    const replies = await Promise.all(
      inOneWrite(redis, () =>
        Array.from({ length: count }, (_, i) =>
          look(redis, (partition + i) % partitions.length, i === 0 ? cursor : '0'),
        ),
      ),
    );
    let lists = 0;
    for (const { next, fields, looked } of replies) {
      lists += looked;
      soFar += fields.length;
      if (soFar > 0) found.set(partition, Math.max(soFar, found.get(partition) ?? 0));
      cursor = next;
      // The partitions after this one are looked through again, once this one has been looked through to its end.
      if (cursor !== '0') break;
      soFar = 0;
      partition = (partition + 1) % partitions.length;
    }
    return lists;
  }

  const timer = setInterval(() => {
    if (redis.status !== 'ready' || looking !== undefined) return;
    looking = step()
      .then(
        () => void (failure = undefined),
        (error: unknown) => void (failure = readFailure(error)),
      )
      .finally(() => (looking = undefined));
  }, LOOK_EVERY_MS);

  return {
    get unreadable() {
      let all = 0;
      for (const count of found.values()) all += count;
      return all;
    },
    damaged: found,
    get failure() {
      return failure;
    },
    async stop() {
      clearInterval(timer);
      await looking;
    },
  };
}
