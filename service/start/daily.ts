import { RETRIED_LOCK_WAIT_MS } from '#loaders/load/lock.ts';
import { sweepSpools } from '#loaders/spool/sweep.ts';
import { expireHeldFiles } from '#loaders/upkeep/held-files.ts';
import { purge } from '#loaders/upkeep/purge.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { StoreVerifier } from '#store/trust/verifier.ts';
import { errorFields, type Log } from '../telemetry/log.ts';

const DAY_MS = 86_400_000;
/** Each attempt reads the whole store, and what waits is shown to nobody. */
const LOOK_EVERY_MS = 600_000;

type Daily = {
  /** Does what is due now. Never rejects. */
  look(): Promise<void>;
  stop(): Promise<void>;
};

/**
 * The worker's daily work, on a store that is open: removes rows that can never be shown again, and discards
 * files held for too long. The anchor stores when it was last done, so that a restart does not repeat it. What killed
 * loads have left in the spool is removed at each look.
 *
 * @param heldMs how long a held file waits for somebody's decision
 */
export function startDaily({
  store,
  anchor,
  verifier,
  heldMs,
  spoolDir,
  log,
  now,
}: {
  store: Store;
  anchor: Anchor;
  verifier: Pick<StoreVerifier, 'state'>;
  heldMs: number;
  spoolDir: string;
  log: Log;
  now?: () => number;
}): Daily {
  let looking: Promise<void> | undefined;

  async function work(): Promise<void> {
    sweepSpools(spoolDir, () => anchor.spoolsNeeded());
    if (!verifier.state.opened) return;
    const at = now?.() ?? (await store.earlierClock());
    const last = anchor.lastPurgedAt();
    // Even if the clock has been put back since.
    if (Math.abs(at - last) < DAY_MS) return;
    // As of the last time: both clocks may be ahead, and removals are permanent.
    const asOf = last === 0 ? at : Math.min(at, last);
    const lock = { lockWaitMs: RETRIED_LOCK_WAIT_MS, now: () => asOf };
    const expiring = expireHeldFiles(store, anchor, {
      keptMs: heldMs,
      ...lock,
      onDiscarded: ({ authority, number, untraced }) =>
        log.warn(
          untraced === undefined
            ? 'A held file was discarded, because nobody decided in time.'
            : 'What waited to be traced was discarded, because it could not be traced in time.',
          { authority, sequence: number },
        ),
    });
    // One that cannot be discarded does not prevent the purge.
    const fault = await expiring.then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    await purge(store, anchor, {
      by: 'service',
      ...lock,
      onPurged: (authority, count) =>
        log.info('Rows that can never be shown again were removed.', { authority, count }),
    });
    if (fault !== undefined) throw fault.error;
    anchor.rememberPurgedAt(at);
  }

  function look(): Promise<void> {
    looking ??= work()
      .catch((error: unknown) => {
        log.warn('The daily purge failed. It is tried again.', errorFields(error));
      })
      .finally(() => {
        looking = undefined;
      });
    return looking;
  }

  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  return {
    look,
    async stop() {
      clearInterval(timer);
      await looking;
    },
  };
}
