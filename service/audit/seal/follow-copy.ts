import { COPY } from '#schemas/wording/copy.ts';
import { auditPartitions } from '#store/keys.ts';
import type { Commits } from '../copy/commits.ts';
import { takeOver } from './agree.ts';
import { watchedKeys } from './keys.ts';
import { LogInUse, LogNotWhole, LogWriter } from './log-writer.ts';

/**
 * Has the log in a folder come as far as its copy, for a worker that stands by or takes over. A log that another
 * process of this machine writes is left to it.
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
    await takeOver(writer, commits);
    if (writer.committed.size < newest.size) {
      throw new LogNotWhole(COPY.beginsLater(commits.place, folder));
    }
    return writer.committed.size;
  } finally {
    writer.close();
  }
}
