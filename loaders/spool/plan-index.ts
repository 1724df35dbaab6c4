import { epochDay, FIRST_DAY, fromEpochDay, LAST_DAY } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { type PlanType, planTypes } from '#schemas/plans/plan.ts';
import type { SpooledRow } from '#schemas/plans/row.ts';
import { NONE, tableInMemory, tableOnDisk } from './plan-table.ts';

/** What matters to other rows about a plan in a file: which plan it is, and when it ends. */
export type IndexedPlan = Pick<
  SpooledRow,
  'nhsNumber' | 'type' | 'startDate' | 'endDate' | 'deleteDate'
>;
type Identity = Pick<IndexedPlan, 'nhsNumber' | 'type' | 'startDate'>;

const DAYS = LAST_DAY - FIRST_DAY + 1;
const PLANS_A_NUMBER = planTypes.length * DAYS;
const NO_END = 2 ** 31 - 1;
const DELETED = -(2 ** 31);
/** Twenty-four megabytes: more than for the largest file accepted by default. */
const IN_MEMORY_AT_MOST = 1_048_576;

/**
 * Every plan of a file by its person: which record has it, and what else the file says about that person.
 *
 * A plan's identity (number, type, start) fits into the 53 bits of a double. A million plans are kept in
 * memory; those of a larger file in a file, so that memory does not grow with it.
 */
export class PlanIndex {
  readonly #path: string;
  readonly #inMemoryAtMost: number;
  #table = tableInMemory(hashOf);

  /** @param path of the file, made when it is needed */
  constructor(path: string, inMemoryAtMost = IN_MEMORY_AT_MOST) {
    this.#path = path;
    this.#inMemoryAtMost = inMemoryAtMost;
  }

  /** The record that holds this plan, if one does. */
  recordOf(plan: Identity): number | undefined {
    const identity = identityOf(plan);
    const table = this.#table;
    for (let at = table.last(hashOf(identity)); at !== NONE; ) {
      const { identity: other, record, before } = table.entry(at);
      if (other === identity) return record;
      at = before;
    }
    return undefined;
  }

  add(plan: IndexedPlan, record: number): void {
    if (this.#table.count === this.#inMemoryAtMost) this.#toDisk();
    const identity = identityOf(plan);
    const { endDate, deleteDate } = plan;
    const end = endDate === undefined ? NO_END : epochDay(endDate);
    this.#table.add(hashOf(identity), identity, record, deleteDate === undefined ? end : DELETED);
  }

  /** True if the file has more than one plan of this person. */
  hasSeveral(nhsNumber: NhsNumber): boolean {
    const first = Number(nhsNumber) * PLANS_A_NUMBER;
    const table = this.#table;
    let found = 0;
    for (let at = table.last(hashOf(first)); at !== NONE; ) {
      const { identity, before } = table.entry(at);
      if (identity >= first && identity < first + PLANS_A_NUMBER) found += 1;
      at = before;
    }
    return found > 1;
  }

  /** Every plan of a person. For a deleted one only that it is deleted, with its start as the day. */
  plansOf(nhsNumber: NhsNumber): IndexedPlan[] {
    const first = Number(nhsNumber) * PLANS_A_NUMBER;
    const plans: IndexedPlan[] = [];
    const table = this.#table;
    for (let at = table.last(hashOf(first)); at !== NONE; ) {
      const { identity, end, before } = table.entry(at);
      at = before;
      const plan = identity - first;
      if (plan < 0 || plan >= PLANS_A_NUMBER) continue;
      const startDate = fromEpochDay((plan % DAYS) + FIRST_DAY);
      plans.push({
        nhsNumber,
        type: planTypes[Math.floor(plan / DAYS)] as PlanType,
        startDate,
        ...(end === DELETED && { deleteDate: startDate }),
        ...(end !== DELETED && end !== NO_END && { endDate: fromEpochDay(end) }),
      });
    }
    return plans;
  }

  close(): void {
    this.#table.close();
    this.#table = tableInMemory(hashOf);
  }

  #toDisk(): void {
    const table = tableOnDisk(this.#path);
    for (let at = 0; at < this.#table.count; at++) {
      const { identity, record, end } = this.#table.entry(at);
      table.add(hashOf(identity), identity, record, end);
    }
    this.#table = table;
  }
}

/** A hash of the person alone, so that all plans of a person are in one chain. */
function hashOf(identity: number): number {
  const hash = Math.imul(Math.floor(identity / PLANS_A_NUMBER) % 2 ** 32, 0x9e3779b1);
  return hash ^ (hash >>> 15);
}

function identityOf({ nhsNumber, type, startDate }: Identity): number {
  return (
    Number(nhsNumber) * PLANS_A_NUMBER +
    planTypes.indexOf(type) * DAYS +
    (epochDay(startDate) - FIRST_DAY)
  );
}
