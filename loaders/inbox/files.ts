import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Acknowledgement, acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { type FileLock, lockFile } from '#store/files/sqlite.ts';

/** Files of the inbox that belong together: the data, and what describes it. */
export type Found = {
  /** What the sender called the data file. */
  name: string;
  /** File names in the inbox folder, the data last. */
  files: string[];
  kind: 'pair' | 'plain';
  control?: string;
};

/** Files that were taken in: a folder of their own, which is moved as one. */
export type Unit = {
  /** Name of the folder: when it was taken, and random letters. */
  id: string;
  name: string;
  kind: Found['kind'];
  /** Within the folder. */
  data: string;
  control?: string;
};

const heldSchema = z.object({
  name: z.string(),
  kind: z.enum(['pair', 'plain']),
  data: z.string(),
  control: z.string().optional(),
  /** The provisional one. */
  acknowledgement: acknowledgementSchema,
});
export type HeldUnit = { unit: Unit; acknowledgement: Acknowledgement };

const HELD_FILE = 'held.json';

/** Another process watches the inbox. The message is the sentence for the user. */
export class InboxInUse extends Error {
  override name = 'InboxInUse';
}

const PLAIN = /\.(?:xml|csv|gz)$/i;
const CONTROL = /\.ctl$/i;
const DATA = /\.dat$/i;
/** What transfer programs call a file that is still on its way, and what is nobody's upload. */
const PASSED_OVER = /^\.|~$|\.(?:tmp|part|partial|filepart|crdownload)$/i;

export type Seen = { name: string; size: number; mtimeMs: number; inode: number };

/** What lies in the inbox, put together. */
export type Listing = {
  found: Found[];
  /** Half a pair, a description of nothing, or no kind of file that an inbox takes. */
  alone: { name: string; kind: 'data' | 'control' | 'other' }[];
  seen: Map<string, Seen>;
};

/** The folders of an inbox. All lie in it, so that a file is moved by a rename and by nothing less. */
export class InboxFiles {
  readonly #dir: string;
  readonly #lock: FileLock;

  private constructor(dir: string, lock: FileLock) {
    this.#dir = dir;
    this.#lock = lock;
  }

  /**
   * Opens the inbox, makes its folders where they are absent, and keeps other watchers out until
   * {@link close} or the end of the process.
   *
   * @throws {InboxInUse}
   */
  static async open(dir: string): Promise<InboxFiles> {
    for (const place of ['processing', 'held', 'done', 'failed']) {
      await mkdir(join(dir, place), { recursive: true, mode: 0o700 });
    }
    const lock = lockFile(join(dir, 'processing', 'inbox.lock'));
    if (lock === undefined) {
      throw new InboxInUse(`Another process watches ${dir}. Stop it, or watch another folder.`);
    }
    return new InboxFiles(dir, lock);
  }

  close(): void {
    this.#lock.close();
  }

