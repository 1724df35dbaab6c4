import { link, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { COPY } from '#schemas/wording/copy.ts';
import { syncFolder, writeBeside, writeWhole } from '#store/files/whole-file.ts';
import { errorCode } from '../../telemetry/log.ts';
import { CopyAway, type Place } from './place.ts';

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;
const FILE_MODE = 0o600;

/**
 * A folder that is there already, on another file system. It is not made: a mount that is absent would otherwise
 * be taken for an empty copy on this disk.
 *
 * @param deadlineMs of one call
 */
export function folderPlace(folder: string, deadlineMs: number): Place {
  async function within<T>(work: () => Promise<T>): Promise<T> {
    const late = new AbortController();
    try {
      return await Promise.race([
        work(),
        delay(deadlineMs, undefined, { signal: late.signal }).then(() => {
          throw new CopyAway(COPY.away(folder, `no answer within ${deadlineMs} ms`));
        }),
      ]);
    } catch (error) {
      if (error instanceof CopyAway) throw error;
      throw new CopyAway(COPY.away(folder, errorCode(error)));
    } finally {
      late.abort();
    }
  }

  async function requireFolder(): Promise<void> {
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory() !== true) throw new CopyAway(COPY.notThere(folder));
  }

  /** Makes the folder of an object, with its parents on disk. */
  async function makeFolder(path: string): Promise<void> {
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let made = path; made.length >= first.length; made = dirname(made)) {
      await syncFolder(dirname(made));
    }
  }

  return {
    name: folder,
    create: (name, content) =>
      within(async () => {
        await requireFolder();
        const path = join(folder, name);
        await makeFolder(dirname(path));
        const temporary = await writeBeside(path, content, FILE_MODE);
        try {
          // A link, unlike a rename, never replaces what is there.
          await link(temporary, path);
          return true;
        } catch (error) {
          if (codeOf(error) !== 'EEXIST') throw error;
          return false;
        } finally {
          await rm(temporary, { force: true });
          await syncFolder(dirname(path));
        }
      }),
    replace: (name, content) =>
      within(async () => {
        await requireFolder();
        const path = join(folder, name);
        await makeFolder(dirname(path));
        await writeWhole(path, content, FILE_MODE);
      }),
    read: (name) =>
      within(async () => {
        try {
          return await readFile(join(folder, name));
        } catch (error) {
          if (codeOf(error) !== 'ENOENT') throw error;
          await requireFolder();
          return undefined;
        }
      }),
    list: (below) =>
      within(async () => {
        try {
          return (await readdir(join(folder, below))).filter((name) => !name.startsWith('.'));
        } catch (error) {
          if (codeOf(error) !== 'ENOENT') throw error;
          await requireFolder();
          return [];
        }
      }),
    unsafe: async () => undefined,
  };
}
