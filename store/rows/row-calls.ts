import type { Redis } from 'ioredis';
import { type NhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { list } from '../connection/reply.ts';
import { LockLost, StoreNotWhole } from '../errors.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { keys } from '../keys.ts';
import type { AuthorityLock } from '../locks/authority-lock.ts';
import { isRestriction, type KeptBack, packRestriction, whereaboutsOf } from './restrictions.ts';
import { type PackedRow, packRow, ROW_SEPARATOR, splitRows, unpackRow } from './rows.ts';

/** What a row did: if it is `superseded`, a newer file counts. */
export type RowEffect = 'added' | 'changed' | 'unchanged' | 'superseded';

/** What became of a row to be removed; one that has `changed` since it was read stays. */
export type RemovalEffect = 'removed' | 'absent' | 'changed';

const ROWS_A_CALL = 100;

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

/** @throws {LockLost} {@link StoreNotWhole} or if the store would not have the row */
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

/** Rows in the form for `apply_rows`: far fewer arguments are far less work on both sides. */
function textOf(items: Group<PlanRow | PackedRow>['items']): string {
  let text = '';
  for (const { item } of items) {
    text += `${item.nhsNumber}${'packed' in item ? item.packed : packRow(item)}${ROW_SEPARATOR}`;
  }
  return text;
}

/** @throws {LockLost} {@link StoreNotWhole} */
function checkRestricted(effect: unknown, authority: string): void {
  if (effect === 'changed' || effect === 'unchanged' || effect === 'absent') return;
  if (effect === 'fenced') throw new LockLost(authority);
  if (effect === 'incomplete') throw new StoreNotWhole();
  throw new Error(`The store refused what authority ${authority} keeps back: ${String(effect)}.`);
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
 * Items by partition, in calls of limited size, so that a partition's stamp is read and written once for each
 * call and not for each row.
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

/**
 * Rows by NHS number: those of a file are read, written or removed, a limited number in each call.
 *
 * @param datasetId the dataset that the rows must belong to
 */
export function createRowCalls(redis: Redis, datasetId: () => Promise<string>) {
  /** All that is held for these numbers. @throws {StoreNotWhole} */
  async function readPacked(numbers: readonly NhsNumber[]): Promise<Map<NhsNumber, string[]>> {
    const id = await datasetId();
    const held = new Map<NhsNumber, string[]>();
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
          held.set(number, splitRows(value));
        }
      }),
    );
    return held;
  }

  return {
    /**
     * Every plan row held for these numbers, of all authorities, including tombstones.
     *
     * @throws {StoreNotWhole}
     */
    async readRows(numbers: readonly NhsNumber[]): Promise<Map<NhsNumber, PlanRow[]>> {
      const held = new Map<NhsNumber, PlanRow[]>();
      for (const [number, rows] of await readPacked(numbers)) {
        const plans = rows.filter((packed) => !isRestriction(packed));
        held.set(
          number,
          plans.map((packed) => unpackRow(number, packed)),
        );
      }
      return held;
    },

    /**
     * The councils that keep back where each of these children was looked up, the oldest protection first.
     *
     * @throws {StoreNotWhole}
     */
    async whereaboutsKept(numbers: readonly NhsNumber[]): Promise<Map<NhsNumber, string[]>> {
      const held = new Map<NhsNumber, string[]>();
      for (const [number, rows] of await readPacked(numbers)) held.set(number, whereaboutsOf(rows));
      return held;
    },

    /**
     * Writes rows of the locked authority, each only if its file's sequence is above the stored one's.
     * Effects are in the rows' order. Applying the same rows again changes nothing. `again`: the number of
     * the file is processed again, so that it may replace its own earlier rows.
     *
     * @throws {LockLost} {@link StoreNotWhole}; what was applied before stays, to be resumed.
     */
    async applyRows(
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
            for (const { at } of items)
              done[at] = effectOf(letters?.[i++], failure, lock.authority);
          }
        }),
      );
      return done;
    },

    /**
     * Removes rows of the locked authority, each only if it is still exactly as given. A child without rows
     * is removed, with its list of those who looked. Doing it again changes nothing.
     *
     * @throws {LockLost} {@link StoreNotWhole}
     */
    async removeRows(
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
            return [keys.children(partition), keys.fence(partition), keys.accessLists(partition)];
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
    },

    /**
     * Replaces what the locked authority keeps back about a child. Nothing is written if nothing is held for
     * the child. Doing it again changes nothing.
     *
     * @throws {LockLost} {@link StoreNotWhole}
     */
    async restrict(
      { authority, fence }: AuthorityLock,
      number: NhsNumber,
      kept: readonly KeptBack[],
    ): Promise<void> {
      const partition = partitionOf(number);
      const effect = await redis.fcall(
        FUNCTIONS.restrict,
        3,
        keys.children(partition),
        keys.fence(partition),
        keys.accessLists(partition),
        await datasetId(),
        authority,
        fence,
        number,
        ...kept.map((each) => packRestriction(authority, each)),
      );
      checkRestricted(effect, authority);
    },
  };
}
