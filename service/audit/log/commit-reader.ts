import { statSync } from 'node:fs';
import { CommitFile } from './commit.ts';

/** Reads the commit file of a folder repeatedly. As long as it is the same file, it is opened only once. */
export type CommitReader = {
  /** `undefined` while the folder has no log. */
  read<T>(look: (commits: CommitFile) => T): T | undefined;
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

  return {
    read(look) {
      const file = fileIn(folder);
      if (opened?.file !== file) close();
      if (file === undefined) return undefined;
      try {
        opened ??= { commits: CommitFile.openToRead(folder), file };
        return look(opened.commits);
      } catch {
        // A handle that has failed once is not tried again.
        close();
        return CommitFile.lookIfThere(folder, look);
      }
    },
    close,
  };
}
