import { setTimeout as pause } from 'node:timers/promises';
import type { OdsCode } from '#schemas/authority.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import type { Store } from '#store/store.ts';
import { AuthorityBusy, unlessStopped } from '../load-failed.ts';

const LOCK_WAIT_MS = 45_000;
/** How long work waits while a person or a client waits for its answer. */
export const ANSWERED_LOCK_WAIT_MS = 5_000;
/** How long work waits that is tried again by itself. */
export const RETRIED_LOCK_WAIT_MS = 1_000;
const LOCK_RETRY_MS = 200;
const RENEW_EVERY_MS = 10_000;

/**
 * Holds the authority while `work` runs, and renews the lease meanwhile. It resolves only once what the work has
 * changed is in the second copy, if there is one.
 *
 * @param options.resumes whether the work finishes what was begun, and itself waits for the second copy. Other work
 * begins only once what is known in this data folder is there
 */
export async function withLock<T>(
  store: Store,
  authority: OdsCode,
  waitMs: number | undefined,
  work: (lock: AuthorityLock) => Promise<T>,
  { stopped, resumes = false }: { stopped?: AbortSignal | undefined; resumes?: boolean } = {},
): Promise<T> {
  const ifStopped = resumes ? LOAD_FAILED.willResume(LOAD_FAILED.stoppedMidway) : undefined;
  const lock = await waitForLock(store, authority, waitMs ?? LOCK_WAIT_MS, stopped, ifStopped);
  // The work checks its lease itself at every step; this only covers long steps.
  const renewing = setInterval(() => void lock.renew().catch(() => undefined), RENEW_EVERY_MS);
  try {
    if (!resumes) await store.safeguard();
    const done = await work(lock);
    await store.safeguard();
    return done;
  } finally {
    clearInterval(renewing);
    // A lease that cannot be given back expires.
    await lock.release().catch(() => undefined);
  }
}

async function waitForLock(
  store: Store,
  authority: OdsCode,
  waitMs: number,
  stopped: AbortSignal | undefined,
  ifStopped: string | undefined,
): Promise<AuthorityLock> {
  const until = performance.now() + waitMs;
  for (;;) {
    unlessStopped(stopped, ifStopped);
    const lock = await store.lockAuthority(authority);
    if (lock !== undefined) return lock;
    if (performance.now() >= until) {
      throw new AuthorityBusy(LOAD_FAILED.loaderAtWork(authority));
    }
    await pause(LOCK_RETRY_MS);
  }
}
