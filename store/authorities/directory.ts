import { randomBytes, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setImmediate as immediate } from 'node:timers/promises';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type AuditEvent, type WrittenEvent, writtenJson } from '#schemas/audit/audit-event.ts';
import type { Authority, OdsCode } from '#schemas/authority.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import { type NhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { fileCodes } from '#schemas/uploads/acknowledgement.ts';
import { type OwnBreakers, ownBreakersSchema } from '#schemas/uploads/breakers.ts';
import { parseStreamEvent } from './audit-stream/audit-stream.ts';
import {
  type Dataset,
  EXPECTED_FIELD,
  knownField,
  parseAuthority,
  parseDataset,
  readAuthorities,
} from './authorities/dataset.ts';
import { information, list } from './connection/reply.ts';
import { FUNCTIONS, loadFunctions } from './functions/functions.ts';
import { type AuditPartition, allChildrenKeys, keys, partitions } from './keys.ts';
import {
  authorityOf,
  currentUntilOf,
  type PackedRow,
  packRow,
  ROW_SEPARATOR,
  splitRows,
  storedNumber,
  Tally,
  unpackRow,
} from './rows/rows.ts';
import type { Anchor } from './trust/anchor.ts';
import { BELIEVED_SERVER, readReplication } from './trust/server.ts';

export type { Dataset } from './authorities/dataset.ts';

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
  /** The acknowledgement as JSON, to answer a repeat with; deflated, in base64, where it is long. */
  acknowledgement: z.string().optional(),
  deflated: z.string().optional(),
  held: z.string().optional(),
  at: z.number().optional(),
});
export type FileLedgerEntry = {
  sequence: number;
  sha256: string;
  code: z.infer<typeof ledgerSchema>['code'];
  acknowledgement: string;
  /** Where part of the file is held: the hold's id. The answer is provisional and the number not used up. */
  held?: string;
  /** When it was received, milliseconds since 1970. */
  at?: number;
};

export type AuthorityDetails = {
  name?: string;
  officeHoursPhone?: string;
  emergencyDutyTeamPhone?: string;
  /** All that the authority has set for itself, in the place of what it had. */
  breakers?: OwnBreakers;
};

/** What a load changes of what is known of its authority; what is not given stays. */
export type AuthorityChange = {
  dataAsOf?: string;
  sequence?: number;
  rows?: number;
  digest?: string;
  reconciled?: boolean;
  /** Plans in force when the authority was last reconciled. */
  inForce?: number;
  /** Sizes of the last loads, newest last. */
  recent?: readonly LoadSize[];
  /** Files numbered up to here are not taken any more. */
  closed?: number;
  sequenceOffset?: number;
  numberedAfter?: string;
  breakers?: OwnBreakers;
};

export type FinishedFile = AuthorityChange & { ledger: FileLedgerEntry };

const loadSizeSchema = z.object({ rows: z.number(), added: z.number() });
export type LoadSize = z.infer<typeof loadSizeSchema>;

/** What a loader must know of an authority before it decides on a file. Sequences include the offset. */
export type IntakeState = {
  /** `undefined` where it is not known here. */
  authority: Authority | undefined;
  sequenceOffset: number;
  /** Where numbering began anew: no file made up to then is of the new numbering. ISO 8601. */
  numberedAfter: string | undefined;
  /** Files numbered up to here are not taken any more; -1 where all are. */
  closed: number;
  inForce: number | undefined;
  recent: readonly LoadSize[];
  breakers: OwnBreakers;
};

/** The store as loaders, the worker and the command line use it. Lookups have `lookup.ts`. */
export type Store = ReturnType<typeof createStore>;

const ROWS_A_CALL = 100;
/** Enough that Redis has something to do while a partition is counted here. */
const PARTITIONS_IN_FLIGHT = 4;
const LEASE_MS = 30_000;
/** More than a year of nightly files. */
const LEDGER_KEEPS = 400;
const DEFLATE_FROM_LENGTH = 1_024;

