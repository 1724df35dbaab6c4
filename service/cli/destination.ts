import { InTheWay, requireFileOrNothing } from '#store/files/whole-file.ts';
import { misused } from './failure.ts';

/**
 * Refuses a destination that is not a file, before any work is done: a device or a link would be replaced.
 *
 * @throws {Failure}
 */
export async function requireDestination(option: string, path: string): Promise<void> {
  try {
    await requireFileOrNothing(path);
  } catch (error) {
    if (!(error instanceof InTheWay)) throw error;
    throw misused(
      `${option}: ${error.message} For standard output leave ${option} out, and use the shell’s > or |.`,
    );
  }
}
