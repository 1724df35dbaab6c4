import type { LookupStore } from '#store/lookup.ts';
import type { SampledLog } from '../sampled-log.ts';

/** Whether a request is to be refused because more are under way than a process can deal with. */
export type Shed = () => boolean;

/**
 * Asked before anything else of a request is looked at, since what is refused must cost next to nothing:
 * its token is not verified, and so it leaves no event but is counted like a stranger's. Nothing was
 * checked for it and nothing shown; its sender is told so, and when to try again.
 */
export const createShed =
  (store: Pick<LookupStore, 'busy'>, sampled: SampledLog): Shed =>
  () => {
    if (!store.busy()) return false;
    sampled.log('busy', 'warn', 'more lookups at once than LOOKUPS_AT_ONCE; some are refused', {});
    return true;
  };
