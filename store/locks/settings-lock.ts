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

/** Other processes have been changing settings for long, so nothing was changed. */
class SettingsBusy extends Error {
  override name = 'SettingsBusy';
  override message = STORE.settingsBusy;
}

/**
 * Changes the settings of authorities one after the other, in whichever process: otherwise, of two people who change
 * them in the same moment, the second would undo unseen what the first did, and the audit could have them in the wrong
 * order.
 *
 * @returns runs work that reads and changes settings. The work calls the function that it is given just before it
 * writes. Rejects with {@link SettingsBusy} if other processes took too long
 */
export function createSettingsTurns(
  redis: Redis,
): <T>(work: (still: () => Promise<void>) => Promise<T>) => Promise<T> {
  const givenUp = new Set<string>();
  let turn: Promise<unknown> = Promise.resolve();

  async function underLease<T>(work: (still: () => Promise<void>) => Promise<T>): Promise<T> {
    const lease = await take(redis, givenUp);
    try {
      return await work(async () => {
        if (!(await lease.renew())) throw new SettingsBusy();
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

async function take(redis: Redis, givenUp: Set<string>): Promise<Lease> {
  const until = performance.now() + WAIT_MS;
  const { settingsLock: lock, settingsFence: fenceKey } = keys;
  for (;;) {
    const lease = await takeLease(redis, { lock, fenceKey, leaseMs: LEASE_MS, givenUp });
    if (lease !== undefined) return lease;
    if (performance.now() >= until) throw new SettingsBusy();
    await pause(RETRY_MS);
  }
}
