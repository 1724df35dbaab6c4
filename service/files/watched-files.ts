import { stat } from 'node:fs/promises';
import { ADMISSION } from '#schemas/wording/operations.ts';

export type WatchedFiles<T> = {
  /** What was last read and found good. */
  readonly value: T;
  /** Counts the values, so that anything derived from one can tell that it is old. */
  readonly version: number;
  /** Why the present contents of the files are not in use, if so: a sentence. */
  readonly problem: string | undefined;
  /** From now on calls this with each new value. */
  onChange: (listener: (value: T) => void) => void;
  stop: () => void;
};

type WatchOptions = {
  everyMs: number;
  /** Called once for each bad state of the files. */
  onProblem?: (sentence: string) => void;
};

/** Changes whenever a file does, and when another replaces it. */
async function signature(paths: readonly string[]): Promise<string> {
  const each = paths.map(async (path) => {
    try {
      const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    } catch {
      return 'none';
    }
  });
  return (await Promise.all(each)).join();
}

/**
 * Reads something from files and reads it again whenever one of them changes. The files are checked at intervals rather
 * than watched by the kernel, which reports nothing about a mounted secret or a network folder. A bad state of the
 * files is reported, the last good value stays, and they are read at each check until they can be used.
 *
 * @throws whatever `read` throws at the first reading; it must be a sentence for the operator
 */
export async function watchFiles<T>(
  paths: readonly string[],
  read: () => Promise<T>,
  { everyMs, onProblem }: WatchOptions,
): Promise<WatchedFiles<T>> {
  let seen = await signature(paths);
  let value = await read();
  let version = 1;
  let problem: string | undefined;
  let stopped = false;
  const listeners: ((value: T) => void)[] = [];

  async function look(): Promise<void> {
    // Taken before reading: a file that changes while it is read is read again at the next check.
    const now = await signature(paths);
    const isNew = now !== seen;
    // What could not be used before may be usable now, though no file has changed: too many files may have been open.
    if ((!isNew && problem === undefined) || stopped) return;
    seen = now;
    try {
      value = await read();
      version++;
      problem = undefined;
      for (const listener of listeners) listener(value);
    } catch (error) {
      const sentence = error instanceof Error ? error.message : ADMISSION.filesUnreadable;
      const before = problem;
      problem = ADMISSION.stillCounts(sentence);
      if (isNew || problem !== before) onProblem?.(problem);
    }
  }

  let timer = setTimeout(tick, everyMs).unref();
  function tick(): void {
    void look().finally(() => {
      if (!stopped) timer = setTimeout(tick, everyMs).unref();
    });
  }

  return {
    get value() {
      return value;
    },
    get version() {
      return version;
    },
    get problem() {
      return problem;
    },
    onChange: (listener) => void listeners.push(listener),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
