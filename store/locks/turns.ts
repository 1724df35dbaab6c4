import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { STORE } from '#schemas/wording/store.ts';
import { keys } from '../keys.ts';
import { type Lease, takeLease } from './authority-lock.ts';

/** A change takes some milliseconds. */
const LEASE_MS = 5_000;
/** Longer than the lease of a process that was killed. */
const WAIT_MS = 8_000;
const RETRY_MS = 20;

/** Other processes were at work for long, or have taken over. The message says at what. */
export class TurnsBusy extends Error {
  override name = 'TurnsBusy';
}

/** What processes do one after the other. */
type Turns = { lock: string; fenceKey: string; busy: string };

const SETTINGS: Turns = {
  lock: keys.settingsLock,
  fenceKey: keys.settingsFence,
  busy: STORE.settingsBusy,
};

/** Replaces the log that seals the events: two logs do not both replace the same one. */
export const ADOPTION: Turns = {
  lock: keys.adoptionLock,
  fenceKey: keys.adoptionFence,
  busy: STORE.adoptionBusy,
};

/**
 * Does work of one kind one after the other, in whichever process: otherwise, of two people who change settings at the
 * same moment, the second would undo unseen what the first did, and the audit could have them in the wrong order.
 *
 * @param of what is done in turns. Default: changes to the settings of authorities
 * @returns runs work that reads and changes them. The work calls the function that it is given just before it writes.
 * Rejects with {@link TurnsBusy} if other processes took too long
 */
export function createTurns(
  redis: Redis,
  of: Turns = SETTINGS,
): <T>(work: (still: () => Promise<void>) => Promise<T>) => Promise<T> {
  const givenUp = new Set<string>();
  let turn: Promise<unknown> = Promise.resolve();

  async function underLease<T>(work: (still: () => Promise<void>) => Promise<T>): Promise<T> {
    const lease = await take(redis, of, givenUp);
    try {
      return await work(async () => {
        if (!(await lease.renew())) throw new TurnsBusy(of.busy);
      });
    } finally {
      // A lease that cannot be given back expires.
      await lease.release().catch(() => undefined);
    }
  }

  return (work) => {
    const mine = turn.then(() => underLease(work));
    turn = mine.catch(() => undefined);
    return mine;
  };
}

async function take(
  redis: Redis,
  { lock, fenceKey, busy }: Turns,
  givenUp: Set<string>,
): Promise<Lease> {
  const until = performance.now() + WAIT_MS;
  for (;;) {
    const lease = await takeLease(redis, { lock, fenceKey, leaseMs: LEASE_MS, givenUp });
    if (lease !== undefined) return lease;
    if (performance.now() >= until) throw new TurnsBusy(busy);
    await pause(RETRY_MS);
  }
}