  path(place: 'processing' | 'done' | 'failed' | 'held', id: string, file = ''): string {
    return join(this.#dir, place, id, file);
  }

  inboxPath(name: string): string {
    return join(this.#dir, name);
  }

  /** Only regular files are looked at: no links, pipes or folders. */
  async list(): Promise<Listing> {
    const names = (await readdir(this.#dir)).filter((name) => !PASSED_OVER.test(name)).toSorted();
    const seen = new Map<string, Seen>();
    for (const name of names) {
      const stats = await lstatOrNothing(join(this.#dir, name));
      if (stats?.isFile()) {
        seen.set(name, { name, size: stats.size, mtimeMs: stats.mtimeMs, inode: stats.ino });
      }
    }
    return { ...together([...seen.keys()]), seen };
  }

  /**
   * Takes files in. What describes the data goes first, so that a folder with its data in it is whole
   * wherever the process may have ended.
   */
  async take({ name, files, kind, control }: Found): Promise<Unit> {
    const id = `${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}-${letters()}`;
    await mkdir(this.path('processing', id), { mode: 0o700 });
    for (const file of files) {
      await rename(this.inboxPath(file), this.path('processing', id, file));
    }
    return { id, name, kind, data: name, ...(control !== undefined && { control }) };
  }

  /** What an earlier process had taken in: units that are whole; of others every file is put back. */
  async recover(): Promise<Unit[]> {
    const units: Unit[] = [];
    for (const entry of await readdir(join(this.#dir, 'processing'), { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const id = entry.name;
      const files = (await readdir(this.path('processing', id))).filter(
        (name) => !PASSED_OVER.test(name),
      );
      const [found] = together(files.toSorted()).found;
      if (found !== undefined) {
        const { name, kind, control } = found;
        units.push({ id, name, kind, data: name, ...(control !== undefined && { control }) });
      } else {
        await this.#putBack(id, files);
      }
    }
    return units.toSorted((one, other) => one.id.localeCompare(other.id));
  }

  async #putBack(id: string, files: readonly string[]): Promise<void> {
    for (const file of files) {
      // A newer file of that name is not written over: this one waits where it is for the next start.
      if ((await lstatOrNothing(this.inboxPath(file))) !== undefined) return;
      await rename(this.path('processing', id, file), this.inboxPath(file));
    }
    await rm(this.path('processing', id), { recursive: true });
  }

  /** Puts a unit where a person has to look at it, with a file that says why. */
  async fail(unit: Unit, why: string): Promise<void> {
    await writeFile(this.path('processing', unit.id, 'why.txt'), `${why}\n`, { mode: 0o600 });
    await rename(this.path('processing', unit.id), this.path('failed', unit.id));
  }

  /**
   * Puts aside a unit that waits for somebody's decision. What was held lies in the store's own spool, so
   * that the source has done its work.
   */
  async hold(unit: Unit, acknowledgement: Acknowledgement, keepMs: number): Promise<void> {
    const { id, ...rest } = unit;
    const text = JSON.stringify({ ...rest, acknowledgement });
    await writeFile(this.path('processing', id, HELD_FILE), text, { mode: 0o600, flush: true });
    await rename(this.path('processing', id), this.path('held', id));
    if (keepMs === 0) await rm(this.path('held', id, unit.data), { force: true });
  }

  /** The units that wait; what cannot be read is passed over, and stays. */
  async held(): Promise<HeldUnit[]> {
    const units: HeldUnit[] = [];
    for (const id of (await readdir(join(this.#dir, 'held'))).toSorted()) {
      try {
        const text = await readFile(this.path('held', id, HELD_FILE), 'utf8');
        const { acknowledgement, control, ...rest } = heldSchema.parse(JSON.parse(text));
        const unit = { id, ...rest, ...(control !== undefined && { control }) };
        units.push({ unit, acknowledgement });
      } catch {
        // Not put there by an inbox, or damaged: a person's to look at.
      }
    }
    return units;
  }

  /** Ends a unit that was answered. Moved first: a folder half removed must not look like one to do. */
  async finish(
    unit: Unit,
    keepMs: number,
    from: 'processing' | 'held' = 'processing',
  ): Promise<void> {
    await rename(this.path(from, unit.id), this.path('done', unit.id));
    if (keepMs === 0) await rm(this.path('done', unit.id), { recursive: true, force: true });
  }

  /** Removes what was kept for long enough. */
  async sweep(keepMs: number, now: number): Promise<void> {
    for (const id of await readdir(join(this.#dir, 'done'))) {
      const takenAt = Date.parse(`${id.slice(0, 10)}T${id.slice(11, 19).replaceAll('-', ':')}Z`);
      // What cannot be dated was not put there by an inbox.
      if (now - takenAt >= keepMs) {
        await rm(this.path('done', id), { recursive: true, force: true });
      }
    }
  }
}

/** Which of these names belong together. */
function together(names: readonly string[]): Pick<Listing, 'found' | 'alone'> {
  const left = new Set(names);
  const found: Found[] = [];
  const alone: Listing['alone'] = [];
  const sidecarsOf = (name: string): string[] => {
    const stem = name.replace(/\.[^.]*$/, '');
    return [`${name}.json`, `${stem}.json`].filter((sidecar) => left.has(sidecar));
  };
  for (const name of names) {
    if (!DATA.test(name)) continue;
    const base = name.slice(0, -4);
    const control = names.find((other) => CONTROL.test(other) && other.slice(0, -4) === base);
    if (control === undefined) continue;
    const files = [...sidecarsOf(name), control, name];
    found.push({ name, kind: 'pair', control, files });
    for (const file of files) left.delete(file);
  }
  for (const name of names) {
    if (!PLAIN.test(name) || !left.has(name)) continue;
    const files = [...sidecarsOf(name), name];
    found.push({ name, kind: 'plain', files });
    for (const file of files) left.delete(file);
  }
  for (const name of left) {
    alone.push({ name, kind: DATA.test(name) ? 'data' : CONTROL.test(name) ? 'control' : 'other' });
  }
  return { found, alone };
}

async function lstatOrNothing(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Letters only: no digits that could be taken for a number. */
const letters = (): string =>
  [...randomBytes(8)].map((byte) => String.fromCharCode(97 + (byte % 26))).join('');

/** Writes a file whole or not at all: on disk, under its name, when this resolves. */
export async function writeWhole(path: string, content: string): Promise<void> {
  const temporary = `${path}.${letters()}.tmp`;
  try {
    // Readable by the group: a MESH client collects it under a user of its own.
    await writeFile(temporary, content, { mode: 0o640, flag: 'wx', flush: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const folder = await open(join(path, '..'));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
