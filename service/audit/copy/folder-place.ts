import { link, mkdir, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { COPY } from '#schemas/wording/copy.ts';
import { syncFolder, writeBeside, writeWhole } from '#store/files/whole-file.ts';
import { errorCode } from '../../telemetry/log.ts';
import { CopyAway, type Place } from './place.ts';

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;
const FILE_MODE = 0o600;

/**
 * An existing folder on another file system. It is not created: an absent mount would otherwise be taken for
 * an empty copy on this disk.
 *
 * One call is made at a time, and none while an earlier one is late. Nothing ends a file call on a lost
 * mount, and each occupies one of the four threads that the whole process has for files, addresses and keys.
 *
 * @param deadlineMs of one call, including its wait for the previous one
 */
export function folderPlace(folder: string, deadlineMs: number): Place {
  /** Objects are written here first: no folder that pruning empties keeps what a killed process left. */
  const beside = join(folder, 'object');
  const mute = (): CopyAway => new CopyAway(COPY.away(folder, `no answer within ${deadlineMs} ms`));
  let before: Promise<unknown> = Promise.resolve();
  /** Calls that have passed their deadline and not ended. */
  let late = 0;

  async function within<T>(work: () => Promise<T>): Promise<T> {
    if (late > 0) throw mute();
    let inTime = true;
    const call = before.then(() => {
      if (!inTime) throw mute();
      return work();
    });
    before = call.catch(() => undefined);
    const answered = new AbortController();
    try {
      return await Promise.race([
        call,
        delay(deadlineMs, undefined, { signal: answered.signal }).then(() => {
          inTime = false;
          late++;
          void before.then(() => late--);
          throw mute();
        }),
      ]);
    } catch (error) {
      if (error instanceof CopyAway) throw error;
      throw new CopyAway(COPY.away(folder, errorCode(error)));
    } finally {
      answered.abort();
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
        const temporary = await writeBeside(beside, content, FILE_MODE);
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
        await writeWhole(path, content, FILE_MODE, beside);
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
    remove: (name) =>
      within(async () => {
        await rm(join(folder, name), { force: true });
        // Empty folders are removed as well.
        for (let path = dirname(name); path !== '.'; path = dirname(path)) {
          try {
            await rmdir(join(folder, path));
          } catch {
            return;
          }
        }
      }),
    keeping: async () => ({ kind: 'kept' }),
    isOnDiskOf: (other) =>
      within(async () => {
        const there = await stat(folder).catch(() => undefined);
        const here = await stat(other).catch(() => undefined);
        return there !== undefined && there.dev === here?.dev;
      }),
  };
}
