import { untilFree } from '#store/files/sqlite.ts';
import { CommitFile } from './commit.ts';

/** SQLite blocks the process while it waits, and this process may answer lookups. */
const BUSY_TIMEOUT_MS = 20;

/** Reads the commit file of a folder that may not have a log, and does not block the process while somebody writes. */
export const lookWhenFree = <T>(
  folder: string,
  look: (commits: CommitFile) => T,
): Promise<T | undefined> =>
  untilFree(() => CommitFile.lookIfThere(folder, look, { timeoutMs: 0 }));

/**
 * Writes to the commit file of a folder, for a process that also does other work, once nobody else is writing to it.
 *
 * @param work is done again if the file was in use, unless it has called `once`: what follows counts once
 */
export async function whenFree<T>(
  folder: string,
  work: (commits: CommitFile, once: () => void) => T | Promise<T>,
): Promise<T> {
  let isOnce = false;
  const once = (): void => {
    isOnce = true;
  };
  return untilFree(
    async () => {
      const commits = CommitFile.open(folder, { timeoutMs: BUSY_TIMEOUT_MS });
      try {
        return await work(commits, once);
      } finally {
        commits.close();
      }
    },
    () => isOnce,
  );
}
