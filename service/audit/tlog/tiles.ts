import { HASH_BYTES, type Hash } from './hash.ts';

/** Hashes in a full tile, entries in a full bundle (C2SP tlog-tiles). */
export const TILE_WIDTH = 256;

/** `entries` for a bundle of entries, else the level of a tile of hashes. */
export type TileLevel = number | 'entries';

/** Where a resource lies below the log's folder. `width` below 256 makes it partial. */
export function tilePath(level: TileLevel, index: number, width = TILE_WIDTH): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const groups = padded.match(/\d{3}/g) ?? [];
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${path}${width < TILE_WIDTH ? `.p/${width}` : ''}`;
}

/** How many hashes of a level a tree has. */
export const hashesAt = (level: number, size: number): number =>
  Math.floor(size / TILE_WIDTH ** level);

/** The width of a tile in a tree of `size` entries, 0 if it does not exist. */
export const widthOf = (level: TileLevel, index: number, size: number): number =>
  Math.max(
    0,
    Math.min(TILE_WIDTH, hashesAt(level === 'entries' ? 0 : level, size) - index * TILE_WIDTH),
  );

/** Levels of tiles that a tree has. */
export function levelsOf(size: number): number {
  let levels = 0;
  while (hashesAt(levels, size) > 0) levels++;
  return levels;
}

/** The first hashes of a tile, by default all. */
export function hashesOfTile(tile: Buffer, count = tile.length / HASH_BYTES): Hash[] {
  const hashes: Hash[] = [];
  for (let i = 0; i < count; i++) {
    hashes.push(tile.toString('latin1', i * HASH_BYTES, (i + 1) * HASH_BYTES));
  }
  return hashes;
}

/** A tile as it is on disk: the hashes one after the other. */
export function tileOfHashes(hashes: readonly Hash[]): Buffer {
  const tile = Buffer.allocUnsafe(hashes.length * HASH_BYTES);
  hashes.forEach((hash, i) => tile.write(hash, i * HASH_BYTES, 'latin1'));
  return tile;
}
