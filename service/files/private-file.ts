import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

async function writeBeside(path: string, content: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeFile(temporary, content, { mode: 0o600, flag: 'wx', flush: true });
  return temporary;
}

/** Writes a file only its owner can read, whole or not at all. */
export async function writePrivate(path: string, content: string): Promise<void> {
  await rename(await writeBeside(path, content), path);
}

/**
 * The content of a private file, made at the first call. Of several processes that make it at the same
 * time one wins and all read the same.
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
  const temporary = await writeBeside(path, await make());
  try {
    // A link, unlike a rename, refuses to replace what another process has made meanwhile.
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  return readFile(path, 'utf8');
}
