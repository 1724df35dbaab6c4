/** How often it looks, so what it may miss of a wait that ends between two looks. */
const TICK_MS = 10;

/**
 * Measures how long something took in milliseconds that this process could have used: a promise of "within
 * two seconds" is kept by timers, and those of a process that waits for its turn on a busy machine are late
 * through no fault of its own.
 *
 * Between two ticks it counts no more than a tick and the processor time that was used, so what the code
 * under test waits for and what it computes are counted in full, and what the machine withheld is not. On a
 * quiet machine it is the time on the clock.
 *
 * @returns a function that reads it; call it once, which also ends it
 */
export function startStopwatch(): () => number {
  let countedMs = 0;
  let at = performance.now();
  let used = process.threadCpuUsage();

  function look(): void {
    const now = performance.now();
    const { user, system } = process.threadCpuUsage(used);
    countedMs += Math.min(now - at, TICK_MS + (user + system) / 1_000);
    at = now;
    used = process.threadCpuUsage();
  }

  const ticking = setInterval(look, TICK_MS).unref();
  return () => {
    clearInterval(ticking);
    look();
    return countedMs;
  };
}
