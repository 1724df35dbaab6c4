import { randomBytes, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { fileCodes } from '#schemas/acknowledgement.ts';
import type { WrittenEvent } from '#schemas/audit-event.ts';
import { type AuditEvent, shownPlanSchema, writtenEventSchema } from '#schemas/audit-event.ts';
import type { Authority, OdsCode } from '#schemas/authority.ts';
import { fromEpochDay } from '#schemas/calendar.ts';
import { type NhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import { planTypeOfLetter } from '#schemas/plan.ts';
import type { PlanRow } from '#schemas/row.ts';
import type { Anchor } from './anchor.ts';
import {
  type Dataset,
  expectedField,
  parseAuthority,
  parseDataset,
  readAuthorities,
} from './dataset.ts';
import { FUNCTIONS, loadFunctions } from './functions.ts';
import { type AuditPartition, allChildrenKeys, keys, partitions } from './keys.ts';
import { list } from './reply.ts';
import { authorityOf, packRow, splitRows, storedNumber, Tally, unpackRow } from './rows.ts';

export type { Dataset } from './dataset.ts';

/** The store, or the part asked of, is not known to be whole. The message says what to do. */
export class StoreNotWhole extends Error {
  override name = 'StoreNotWhole';
  constructor(
    message = 'The store is not whole: part of it is missing or of another dataset. Run `cp-flags status`, which says what to do.',
  ) {
    super(message);
  }
}

/** Another loader has taken the authority over; nothing of this one is written any more. */
export class LockLost extends Error {
  override name = 'LockLost';
  constructor(authority: string) {
    super(`Another loader has taken over authority ${authority}. Load the file again.`);
  }
}

/** What a row did: a newer file's word stands where it is `superseded`. */
export type RowEffect = 'added' | 'changed' | 'unchanged' | 'superseded';

/** What became of a row to be removed; one that is `changed` since it was seen stays. */
export type RemovalEffect = 'removed' | 'absent' | 'changed';

export type AuthorityLock = {
  authority: OdsCode;
  /** Higher than any loader's before; rows under an older fence are refused. */
  fence: number;
  token: string;
  /** @throws {LockLost} where the lease had run out and another took it. */
  renew(): Promise<void>;
  release(): Promise<void>;
};

const ledgerSchema = z.object({
  sha256: z.string(),
  code: z.enum(fileCodes),
  /** The acknowledgement as JSON, to answer a repeat with. */
  acknowledgement: z.string(),
});
export type FileLedgerEntry = z.infer<typeof ledgerSchema> & { sequence: number };

export type AuthorityDetails = {
  name?: string;
  officeHoursPhone?: string;
  emergencyDutyTeamPhone?: string;
};

export type FinishedFile = {
  dataAsOf?: string;
  sequence?: number;
  rows: number;
  digest: string;
  reconciled: boolean;
  ledger: FileLedgerEntry;
};

/** The store as loaders, the worker and the command line use it. Lookups have `lookup.ts`. */
export type Store = ReturnType<typeof createStore>;

const ROWS_A_CALL = 100;
const LEASE_MS = 30_000;

const effects: readonly string[] = ['added', 'changed', 'unchanged', 'superseded'];
const isEffect = (text: string): text is RowEffect => effects.includes(text);

function removalEffect(effect: unknown, authority: string): RemovalEffect {
  if (effect === 'removed' || effect === 'absent' || effect === 'changed') return effect;
  if (effect === 'fenced') throw new LockLost(authority);
  if (effect === 'incomplete') throw new StoreNotWhole();
  throw new Error(
    `The store refused to remove a row of authority ${authority}: ${String(effect)}.`,
  );
}

function* batches<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}

/**
 * @param anchor what the store should hold; only the creation of a dataset writes it here.
 */
export function createStore(redis: Redis, anchor: Anchor) {
  let dataset: Dataset | undefined;

  async function readDataset() {
    return parseDataset(await redis.hgetall(keys.dataset));
  }

  async function datasetId(): Promise<string> {
    dataset ??= (await readDataset())?.dataset;
    if (dataset === undefined) {
      throw new StoreNotWhole('The store holds no dataset. Create one with `cp-flags init`.');
    }
    return dataset.id;
  }

  async function appendEvent(event: WrittenEvent, partition: AuditPartition = 'system') {
    await redis.fcall(FUNCTIONS.appendEvent, 1, keys.audit(partition), JSON.stringify(event));
  }

  async function createDataset(kind: Dataset['kind'], by: string): Promise<Dataset> {
    if (anchor.dataset() !== undefined || (await readDataset()) !== undefined) {
      throw new Error(
        'A dataset exists already, in the store or in its anchor. An existing dataset is never replaced.',
      );
    }
    const created = anchor.beginDataset({
      id: randomUUID(),
      kind,
      createdAt: new Date().toISOString(),
    });
    await loadFunctions(redis);
    const sealed = await redis.fcall(
      FUNCTIONS.createPartitions,
      allChildrenKeys.length,
      ...allChildrenKeys,
      created.id,
    );
    if (sealed !== allChildrenKeys.length) {
      throw new StoreNotWhole(
        'The Redis holds children of another dataset. Use an empty Redis for a new one.',
      );
    }
    const resourceKey = randomBytes(32).toString('hex');
    await redis.hset(keys.dataset, { ...created, resourceKey });
    dataset = created;
    await appendEvent({
      type: 'dataset-created',
      auditId: randomUUID(),
      by,
      detail: { id: created.id, kind: created.kind },
    });
    anchor.commitDataset();
    return created;
  }

  async function setAuthority(
    code: OdsCode,
    details: AuthorityDetails,
    by: string,
  ): Promise<'added' | 'changed' | 'unchanged'> {
    const held = await redis.hgetall(keys.authority(code));
    const given = Object.fromEntries(
      Object.entries(details).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const after = { ...held, ...given };
    if (parseAuthority(code, after) === undefined) {
      throw new Error(
        `Authority ${code} needs a name and an emergency duty team number before it can be kept.`,
      );
    }
    const known = (await redis.hexists(keys.dataset, expectedField(code))) === 1;
    const same = Object.entries(given).every(([field, value]) => held[field] === value);
    if (known && same) return 'unchanged';
    await appendEvent({
      type: 'authority-set',
      auditId: randomUUID(),
      by,
      detail: { authority: code, fields: Object.keys(given).join(',') },
    });
    if (!same) await redis.hset(keys.authority(code), given);
    // Last, so that an authority is expected only once it can be read.
    if (!known) await redis.hset(keys.dataset, expectedField(code), 'expected');
    return known ? 'changed' : 'added';
  }

  async function lockAuthority(code: OdsCode): Promise<AuthorityLock | undefined> {
    const token = `${hostname()}/${process.pid}/${randomUUID()}`;
    const take = () =>
      redis.fcall(
        FUNCTIONS.lockAuthority,
        2,
        keys.lock(code),
        keys.lockFence(code),
        token,
        LEASE_MS,
      );
    let fence = await take();
    if (fence === 0) {
      // A loader that was killed need not be waited for: its fence keeps it out, should it live after all.
      const holder = await redis.get(keys.lock(code));
      if (holder !== null && hasDied(holder)) {
        await redis.fcall(FUNCTIONS.renewLock, 1, keys.lock(code), holder, '0');
        fence = await take();
      }
    }
    if (typeof fence !== 'number' || fence === 0) return undefined;
    const lease = (ms: number) =>
      redis.fcall(FUNCTIONS.renewLock, 1, keys.lock(code), token, String(ms));
    return {
      authority: code,
      fence,
      token,
      async renew() {
        if ((await lease(LEASE_MS)) !== 1) throw new LockLost(code);
      },
      async release() {
        await lease(0);
      },
    };
  }

  async function readRows(numbers: readonly NhsNumber[]): Promise<Map<NhsNumber, PlanRow[]>> {
    const id = await datasetId();
    const held = new Map<NhsNumber, PlanRow[]>();
    await Promise.all(
      [...batches(numbers, ROWS_A_CALL)].map(async (batch) => {
        const reply = await redis.fcall(
          FUNCTIONS.readRows,
          batch.length,
          ...batch.map((number) => keys.children(partitionOf(number))),
          id,
          ...batch,
        );
        const values = list(reply);
        for (const [i, number] of batch.entries()) {
          const value = values[i];
          if (typeof value !== 'string') throw new StoreNotWhole();
          held.set(
            number,
            splitRows(value).map((packed) => unpackRow(number, packed)),
          );
        }
      }),
    );
    return held;
  }

  async function applyRows(lock: AuthorityLock, rows: readonly PlanRow[]): Promise<RowEffect[]> {
    const id = await datasetId();
    const done: RowEffect[] = [];
    for (const batch of batches(rows, ROWS_A_CALL)) {
      const reply = await redis.fcall(
        FUNCTIONS.applyRows,
        batch.length * 2,
        ...batch.flatMap((row) => {
          const partition = partitionOf(row.nhsNumber);
          return [keys.children(partition), keys.fence(partition)];
        }),
        id,
        lock.authority,
        lock.fence,
        ...batch.flatMap((row) => [row.nhsNumber, packRow(row)]),
      );
      const results = list(reply);
      for (let i = 0; i < batch.length; i++) {
        const [effect] = list(results[i]);
        if (effect === 'fenced') throw new LockLost(lock.authority);
        if (effect === 'incomplete') throw new StoreNotWhole();
        if (typeof effect !== 'string' || !isEffect(effect)) {
          throw new Error(
            `The store refused a row of authority ${lock.authority}: ${String(effect)}.`,
          );
        }
        done.push(effect);
      }
    }
    return done;
  }

  async function removeRows(
    lock: AuthorityLock,
    rows: readonly PlanRow[],
  ): Promise<RemovalEffect[]> {
    const id = await datasetId();
    const done: RemovalEffect[] = [];
    for (const batch of batches(rows, ROWS_A_CALL)) {
      const reply = await redis.fcall(
        FUNCTIONS.removeRows,
        batch.length * 3,
        ...batch.flatMap((row) => {
          const partition = partitionOf(row.nhsNumber);
          return [keys.children(partition), keys.fence(partition), keys.seen(partition)];
        }),
        id,
        lock.authority,
        lock.fence,
        ...batch.flatMap((row) => [row.nhsNumber, packRow(row)]),
      );
      const effects = list(reply);
      for (let i = 0; i < batch.length; i++) done.push(removalEffect(effects[i], lock.authority));
    }
    return done;
  }

  /** Calls `each` for every packed row there is, and returns the partitions' generations. */
  async function scan(each: (number: NhsNumber, packed: string) => void): Promise<number[]> {
    const id = await datasetId();
    const generations: number[] = [];
    for (const partition of partitions) {
      const reply: unknown = await redis.fcall(
        FUNCTIONS.readPartition,
        1,
        keys.children(partition),
        id,
      );
      const [generation, held] = list(reply);
      if (typeof generation !== 'number' || generation < 0 || !Array.isArray(held)) {
        throw new StoreNotWhole();
      }
      generations.push(generation);
      const fields = list(held);
      for (let i = 0; i < fields.length; i += 2) {
        const number = storedNumber(String(fields[i]));
        for (const packed of splitRows(String(fields[i + 1]))) each(number, packed);
      }
    }
    return generations;
  }

  async function tallyWithGenerations() {
    const tallies = new Map<string, Tally>();
    const generations = await scan((number, packed) => {
      const authority = authorityOf(packed);
      let tally = tallies.get(authority);
      if (tally === undefined) tallies.set(authority, (tally = new Tally()));
      tally.add(number, packed);
    });
    return { tallies, generations };
  }

  async function finishFile(lock: AuthorityLock, file: FinishedFile): Promise<void> {
    const { sequence, ...ledger } = file.ledger;
    const fields: Record<string, string> = {
      rows: String(file.rows),
      digest: file.digest,
      reconciled: String(file.reconciled),
      ...(file.sequence !== undefined && { sequence: String(file.sequence) }),
      ...(file.dataAsOf !== undefined && { dataAsOf: file.dataAsOf }),
    };
    const written = await redis.fcall(
      FUNCTIONS.finishFile,
      3,
      keys.lock(lock.authority),
      keys.authority(lock.authority),
      keys.files(lock.authority),
      lock.token,
      String(sequence),
      JSON.stringify(ledger),
      ...Object.entries(fields).flat(),
    );
    if (written !== 1) throw new LockLost(lock.authority);
  }

  async function fileOf(code: OdsCode, sequence: number): Promise<FileLedgerEntry | undefined> {
    const entry = await redis.hget(keys.files(code), String(sequence));
    return entry === null ? undefined : { sequence, ...ledgerSchema.parse(JSON.parse(entry)) };
  }

  async function readEvents(partition: AuditPartition, fromNumber = 1): Promise<AuditEvent[]> {
    const entries = await redis.xrange(keys.audit(partition), `0-${fromNumber}`, '+');
    return entries.map(([id, fields]) => parseEvent(partition, id, fields));
  }

  return {
    loadFunctions: () => loadFunctions(redis),
    /** The dataset held; `undefined` where the Redis holds none. */
    dataset: async (): Promise<Dataset | undefined> => (await readDataset())?.dataset,
    /** True where the Redis holds nothing at all. */
    isEmpty: async (): Promise<boolean> => (await redis.dbsize()) === 0,
    /**
     * Creates a dataset in a Redis without one and in the anchor. A creation that was interrupted is
     * finished. The keeper opens the store afterwards.
     *
     * @throws where either holds a dataset already.
     */
    createDataset,
    /** The directory, by code. */
    async authorities(): Promise<Authority[]> {
      const held = await readDataset();
      return held === undefined ? [] : [...(await readAuthorities(redis, held.codes)).values()];
    },
    async authority(code: OdsCode): Promise<Authority | undefined> {
      return parseAuthority(code, await redis.hgetall(keys.authority(code)));
    },
    /**
     * Adds an authority to those expected, or changes its name and telephone numbers; what is not given
     * stays. Audited first.
     *
     * @throws where it would be left without a name or an emergency duty team number.
     */
    setAuthority,
    /**
     * `undefined` where another loader holds the authority. The lease is 30 s: renew it while at work.
     * One held by a process of this machine that is gone is taken over.
     */
    lockAuthority,
    fileOf,
    /**
     * Every row held for these numbers, of all authorities, tombstones too.
     *
     * @throws {StoreNotWhole}
     */
    readRows,
    /**
     * Writes rows of the locked authority, each only if its file's sequence is above the stored one's.
     * Effects are in the rows' order. Applying the same rows again changes nothing.
     *
     * @throws {LockLost} {@link StoreNotWhole}; what was applied before stays, to be resumed.
     */
    applyRows,
    /**
     * Takes rows of the locked authority away, each only if it still is exactly as given. A child without
     * rows left goes, and with it the list of those who looked. Doing it again changes nothing.
     *
     * @throws {LockLost} {@link StoreNotWhole}
     */
    removeRows,
    /**
     * Calls `each` for every packed row there is, tombstones too, partition by partition.
     *
     * @throws {StoreNotWhole}
     */
    scan,
    /**
     * Reads the whole store: count and digest by authority.
     *
     * @throws {StoreNotWhole}
     */
    tally: async (): Promise<Map<string, Tally>> => (await tallyWithGenerations()).tallies,
    tallyWithGenerations,
    /** @throws {LockLost} and then nothing was written. */
    finishFile,
    /** On disk when it resolves. */
    appendEvent,
    /** Events of one stream from a number on. */
    readEvents,
  };
}

/** True of a lock's token whose process ran on this machine and is gone. */
function hasDied(token: string): boolean {
  const [host, pid] = token.split('/');
  if (host !== hostname() || !Number.isInteger(Number(pid))) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

function parseEvent(partition: AuditPartition, id: string, fields: string[]): AuditEvent {
  const field = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) field.set(fields[i] ?? '', fields[i + 1] ?? '');
  const outcome = field.get('outcome');
  const shown = field.get('shown');
  const accesses = field.get('accesses');
  return {
    ...writtenEventSchema.parse(JSON.parse(field.get('event') ?? '')),
    partition,
    number: Number(id.slice(2)),
    at: Number(field.get('at')),
    ...((outcome === 'flagged' || outcome === 'not-flagged') && { outcome }),
    ...(shown !== undefined && {
      shown: splitRows(shown).map((plan) => {
        const [authority, letter, start, status, dateOfBirth] = plan.split('\u001f');
        return shownPlanSchema.parse({
          authority,
          type: planTypeOfLetter(letter ?? ''),
          startDate: fromEpochDay(Number(start)),
          status,
          dateOfBirth,
        });
      }),
    }),
    ...(accesses !== undefined && {
      accessesShown: accesses === '' ? [] : accesses.split(','),
    }),
  };
}
