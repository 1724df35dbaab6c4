import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, type Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { IN_THE_WAY } from '#schemas/wording/store.ts';

/** Something other than a file or folder lies where one is to be written. The message is the sentence for the user. */
export class InTheWay extends Error {
  override name = 'InTheWay';
}

/** What lies at a path, in words: `a link`, `a named pipe`. */
export function kindOf(stats: Stats): string {
  if (stats.isFile()) return 'a file';
  if (stats.isDirectory()) return 'a folder';
  if (stats.isSymbolicLink()) return 'a link';
  if (stats.isFIFO()) return 'a named pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/** What lies at a path itself, never the target of a link there. */
export async function lstatOrNothing(path: string | Buffer): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/**
 * Makes sure that writing a file at a path would not destroy a link, a device or a pipe.
 *
 * @throws {InTheWay}
 */
export async function requireFileOrNothing(path: string): Promise<void> {
  const found = await lstatOrNothing(path);
  if (found === undefined || found.isFile()) return;
  throw new InTheWay(IN_THE_WAY.ofFile(path, kindOf(found)));
}

/**
 * Makes a folder within another if it is absent. The parent is made too, and may be reached by a link: that
 * is the folder asked for.
 *
 * @throws {InTheWay} if a link would lead out of the parent
 */
export async function makeFolderIn(parent: string, name: string, mode: number): Promise<string> {
  const path = join(parent, name);
  await mkdir(parent, { recursive: true, mode });
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const found = await lstat(path);
    if (!found.isDirectory()) {
      throw new InTheWay(IN_THE_WAY.ofFolder(path, kindOf(found)));
    }
  }
  return path;
}

/** For generated names: letters only, no digits that could be taken for a number. */
export const randomLetters = (): string =>
  [...randomBytes(8)].map((byte) => String.fromCharCode(97 + (byte % 26))).join('');

const TEMPORARY = /^\.cp-flags-[a-z]{8}\.tmp$/;
/** Longer than a file takes to be written. */
const LEFT_AFTER_MS = 3_600_000;
/** When this process last looked for what others had left in a folder; of some folders. */
const lookedAt = new Map<string, number>();
const FOLDERS_AT_MOST = 1_000;

/** Removes temporary files of processes that were killed while they wrote into a folder. Looks once an hour. */
async function removeLeft(folder: string): Promise<void> {
  const now = performance.now();
  if (now - (lookedAt.get(folder) ?? Number.NEGATIVE_INFINITY) < LEFT_AFTER_MS) return;
  if (lookedAt.size >= FOLDERS_AT_MOST) lookedAt.clear();
  lookedAt.set(folder, now);
  for (const name of await readdir(folder)) {
    if (!TEMPORARY.test(name)) continue;
    const path = join(folder, name);
    const found = await lstatOrNothing(path);
    const isLeft = Math.abs(Date.now() - (found?.mtimeMs ?? Date.now())) > LEFT_AFTER_MS;
    if (isLeft) await rm(path, { force: true });
  }
}

/**
 * Writes a file beside where it belongs, whole and on disk.
 *
 * @returns its path, in the same folder and hidden, for a rename or a link
 */
export async function writeBeside(
  path: string,
  content: string | Uint8Array | AsyncIterable<string>,
  mode: number,
): Promise<string> {
  // Whatever prevents that does not prevent this.
  await removeLeft(dirname(path)).catch(() => undefined);
  const temporary = join(dirname(path), `.cp-flags-${randomLetters()}.tmp`);
  try {
    await writeFile(temporary, content, { mode, flag: 'wx', flush: true });
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return temporary;
}

/**
 * Writes a file whole or not at all: on disk, under its name, when this resolves. A file that is there is
 * replaced; a link is neither replaced nor followed.
 *
 * @param beside a path in the folder where it is written first, on the same file system. By default, its own
 * @throws {InTheWay}
 */
export async function writeWhole(
  path: string,
  content: string | Uint8Array | AsyncIterable<string>,
  mode: number,
  beside = path,
): Promise<void> {
  await requireFileOrNothing(path);
  const temporary = await writeBeside(beside, content, mode);
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** When this resolves, the names in a folder are on disk: new ones and moved ones. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The same, for work that must not be interrupted: on disk when it returns. */
export function syncFolderNow(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a folder (0700) and those above it that are missing. Their names are on disk when it returns. */
export function makeFolderNow(path: string): void {
  const whole = resolve(path);
  const first = mkdirSync(whole, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = whole; made.length >= first.length; made = dirname(made)) {
    syncFolderNow(dirname(made));
  }
}
