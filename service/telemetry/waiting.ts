/**
 * How long the oldest waiting item has waited, milliseconds: by its time, or for as long as it was seen to
 * wait, whichever is longer. Its time by itself would be useless if a clock was ahead when it was set, and
 * then put back.
 */
export function createWaiting(clock = Date.now) {
  let seen: { at: number; since: number } | undefined;
  return (at: number | undefined): number => {
    if (at === undefined) {
      seen = undefined;
      return 0;
    }
    if (seen?.at !== at) seen = { at, since: performance.now() };
    return Math.max(clock() - at, performance.now() - seen.since);
  };
}
