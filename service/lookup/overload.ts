import type { LookupStore } from '#store/lookup.ts';
import type { SampledLog } from '../telemetry/sampled-log.ts';

/** Whether to refuse a request because more are under way than a process can handle. */
export type IsOverloaded = () => boolean;

/** From a request's arrival in one turn of the event loop to the end of the next turn: beyond it, there is a queue. */
const LATE_MS = 100;
/** Weight of the newest turn in the mean. */
const NEWEST = 0.25;
/** So that no single turn makes a process late, however long, and five short ones end it. */
const COUNTED_AT_MOST_MS = LATE_MS / NEWEST;
const FORGOTTEN_AFTER_MS = 1_000;
/** The share of `atOnce` that a process takes on while its turns are late. */
const SHARE_WHEN_LATE = 0.125;

/**
 * Called before anything else in a request is read, since a refusal must cost next to nothing: its token is
 * not verified, so it leaves no event and is counted like a stranger's. Nothing was checked and nothing
 * shown; its sender is told so, and when to try again.
 *
 * What counts is the requests in the store, and those that have arrived in this turn of the event loop and
 * are on their way there. One that waits for the rest of its body, or for a key to verify its token, takes
 * nobody's place.
 *
 * Besides their number, the length of a turn of the event loop counts: a slow machine's queue is in its
 * sockets, where nothing else shows it, and a refusal that waits there comes too late.
 *
 * @param atOnce lookups under way beyond which the next one is refused
 * @param clock milliseconds; given in tests
 */
export function createOverload(
  store: Pick<LookupStore, 'underWay'>,
  atOnce: number,
  sampled: Pick<SampledLog, 'log'>,
  clock: () => number = () => performance.now(),
): IsOverloaded {
  const atOnceWhenLate = Math.ceil(atOnce * SHARE_WHEN_LATE);
  let arrived = 0;
  let measuring = false;
  let turnMs = 0;
  let measuredAt = 0;

  function measureTurn(): void {
    measuring = true;
    const beganAt = clock();
    if (beganAt - measuredAt > FORGOTTEN_AFTER_MS) turnMs = 0;
    // Runs before the bodies of its turn are read: what arrived is in the store when the turn ends.
    setImmediate(() => {
      arrived = 0;
      setImmediate(() => {
        arrived = 0;
        measuring = false;
        measuredAt = clock();
        turnMs += NEWEST * (Math.min(measuredAt - beganAt, COUNTED_AT_MOST_MS) - turnMs);
      });
    });
  }

  return () => {
    if (!measuring) measureTurn();
    const late = turnMs > LATE_MS;
    if (store.underWay() + arrived < (late ? atOnceWhenLate : atOnce)) {
      arrived++;
      return false;
    }
    sampled.log(
      late ? 'late' : 'busy',
      'warn',
      late
        ? 'This process is too slow for the lookups it is sent. Some are refused.'
        : 'There are more lookups at once than LOOKUPS_AT_ONCE. Some are refused.',
      {},
    );
    return true;
  };
}
