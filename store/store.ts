import type { Redis } from 'ioredis';
import type { AuditEvent, WrittenEvent } from '#schemas/audit/audit-event.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { DATASET } from '#schemas/wording/store.ts';
import { appendEvent, readEvents } from './audit-stream/events.ts';
import { type Dataset, readDataset } from './authorities/dataset.ts';
import { createDirectory } from './authorities/directory.ts';
import { createLedger } from './authorities/ledger.ts';
import { createRestrictions } from './authorities/restrictions.ts';
import { createWithdrawals } from './authorities/withdrawals.ts';
import { clockOf } from './connection/clock.ts';
import { LeaseLost, StoreNotWhole } from './errors.ts';
import { loadFunctions } from './functions/functions.ts';
import { type AuditPartition, allChildrenKeys } from './keys.ts';
import {
  type AuthorityLock,
  keepMailbox,
  lockAuthority,
  type MailboxLease,
  takeMailbox,
} from './locks/authority-lock.ts';
import { workerKeys } from './locks/worker-lease.ts';
import {
  type ListedNumbers,
  markNumber,
  type NumberState,
  setNotInUse,
} from './rows/not-in-use.ts';
import { createRowCalls } from './rows/row-calls.ts';
import { createScan } from './rows/scan.ts';
import type { Anchor } from './trust/anchor.ts';
import { createDataset } from './trust/create-dataset.ts';
import { isOpen } from './trust/server.ts';

/** The store as loaders, the worker and the command line use it. Lookups have `lookup.ts`. */
export type Store = ReturnType<typeof createStore>;

/**
 * Each call is described where it is made.
 *
 * @param anchor what the store should hold; here only the creation of a dataset writes it.
 * @param options.isReplaced whether another worker has taken over from this one, if there is only one at a time: then
 * no event is appended, and so nothing is done that is audited first
 */
export function createStore(
  redis: Redis,
  anchor: Anchor,
  { isReplaced }: { isReplaced?: (() => Promise<boolean>) | undefined } = {},
) {
  let dataset: Dataset | undefined;
  const locksGivenUp = new Set<string>();

  async function datasetId(): Promise<string> {
    dataset ??= (await readDataset(redis))?.dataset;
    if (dataset === undefined) {
      throw new StoreNotWhole(DATASET.absent);
    }
    return dataset.id;
  }

  /** On disk when it resolves. @throws {LeaseLost} */
  async function append(event: WrittenEvent, partition?: AuditPartition): Promise<void> {
    if (await isReplaced?.()) throw new LeaseLost();
    await appendEvent(redis, event, partition);
  }

  return {
    loadFunctions: (): Promise<void> => loadFunctions(redis),
    /** True if the Redis holds nothing except who the worker is, and what an interrupted creation left. */
    async isEmpty(): Promise<boolean> {
      const isCutShort = anchor.creating() !== undefined;
      const left = isCutShort ? await redis.exists(...allChildrenKeys) : 0;
      return (await redis.dbsize()) === (await workerKeys(redis)) + left;
    },
    isOpen: (): Promise<boolean> => isOpen(redis),
    /**
     * The earlier of this machine's clock and the store's, milliseconds since 1970: permanent removals must
     * not depend on a single clock that is ahead.
     */
    earlierClock: async (): Promise<number> => Math.min(Date.now(), await clockOf(redis)),
    /** How far this machine's clock and the store's are apart, milliseconds. */
    clocksApart: async (): Promise<number> => Math.abs(Date.now() - (await clockOf(redis))),
    /** The dataset held; `undefined` if the Redis holds none. */
    dataset: async (): Promise<Dataset | undefined> => (await readDataset(redis))?.dataset,
    createDataset: (
      kind: Dataset['kind'],
      by: string,
      expected?: ExpectedAuthorities,
    ): Promise<Dataset> => createDataset(redis, anchor, kind, by, expected),
    ...createDirectory(redis, append),
    ...createLedger(redis),
    ...createWithdrawals(redis),
    ...createRestrictions(redis),
    lockAuthority: (code: OdsCode): Promise<AuthorityLock | undefined> =>
      lockAuthority(redis, code, locksGivenUp),
    takeMailbox: (mailbox: string): Promise<MailboxLease | undefined> =>
      takeMailbox(redis, mailbox, locksGivenUp),
    keepMailbox: (
      mailbox: string,
      lease: MailboxLease,
      keep: 'renew' | 'release',
    ): Promise<boolean> => keepMailbox(redis, mailbox, lease, keep),
    ...createRowCalls(redis, datasetId),
    ...createScan(redis, datasetId),
    markNumber: (
      number: NhsNumber,
      state: NumberState | '?',
      options?: { told?: boolean },
    ): Promise<NumberState | 'untold'> => markNumber(redis, number, state, options),
    setNotInUse: (listed: ListedNumbers): Promise<void> => setNotInUse(redis, listed),
    /** As {@link Anchor.safeguard}. */
    safeguard: (): Promise<void> => anchor.safeguard(),
    appendEvent: append,
    readEvents: (partition: AuditPartition, fromNumber?: number): Promise<AuditEvent[]> =>
      readEvents(redis, partition, fromNumber),
  };
}
