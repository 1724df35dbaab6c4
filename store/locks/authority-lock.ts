import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
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
  /** @throws {LockLost} if the lease had run out and another took it. */
  renew(): Promise<void>;
  release(): Promise<void>;
};

/** How long a lease counts that is not renewed. */
const LEASE_MS = 30_000;

/** A lease of something that one process at a time may work on. */
export type Lease = Pick<AuthorityLock, 'fence' | 'token' | 'release'> & {
  /** False if the lease had run out and another took it. */
  renew(): Promise<boolean>;
};

const orNone = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return '';
  }
};

/**
 * Where a process's number is that of one process: the running machine and its space of process numbers, since machines and
 * containers may have one host name. Linux alone says so.
 */
const SPACE = [
  hostname(),
  orNone(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
  orNone(() => readlinkSync('/proc/self/ns/pid')),
].join(' ');

/**
 * True of a lock's token whose process had its number from where this one has its own, and is gone. Of one in another
 * container nobody here knows that.
 *
 * @param once if a process takes it once only: one of this very number is then an earlier one
 */
function hasDied(token: string, once: boolean): boolean {
  const [space, pid] = token.split('/');
  if (space !== SPACE || !Number.isInteger(Number(pid))) return false;
  if (once && Number(pid) === process.pid) return true;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

/**
 * @param of.givenUp tokens of this process that Redis could not be told to forget
 * @param of.token of a lease that ran out and is taken again; default a new one
 * @param of.once a process takes it once only
 */
export async function takeLease(
  redis: Redis,
  of: {
    lock: string;
    fenceKey: string;
    leaseMs: number;
    givenUp: Set<string>;
    token?: string | undefined;
    once?: boolean;
  },
): Promise<Lease | undefined> {
  const { lock, fenceKey, leaseMs, givenUp, once = false } = of;
  const token = of.token ?? `${SPACE}/${process.pid}/${randomUUID()}`;
  async function take(): Promise<unknown> {
    try {
      return await redis.fcall(FUNCTIONS.lockAuthority, 2, lock, fenceKey, token, leaseMs);
    } catch (error) {
      // It may have been given all the same.
      givenUp.add(token);
      throw error;
    }
  }
  let fence = await take();
  if (fence === 0) {
    // A process that was killed need not be waited for: its fence keeps it out, should it live after all.
    const holder = await redis.get(lock);
    if (holder !== null && (givenUp.has(holder) || hasDied(holder, once))) {
      await redis.fcall(FUNCTIONS.renewLock, 1, lock, holder, '0');
      givenUp.delete(holder);
      fence = await take();
    }
  }
  if (typeof fence !== 'number' || fence === 0) return undefined;
  const lease = (ms: number) => redis.fcall(FUNCTIONS.renewLock, 1, lock, token, String(ms));
  return {
    fence,
    token,
    renew: async () => (await lease(leaseMs)) === 1,
    async release() {
      givenUp.add(token);
      await lease(0);
      givenUp.delete(token);
    },
  };
}

/**
 * `undefined` if another loader holds the authority. The lease is 30 s: renew it while at work.
 * One held by a process of this machine that is gone is taken over, and one that this process gave up while Redis
 * was away.
 *
 * @param givenUp tokens of this process that Redis could not be told to forget
 */
export async function lockAuthority(
  redis: Redis,
  code: OdsCode,
  givenUp: Set<string>,
): Promise<AuthorityLock | undefined> {
  const lease = await takeLease(redis, {
    lock: keys.lock(code),
    fenceKey: keys.lockFence(code),
    leaseMs: LEASE_MS,
    givenUp,
  });
  return (
    lease && {
      ...lease,
      authority: code,
      async renew() {
        if (!(await lease.renew())) throw new LockLost(code);
      },
    }
  );
}

/** The right to work on a MESH mailbox. */
export type MailboxLease = Pick<Lease, 'token'>;

/** As {@link lockAuthority}: who may work on a MESH mailbox of ours. */
export async function takeMailbox(
  redis: Redis,
  mailbox: string,
  givenUp: Set<string>,
): Promise<MailboxLease | undefined> {
  const lease = await takeLease(redis, {
    lock: keys.mailboxLock(mailbox),
    fenceKey: keys.mailboxFence(mailbox),
    leaseMs: LEASE_MS,
    givenUp,
  });
  return lease && { token: lease.token };
}

/**
 * Goes on with a lease, over whichever connection, or gives it back.
 *
 * @returns false if it had run out
 */
export async function keepMailbox(
  redis: Redis,
  mailbox: string,
  { token }: MailboxLease,
  keep: 'renew' | 'release',
): Promise<boolean> {
  const ms = String(keep === 'renew' ? LEASE_MS : 0);
  return (await redis.fcall(FUNCTIONS.renewLock, 1, keys.mailboxLock(mailbox), token, ms)) === 1;
}
