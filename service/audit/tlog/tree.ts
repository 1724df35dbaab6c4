// By hand, like all of this folder, since the libraries for C2SP's tiled logs are in Go; tests/public-tools
// has those verify what is written here.

import { EMPTY_ROOT, type Hash, nodeHash } from './hash.ts';
import { hashesAt, hashesOfTile, levelsOf, TILE_WIDTH, widthOf } from './tiles.ts';

/** A tile of a tree, with at least `width` hashes. Throws if it cannot be read. */
export type ReadTile = (level: number, index: number, width: number) => Buffer;

/** The root of the subtree above a power of two of hashes. */
export function fold(hashes: readonly Hash[]): Hash {
  let row = hashes;
  while (row.length > 1) {
    const above: Hash[] = [];
    for (let i = 0; i < row.length; i += 2) above.push(nodeHash(row[i] ?? '', row[i + 1] ?? ''));
    row = above;
  }
  return row[0] ?? EMPTY_ROOT;
}

/** A full tile's hashes, once they are all there. */
type OnTile = (level: number, index: number, hashes: readonly Hash[]) => void;

/**
 * The right edge of a tree: the hashes of every level's last tile, not yet full. This is all that is needed
 * to append, and to know the root.
 */
export class Edge {
  #size: number;
  readonly #levels: Hash[][];

  private constructor(size: number, levels: Hash[][]) {
    this.#size = size;
    this.#levels = levels;
  }

  static empty(): Edge {
    return new Edge(0, []);
  }

  /**
   * The edge of a tree at `size` entries, from tiles of the tree as it is at `ofSize`.
   *
   * @throws what `readTile` throws
   */
  static read(size: number, ofSize: number, readTile: ReadTile): Edge {
    const levels = Array.from({ length: levelsOf(size) }, (_, level) => {
      const count = hashesAt(level, size) % TILE_WIDTH;
      if (count === 0) return [];
      const index = Math.floor(hashesAt(level, size) / TILE_WIDTH);
      return hashesOfTile(readTile(level, index, widthOf(level, index, ofSize)), count);
    });
    return new Edge(size, levels);
  }

  copy(): Edge {
    return new Edge(
      this.#size,
      this.#levels.map((hashes) => [...hashes]),
    );
  }

  get size(): number {
    return this.#size;
  }

  /** The hashes of a level's last tile; none if it has just been filled. */
  hashes(level: number): readonly Hash[] {
    return this.#levels[level] ?? [];
  }

  get levels(): number {
    return this.#levels.length;
  }

  append(leaf: Hash, onTile: OnTile): void {
    this.#size++;
    let rising = leaf;
    for (let level = 0; ; level++) {
      let hashes = this.#levels[level];
      if (hashes === undefined) this.#levels.push((hashes = []));
      hashes.push(rising);
      if (hashes.length < TILE_WIDTH) return;
      this.#levels[level] = [];
      onTile(level, hashesAt(level + 1, this.#size) - 1, hashes);
      rising = fold(hashes);
    }
  }

  root(): Hash {
    let root: Hash | undefined;
    for (const hashes of this.#levels) {
      // The perfect subtrees that a level's last tile is made of, right to left.
      let end = hashes.length;
      for (let width = 1; end > 0; width *= 2) {
        if (end % (2 * width) === 0) continue;
        const subtree = fold(hashes.slice(end - width, end));
        root = root === undefined ? subtree : nodeHash(subtree, root);
        end -= width;
      }
    }
    return root ?? EMPTY_ROOT;
  }
}

const isPowerOfTwo = (n: number): boolean => Number.isInteger(Math.log2(n));

/** The largest power of two below `n`. */
function splitOf(n: number): number {
  let split = 1;
  while (split * 2 < n) split *= 2;
  return split;
}

/** Roots and proofs of a tree of `size` entries, from its tiles. */
export function createTree(size: number, readTile: ReadTile) {
  const BITS_A_TILE = 8;

  /** The root of the entries from `from` to before `to`, as RFC 6962 splits them. */
  function range(from: number, to: number): Hash {
    const count = to - from;
    if (count === 0) return EMPTY_ROOT;
    if (!isPowerOfTwo(count)) {
      const split = splitOf(count);
      return nodeHash(range(from, from + split), range(from + split, to));
    }
    const level = Math.floor(Math.log2(count) / BITS_A_TILE);
    const first = from / TILE_WIDTH ** level;
    const index = Math.floor(first / TILE_WIDTH);
    const offset = first % TILE_WIDTH;
    const width = count / TILE_WIDTH ** level;
    const tile = readTile(level, index, widthOf(level, index, size));
    return fold(hashesOfTile(tile, offset + width).slice(offset));
  }

  function path(index: number, from: number, to: number): Hash[] {
    if (to - from === 1) return [];
    const middle = from + splitOf(to - from);
    return index < middle
      ? [...path(index, from, middle), range(middle, to)]
      : [...path(index, middle, to), range(from, middle)];
  }

  function subproof(old: number, from: number, to: number, known: boolean): Hash[] {
    if (old === to) return known ? [] : [range(from, to)];
    const middle = from + splitOf(to - from);
    return old <= middle
      ? [...subproof(old, from, middle, known), range(middle, to)]
      : [...subproof(old, middle, to, false), range(from, middle)];
  }

  return {
    /** The root of the tree at `at` entries. */
    root: (at = size): Hash => range(0, at),
    /** RFC 6962, 2.1.1: from the leaf's sibling up. */
    inclusionProof: (index: number): Hash[] => path(index, 0, size),
    /** RFC 6962, 2.1.2: that the tree at `old` entries, at least 1, is the beginning of this one. */
    consistencyProof: (old: number): Hash[] => subproof(old, 0, size, true),
  };
}
