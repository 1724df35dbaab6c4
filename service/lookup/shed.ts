import type { LookupStore } from '#store/lookup.ts';
import type { SampledLog } from '../sampled-log.ts';

/** How many requests for a lookup are dealt with at once. */
export type Shed = {
  /**
   * False where a request is to be refused because more are under way than a process can deal with; where
   * true, {@link leave} is due once it is answered.
   */
  enter(): boolean;
  leave(): void;
};

/** From a request's arrival in one turn of the event loop to the end of the next turn: beyond it, a queue. */
const LATE_MS = 100;
/** Weight of the newest turn in the mean: one long turn alone, as of a process that has just started, is no queue. */
const NEWEST = 0.25;
/** Of what a process takes on, as long as its turns are late. */
const SHARE_WHEN_LATE = 0.25;

/**
 * Asked before anything else of a request is looked at, since what is refused must cost next to nothing:
 * its token is not verified, and so it leaves no event but is counted like a stranger's. Nothing was
 * checked for it and nothing shown; its sender is told so, and when to try again.
 *
 * Beside the number of requests the time counts that the event loop takes for a turn: a slow machine's queue
 * is in its sockets, where it is seen by nothing else, and a refusal that waits there comes too late.
 *
 * @param atOnce requests under way, and lookups in the store, beyond which the next one is refused
 * @param clock milliseconds; given in tests
 */
export function createShed(
  store: Pick<LookupStore, 'busy'>,
  atOnce: number,
  sampled: SampledLog,
  clock: () => number = () => performance.now(),
): Shed {
  const atOnceWhenLate = Math.ceil(atOnce * SHARE_WHEN_LATE);
  let underWay = 0;
  let measuring = false;
  let turnMs = 0;

  function measureTurn(): void {
    measuring = true;
    const beganAt = clock();
    setImmediate(() =>
      setImmediate(() => {
        measuring = false;
        turnMs += NEWEST * (clock() - beganAt - turnMs);
      }),
    );
  }

  return {
    enter() {
      if (!measuring) measureTurn();
      if (underWay < (turnMs > LATE_MS ? atOnceWhenLate : atOnce) && !store.busy()) {
        underWay++;
        return true;
      }
      sampled.log(
        'busy',
        'warn',
        'more lookups at once than a process takes on; some are refused',
        {},
      );
      return false;
    },
    leave() {
      underWay--;
    },
  };
}
