import type { OdsCode } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { isOver } from '#schemas/plans/plan.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import type { Store } from '#store/store.ts';

/** The authority's own plans under a number that are shown, or will be. */
export async function plansNotOver(
  store: Store,
  authority: OdsCode,
  nhsNumber: NhsNumber,
  now: () => number = Date.now,
): Promise<PlanRow[]> {
  const held = (await store.readRows([nhsNumber])).get(nhsNumber) ?? [];
  return held.filter((row) => row.authority === authority && !isOver(row, now() / 1000));
}
