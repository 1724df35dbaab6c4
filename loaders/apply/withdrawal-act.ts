import { z } from 'zod';
import { londonDate } from '#schemas/calendar.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Withdrawal } from '#store/authorities/withdrawals.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { packRow, restoredRow, withdrawnRow } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, BegunLoad } from '#store/trust/anchor.ts';
import { sameIdentity } from '../check/check.ts';
import { beginAct, finishAct } from './anchored-act.ts';

/** Kept in the anchor instead of a journal: the rest is in the store, since the anchor names no child. */
const journalSchema = z.strictObject({ withdrawal: z.strictObject({ id: z.string() }) });

export const isWithdrawal = ({ journal }: BegunLoad): boolean =>
  journal.startsWith('{"withdrawal"');

/** The row that a withdrawal is about; `undefined` where it is not held any more. */
export async function rowOf(
  store: Store,
  { authority }: Pick<AuthorityLock, 'authority'>,
  withdrawal: Pick<Withdrawal, 'nhsNumber' | 'type' | 'startDate'>,
): Promise<PlanRow | undefined> {
  const { nhsNumber } = withdrawal;
  const held = (await store.readRows([nhsNumber])).get(nhsNumber) ?? [];
  return held.find((row) => row.authority === authority && sameIdentity(row, withdrawal));
}

/** As the row is to be. Asked again of one that is so already, it is the same. */
function becomes(row: PlanRow, { state, decided }: Withdrawal): PlanRow {
  if (state !== 'withdrawn') return restoredRow(row);
  const at = Date.parse(decided?.at ?? '');
  return row.withdrawn === true ? row : withdrawnRow(row, londonDate(at));
}

/**
 * Withdraws a plan, or shows it again: one row of the locked authority, which keeps its file's number. The anchor
 * knows first, then the event is on disk, then the row changes; a crash in between is carried to the same end by
 * {@link finishWithdrawal}.
 */
export async function actOnWithdrawal(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  withdrawal: Withdrawal,
  row: PlanRow,
  acting: NonNullable<Withdrawal['acting']>,
): Promise<void> {
  const { authority } = lock;
  const load = await beginAct(store, anchor, lock, {
    journal: JSON.stringify({ withdrawal: { id: withdrawal.id } }),
    keep: () => store.keepWithdrawal(authority, { ...withdrawal, acting }),
    change: (tally) => {
      tally.remove(row.nhsNumber, packRow(row));
      tally.add(row.nhsNumber, packRow(becomes(row, acting.next)));
    },
  });
  await finishWithdrawal(store, anchor, load, lock);
}

/**
 * Carries what the anchor was told about to its end, from any point.
 *
 * @throws {LoadFailed} where the store has lost what was to be done
 */
export async function finishWithdrawal(
  store: Store,
  anchor: Anchor,
  load: BegunLoad,
  lock: AuthorityLock,
): Promise<void> {
  const { authority } = lock;
  const { id } = journalSchema.parse(JSON.parse(load.journal)).withdrawal;
  await finishAct(store, anchor, load, lock, {
    lost: LOAD_FAILED.withdrawalLost(authority),
    async find() {
      const withdrawal = await store.withdrawal(authority, id);
      const acting = withdrawal?.acting;
      if (withdrawal === undefined || acting === undefined) return undefined;
      return {
        event: acting.event,
        async change() {
          const row = await rowOf(store, lock, withdrawal);
          if (row === undefined) return;
          // Its file's number stays on it: another word of the same number.
          await store.applyRows(lock, [becomes(row, acting.next)], { again: true });
        },
        settle: () => store.keepWithdrawal(authority, acting.next),
      };
    },
  });
}
