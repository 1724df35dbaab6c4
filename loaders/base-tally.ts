import type { Authority, OdsCode } from '#schemas/authority.ts';
import { Tally } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';

/**
 * What an authority holds before something is done to its rows: what the anchor knows; but if the store was found to
 * differ, that finding is the last word, and what the store holds is counted.
 *
 * @param known what the store knows of the authority
 */
export async function baseTally(
  store: Pick<Store, 'tally'>,
  anchor: Anchor,
  authority: OdsCode,
  known: Authority | undefined,
): Promise<Tally> {
  if (known?.reconciled === false) {
    return (await store.tally()).get(authority)?.copy() ?? new Tally();
  }
  const anchored = anchor.authority(authority);
  return anchored === undefined ? new Tally() : Tally.from(anchored);
}
