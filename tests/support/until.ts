/** How long a test waits for something that happens by itself before the test fails. */
export const WAIT_MS = 30_000;

/** A long wait checks less often, since checking takes time away from what is being waited for. */
const LOOKS_EVERY_MS = 25;

/** Resolves once `condition` holds, checking every few milliseconds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  for (let pauseMs = 1; !(await condition()); pauseMs = Math.min(pauseMs + 1, LOOKS_EVERY_MS)) {
    if (performance.now() > deadline) throw new Error(`${what} did not come about in time`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
