import { statSync } from 'node:fs';
import { isBusy, untilFree } from '#store/files/sqlite.ts';
import { CommitFile } from './commit.ts';

/** SQLite would block the process while it waits, and this process may be the one that is to write. */
const WITHOUT_WAITING = { timeoutMs: 0 };

/** Reads the commit file of a folder repeatedly. As long as it is the same file, it is opened only once. */
export type CommitReader = {
  /** `undefined` while the folder has no log. While somebody writes it waits, up to 5 seconds, and blocks nothing. */
  read<T>(look: (commits: CommitFile) => T): Promise<T | undefined>;
  close(): void;
};

/** Which file is there; `undefined` if there is none, or if this cannot be found out. */
function fileIn(folder: string): string | undefined {
  try {
    const { dev, ino } = statSync(CommitFile.pathIn(folder), { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}

export function createCommitReader(folder: string): CommitReader {
  let opened: { commits: CommitFile; file: string } | undefined;

  function close(): void {
    opened?.commits.close();
    opened = undefined;
  }

  function readNow<T>(look: (commits: CommitFile) => T): T | undefined {
    const file = fileIn(folder);
    if (opened?.file !== file) close();
    if (file === undefined) return undefined;
    try {
      opened ??= { commits: CommitFile.openToRead(folder, WITHOUT_WAITING), file };
      return look(opened.commits);
    } catch (error) {
      if (isBusy(error)) throw error;
      // A handle that has failed once is not tried again.
      close();
      return CommitFile.lookIfThere(folder, look, WITHOUT_WAITING);
    }
  }

  return { read: (look) => untilFree(() => readNow(look)), close };
}
