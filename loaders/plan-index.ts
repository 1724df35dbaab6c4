import { epochDay, FIRST_DAY, fromEpochDay, LAST_DAY } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { type PlanType, planTypes } from '#schemas/plan.ts';
import type { SpooledRow } from '#schemas/row.ts';

/** What of a file's plan can bear on another row: which it is, and when it is over. */
export type IndexedPlan = Pick<
  SpooledRow,
  'nhsNumber' | 'type' | 'startDate' | 'endDate' | 'deleteDate'
>;
type Identity = Pick<IndexedPlan, 'nhsNumber' | 'type' | 'startDate'>;

const DAYS = LAST_DAY - FIRST_DAY + 1;
const PLANS_A_NUMBER = planTypes.length * DAYS;
const NO_END = 2 ** 31 - 1;
const DELETED = -(2 ** 31);
const NONE = -1;
const BEGINS_WITH = 1_024;

/**
 * Every plan of a file by its person: which record holds it, and what else the file says of that person.
 *
 * Twenty-four bytes a plan, in arrays that grow by doubling: the largest file that is taken by default, a
 * million lines, needs 24 MB. A plan's identity (number, type, start) fits into the 53 bits of a double.
 */
export class PlanIndex {
  #count = 0;
  #identities = new Float64Array(BEGINS_WITH);
  #records = new Uint32Array(BEGINS_WITH);
  /** Day of the end; or that there is none, or that the plan is deleted. */
  #ends = new Int32Array(BEGINS_WITH);
  /** The plan before in the same chain. */
  #before = new Int32Array(BEGINS_WITH).fill(NONE);
  /** The last plan of each chain; as many chains as there is room for plans. */
  #chains = new Int32Array(BEGINS_WITH).fill(NONE);

  /** The record that holds this plan, if one does. */
  recordOf(plan: Identity): number | undefined {
    const identity = identityOf(plan);
    for (let at = this.#chainOf(identity); at !== NONE; at = this.#before[at] ?? NONE) {
      if (this.#identities[at] === identity) return this.#records[at];
    }
    return undefined;
  }

  add(plan: IndexedPlan, record: number): void {
    if (this.#count === this.#identities.length) this.#grow();
    const identity = identityOf(plan);
    const at = this.#count;
    this.#count += 1;
    this.#identities[at] = identity;
    this.#records[at] = record;
    this.#ends[at] =
      plan.deleteDate !== undefined
        ? DELETED
        : plan.endDate === undefined
          ? NO_END
          : epochDay(plan.endDate);
    this.#link(at, identity);
  }

  /** True of a person of whom there is more than one plan. */
  hasSeveral(nhsNumber: NhsNumber): boolean {
    const first = Number(nhsNumber) * PLANS_A_NUMBER;
    let found = 0;
    for (let at = this.#chainOf(first); at !== NONE; at = this.#before[at] ?? NONE) {
      const plan = (this.#identities[at] ?? 0) - first;
      if (plan >= 0 && plan < PLANS_A_NUMBER) found += 1;
    }
    return found > 1;
  }

  /** Every plan of a person. Of a deleted one only that it is deleted, with its start as the day. */
  plansOf(nhsNumber: NhsNumber): IndexedPlan[] {
    const first = Number(nhsNumber) * PLANS_A_NUMBER;
    const plans: IndexedPlan[] = [];
    for (let at = this.#chainOf(first); at !== NONE; at = this.#before[at] ?? NONE) {
      const plan = (this.#identities[at] ?? 0) - first;
      if (plan < 0 || plan >= PLANS_A_NUMBER) continue;
      const end = this.#ends[at] ?? NO_END;
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

  #chain(identity: number): number {
    const hash = Math.imul(Math.floor(identity / PLANS_A_NUMBER) % 2 ** 32, 0x9e3779b1);
    return (hash ^ (hash >>> 15)) & (this.#chains.length - 1);
  }

  #chainOf(identity: number): number {
    return this.#chains[this.#chain(identity)] ?? NONE;
  }

  #link(at: number, identity: number): void {
    const chain = this.#chain(identity);
    this.#before[at] = this.#chains[chain] ?? NONE;
    this.#chains[chain] = at;
  }

  #grow(): void {
    const size = this.#count * 2;
    const grown = <T extends Float64Array | Uint32Array | Int32Array>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    this.#identities = grown(new Float64Array(size), this.#identities);
    this.#records = grown(new Uint32Array(size), this.#records);
    this.#ends = grown(new Int32Array(size), this.#ends);
    this.#before = new Int32Array(size).fill(NONE);
    this.#chains = new Int32Array(size).fill(NONE);
    for (let at = 0; at < this.#count; at++) this.#link(at, this.#identities[at] ?? 0);
  }
}

function identityOf({ nhsNumber, type, startDate }: Identity): number {
  return (
    Number(nhsNumber) * PLANS_A_NUMBER +
    planTypes.indexOf(type) * DAYS +
    (epochDay(startDate) - FIRST_DAY)
  );
}
