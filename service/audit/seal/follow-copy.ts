import { COPY } from '#schemas/wording/copy.ts';
import { auditPartitions } from '#store/keys.ts';
import type { Commits } from '../copy/commits.ts';
import { takeOver } from './agree.ts';
import { watchedKeys } from './keys.ts';
import { LogInUse, LogNotWhole, LogWriter } from './log-writer.ts';

/**
 * Takes over what the copy has. True if its beginning was pruned past the end of the log, and everything in
 * the log came from the copy just now: it is past the retention period, and the log can start again.
 */
async function isOvertaken(writer: LogWriter, commits: Commits, size: number): Promise<boolean> {
  const { size: before, minimumIndex } = writer.committed;
  await takeOver(writer, commits);
  const { size: now, numbers } = writer.committed;
  if (now >= size) return false;
  const base = await commits.base();
  const isSame = base?.log === writer.committed.id;
  if (base === undefined || !isSame || base.size <= now || before > minimumIndex) {
    throw new LogNotWhole(COPY.beginsLater(commits.place, writer.folder));
  }
  writer.prune(now, numbers);
  return true;
}

/**
 * Brings the log in a folder up to date with its copy, for a worker that stands by or takes over. A log being
 * written by another process on this machine is left to that.
 *
 * @returns how many events the log has
 * @throws {KeyFileWrong} {LogNotWhole} {CopyAway} {CopyDamaged}
 */
export async function followCopy(
  { folder, keyFile }: { folder: string; keyFile: string },
  commits: Commits,
): Promise<number> {
  const newest = await commits.newest();
  if (newest === undefined) return 0;
  const signers = watchedKeys(keyFile);
  signers();
  for (;;) {
    let writer: LogWriter;
    try {
      writer = LogWriter.open({
        folder,
        dataset: newest.dataset,
        streams: auditPartitions.length,
        signers,
        id: newest.log,
        base: await commits.base(),
      });
    } catch (error) {
      if (error instanceof LogInUse) return newest.size;
      throw error;
    }
    try {
      if (!(await isOvertaken(writer, commits, newest.size))) return writer.committed.size;
    } finally {
      writer.close();
    }
  }
}
