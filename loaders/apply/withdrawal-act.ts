import type { OdsCode } from '#schemas/authority.ts';
import { londonDate } from '#schemas/calendar.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Withdrawal } from '#store/authorities/withdrawals.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { packRow, restoredRow, withdrawnRow } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { sameIdentity } from '../check/check.ts';
import { actsOf } from './anchored-act.ts';

/** The row that a withdrawal is about; `undefined` if it is no longer held. */
export async function rowOf(
  store: Store,
  { authority }: Pick<AuthorityLock, 'authority'>,
  withdrawal: Pick<Withdrawal, 'nhsNumber' | 'type' | 'startDate'>,
): Promise<PlanRow | undefined> {
  const { nhsNumber } = withdrawal;
  const held = (await store.readRows([nhsNumber])).get(nhsNumber) ?? [];
  return held.find((row) => row.authority === authority && sameIdentity(row, withdrawal));
}

/** The row as it is to be. A row that is already so is unchanged. */
function becomes(row: PlanRow, { state, decided }: Withdrawal): PlanRow {
  if (state !== 'withdrawn') return restoredRow(row);
  const at = Date.parse(decided?.at ?? '');
  return row.withdrawn === true ? row : withdrawnRow(row, londonDate(at));
}

/** Earlier withdrawals of the same plan, which have ended: one plan has one withdrawal that can be undone. */
async function earlierThan(
  store: Store,
  authority: OdsCode,
  { id, ...plan }: Pick<Withdrawal, 'id' | 'nhsNumber' | 'type' | 'startDate'>,
): Promise<string[]> {
  return (await store.withdrawals(authority))
    .filter((each) => each.id !== id && each.state === 'withdrawn' && sameIdentity(each, plan))
    .map((each) => each.id);
}

export const withdrawalActs = actsOf('withdrawal', {
  lost: LOAD_FAILED.withdrawalLost,
  async find(store, lock, id) {
    const { authority } = lock;
    const { acting } = (await store.withdrawal(authority, id)) ?? {};
    if (acting === undefined) return undefined;
    const { event, next } = acting;
    return {
      event,
      async change() {
        const row = await rowOf(store, lock, next);
        if (row === undefined) return;
        // The row keeps its file's number.
        await store.applyRows(lock, [becomes(row, next)], { again: true });
      },
      async settle() {
        await store.keepWithdrawal(lock, next, await earlierThan(store, authority, next));
      },
    };
  },
});

/**
 * Withdraws a plan, or shows it again: one row of the locked authority, which keeps its file's number; see
 * {@link actsOf}.
 */
export async function actOnWithdrawal(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  withdrawal: Withdrawal,
  row: PlanRow,
  acting: NonNullable<Withdrawal['acting']>,
): Promise<void> {
  await withdrawalActs.act(store, anchor, lock, {
    id: withdrawal.id,
    keep: () => store.keepWithdrawal(lock, { ...withdrawal, acting }),
    change(tally) {
      tally.remove(row.nhsNumber, packRow(row));
      tally.add(row.nhsNumber, packRow(becomes(row, acting.next)));
    },
  });
}
