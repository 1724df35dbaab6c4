import type { Stats } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { z } from 'zod';
import { type Acknowledgement, acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { uploadEndings } from '#schemas/uploads/formats.ts';
import { INBOX } from '#schemas/wording/inbox.ts';
import { type FileLock, lockFile } from '#store/files/sqlite.ts';
import {
  kindOf,
  lstatOrNothing,
  makeFolderIn,
  randomLetters,
  syncFolder,
  writeWhole,
} from '#store/files/whole-file.ts';

/** Files of the inbox that belong together: the data, and its description. */
export type Found = {
  /** What the sender called the data file. */
  name: string;
  /** File names in the inbox folder, the data last. */
  files: string[];
  kind: 'pair' | 'plain';
  control?: string;
};

/** Files taken in: a folder of their own, which is moved as one. */
export type Unit = {
  /** Name of the folder: when it was taken, and random letters. */
  id: string;
  name: string;
  kind: Found['kind'];
  /** Within the folder. */
  data: string;
  control?: string;
};

/** When a unit was taken in, to the second, milliseconds since 1970. */
export function takenAt({ id }: Unit): number {
  const [date = '', time = ''] = id.split('T');
  return Date.parse(`${date}T${time.slice(0, 8).replaceAll('-', ':')}Z`);
}

const heldSchema = z.object({
  name: z.string(),
  kind: z.enum(['pair', 'plain']),
  data: z.string(),
  control: z.string().optional(),
  /** The provisional one. */
  acknowledgement: acknowledgementSchema,
});
type HeldUnit = { unit: Unit; acknowledgement: Acknowledgement };

const HELD_FILE = 'held.json';

/** Another process watches the inbox. The message is the sentence for the user. */
export class InboxInUse extends Error {
  override name = 'InboxInUse';
}

const PLAIN = new RegExp(`\\.(?:${uploadEndings}|gz)$`, 'i');
const CONTROL = /\.ctl$/i;
const DATA = /\.dat$/i;
/** Names that transfer programs give to unfinished files, and names that no upload has. */
const UNFINISHED = /~$|\.(?:tmp|part|partial|filepart|crdownload)$/i;
const PASSED_OVER = new RegExp(`^\\.|${UNFINISHED.source}`, 'i');

/** What may describe a file: how many rows it has, and whether those are all. */
const sidecarNames = (name: string): string[] => [
  `${name}.json`,
  `${name.replace(/\.[^.]*$/, '')}.json`,
];

export type Seen = {
  name: string;
  size: number;
  mtimeMs: number;
  inode: number;
  /** For data: what was there with it. While its description is renamed, a listing may have neither of the names. */
  together?: string;
};

/** What is in the inbox, put together. */
export type Listing = {
  found: Found[];
  alone: Alone[];
  seen: Map<string, Seen>;
};

/** What is not taken: half a pair, or nothing that an inbox accepts. */
export type Alone =
  | { kind: 'data' | 'control' | 'other' | 'passed-over' | 'described'; name: string }
  /** No file, or an unreadable one; in words. */
  | { kind: 'no-file'; name: string; is: string }
  /** Its name is not UTF-8. `name` is a unique key; people see `shown`. */
  | { kind: 'no-name'; name: string; shown: string };

/** The inbox's own folders. */
const PLACES = ['processing', 'held', 'done', 'failed'] as const;
type InboxPlace = (typeof PLACES)[number];

/** What cannot be worked on in a folder of the inbox, by that folder's name. */
export type Stuck = { place: string; hint: string };

/** The folders of an inbox. All are inside it, so that a file is only ever moved by a rename. */
export class InboxFiles {
  readonly #dir: string;
  readonly #lock: FileLock;
  readonly #own: ReadonlySet<string>;

  private constructor(dir: string, outbox: string, lock: FileLock) {
    this.#dir = dir;
    this.#lock = lock;
    const [answers = ''] = outbox.startsWith(`${resolve(dir)}${sep}`)
      ? outbox.slice(resolve(dir).length + 1).split(sep)
      : [];
    this.#own = new Set([...PLACES, answers]);
  }

  /**
   * Opens the inbox, makes its missing folders, and keeps other watchers out until {@link close} or the end
   * of the process.
   *
   * @param outbox where answers go, which may be in the inbox
   * @throws {InboxInUse}
   * @throws {InTheWay} if one of the folders is something else, a link for instance
   */
  static async open(dir: string, outbox: string): Promise<InboxFiles> {
    for (const place of PLACES) await makeFolderIn(dir, place, 0o700);
    await syncFolder(dir);
    const lock = lockFile(join(dir, 'processing', 'inbox.lock'));
    if (lock === undefined) {
      throw new InboxInUse(INBOX.inUse(dir));
    }
    return new InboxFiles(dir, resolve(outbox), lock);
  }

  close(): void {
    this.#lock.close();
  }

  path(place: InboxPlace, id: string, file = ''): string {
    return join(this.#dir, place, id, file);
  }

  inboxPath(name: string): string {
    return join(this.#dir, name);
  }

  /** Regular files are taken; everything else is named, so that nothing there goes unseen. */
  async list(): Promise<Listing> {
    const seen = new Map<string, Seen>();
    const files: string[] = [];
    const alone: Alone[] = [];
    for (const bytes of (await readdir(this.#dir, { encoding: 'buffer' })).toSorted(
      Buffer.compare,
    )) {
      const text = bytes.toString();
      const named = Buffer.from(text).equals(bytes);
      // No file has this name: it cannot contain a zero byte.
      const name = named ? text : `\0${bytes.toString('latin1')}`;
      const path = Buffer.concat([Buffer.from(`${this.#dir}${sep}`), bytes]);
      const stats = await lstatOrNothing(path).catch((error: unknown) => error as Error);
      if (stats === undefined || this.#own.has(name)) continue;
      seen.set(name, seenOf(name, stats));
      if (!named) alone.push({ kind: 'no-name', name, shown: percentEncoded(bytes) });
      else if (stats instanceof Error) {
        alone.push({ kind: 'no-file', name, is: INBOX.notLookedAt });
      } else if (!stats.isFile()) alone.push({ kind: 'no-file', name, is: kindOf(stats) });
      else if (PASSED_OVER.test(name)) alone.push({ kind: 'passed-over', name });
      else files.push(name);
    }
    const together = putTogether(files);
    // Without its description a file that was cut short would be taken for whole.
    const coming = new Set(
      alone
        .filter(({ kind }) => kind !== 'no-name')
        .map(({ name }) => name.replace(UNFINISHED, '')),
    );
    const isDescribed = ({ name }: Found): boolean =>
      sidecarNames(name).some((sidecar) => coming.has(sidecar));
    const found: Found[] = [];
    for (const each of together.found) {
      const { name } = each;
      const isComing = isDescribed(each);
      if (isComing) alone.push({ kind: 'described', name });
      else found.push(each);
      const now = seen.get(name);
      if (now !== undefined) now.together = isComing ? '' : each.files.join('/');
    }
    return { found, alone: [...together.alone, ...alone], seen };
  }

  /**
   * Takes files in. The description goes before the data, so that a folder with its data is whole wherever
   * the process ended. If one cannot be moved, those before it are put back: what belongs together stays together.
   */
  async take({ name, files, kind, control }: Found): Promise<Unit> {
    const id = `${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}-${randomLetters()}`;
    await mkdir(this.path('processing', id), { mode: 0o700 });
    const moved: string[] = [];
    try {
      for (const file of files) {
        await rename(this.inboxPath(file), this.path('processing', id, file));
        moved.push(file);
      }
    } catch (error) {
      // The next start puts back what cannot be put back now.
      await this.#putBack(id, moved).catch(() => undefined);
      throw error;
    }
    return { id, name, kind, data: name, ...(control !== undefined && { control }) };
  }

  /**
   * What an earlier process had taken in: whole units; the files of others are put back. One that can be
   * neither is named, and delays no other.
   */
  async recover(): Promise<{ units: Unit[]; stuck: Stuck[] }> {
    const units: Unit[] = [];
    const stuck: Stuck[] = [];
    for (const entry of await readdir(join(this.#dir, 'processing'), { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      try {
        const recovered = await this.#recoverUnit(entry.name);
        if (recovered !== undefined) units.push(recovered);
      } catch (error) {
        const hint = error instanceof PutBackOver ? error.message : INBOX.notPutBack;
        stuck.push({ place: `processing/${entry.name}`, hint });
      }
    }
    return { units: units.toSorted((one, other) => one.id.localeCompare(other.id)), stuck };
  }

  async #recoverUnit(id: string): Promise<Unit | undefined> {
    const files = (await readdir(this.path('processing', id))).filter(
      (name) => !PASSED_OVER.test(name),
    );
    const [found] = putTogether(files.toSorted()).found;
    if (found === undefined) {
      await this.#putBack(id, files);
      return undefined;
    }
    const { name, kind, control } = found;
    return { id, name, kind, data: name, ...(control !== undefined && { control }) };
  }

  async #putBack(id: string, files: readonly string[]): Promise<void> {
    for (const file of files) {
      // A newer file of that name is not overwritten: this one waits where it is for the next start.
      if ((await lstatOrNothing(this.inboxPath(file))) !== undefined) throw new PutBackOver();
      await rename(this.path('processing', id, file), this.inboxPath(file));
    }
    await rm(this.path('processing', id), { recursive: true });
  }

  /** Puts a unit where a person must look at it, with a file that says why. */
  async fail(unit: Unit, why: string): Promise<void> {
    await writeWhole(this.path('processing', unit.id, 'why.txt'), `${why}\n`, 0o600);
    await rename(this.path('processing', unit.id), this.path('failed', unit.id));
  }

  /**
   * Puts aside a unit that waits for a decision. The held part is in the store's own spool, so the source is
   * no longer needed.
   */
  async hold(unit: Unit, acknowledgement: Acknowledgement, keepMs: number): Promise<void> {
    const { id, ...rest } = unit;
    const text = JSON.stringify({ ...rest, acknowledgement });
    await writeWhole(this.path('processing', id, HELD_FILE), text, 0o600);
    await rename(this.path('processing', id), this.path('held', id));
    await syncFolder(join(this.#dir, 'held'));
    if (keepMs === 0) await rm(this.path('held', id, unit.data), { force: true });
  }

  /** The units that wait. Unreadable ones stay, for a person to look at. */
  async held(): Promise<{ units: HeldUnit[]; stuck: Stuck[] }> {
    const units: HeldUnit[] = [];
    const stuck: Stuck[] = [];
    for (const id of (await readdir(join(this.#dir, 'held'))).toSorted()) {
      try {
        const text = await readFile(this.path('held', id, HELD_FILE), 'utf8');
        const { acknowledgement, control, ...rest } = heldSchema.parse(JSON.parse(text));
        const unit = { id, ...rest, ...(control !== undefined && { control }) };
        units.push({ unit, acknowledgement });
      } catch {
        const hint = INBOX.noFinalAnswer(HELD_FILE);
        stuck.push({ place: `held/${id}`, hint });
      }
    }
    return { units, stuck };
  }

  /** Ends an answered unit. Moved first: a half-removed folder must not look like work to do. */
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
      // An item without a date was not put there by an inbox.
      if (now - takenAt >= keepMs) {
        // One that cannot be removed delays no other.
        await rm(this.path('done', id), { recursive: true, force: true }).catch(() => undefined);
      }
    }
  }
}

/** Which of these names belong together. */
function putTogether(names: readonly string[]): Pick<Listing, 'found' | 'alone'> {
  const left = new Set(names);
  const found: Found[] = [];
  const alone: Alone[] = [];
  const sidecarsOf = (name: string): string[] =>
    sidecarNames(name).filter((sidecar) => left.has(sidecar));
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

/** A newer file is where one is to be put back. */
class PutBackOver extends Error {
  override message = INBOX.putBackOver;
}

/** Metadata that changes with every file put into a folder is used only for files. */
function seenOf(name: string, found: Stats | Error): Seen {
  if (found instanceof Error) return { name, size: 0, mtimeMs: 0, inode: 0 };
  return found.isFile()
    ? { name, size: found.size, mtimeMs: found.mtimeMs, inode: found.ino }
    : { name, size: 0, mtimeMs: 0, inode: found.ino };
}

/** Invalid UTF-8 in percent-encoding: `caf%E9.xml`. */
const percentEncoded = (bytes: Buffer): string =>
  bytes.toString('latin1').replaceAll(/[^ -~]/g, (byte) => {
    const hex = byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
    return `%${hex}`;
  });
