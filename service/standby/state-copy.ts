import { mkdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { COPY } from '#schemas/wording/copy.ts';
import { lockFile } from '#store/files/sqlite.ts';
import type { StateMark } from '#store/locks/worker-lease.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { NotCopied, type Place } from '../audit/copy/place.ts';
import type { Signer } from '../audit/tlog/note.ts';
import { writePrivate } from '../files/private-file.ts';
import {
  type Contents,
  contentsSchema,
  digestOf,
  FILES,
  folderOf,
  type Manifest,
  manifestPath,
  signersText,
  signManifest,
  slotOf,
} from './manifest.ts';
import {
  packDatabase,
  type StateFile,
  type StatePlaces,
  signatureOf,
  unchangingFiles,
} from './worker-state.ts';

const WAITS_FOR_LOCK_MS = 30_000;
const LOOKS_FOR_LOCK_EVERY_MS = 20;
const TRIES = 5;
const MIB = 1_048_576;
/** A large SQLite file is copied less often: it can be rebuilt from the log, or is asked for again. */
const DATABASE_EVERY_MS_A_MIB = 30_000;
/** Objects still needed are written again, so that a bucket may delete the rest by age. */
const FILES_AGAIN_EVERY_MS = 86_400_000;

/** What was last copied from this data folder, and the last version started. */
const memorySchema = z.object({
  /** Where it was copied to, and which keys signed it. */
  place: z.string(),
  signers: z.string(),
  epoch: z.int(),
  version: z.int(),
  signatures: z.record(z.string(), z.string()),
  copiedAt: z.record(z.string(), z.number()),
  databases: contentsSchema.shape.databases,
  files: z.record(z.string(), z.string()),
  /** When the object of a digest was last written, milliseconds. */
  writtenAt: z.record(z.string(), z.number()),
});
type Memory = z.infer<typeof memorySchema>;

/**
 * The version after the last one started, complete or not. It does not write to an object that the newest
 * manifest names, so that a worker that dies before the next manifest leaves that one whole.
 */
function nextVersion({ version, databases }: Pick<Memory, 'version' | 'databases'>): number {
  const next = version + 1;
  const isNeeded = databases.some(({ object }) => object.endsWith(slotOf(next)));
  return isNeeded ? nextVersion({ version: next, databases }) : next;
}

/** A file vanished before it was read: the state is read once more. */
class Gone extends Error {}

function readMemory(path: string, place: string, epoch: number): Memory {
  const empty = { place, signers: '', epoch, version: 0, signatures: {}, copiedAt: {} };
  const nothing = { databases: [], files: {}, writtenAt: {} };
  try {
    const memory = memorySchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    if (memory.place !== place) throw new Error('the copy is another one');
    const { files, writtenAt } = memory;
    return memory.epoch === epoch ? memory : { ...empty, databases: [], files, writtenAt };
  } catch {
    return { ...empty, ...nothing };
  }
}

/**
 * Keeps what a worker needs besides the log in the second copy: anchor, journals of loads under way, held
 * files, notices, how far authorities are notified. Each worker has its own folder, by its number, so that a
 * replaced one spoils nothing.
 *
 * @param of.memoryFile in the data folder; several processes share it
 * @param of.signers the audit keys, which show another worker that a worker wrote the state
 * @param of.mark records the newest state out of reach of those who can write to the copy
 * @param of.carried an earlier worker's files without a place here, kept for a later one
 */
export function createStateCopy({
  place,
  places,
  memoryFile,
  anchor,
  signers: keysOf,
  mark,
  carried,
}: {
  place: Place;
  places: StatePlaces;
  memoryFile: string;
  anchor: Pick<Anchor, 'spoolsNeeded'>;
  signers: () => Promise<readonly Signer[]>;
  mark: (state: StateMark) => Promise<void>;
  carried: () => Contents;
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
      if (performance.now() > giveUpAt) throw new NotCopied(COPY.copiedByAnother);
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

  /** Copies the other files that are new, and those again that are needed for long. @throws {Gone} */
  async function copyFiles(
    memory: Memory,
    { files, kept }: { files: readonly StateFile[]; kept: Contents },
  ): Promise<Pick<Memory, 'files' | 'writtenAt'>> {
    const copied: Memory['files'] = {};
    const writtenAt: Memory['writtenAt'] = {};
    async function write(sha256: string, content: Buffer): Promise<void> {
      await place.replace(`${FILES}/${sha256}`, content);
      writtenAt[sha256] = Date.now();
    }
    function isThere(sha256: string): boolean {
      const at = memory.writtenAt[sha256];
      if (at === undefined || Math.abs(Date.now() - at) >= FILES_AGAIN_EVERY_MS) return false;
      writtenAt[sha256] ??= at;
      return true;
    }
    for (const { name, path } of files) {
      const signature = signatureOf(path);
      const key = `${signature} ${name}`;
      const known = memory.files[key];
      if (known !== undefined && isThere(known)) {
        copied[key] = known;
        continue;
      }
      const content = await readFile(path).catch(() => undefined);
      if (signature === undefined || content === undefined) throw new Gone();
      const sha256 = digestOf(content);
      await write(sha256, content);
      copied[key] = sha256;
    }
    for (const { sha256 } of [...kept.databases, ...kept.files]) {
      if (isThere(sha256)) continue;
      const content = await place.read(`${FILES}/${sha256}`);
      if (content !== undefined) await write(sha256, content);
    }
    return { files: copied, writtenAt };
  }

  async function copyNow(epoch: number, all: boolean): Promise<boolean> {
    const keys = await keysOf();
    const memory = readMemory(memoryFile, place.name, epoch);
    const version = nextVersion(memory);
    // The anchor first: whatever it needs exists at least as long as it says so.
    const databases = await copyDatabases(memory, version, all);
    const kept = carried();
    const { files, writtenAt } = await copyFiles(memory, {
      files: unchangingFiles(places, anchor.spoolsNeeded()),
      kept,
    });
    const same =
      memory.signers === signersText(keys) &&
      databases.databases.every((part) => memory.databases.includes(part)) &&
      databases.databases.length === memory.databases.length &&
      Object.keys(files).length === Object.keys(memory.files).length &&
      Object.keys(files).every((key) => memory.files[key] !== undefined) &&
      Object.keys(writtenAt).every((sha256) => memory.writtenAt[sha256] === writtenAt[sha256]);
    if (same && memory.version > 0) return false;
    const manifest: Manifest & { epoch: number } = {
      epoch,
      version,
      at: new Date().toISOString(),
      databases: [...databases.databases, ...kept.databases],
      files: [
        ...Object.entries(files).map(([key, sha256]) => ({
          name: key.split(' ').slice(4).join(' '),
          sha256,
        })),
        ...kept.files,
      ],
    };
    await remember({ ...memory, version });
    await place.replace(manifestPath(epoch, slotOf(version)), signManifest(manifest, keys));
    await mark({ epoch, version });
    const signers = signersText(keys);
    await remember({ ...databases, signers, epoch, version, files, writtenAt });
    return true;
  }

  let queued: { all: boolean; done: Promise<boolean> } | undefined;
  let running: Promise<unknown> = Promise.resolve();

  /**
   * When this resolves, the present state is in the copy. Without `all`, an SQLite file above 1 MiB may be there as it
   * was when it was last copied; the anchor never is. Calls before a copy starts share it, and it does what all of
   * them ask for.
   *
   * @param epochOf the number of this data folder's worker, asked once no other process copies: a worker that has been
   * started anew meanwhile may have copied its state
   * @param all large files too, however recently they were copied
   * @returns false if it was already there
   * @throws {CopyAway} {NotCopied} if another process of this data folder has been copying for 30 seconds
   */
  function save(epochOf: () => Promise<number>, all = false): Promise<boolean> {
    if (queued !== undefined) {
      queued.all ||= all;
      return queued.done;
    }
    const next = { all };
    const done = (async () => {
      await running.catch(() => undefined);
      queued = undefined;
      const work = locked(async () => {
        const epoch = await epochOf();
        for (let tries = 1; ; tries++) {
          try {
            return await copyNow(epoch, next.all);
          } catch (error) {
            if (!(error instanceof Gone) || tries === TRIES) throw error;
          }
        }
      });
      running = work;
      return work;
    })();
    queued = Object.assign(next, { done });
    return done;
  }
  return { save };
}
