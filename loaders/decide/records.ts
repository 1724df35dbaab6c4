import { setImmediate as immediate } from 'node:timers/promises';
import type { OdsCode } from '#schemas/authority.ts';
import { londonDate } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import type { Finding } from '#schemas/uploads/acknowledgement.ts';
import { STOPPED_LISTED_AT_MOST, type StoppedPlan } from '#schemas/uploads/stopped-plan.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import type { RowEffect } from '#store/rows/row-calls.ts';
import {
  authorityOf,
  currentUntilOf,
  packRow,
  planRow,
  Tally,
  unpackRow,
} from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import { NO_EFFECTS } from '../answers/acknowledge.ts';
import type { Spool } from '../spool/spool.ts';
import type { SpooledRecord, Whose } from '../spool/spooled-rows.ts';
import { decideRecord, isRemoval, isStop } from './record.ts';

const RECORDS_A_STEP = 500;
const RECORDS_A_TURN = 100;

export type DecideRecordsOptions = {
  store: Store;
  /** Absent for a difference that changes nothing, and so delays nobody. */
  lock: AuthorityLock | undefined;
  authority: OdsCode;
  /** The index of its plans, and the destination of decisions. */
  spool: Pick<Spool, 'plansOf' | 'holdBack' | 'decide'>;
  firstFile: boolean;
  /** Part of the file's number was applied before, which this replaces. */
  again: boolean;
  /** True if not one row of the authority is held, so that there is nothing to read. */
  holdsNothing: boolean;
  /** Milliseconds since 1970. */
  now: number;
  /** What the authority holds; changed to what it will hold without the removals. */
  tally: Tally;
  /** Whether rows that take something away are kept apart in the spool (the default). */
  removals?: 'apart' | 'with the others';
  onRecord?: ((records: number) => void) | undefined;
};

export type Decided = {
  accepted: number;
  /** What the rows do, except removals. */
  effects: Record<RowEffect, number>;
  /** Rows that take away something shown; kept apart in the spool. */
  removals: {
    rows: number;
    records: number;
    tally: Tally;
    /** People with a plan in force who will no longer have one. */
    stops: Set<NhsNumber>;
    /** These plans, the first of them. */
    stopped: StoppedPlan[];
  };
};

/** Findings go where they are capped, so that a file full of them does not fill memory. */
type FindingSink = { add(...findings: readonly Finding[]): void };

/**
 * Decides every record by comparing it with what is held, and writes the decisions into the spool: rows to
 * apply, and separately the rows that take something away.
 */
export async function decideRecords(
  records: Iterable<SpooledRecord>,
  options: DecideRecordsOptions,
  findings: { failures: FindingSink; warnings: FindingSink },
): Promise<Decided> {
  const { spool, firstFile, again, now, tally, onRecord } = options;
  const seconds = now / 1000;
  const apart = options.removals !== 'with the others';
  const decided = {
    accepted: 0,
    effects: { ...NO_EFFECTS },
    removals: {
      rows: 0,
      records: 0,
      tally: new Tally(),
      stops: new Set<NhsNumber>(),
      stopped: new Array<StoppedPlan>(),
    },
  };
  let seen = 0;
  for await (const { batch, held } of withHeld(records, options)) {
    const context = {
      today: londonDate(now),
      firstFile,
      again,
      held: (number: NhsNumber) => held.get(number) ?? [],
      inFile: (number: NhsNumber) => spool.plansOf(number),
    };
    for (const { record, rows } of batch) {
      seen += 1;
      // All of this is computation: lookups in the same process get their turn in between.
      if (seen % RECORDS_A_TURN === 0) {
        onRecord?.(seen);
        await immediate();
      }
      const decision = decideRecord(record, rows, context);
      if (decision.kind === 'refused') {
        findings.failures.add(...decision.failures);
        continue;
      }
      decided.accepted += 1;
      findings.warnings.add(...decision.warnings);
      let removes = false;
      for (const [i, placed] of rows.entries()) {
        const { nhsNumber } = placed.row;
        const { effect, match, facts } = decision.rows[i] ?? {
          effect: 'unchanged',
          match: undefined,
          facts: placed.row,
        };
        const row = planRow(facts);
        const packed = packRow(row);
        const isTakingAway =
          apart && effect === 'changed' && match !== undefined && isRemoval(row, match, seconds);
        const into = isTakingAway ? decided.removals.tally : tally;
        if (effect !== 'superseded') {
          if (match !== undefined) into.remove(nhsNumber, packRow(match));
          into.add(nhsNumber, packed);
        }
        if (isTakingAway) {
          removes = true;
          decided.removals.rows += 1;
          if (isStop(row, match, seconds)) {
            decided.removals.stops.add(nhsNumber);
            if (decided.removals.stopped.length < STOPPED_LISTED_AT_MOST) {
              decided.removals.stopped.push({
                ...stoppedPlan(match),
                by: stoppedBy(row, match),
                place: placed.place,
              });
            }
          }
          spool.holdBack(record, placed);
        } else {
          decided.effects[effect] += 1;
          spool.decide(effect, nhsNumber, packed);
        }
      }
      if (removes) decided.removals.records += 1;
    }
  }
  onRecord?.(seen);
  return decided;
}

