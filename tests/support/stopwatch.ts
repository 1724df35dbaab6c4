/** How often it looks, and so how much it may miss of a wait that ends between two looks. */
const TICK_MS = 10;

/**
 * Measures how long something took, in milliseconds that this process could have used. Timers keep a promise such as
 * "within two seconds", and on a busy machine the timers of a process that waits for its turn are late through no fault
 * of its own.
 *
 * Between two ticks it counts at most one tick plus the processor time used. So what the code under test waits for or
 * computes is counted in full, and what the machine withheld is not. On a quiet machine the result is the time on the
 * clock.
 *
 * @returns a function that reads the result; call it once, since it also stops the watch
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
