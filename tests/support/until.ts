/** How long a test waits for something that happens by itself before the test fails. */
export const WAIT_MS = 30_000;

/** A long wait checks less often, since checking takes time away from what is being waited for. */
const LOOKS_EVERY_MS = 25;

/** A process takes seconds of a processor to start, and on a busy machine has a twentieth of one. */
export const START_MS = 2 * WAIT_MS;

/**
 * Resolves once `condition` holds, checking every few milliseconds.
 * @param what for the error "timed out waiting for ..."
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
  withinMs = WAIT_MS,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (let pauseMs = 1; !(await condition()); pauseMs = Math.min(pauseMs + 1, LOOKS_EVERY_MS)) {
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** How often this process has asked again. */
let repeats = 0;

/** The first answer that is not a 503: on a busy machine a process may not hear from its worker for a while. */
export async function untilAnswered<T extends { status: number }>(
  ask: () => Promise<T>,
  what = 'an answer',
): Promise<T> {
  let answer = await ask();
  await until(async () => {
    if (answer.status === 503) {
      repeats++;
      answer = await ask();
    }
    return answer.status !== 503;
  }, what);
  return answer;
}

/**
 * What comes of a story in which nothing had to be asked again: something answered 503 may have been done, and then
 * counts twice. Each time the story is about another subject.
 */
export async function untilAskedOnce<S, T>(
  subjects: readonly S[],
  story: (subject: S) => Promise<T>,
): Promise<T> {
  for (const subject of subjects) {
    const before = repeats;
    const told = await story(subject);
    if (repeats === before) return told;
  }
  throw new Error('something had to be asked again each time');
}
