import { setImmediate as immediate } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { OdsCode } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { list, wholeNumber } from '../connection/reply.ts';
import { StoreNotWhole } from '../errors.ts';
import { keys, partitions } from '../keys.ts';
import { isRestriction } from './restrictions.ts';
import {
  authorityOf,
  currentUntilOf,
  ROW_SEPARATOR,
  splitRows,
  storedNumber,
  Tally,
  unpackRow,
} from './rows.ts';

/** Enough to keep Redis busy while a partition is counted here. */
const PARTITIONS_IN_FLIGHT = 4;

/** A partition's stamp; see `store/functions/common.lua`. */
type Stamp = { dataset: string; generation: number; children: number };
const STAMP_FIELD = '_';

function readStamp(text: string): Stamp | undefined {
  const [dataset = '', generation, children, more] = text.split('\u001f');
  if (dataset === '' || more !== undefined) return undefined;
  const numbers = { generation: wholeNumber(generation), children: wholeNumber(children) };
  if (numbers.generation === undefined || numbers.children === undefined) return undefined;
  return { dataset, generation: numbers.generation, children: numbers.children };
}

/**
 * Reads the whole store, partition by partition, and throws unless it is whole.
 *
 * @param datasetId the dataset that the rows must belong to
 */
export function createScan(redis: Redis, datasetId: () => Promise<string>) {
  /** One partition after the other: its generation, and its fields, each followed by its value. */
  async function* wholePartitions(): AsyncGenerator<{ generation: number; fields: unknown[] }> {
    const id = await datasetId();
    const read = (partition: number): Promise<unknown> => {
      const reply = redis.call('HGETALL', keys.children(partition));
      // If several in flight fail, the first is reported; the others must not end the process.
      reply.catch(() => undefined);
      return reply;
    };
    const inFlight = partitions.slice(0, PARTITIONS_IN_FLIGHT).map(read);
    for (const partition of partitions) {
      const fields = list(await inFlight.shift());
      const next = partitions[partition + PARTITIONS_IN_FLIGHT];
      if (next !== undefined) inFlight.push(read(next));
      let stamp: Stamp | undefined;
      for (let i = 0; i < fields.length; i += 2) {
        if (fields[i] === STAMP_FIELD) stamp = readStamp(String(fields[i + 1]));
      }
      // Like `read_child` in common.lua for every child.
      if (stamp?.dataset !== id || stamp.children !== fields.length / 2 - 1) {
        throw new StoreNotWhole();
      }
      yield { generation: stamp.generation, fields };
    }
  }

  /** Calls `each` for the rows of one partition, which contains nothing but them and the stamp. */
  function eachRow(
    fields: readonly unknown[],
    each: (number: NhsNumber, packed: string) => void,
  ): void {
    for (let i = 0; i < fields.length; i += 2) {
      const field = String(fields[i]);
      if (field === STAMP_FIELD) continue;
      const number = storedNumber(field);
      const value = String(fields[i + 1]);
      // Nearly every child has one row.
      if (value !== '' && !value.includes(ROW_SEPARATOR)) each(number, value);
      else for (const packed of splitRows(value)) each(number, packed);
    }
  }

  /** Calls `each` for all that is held, and returns the partitions' generations. */
  async function scanAll(each: (number: NhsNumber, packed: string) => void): Promise<number[]> {
    const generations: number[] = [];
    for await (const { generation, fields } of wholePartitions()) {
      generations.push(generation);
      eachRow(fields, each);
    }
    return generations;
  }

  async function tallyWithGenerations() {
    const tallies = new Map<string, Tally>();
    const now = Date.now() / 1000;
    const generations = await scanAll((number, packed) => {
      const authority = authorityOf(packed);
      let tally = tallies.get(authority);
      if (tally === undefined) tallies.set(authority, (tally = new Tally()));
      tally.add(number, packed);
      if (!isRestriction(packed) && currentUntilOf(packed) > now) tally.inForce += 1;
    });
    return { tallies, generations };
  }

  type Tallies = Promise<ReadonlyMap<string, Tally>>;
  let counting: Tallies | undefined;
  let nextCount: Tallies | undefined;

  async function count(): Tallies {
    await counting?.catch(() => undefined);
    // Anybody who asks in the same turn of the event loop has already written what is to be counted.
    await immediate();
    counting = nextCount;
    nextCount = undefined;
    return (await tallyWithGenerations()).tallies;
  }

  return {
    /**
     * Calls `each` for every packed row of a plan, including tombstones, partition by partition.
     *
     * @throws {StoreNotWhole}
     */
    async scan(each: (number: NhsNumber, packed: string) => void): Promise<void> {
      await scanAll((number, packed) => {
        if (!isRestriction(packed)) each(number, packed);
      });
    },
    /**
     * Every row held for one authority, including tombstones, as they are read: a partition at a time, in no
     * order. Rows loaded meanwhile may or may not be included.
     *
     * @throws {StoreNotWhole} perhaps after some rows: those are then not all
     */
    async *rowsOf(code: OdsCode): AsyncGenerator<PlanRow[]> {
      for await (const { fields } of wholePartitions()) {
        const rows: PlanRow[] = [];
        eachRow(fields, (number, packed) => {
          if (authorityOf(packed) !== code || isRestriction(packed)) return;
          rows.push(unpackRow(number, packed));
        });
        yield rows;
      }
    },
    /**
     * Reads the whole store: count and digest by authority, of what was written before the call. Callers that
     * ask while the store is being read share the next reading.
     *
     * @throws {StoreNotWhole}
     */
    tally: (): Tallies => (nextCount ??= count()),
    tallyWithGenerations,
  };
}
