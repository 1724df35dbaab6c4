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

/** Longer than a network folder in order takes. */
const READ_WITHIN_MS = 10_000;

type WatchOptions = {
  everyMs: number;
  /** How long a reading may take before it is reported. */
  withinMs?: number;
  /** Called once for each bad state of the files. */
  onProblem?: (sentence: string) => void;
};

/** Paths of which one is no file: reading a pipe would wait for whatever should write into it. */
class NoFile extends Error {
  override name = 'NoFile';
}

/** Changes whenever a file does, and when another replaces it; and whether all that is there are files. */
async function lookAt(paths: readonly string[]): Promise<{ signature: string; noFile?: NoFile }> {
  let noFile: NoFile | undefined;
  const each = paths.map(async (path) => {
    try {
      const found = await stat(path, { bigint: true });
      if (!found.isFile()) noFile = new NoFile(ADMISSION.noFile(path));
      return `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
    } catch {
      return 'none';
    }
  });
  const signature = (await Promise.all(each)).join();
  return { signature, ...(noFile && { noFile }) };
}

/**
 * Reads something from files and reads it again whenever one of them changes. The files are checked at intervals rather
 * than watched by the kernel, which reports nothing about a mounted secret or a network folder. A bad state of the
 * files is reported, the last good value stays, and they are read at each check until they can be used. So is a
 * reading that does not end, such as one in a network folder that has gone.
 *
 * @throws whatever `read` throws at the first reading; it must be a sentence for the operator
 */
export async function watchFiles<T>(
  paths: readonly string[],
  read: () => Promise<T>,
  { everyMs, withinMs = READ_WITHIN_MS, onProblem }: WatchOptions,
): Promise<WatchedFiles<T>> {
  let { signature: seen } = await lookAt(paths);
  let value = await read();
  let version = 1;
  let problem: string | undefined;
  let stopped = false;
  const listeners: ((value: T) => void)[] = [];

  function report(sentence: string, isNew: boolean): void {
    const before = problem;
    problem = ADMISSION.stillCounts(sentence);
    if (isNew || problem !== before) onProblem?.(problem);
  }

  async function look(): Promise<void> {
    // Taken before reading: a file that changes while it is read is read again at the next check.
    const { signature, noFile } = await lookAt(paths);
    const isNew = signature !== seen;
    // What could not be used before may be usable now, though no file has changed: too many files may have been open.
    if ((!isNew && problem === undefined) || stopped) return;
    seen = signature;
    try {
      if (noFile !== undefined) throw noFile;
      value = await read();
      version++;
      problem = undefined;
      for (const listener of listeners) listener(value);
    } catch (error) {
      report(error instanceof Error ? error.message : ADMISSION.filesUnreadable, isNew);
    }
  }

  let timer = setTimeout(tick, everyMs).unref();
  function tick(): void {
    // Each reading that hangs takes one of the few threads for files, so there is no second one meanwhile.
    const late = setTimeout(() => {
      if (!stopped) report(ADMISSION.filesSilent(paths.join(' and '), withinMs), false);
    }, withinMs).unref();
    void look().finally(() => {
      clearTimeout(late);
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