function stoppedBy(row: PlanRow, match: PlanRow): StoppedPlan['by'] {
  if (row.deleteDate !== undefined) return 'delete';
  const isOfBirth = row.endDate === match.endDate && row.dateOfBirth !== match.dateOfBirth;
  return isOfBirth ? 'date-of-birth' : 'end';
}

/** A plan as a list of them names it: by its authority's own identifier, if there is one. */
export const stoppedPlan = ({
  localId,
  nhsNumber,
  type,
  startDate,
}: PlanRow): Pick<StoppedPlan, 'localId' | 'nhsNumber' | 'type' | 'startDate'> => ({
  localId,
  ...(localId === '' && { nhsNumber }),
  type,
  startDate,
});

type Held = Map<NhsNumber, PlanRow[]>;

/** Records in batches, each with what the authority holds; the next batch is read while one is decided. */
async function* withHeld(
  records: Iterable<SpooledRecord>,
  { store, lock, authority, holdsNothing }: DecideRecordsOptions,
): AsyncGenerator<{ batch: SpooledRecord[]; held: Held }> {
  async function read(batch: readonly SpooledRecord[]): Promise<Held> {
    if (holdsNothing) return new Map();
    const numbers = new Set(batch.flatMap(({ rows }) => rows.map(({ row }) => row.nhsNumber)));
    await lock?.renew();
    const held = await store.readRows([...numbers]);
    for (const [number, rows] of held) {
      if (rows.length > 0) {
        held.set(
          number,
          rows.filter((row) => row.authority === authority),
        );
      }
    }
    return held;
  }
  let last: { batch: SpooledRecord[]; reading: Promise<Held> } | undefined;
  for (const batch of inBatches(records, RECORDS_A_STEP)) {
    const reading = read(batch);
    // Reported when its turn comes; until then it must not end the process.
    reading.catch(() => undefined);
    if (last !== undefined) yield { batch: last.batch, held: await last.reading };
    last = { batch, reading };
  }
  if (last !== undefined) yield { batch: last.batch, held: await last.reading };
}

function* inBatches<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Adds the rows that were kept apart to those that are applied. */
export function decideHeld(spool: Spool, whose: Whose): void {
  for (const { rows } of spool.heldRecords(whose)) {
    for (const { row } of rows) spool.decide('changed', row.nhsNumber, packRow(planRow(row)));
  }
}

/** A row that a full refresh leaves out. */
export type LeftOut = { nhsNumber: NhsNumber; packed: string; inForce: boolean };

/**
 * The authority's rows that are older than a full refresh and not in it. As many as one authority has, in
 * memory.
 */
export async function rowsLeftOut(
  store: Store,
  spool: Spool,
  { authority, sequence, now }: { authority: OdsCode; sequence: number; now: number },
): Promise<LeftOut[]> {
  const found: LeftOut[] = [];
  await store.scan((nhsNumber, packed) => {
    if (authorityOf(packed) !== authority) return;
    const row = unpackRow(nhsNumber, packed);
    if (row.sequence >= sequence || spool.recordOf(row) !== undefined) return;
    found.push({ nhsNumber, packed, inForce: currentUntilOf(packed) > now / 1000 });
  });
  return found;
}