/** By the letters of `apply_rows`. */
const EFFECTS: Partial<Record<string, RowEffect>> = {
  a: 'added',
  c: 'changed',
  u: 'unchanged',
  s: 'superseded',
};
const REFUSALS: Partial<Record<string, string>> = {
  x: 'conflict with other content of the same file',
  v: 'invalid',
};

/** @throws {LockLost} {@link StoreNotWhole} or where the store would not have the row */
function effectOf(
  letter: string | undefined,
  failure: string | undefined,
  authority: string,
): RowEffect {
  const effect = EFFECTS[letter ?? ''];
  if (effect !== undefined) return effect;
  if (letter === 'f') throw new LockLost(authority);
  if (letter === 'i') throw new StoreNotWhole();
  throw new Error(
    `The store refused a row of authority ${authority}: ${REFUSALS[letter ?? ''] ?? failure}.`,
  );
}

/** Rows as `apply_rows` takes them: far fewer arguments are far less work for both sides. */
function textOf(items: Group<PlanRow | PackedRow>['items']): string {
  let text = '';
  for (const { item } of items) {
    text += `${item.nhsNumber}${'packed' in item ? item.packed : packRow(item)}${ROW_SEPARATOR}`;
  }
  return text;
}

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

/** What concerns one partition in one call, each item with its place in what was asked for. */
type Group<T> = { partition: number; items: { item: T; at: number }[] };

/**
 * Items by partition, in calls of a bounded number of them, so that a partition's seal is read and written
 * once a call and not once a row.
 */
function callsByPartition<T>(items: readonly T[], numberOf: (item: T) => NhsNumber): Group<T>[][] {
  const byPartition = new Map<number, Group<T>['items']>();
  for (const [at, item] of items.entries()) {
    const partition = partitionOf(numberOf(item));
    const group = byPartition.get(partition);
    if (group === undefined) byPartition.set(partition, [{ item, at }]);
    else group.push({ item, at });
  }
  const calls: Group<T>[][] = [];
  let room = 0;
  for (const [partition, group] of byPartition) {
    for (let from = 0; from < group.length; ) {
      if (room === 0) {
        calls.push([]);
        room = ROWS_A_CALL;
      }
      const part = group.slice(from, from + room);
      calls.at(-1)?.push({ partition, items: part });
      from += part.length;
      room -= part.length;
    }
  }
  return calls;
}

function packLedger({ sha256, code, held, at, acknowledgement }: FileLedgerEntry): string {
  const entry = { sha256, code, held, at };
  return JSON.stringify(
    acknowledgement.length < DEFLATE_FROM_LENGTH
      ? { ...entry, acknowledgement }
      : { ...entry, deflated: deflateRawSync(acknowledgement).toString('base64') },
  );
}

function unpackLedger(sequence: number, text: string): FileLedgerEntry {
  const { acknowledgement, deflated, held, at, ...entry } = ledgerSchema.parse(JSON.parse(text));
  return {
    sequence,
    ...entry,
    acknowledgement:
      acknowledgement ?? inflateRawSync(Buffer.from(deflated ?? '', 'base64')).toString(),
    ...(held !== undefined && { held }),
    ...(at !== undefined && { at }),
  };
}

/** As the authority's hash holds it. */
function fieldsOf(change: AuthorityChange | AuthorityDetails): Record<string, string> {
  return Object.fromEntries(
    Object.entries(change).flatMap(([field, value]) =>
      value === undefined
        ? []
        : [[field, typeof value === 'object' ? JSON.stringify(value) : String(value)]],
    ),
  );
}

/** What a partition says of itself; see `store/functions/common.lua`. */
type Seal = { dataset: string; generation: number; children: number };
const SEAL_FIELD = '_';

