export type Tries = {
  /** Takes one; false if none is left now. */
  take: () => boolean;
  /** Gives one back that turned out to be in good faith. */
  giveBack: () => void;
};

/**
 * How often something may be tried that strangers can begin: `atMost` at once, and as many again as `perSecond`
 * lets grow.
 */
export function createTries({
  atMost,
  perSecond,
  now = () => performance.now(),
}: {
  atMost: number;
  perSecond: number;
  /** Milliseconds. */
  now?: () => number;
}): Tries {
  let left = atMost;
  let at = now();
  return {
    take() {
      const elapsedMs = now() - at;
      left = Math.min(atMost, left + (elapsedMs / 1_000) * perSecond);
      at += elapsedMs;
      if (left < 1) return false;
      left -= 1;
      return true;
    },
    giveBack() {
      left = Math.min(atMost, left + 1);
    },
  };
}
