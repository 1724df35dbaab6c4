import { LoadFailed } from '#loaders/load/load.ts';
import type { Acting } from '#loaders/upkeep/withdraw.ts';
import { type NhsNumber, parseNhsNumber, typedNhsNumber } from '#schemas/nhs-number.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import { COUNCIL } from '#schemas/wording/council.ts';
import { deskMessage } from '../desk/guarded-desk.ts';
import type { Fields } from '../session/forms.ts';
import type { AtCouncil } from './guarded-council.ts';

/** Somebody waits for the page: not as long as an operator's command would. */
const LOCK_WAIT_MS = 5_000;

/** Somebody of a council, as they act on what is held for it. */
export const actingOf = ({ caller }: AtCouncil): Acting & { lockWaitMs: number } => ({
  name: caller.identity.name,
  key: caller.userKey,
  caller: auditedCaller(caller.identity),
  lockWaitMs: LOCK_WAIT_MS,
});

/** The NHS number in a field of a form, if it is one. */
export const numberIn = (fields: Fields, name: string): NhsNumber | undefined =>
  parseNhsNumber(typedNhsNumber(fields.get(name) ?? ''));

/**
 * Does something that may fail halfway, and says so if it does: it may be done already, or be done by itself later.
 *
 * @param list the page on which that can be seen
 */
export async function orFailed(
  council: AtCouncil,
  list: string,
  work: () => Promise<Response>,
): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof LoadFailed)) throw error;
    return council.page({
      ...deskMessage(COUNCIL.failed, COUNCIL.failedThen, list),
      status: 503,
    });
  }
}
