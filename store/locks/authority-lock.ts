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
  /** Higher than that of any earlier loader; rows under an older fence are refused. */
  fence: number;
  token: string;
  /** @throws {LockLost} if the lease had run out and another took it. */
  renew(): Promise<void>;
  release(): Promise<void>;
};

/** How long a lease lasts without renewal. */
const LEASE_MS = 30_000;

/** A lease on something that only one process at a time may work on. */
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
 * Where process numbers are unique: the running machine and its process namespace, since machines and
 * containers may share a host name. Only Linux gives this.
 */
const SPACE = [
  hostname(),
  orNone(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
  orNone(() => readlinkSync('/proc/self/ns/pid')),
].join(' ');

/**
 * True if a lock's token belongs to an ended process of the same {@link SPACE}. Nobody here can know that about
 * another container.
 *
 * @param once if a process takes it only once: then a token with this very number belongs to an earlier
 * process
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
 * Takes a lease, also one that an ended process of the same {@link SPACE} had, or that this process gave up.
 *
 * @returns `undefined` if another process has it
 * @param of.givenUp tokens of this process that Redis could not be told to forget
 * @param of.token of an expired lease to take again; default a new one
 * @param of.once a process takes it only once
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
      // It may have been given even so.
      givenUp.add(token);
      throw error;
    }
  }
  let fence = await take();
  if (fence === 0) {
    // A killed process need not be waited for: its fence keeps it out, should it still be alive.
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
 * `undefined` if another loader holds the authority. The lease is 30 s: renew it while at work. A lease of an
 * ended process on this machine is taken over, and so is one that this process gave up while Redis was away.
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
 * Continues a lease over any connection, or gives it back.
 *
 * @returns false if it had expired
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
