import { randomBytes } from 'node:crypto';
import type { WithdrawalEvent } from '#schemas/audit/audit-event.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { withLock } from '../load/lock.ts';
import { endInterrupted } from '../load/resume.ts';
import { AuthorityBusy, asLoadFailed, requireOpen } from '../load-failed.ts';

const LOCK_WAIT_MS = 10_000;

/** Who acts. Two people have two keys, whatever their names. */
export type Acting = {
  name: string;
  key: string;
  caller?: WithdrawalEvent['caller'];
  account?: string;
};
/** @param now milliseconds since 1970; default the present */
export type Changing = Acting & { now?: () => number; lockWaitMs?: number };

export const instantOf = (now: () => number): string => new Date(now()).toISOString();

/**
 * Runs a change that a council makes by itself, under its lock and after anything that was cut short: if two
 * people act at the same moment, the second sees what the first has done.
 *
 * @param work given a function to call before it changes anything, and whether something that was cut short has just been
 * finished
 * @throws {LoadFailed} if the store failed; the next act, load or start finishes what was begun
 */
export async function changing<T>(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  lockWaitMs: number | undefined,
  work: (lock: AuthorityLock, begins: () => void, finished: boolean) => Promise<T>,
): Promise<T | { kind: 'busy' }> {
  let begun = false;
  const begins = () => {
    begun = true;
  };
  try {
    return await withLock(store, authority, lockWaitMs ?? LOCK_WAIT_MS, async (lock) => {
      await requireOpen(store);
      await endInterrupted(store, anchor, lock, begins);
      return work(lock, begins, begun);
    });
  } catch (error) {
    if (error instanceof AuthorityBusy) return { kind: 'busy' };
    throw asLoadFailed(error, begun ? LOAD_FAILED.actUnknown : LOAD_FAILED.actNotDone);
  }
}

const LETTERS = 'bcdfghjkmnpqrstvwxz';

/** The name of an act: only letters, no digits that could be taken for a number. */
export const newActId = (): string =>
  Array.from(randomBytes(12), (byte) => LETTERS[byte % LETTERS.length]).join('');
