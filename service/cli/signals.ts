import { STOP_SIGNALS, whenNpmEnds } from './parent.mjs';

/** One Ctrl-C arrives twice if npm started the command: from the terminal, and passed on by npm. */
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
 * Ends the process at once, by replacing it with a program that only exits.
 *
 * `process.exit` waits for threads, and so for a file call that never ends, such as one on a lost mount: only
 * SIGKILL could end such a process, and its exit code would be lost.
 */
export function exitNow(exitCode: number): never {
  // A shell is gone before another signal can arrive, which it would not handle.
  process.execve?.('/bin/sh', ['sh', '-c', `exit ${exitCode}`], {});
  // If there is no such thing, as on Windows.
  process.exit(exitCode);
}

/**
 * Output that finds no room on a disk, or no reader, ends nothing: the service still answers, and a load
 * continues. The exit code shows that it was lost, since it may have been the requested result.
 */
export function noteLostOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (!process.exitCode) process.exitCode = 1;
    console.error(`cp-flags: the output of this command could not be written (${code}).`);
  });
}
