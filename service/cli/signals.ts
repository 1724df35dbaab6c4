import { STOP_SIGNALS, whenNpmEnds } from './parent.mjs';

/** One Ctrl-C comes twice if npm started the command: from the terminal, and handed on by npm. */
const SAME_PRESS_MS = 500;

/**
 * Calls `stop` once, at the first signal or when the npm that started this process has ended, and `force` at
 * each later signal.
 */
export function whenToldToStop(stop: () => void, force: () => void): void {
  let toldAt: number | undefined;
  const begin = (): void => {
    toldAt = performance.now();
    stop();
  };
  const told = (): void => {
    if (toldAt === undefined) begin();
    else if (performance.now() - toldAt > SAME_PRESS_MS) force();
  };
  for (const signal of STOP_SIGNALS) process.on(signal, told);
  whenNpmEnds(() => {
    if (toldAt === undefined) begin();
  });
}

/**
 * Ends the process at once, by having another program take its place that only exits.
 *
 * `process.exit` waits for threads, and so for a file call that never ends, such as one on a lost mount: only SIGKILL
 * could end a process with one, and its exit code would be lost.
 */
export function exitNow(exitCode: number): never {
  // A shell is gone before another signal can come, which it would not take.
  process.execve?.('/bin/sh', ['sh', '-c', `exit ${exitCode}`], {});
  // If there is no such thing, as on Windows.
  process.exit(exitCode);
}

/**
 * Words that find no room on a disk, or no reader any more, end nothing: the service answers on, a load continues.
 * The exit code tells that they were lost, since they may have been the result that was asked for.
 */
export function noteLostOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (!process.exitCode) process.exitCode = 1;
    console.error(`cp-flags: the output of this command could not be written (${code}).`);
  });
}
