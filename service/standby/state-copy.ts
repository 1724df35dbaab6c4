import { hash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { COPY } from '#schemas/wording/copy.ts';
import { lockFile } from '#store/files/sqlite.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { CopyDamaged } from '../audit/copy/commits.ts';
import { highest, numberPath } from '../audit/copy/numbered.ts';
import { CopyAway, type Place } from '../audit/copy/place.ts';
import { writePrivate } from '../files/private-file.ts';
import {
  hasPlace,
  isStateName,
  packDatabase,
  putState,
  type Restored,
  rootOf,
  type StateFile,
  type StatePlaces,
  signatureOf,
  unchangingFiles,
  unpackDatabase,
} from './worker-state.ts';

const STATE = 'state';
const FILES = 'files';
/** Objects that are written in turn, so that a request which arrives late hides none that is newer. */
const SLOTS = 16;
const slotOf = (version: number): string => `-${version % SLOTS}`;
const WAITS_FOR_LOCK_MS = 30_000;
const LOOKS_FOR_LOCK_EVERY_MS = 20;
const TRIES = 5;
const MIB = 1_048_576;
/** A large file of SQLite is copied less often: it can be made again from the log, or is asked for again. */
const DATABASE_EVERY_MS_A_MIB = 30_000;

const partSchema = z.object({ name: z.string(), object: z.string(), sha256: z.string() });
const manifestSchema = z.object({
  version: z.int(),
  at: z.iso.datetime(),
  /** Files of SQLite, packed, in objects that are written again later. */
  databases: z.array(partSchema),
  /** Files that do not change, in objects named by their digest. */
  files: z.array(z.object({ name: z.string(), sha256: z.string() })),
});
type Manifest = z.infer<typeof manifestSchema>;

/** What was copied last from this data folder, and the last version that was begun. */
const memorySchema = z.object({
  epoch: z.int(),
  version: z.int(),
  signatures: z.record(z.string(), z.string()),
  copiedAt: z.record(z.string(), z.number()),
  databases: z.array(partSchema),
  files: z.record(z.string(), z.string()),
});
type Memory = z.infer<typeof memorySchema>;

const digestOf = (content: Uint8Array): string => hash('sha256', content);

/**
 * The version after the last that was begun, complete or not, which does not write to an object that the newest
 * manifest names: a worker that dies before the next manifest is there leaves that one whole.
 */
function nextVersion({ version, databases }: Pick<Memory, 'version' | 'databases'>): number {
  const next = version + 1;
  const isNeeded = databases.some(({ object }) => object.endsWith(slotOf(next)));
  return isNeeded ? nextVersion({ version: next, databases }) : next;
}

/** A file went while it was to be read: the state is read once more. */
class Gone extends Error {}

const folderOf = (epoch: number): string => `${STATE}/${numberPath(epoch)}`;

function readMemory(path: string, epoch: number): Memory {
  const empty = { epoch, version: 0, signatures: {}, copiedAt: {}, databases: [], files: {} };
  try {
    const memory = memorySchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    return memory.epoch === epoch ? memory : { ...empty, files: memory.files };
  } catch {
    return empty;
  }
}

/**
 * Keeps what a worker needs besides the log in the second copy: anchor, journals of loads under way, held files,
 * notices, how far authorities are notified. Each worker has a folder of its own, by its number, so that one that was
 * replaced spoils nothing.
 *
 * @param memoryFile in the data folder; several processes share it
 */
export function createStateCopy({
  place,
  places,
  memoryFile,
  anchor,
}: {
  place: Place;
  places: StatePlaces;
  memoryFile: string;
  anchor: Pick<Anchor, 'spoolsNeeded'>;
}) {
  async function locked<T>(work: () => Promise<T>): Promise<T> {
    mkdirSync(dirname(memoryFile), { recursive: true, mode: 0o700 });
    const giveUpAt = performance.now() + WAITS_FOR_LOCK_MS;
    for (;;) {
      const lock = lockFile(`${memoryFile}.lock`);
      if (lock !== undefined) {
        try {
          return await work();
        } finally {
          lock.close();
        }
      }
      if (performance.now() > giveUpAt) throw new CopyAway(COPY.away(place.name, 'busy'));
      await delay(LOOKS_FOR_LOCK_EVERY_MS);
    }
  }

  const remember = (memory: Memory): Promise<void> =>
    writePrivate(memoryFile, JSON.stringify(memory));

  /** Copies the databases that have changed. */
  async function copyDatabases(memory: Memory, version: number, all: boolean): Promise<Memory> {
    const next = {
      ...memory,
      signatures: { ...memory.signatures },
      copiedAt: { ...memory.copiedAt },
    };
    const parts = new Map(memory.databases.map((part) => [part.name, part]));
    for (const [index, { name, path }] of places.databases.entries()) {
      const signature = signatureOf(path);
      if (signature === undefined) {
        parts.delete(name);
        continue;
      }
      if (signature === memory.signatures[name]) continue;
      // The anchor is the first, and is never late.
      const size = Number(signature.split(' ')[2]);
      // By a clock that has been put back since: long ago.
      const copiedAgoMs = Math.abs(Date.now() - (memory.copiedAt[name] ?? 0));
      const isEarly = copiedAgoMs < (size / MIB) * DATABASE_EVERY_MS_A_MIB;
      if (index > 0 && !all && size > MIB && isEarly) continue;
      const packed = packDatabase(path, join(dirname(memoryFile), `.${index}.copy`));
      const object = `${folderOf(memory.epoch)}/${index}${slotOf(version)}`;
      await remember({ ...memory, version });
      await place.replace(object, packed);
      parts.set(name, { name, object, sha256: digestOf(packed) });
      next.signatures[name] = signature;
      next.copiedAt[name] = Date.now();
    }
    return { ...next, databases: [...parts.values()] };
  }

  /** Copies the other files that are new. @throws {Gone} */
  async function copyFiles(memory: Memory, files: readonly StateFile[]): Promise<Memory['files']> {
    const copied: Memory['files'] = {};
    for (const { name, path } of files) {
      const signature = signatureOf(path);
      const key = `${signature} ${name}`;
      const known = memory.files[key];
      if (known !== undefined) {
        copied[key] = known;
        continue;
      }
      const content = await readFile(path).catch(() => undefined);
      if (signature === undefined || content === undefined) throw new Gone();
      const sha256 = digestOf(content);
      await place.create(`${FILES}/${sha256}`, content);
      copied[key] = sha256;
    }
    return copied;
  }

  async function copyNow(epoch: number, all: boolean): Promise<boolean> {
    const memory = readMemory(memoryFile, epoch);
    const version = nextVersion(memory);
    // The anchor first: whatever it needs is there at least as long as it says so.
    const databases = await copyDatabases(memory, version, all);
    const files = await copyFiles(memory, unchangingFiles(places, anchor.spoolsNeeded()));
    const same =
      databases.databases.every((part) => memory.databases.includes(part)) &&
      databases.databases.length === memory.databases.length &&
      Object.keys(files).length === Object.keys(memory.files).length &&
      Object.keys(files).every((key) => memory.files[key] !== undefined);
    if (same && memory.version > 0) return false;
    const manifest: Manifest = {
      version,
      at: new Date().toISOString(),
      databases: databases.databases,
      files: Object.entries(files).map(([key, sha256]) => ({
        name: key.split(' ').slice(4).join(' '),
        sha256,
      })),
    };
    await remember({ ...memory, version });
    await place.replace(
      `${folderOf(epoch)}/manifest${slotOf(version)}`,
      Buffer.from(JSON.stringify(manifest)),
    );
    await remember({ ...databases, epoch, version, files });
    return true;
  }

  let queued: Promise<boolean> | undefined;
  let running: Promise<unknown> = Promise.resolve();

  /**
   * The state as it is now is in the copy when this resolves.
   *
   * @param epoch of the worker whose data folder this is
   * @param all large files too, however recently they were copied
   * @returns false if it was there already
   * @throws {CopyAway}
   */
  function save(epoch: number, all = false): Promise<boolean> {
    // A copy that has not begun yet also serves those who ask meanwhile.
    queued ??= (async () => {
      await running.catch(() => undefined);
      queued = undefined;
      const work = locked(async () => {
        for (let tries = 1; ; tries++) {
          try {
            return await copyNow(epoch, all);
          } catch (error) {
            if (!(error instanceof Gone) || tries === TRIES) throw error;
          }
        }
      });
      running = work;
      return work;
    })();
    return queued;
  }
  return { save };
}

async function manifestsOf(place: Place, epoch: number): Promise<Manifest[]> {
  const found: Manifest[] = [];
  // Each by its name: a listing may be late.
  for (let slot = 0; slot < SLOTS; slot++) {
    const content = await place.read(`${folderOf(epoch)}/manifest${slotOf(slot)}`);
    const manifest = manifestSchema.safeParse(parseJson(content));
    if (manifest.success) found.push(manifest.data);
  }
  return found.toSorted((a, b) => b.version - a.version);
}

function parseJson(content: Buffer | undefined): unknown {
  try {
    return JSON.parse(content?.toString('utf8') ?? '');
  } catch {
    return undefined;
  }
}

/** The manifest of the last worker that wrote one: a worker that died before that had changed nothing. */
async function newestManifest(place: Place, worked: number): Promise<Manifest | undefined> {
  const listed = await highest(place, STATE);
  let epoch = worked === 0 ? listed : Math.max(worked, listed ?? 0);
  while (epoch !== undefined) {
    const [newest] = await manifestsOf(place, epoch);
    if (newest !== undefined) return newest;
    epoch = epoch === 0 ? undefined : await highest(place, STATE, epoch - 1);
  }
  return undefined;
}

/**
 * Puts the newest state that the copy has in the place of whatever is in this data folder, except what has no place
 * here: of a mailbox that is not set, or of a later version.
 *
 * @param worked the number of the worker that was at work last, which a listing may lack; 0 if it is not known
 * @returns `nothing` if the copy has none, and nothing was changed; else with what the names of what was left begin
 * @throws {CopyAway} {CopyDamaged}
 */
export async function restoreState(
  place: Place,
  places: StatePlaces,
  worked: number,
): Promise<{ kind: 'nothing' } | { kind: 'restored'; left: string[] }> {
  const newest = await newestManifest(place, worked);
  if (newest === undefined) return { kind: 'nothing' };
  async function content(object: string, sha256: string): Promise<Buffer> {
    const read = await place.read(object);
    if (read === undefined || digestOf(read) !== sha256) {
      throw new CopyDamaged(COPY.damaged(place.name, object));
    }
    return read;
  }
  const names = [...newest.databases, ...newest.files].map((each) => each.name);
  if (!names.every(isStateName)) {
    throw new CopyDamaged(COPY.damaged(place.name, STATE));
  }
  const restored: Restored[] = [];
  const isHere = ({ name }: { name: string }): boolean => hasPlace(places, name);
  for (const { name, object, sha256 } of newest.databases.filter(isHere)) {
    restored.push({ name, content: unpackDatabase(await content(object, sha256)) });
  }
  for (const { name, sha256 } of newest.files.filter(isHere)) {
    restored.push({ name, content: await content(`${FILES}/${sha256}`, sha256) });
  }
  putState(places, restored);
  const left = names.filter((each) => !hasPlace(places, each)).map(rootOf);
  return { kind: 'restored', left: [...new Set(left)].toSorted() };
}
