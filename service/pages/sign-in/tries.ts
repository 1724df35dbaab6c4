export type Tries = {
  /** Takes one; false if none is left now. */
  take: () => boolean;
  /** Gives back a try that turned out to be in good faith. */
  giveBack: () => void;
};

/** How often strangers may try something: `atMost` at once, recovering at `perSecond`. */
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
