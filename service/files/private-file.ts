import { randomBytes } from 'node:crypto';
import { link, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolderNow, syncFolder, writeBeside, writeWhole } from '#store/files/whole-file.ts';

/**
 * Writes a file that only its owner can read, whole or not at all.
 *
 * @throws {InTheWay} if something other than a file is there
 */
export async function writePrivate(
  path: string,
  content: string | AsyncIterable<string>,
): Promise<void> {
  makeFolderNow(dirname(path));
  await writeWhole(path, content, 0o600);
}

/**
 * The content of a private file, made at the first call. If several processes make it at the same time, one
 * wins and all read the same. On disk, under its name, when this resolves: a power cut must not undo a key that was used.
 */
export async function readOrMakePrivate(
  path: string,
  make: () => string | Promise<string>,
): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  makeFolderNow(dirname(path));
  const temporary = await writeBeside(path, await make(), 0o600);
  try {
    // A link, unlike a rename, refuses to replace what another process has just made.
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(dirname(path));
  return readFile(path, 'utf8');
}

/** The key in a private file, 32 bytes in hexadecimal, made at the first call. */
export const readOrMakeKey = (path: string): Promise<string> =>
  readOrMakePrivate(path, () => randomBytes(32).toString('hex'));
