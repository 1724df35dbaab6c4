import { setTimeout as delay } from 'node:timers/promises';
import { isBusy } from '#store/files/sqlite.ts';
import { CommitFile } from './commit.ts';

/** SQLite blocks the process while it waits, and this process may answer lookups. */
const BUSY_TIMEOUT_MS = 20;
const TRIED_EVERY_MS = 50;
const TRIED_FOR_MS = 5_000;

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
  const giveUpAt = performance.now() + TRIED_FOR_MS;
  for (;;) {
    let commits: CommitFile | undefined;
    try {
      commits = CommitFile.open(folder, { timeoutMs: BUSY_TIMEOUT_MS });
      return await work(commits, once);
    } catch (error) {
      if (isOnce || !isBusy(error) || performance.now() > giveUpAt) throw error;
    } finally {
      commits?.close();
    }
    await delay(TRIED_EVERY_MS);
  }
}
