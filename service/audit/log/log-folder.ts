import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { LOG_FINDINGS } from '#schemas/wording/audit.ts';
import { syncFolderNow } from '#store/files/whole-file.ts';
import { HASH_BYTES } from '../tlog/hash.ts';
import { TILE_WIDTH, type TileLevel, tilePath, widthOf } from '../tlog/tiles.ts';
import type { ReadTile } from '../tlog/tree.ts';

export const CHECKPOINT = 'checkpoint';
/** The newest checkpoint that witnesses have cosigned, with their signatures. */
export const COSIGNED_CHECKPOINT = 'checkpoint.cosigned';

const code = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;
const isAbsent = (error: unknown): boolean => code(error) === 'ENOENT' || code(error) === 'ENOTDIR';

/** A file of the log, `undefined` if it does not exist. */
export function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

export const readCheckpointFile = (folder: string): Buffer | undefined =>
  readIfThere(join(folder, CHECKPOINT));

export const readCosignedFile = (folder: string): Buffer | undefined =>
  readIfThere(join(folder, COSIGNED_CHECKPOINT));

/**
 * A tile or bundle of a log's folder. A partial one that has since become full is found in the full one,
 * which begins with it, so the result may be longer.
 */
export function readResource(
  folder: string,
  level: TileLevel,
  index: number,
  width: number,
): Buffer | undefined {
  const partial =
    width < TILE_WIDTH ? readIfThere(join(folder, tilePath(level, index, width))) : undefined;
  return partial ?? readIfThere(join(folder, tilePath(level, index)));
}

/** The bundle with this index in a log of `size` entries, perhaps longer; `undefined` if it does not exist. */
export const readBundle = (folder: string, index: number, size: number): Buffer | undefined =>
  readResource(folder, 'entries', index, widthOf('entries', index, size));

/** A required tile or bundle is missing, or too short. */
export class ResourceMissing extends Error {
  override name = 'ResourceMissing';
  readonly path: string;
  constructor(path: string) {
    super(LOG_FINDINGS.missingOrCut(path));
    this.path = path;
  }
}

/** @throws {ResourceMissing} */
export const tilesOf =
  (folder: string): ReadTile =>
  (level, index, width) => {
    const tile = readResource(folder, level, index, width);
    if (tile === undefined || tile.length < width * HASH_BYTES || tile.length % HASH_BYTES > 0) {
      throw new ResourceMissing(tilePath(level, index, width));
    }
    return tile;
  };

/** Makes a folder, with its name in the parent on disk. */
function makeFolder(path: string, unsynced: Set<string>): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    unsynced.add(dirname(made));
  }
}

/**
 * Writes files below `folder` and returns once they and their names are on disk.
 *
 * @throws if the disk does not take them; some may then exist, whole or in part
 */
export function writeDurably(
  folder: string,
  files: readonly { path: string; content: Buffer }[],
): void {
  const unsynced = new Set<string>();
  const written: number[] = [];
  try {
    for (const { path, content } of files) {
      const whole = join(folder, path);
      const parent = dirname(whole);
      if (!unsynced.has(parent)) makeFolder(parent, unsynced);
      const fd = openSync(whole, 'w', 0o600);
      written.push(fd);
      unsynced.add(parent);
      writeFileSync(fd, content);
    }
    // Once everything is written: the disk then takes many at a time.
    for (const fd of written) fdatasyncSync(fd);
  } finally {
    for (const fd of written) closeSync(fd);
  }
  for (const path of unsynced) syncFolderNow(path);
}

/** Replaces a file of the log, whole or not at all. */
export function replaceDurably(folder: string, name: string, content: string): void {
  const temporary = join(folder, `${name}.tmp`);
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(fd, content);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  // The temporary name need not be on disk: the new name is.
  renameSync(temporary, join(folder, name));
  syncFolderNow(folder);
}

export const removeIfThere = (path: string): void => rmSync(path, { recursive: true, force: true });