function readSeal(text: string): Seal | undefined {
  const [dataset = '', generation, children, more] = text.split('\u001f');
  if (dataset === '' || more !== undefined) return undefined;
  const numbers = { generation: wholeNumber(generation), children: wholeNumber(children) };
  if (numbers.generation === undefined || numbers.children === undefined) return undefined;
  return { dataset, generation: numbers.generation, children: numbers.children };
}

const wholeNumber = (text: string | undefined): number | undefined =>
  text === undefined || !/^[0-9]+$/.test(text) ? undefined : Number(text);

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
    await redis.fcall(FUNCTIONS.appendEvent, 1, keys.audit(partition), writtenJson(event));
  }

  async function createDataset(
    kind: Dataset['kind'],
    by: string,
    expected?: ExpectedAuthorities,
  ): Promise<Dataset> {
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
    await redis.hset(keys.dataset, {
      ...created,
      resourceKey,
      ...(expected !== undefined && { [EXPECTED_FIELD]: JSON.stringify(expected) }),
    });
    dataset = created;
    await appendEvent({
      type: 'dataset-created',
      auditId: randomUUID(),
      by,
      detail: {
        id: created.id,
        kind: created.kind,
        ...(expected !== undefined && expectedDetail(expected)),
      },
    });
    anchor.commitDataset();
    return created;
  }

  async function setExpected(
    expected: ExpectedAuthorities,
    { by, reason }: { by: string; reason: string },
  ): Promise<void> {
    await appendEvent({
      type: 'authorities-expected',
      auditId: randomUUID(),
      by,
      detail: { ...expectedDetail(expected), reason },
    });
    await redis.hset(keys.dataset, EXPECTED_FIELD, JSON.stringify(expected));
  }

  async function setAuthority(
    code: OdsCode,
    details: AuthorityDetails,
    by: string,
  ): Promise<'added' | 'changed' | 'unchanged'> {
    const held = await redis.hgetall(keys.authority(code));
    const given = fieldsOf(details);
    const after = { ...held, ...given };
    if (parseAuthority(code, after) === undefined) {
      throw new Error(
        `Authority ${code} needs a name and an emergency duty team number before it can be kept.`,
      );
    }
    const known = (await redis.hexists(keys.dataset, knownField(code))) === 1;
    const same = Object.entries(given).every(([field, value]) => held[field] === value);
    if (known && same) return 'unchanged';
    await appendEvent({
      type: 'authority-set',
      auditId: randomUUID(),
      by,
      detail: { authority: code, fields: Object.keys(given).join(',') },
    });
    if (!same) await redis.hset(keys.authority(code), given);
    // Last, so that an authority is known only once it can be read.
    if (!known) await redis.hset(keys.dataset, knownField(code), 'expected');
    return known ? 'changed' : 'added';
  }

  async function removeAuthority(
    lock: AuthorityLock,
    { by, reason }: { by: string; reason: string },
  ): Promise<void> {
    const { authority } = lock;
    await appendEvent({
      type: 'authority-removed',
      auditId: randomUUID(),
      by,
      detail: { authority, reason },
    });
    // First, so that an authority is known only as long as it can be read.
    await redis.hdel(keys.dataset, knownField(authority));
    await redis.del(keys.authority(authority), keys.files(authority));
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
      callsByPartition(numbers, (number) => number).map(async (groups) => {
        const values = list(
          await redis.fcall(
            FUNCTIONS.readRows,
            groups.length,
            ...groups.map(({ partition }) => keys.children(partition)),
            id,
            ...groups.flatMap(({ items }) => [items.length, ...items.map(({ item }) => item)]),
          ),
        );
        for (const [i, { item: number }] of groups.flatMap(({ items }) => items).entries()) {
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

  async function applyRows(
    lock: AuthorityLock,
    rows: readonly (PlanRow | PackedRow)[],
    { again = false }: { again?: boolean } = {},
  ): Promise<RowEffect[]> {
    const id = await datasetId();
    const done: RowEffect[] = [];
    await Promise.all(
      callsByPartition(rows, ({ nhsNumber }) => nhsNumber).map(async (groups) => {
        const reply = await redis.fcall(
          FUNCTIONS.applyRows,
          groups.length * 2,
          ...groups.flatMap(({ partition }) => [keys.children(partition), keys.fence(partition)]),
          id,
          lock.authority,
          lock.fence,
          again ? '1' : '0',
          ...groups.map(({ items }) => textOf(items)),
        );
        const [letters, failure] = list(reply).map(String);
        let i = 0;
        for (const { items } of groups) {
          for (const { at } of items) done[at] = effectOf(letters?.[i++], failure, lock.authority);
        }
      }),
    );
    return done;
  }

  async function removeRows(
    lock: AuthorityLock,
    rows: readonly (PlanRow | PackedRow)[],
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
        ...batch.flatMap((row) => [row.nhsNumber, 'packed' in row ? row.packed : packRow(row)]),
      );
      const effects = list(reply);
      for (let i = 0; i < batch.length; i++) done.push(removalEffect(effects[i], lock.authority));
    }
    return done;
  }

  /** The packed rows of one partition after the other, with its generation. */
  async function* partitionRows(): AsyncGenerator<{
    generation: number;
    rows: { number: NhsNumber; packed: string }[];
  }> {
    const id = await datasetId();
    const read = (partition: number): Promise<unknown> => {
      const reply = redis.call('HGETALL', keys.children(partition));
      // Of several in flight the first to fail is reported; the others are not to end the process.
      reply.catch(() => undefined);
      return reply;
    };
    const inFlight = partitions.slice(0, PARTITIONS_IN_FLIGHT).map(read);
    for (const partition of partitions) {
      const fields = list(await inFlight.shift());
      const next = partitions[partition + PARTITIONS_IN_FLIGHT];
      if (next !== undefined) inFlight.push(read(next));
      const rows: { number: NhsNumber; packed: string }[] = [];
      let seal: Seal | undefined;
      for (let i = 0; i < fields.length; i += 2) {
        const field = String(fields[i]);
        const value = String(fields[i + 1]);
        if (field === SEAL_FIELD) {
          seal = readSeal(value);
          continue;
        }
        const number = storedNumber(field);
        for (const packed of splitRows(value)) rows.push({ number, packed });
      }
      // As `read_child` in common.lua says of every single child.
      if (seal?.dataset !== id || seal.children !== fields.length / 2 - 1) {
        throw new StoreNotWhole();
      }
      yield { generation: seal.generation, rows };
    }
  }

  /** Calls `each` for every packed row there is, and returns the partitions' generations. */
  async function scan(each: (number: NhsNumber, packed: string) => void): Promise<number[]> {
    const generations: number[] = [];
    for await (const { generation, rows } of partitionRows()) {
      generations.push(generation);
      for (const { number, packed } of rows) each(number, packed);
    }
    return generations;
  }

  async function* rowsOf(code: OdsCode): AsyncGenerator<PlanRow[]> {
    for await (const { rows } of partitionRows()) {
      yield rows
        .filter(({ packed }) => authorityOf(packed) === code)
        .map(({ number, packed }) => unpackRow(number, packed));
    }
  }

  async function tallyWithGenerations() {
    const tallies = new Map<string, Tally>();
    const now = Date.now() / 1000;
    const generations = await scan((number, packed) => {
      const authority = authorityOf(packed);
      let tally = tallies.get(authority);
      if (tally === undefined) tallies.set(authority, (tally = new Tally()));
      tally.add(number, packed);
      if (currentUntilOf(packed) > now) tally.inForce += 1;
    });
    return { tallies, generations };
  }

  type Tallies = Promise<ReadonlyMap<string, Tally>>;
  let counting: Tallies | undefined;
  let nextCount: Tallies | undefined;

  async function count(): Tallies {
    await counting?.catch(() => undefined);
    // Whoever asks in the same turn of the event loop has written by now what is to be counted.
    await immediate();
    counting = nextCount;
    nextCount = undefined;
    return (await tallyWithGenerations()).tallies;
  }

  async function changeAuthority(
    lock: AuthorityLock,
    change: AuthorityChange,
    ledger?: FileLedgerEntry | { sequence: number; strike: true },
  ): Promise<void> {
    const written = await redis.fcall(
      FUNCTIONS.changeAuthority,
      3,
      keys.lock(lock.authority),
      keys.authority(lock.authority),
      keys.files(lock.authority),
      lock.token,
      LEDGER_KEEPS,
      ledger === undefined ? '' : String(ledger.sequence),
      ledger === undefined || 'strike' in ledger ? '' : packLedger(ledger),
      ...Object.entries(fieldsOf(change)).flat(),
    );
    if (written !== 1) throw new LockLost(lock.authority);
  }

  async function fileOf(code: OdsCode, sequence: number): Promise<FileLedgerEntry | undefined> {
    const entry = await redis.hget(keys.files(code), String(sequence));
    return entry === null ? undefined : unpackLedger(sequence, entry);
  }

  async function filesReceived(
    code: OdsCode,
  ): Promise<{ sequence: number; at: number | undefined }[]> {
    const entries = Object.entries(await redis.hgetall(keys.files(code)));
    return entries.map(([sequence, entry]) => ({
      sequence: Number(sequence),
      at: ledgerSchema.parse(JSON.parse(entry)).at,
    }));
  }

  async function setNotInUse(numbers: readonly NhsNumber[]): Promise<void> {
    const byPartition = partitions.map((): NhsNumber[] => []);
    for (const number of numbers) byPartition[partitionOf(number)]?.push(number);
    await Promise.all(
      byPartition.map((some, partition) =>
        redis.fcall(FUNCTIONS.setNotInUse, 1, keys.notInUse(partition), ...some),
      ),
    );
  }

  async function intakeState(code: OdsCode): Promise<IntakeState> {
    const [known, fields] = await Promise.all([
      redis.hexists(keys.dataset, knownField(code)),
      redis.hgetall(keys.authority(code)),
    ]);
    return {
      authority: known === 1 ? parseAuthority(code, fields) : undefined,
      sequenceOffset: wholeNumber(fields['sequenceOffset']) ?? 0,
      numberedAfter: fields['numberedAfter'],
      closed: wholeNumber(fields['closed']) ?? -1,
      inForce: wholeNumber(fields['inForce']),
      recent: z.array(loadSizeSchema).parse(JSON.parse(fields['recent'] ?? '[]')),
      breakers: ownBreakersSchema.parse(JSON.parse(fields['breakers'] ?? '{}')),
    };
  }

  async function isOpen(): Promise<boolean> {
    const [opened, dataset, text] = await Promise.all([
      redis.get(keys.open),
      redis.hgetall(keys.dataset),
      redis.info('server', 'replication'),
    ]);
    const info = information(text);
    const { isReplica, wasPromoted, id } = readReplication(info);
    const believed = !isReplica && (!wasPromoted || dataset[BELIEVED_SERVER] === id);
    return believed && opened !== null && opened === info.get('run_id');
  }

  async function readEvents(partition: AuditPartition, fromNumber = 1): Promise<AuditEvent[]> {
    const entries = await redis.xrange(keys.audit(partition), `0-${fromNumber}`, '+');
    return entries.map(([id, fields]) => parseStreamEvent(partition, id, fields));
  }

  return {
    loadFunctions: () => loadFunctions(redis),
    /** The dataset held; `undefined` where the Redis holds none. */
    dataset: async (): Promise<Dataset | undefined> => (await readDataset())?.dataset,
    /** True where the Redis holds nothing at all. */
    isEmpty: async (): Promise<boolean> => (await redis.dbsize()) === 0,
    /**
     * Creates a dataset in a Redis without one and in the anchor, with the authorities that it is to hold. A creation that was interrupted is
     * finished. The keeper opens the store afterwards.
     *
     * @throws where either holds a dataset already.
     */
    createDataset,
    /** Which authorities the dataset is to hold plans of; `undefined` where it is not set. */
    expected: async (): Promise<ExpectedAuthorities | undefined> => (await readDataset())?.expected,
    /** Sets which those are, in the place of those before. Audited first. */
    setExpected,
    /** The directory, by code. */
    async authorities(): Promise<Authority[]> {
      const held = await readDataset();
      return held === undefined ? [] : [...(await readAuthorities(redis, held.codes)).values()];
    },
    async authority(code: OdsCode): Promise<Authority | undefined> {
      return parseAuthority(code, await redis.hgetall(keys.authority(code)));
    },
    /**
     * Adds an authority to those known, or changes its name and telephone numbers; what is not given
     * stays. Audited first.
     *
     * @throws where it would be left without a name or an emergency duty team number.
     */
    setAuthority,
    /**
     * Takes the locked authority, which must never have loaded anything, off those known. Audited first.
     * Doing it again changes nothing.
     */
    removeAuthority,
    /**
     * `undefined` where another loader holds the authority. The lease is 30 s: renew it while at work.
     * One held by a process of this machine that is gone is taken over.
     */
    lockAuthority,
    fileOf,
    /** When each file of an authority's ledger was received, milliseconds since 1970. */
    filesReceived,
    /** What a loader must know of an authority before it decides on a file. */
    intakeState,
    /**
     * Changes what is known of the locked authority and enters a file in its ledger, or strikes one out,
     * in one step. The ledger keeps the newest 400 files; the number that leaves it is closed.
     *
     * @throws {LockLost} and then nothing was written.
     */
    changeAuthority,
    /**
     * Says which NHS numbers were replaced or withdrawn, in the place of those before: where nothing is held for
     * one, a lookup is could-not-check. Doing it again changes nothing.
     */
    setNotInUse,
    /** True where the keeper has verified the store since this Redis last started. */
    isOpen,
    /**
     * Every row held for these numbers, of all authorities, tombstones too.
     *
     * @throws {StoreNotWhole}
     */
    readRows,
    /**
     * Writes rows of the locked authority, each only if its file's sequence is above the stored one's.
     * Effects are in the rows' order. Applying the same rows again changes nothing. `again`: the number
     * of the file is processed afresh, so that its earlier word may be replaced.
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
     * Every row held for one authority and of no other, tombstones too, as they are read: a partition at a
     * time, in no order. What is loaded meanwhile may be among them or not.
     *
     * @throws {StoreNotWhole} perhaps after some rows: what came before is then not all there is
     */
    rowsOf,
    /**
     * Reads the whole store: count and digest by authority, of what was written before the call. Those who
     * ask while the store is being read share the next reading.
     *
     * @throws {StoreNotWhole}
     */
    tally: (): Promise<ReadonlyMap<string, Tally>> => (nextCount ??= count()),
    tallyWithGenerations,
    /**
     * Enters a file in the ledger with what the authority now holds; see `changeAuthority`.
     *
     * @throws {LockLost} and then nothing was written.
     */
    finishFile: (lock: AuthorityLock, { ledger, ...change }: FinishedFile): Promise<void> =>
      changeAuthority(lock, change, ledger),
    /** On disk when it resolves. */
    appendEvent,
    /** Events of one stream from a number on. */
    readEvents,
  };
}

/** As the audit has it: who exactly is expected from then on. */
const expectedDetail = ({ area, kind, authorities }: ExpectedAuthorities) => ({
  area,
  areaKind: kind,
  expected: authorities.length,
  authorities: authorities.map(({ code }) => code).join(' '),
});

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
