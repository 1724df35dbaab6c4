// One file, since the commit, the writes before it and the remains of a crash must agree at each step.

import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LOG_NOT_WHOLE, SEALING } from '#schemas/wording/operations.ts';
import { type FileLock, lockFile } from '#store/files/sqlite.ts';
import type { LogBase } from '../copy/commits.ts';
import { type Commit, CommitFile } from '../log/commit.ts';
import {
  CHECKPOINT,
  ResourceMissing,
  readBundle,
  readCheckpointFile,
  removeIfThere,
  replaceDurably,
  tilesOf,
  writeDurably,
} from '../log/log-folder.ts';
import { packEntry, splitBundle } from '../tlog/bundle.ts';
import { type Checkpoint, openCheckpoint, signCheckpoint } from '../tlog/checkpoint.ts';
import { EMPTY_ROOT, HASH_BYTES, type Hash, leafHash } from '../tlog/hash.ts';
import type { Signer } from '../tlog/note.ts';
import {
  hashesAt,
  levelsOf,
  TILE_WIDTH,
  type TileLevel,
  tileOfHashes,
  tilePath,
  widthOf,
} from '../tlog/tiles.ts';
import { createTree, Edge } from '../tlog/tree.ts';

/** An event to be sealed: its entry, its stream and its number there. */
export type LogEntry = { stream: number; number: number; entry: Buffer };

/** Another process seals this log. */
export class LogInUse extends Error {
  override name = 'LogInUse';
  override message = SEALING.inUse;
}

/** The log's files do not agree with what was committed, or with each other. The message says what to do. */
export class LogNotWhole extends Error {
  override name = 'LogNotWhole';
}

/** How far beyond the committed size an interrupted batch may have left files. */
const TILES_LOOKED_PAST = 256;

const LOCK = 'sealing.lock';

/** Locks what `name` stands for until it is closed or the process dies. @throws {LogInUse} */
export function lockFolder(folder: string, name: string): FileLock {
  const lock = lockFile(join(folder, name));
  if (lock === undefined) throw new LogInUse();
  return lock;
}

type LogOptions = {
  folder: string;
  dataset: string;
  streams: number;
  /** Read at each signing, so that a new key is used at once. The first one names the log. */
  signers: () => readonly Signer[];
  /** Set if the log is started again from its copy: its id. A new log gets its own id. */
  id?: string | undefined;
  /** If the beginning of that copy is pruned: a log that ends earlier and is empty is started again there. */
  base?: LogBase | undefined;
};

/** What the log will be with these events, before any of it is written. */
export type PlannedBatch = {
  commit: Readonly<Commit>;
  /** As they are in the log. */
  entries: readonly Buffer[];
  files: readonly { path: string; content: Buffer }[];
  /** Paths of partial files replaced by full ones. */
  filled: readonly string[];
  edge: Edge;
  bundle: Buffer[];
};

/**
 * The log for its one writer: appends events, commits, signs. Everything is synchronous: it runs in a thread
 * of its own.
 *
 * The order is: entries and tiles are on disk; the commit says so; the checkpoint says so to everybody; the
 * store may forget the events. Whatever a crash leaves past the commit is written again.
 */
export class LogWriter {
  readonly #options: LogOptions;
  readonly #lock: FileLock;
  readonly commits: CommitFile;
  #commit: Commit;
  #signedWith: readonly Signer[];
  #edge: Edge;
  /** Entries of the last bundle, packed; none if it has just been filled. */
  #bundle: Buffer[];

  private constructor(options: LogOptions, lock: FileLock, commits: CommitFile) {
    this.#options = options;
    this.#lock = lock;
    this.commits = commits;
    this.#commit = this.#readOrBegin();
    this.#signedWith = options.signers();
    [this.#edge, this.#bundle] = this.#load();
  }

  /**
   * Opens a log or creates one.
   *
   * @throws {LogInUse} {@link LogNotWhole}
   */
  static open(options: LogOptions): LogWriter {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const lock = lockFolder(options.folder, LOCK);
    let commits: CommitFile | undefined;
    try {
      commits = CommitFile.open(options.folder);
      return new LogWriter(options, lock, commits);
    } catch (error) {
      commits?.close();
      lock.close();
      throw error;
    }
  }

  close(): void {
    this.commits.close();
    if (this.#lock.isOpen) this.#lock.close();
  }

  get committed(): Readonly<Commit> {
    return this.#commit;
  }

  get folder(): string {
    return this.#options.folder;
  }

  #readOrBegin(): Commit {
    const { folder, dataset, streams, signers, id, base } = this.#options;
    const held = this.commits.read();
    const origin = signers()[0]?.verifierKey.name ?? '';
    if (held !== undefined) {
      if (held.dataset !== dataset) {
        throw new LogNotWhole(LOG_NOT_WHOLE.otherDataset(folder));
      }
      if (held.origin !== origin) {
        throw new LogNotWhole(LOG_NOT_WHOLE.otherKey(origin, held.origin));
      }
      const isLater = base !== undefined && base.log === held.id && base.size > held.size;
      return isLater && held.size === held.minimumIndex ? this.#beginAgain(base, held) : held;
    }
    if (existsSync(join(folder, CHECKPOINT)) || existsSync(join(folder, 'tile'))) {
      throw new LogNotWhole(LOG_NOT_WHOLE.notCommitted(folder));
    }
    const begun: Commit = {
      id: base?.log ?? id ?? randomUUID(),
      dataset,
      origin,
      size: 0,
      root: EMPTY_ROOT,
      numbers: Array<number>(streams).fill(0),
      minimumIndex: 0,
      prunedNumbers: Array<number>(streams).fill(0),
    };
    // First: files without a commit are not written to.
    this.commits.write(begun);
    return base === undefined ? begun : this.#beginAgain(base, begun);
  }

  /** The state of the log after the pruned entries. @throws {LogNotWhole} */
  #beginAt({ log, size, numbers, edge }: LogBase, begun: Commit): Commit {
    const { folder } = this.#options;
    const files = edge.flatMap((content, level) => {
      const index = Math.floor(hashesAt(level, size) / TILE_WIDTH);
      const width = content.length / HASH_BYTES;
      return width === 0 ? [] : [{ path: tilePath(level, index, width), content }];
    });
    writeDurably(folder, files);
    try {
      const root = Edge.read(size, size, tilesOf(folder)).root();
      const pruned = { minimumIndex: size, prunedNumbers: [...numbers] };
      return { ...begun, id: log, size, root, numbers: [...numbers], ...pruned };
    } catch {
      throw new LogNotWhole(LOG_NOT_WHOLE.damaged(folder));
    }
  }

  /** Starts again a log that holds nothing after the pruned entries: removes whatever the pruning left. */
  #beginAgain(base: LogBase, held: Commit): Commit {
    const { folder } = this.#options;
    // Signed again once it has started.
    removeIfThere(join(folder, CHECKPOINT));
    const commit = this.#beginAt(base, held);
    this.commits.write(commit);
    for (const level of ['entries', ...Array(levelsOf(held.size)).keys()] as TileLevel[]) {
      const hashes = level === 'entries' ? held.size : hashesAt(level, held.size);
      const last = Math.floor(hashes / TILE_WIDTH);
      if (widthOf(level, last, base.size) === TILE_WIDTH) {
        removeIfThere(join(folder, `${tilePath(level, last)}.p`));
      }
    }
    return commit;
  }

  /** The beginning of another log with this one's entries, as much as is pruned; `undefined` if nothing is. */
  base(): LogBase | undefined {
    const { id: log, size: ofSize, minimumIndex: size, prunedNumbers: numbers } = this.#commit;
    if (size === 0) return undefined;
    const edge = Edge.read(size, ofSize, tilesOf(this.#options.folder));
    const tiles = Array.from({ length: edge.levels }, (_, level) =>
      tileOfHashes(edge.hashes(level)),
    );
    return { log, size, numbers, edge: tiles };
  }

  /**
   * Compares the checkpoint with the commit and reads the log's right edge back; then signs again if
   * necessary. Nothing is removed before it is certain that the commit is not behind what was signed.
   */
  #load(): [Edge, Buffer[]] {
    const { folder } = this.#options;
    const { size, root } = this.#commit;
    const signed = this.#readCheckpoint();
    this.#removePast(size);
    let edge: Edge;
    let entries: Buffer[] | undefined;
    let signedRoot: Hash | undefined;
    try {
      edge = Edge.read(size, size, tilesOf(folder));
      entries = this.#lastEntries();
      if (signed !== undefined) signedRoot = createTree(size, tilesOf(folder)).root(signed.size);
    } catch {
      throw new LogNotWhole(LOG_NOT_WHOLE.damaged(folder));
    }
    const leaves = edge.hashes(0);
    const same =
      entries?.length === leaves.length &&
      entries.every((entry, i) => leafHash(entry) === leaves[i]) &&
      edge.root() === root;
    if (!same || entries === undefined) {
      throw new LogNotWhole(LOG_NOT_WHOLE.otherFiles(folder));
    }
    if (signed?.root !== signedRoot) {
      throw new LogNotWhole(LOG_NOT_WHOLE.notSigned(folder, signed?.size));
    }
    if (signed?.size !== size || !signed.byAll) this.#sign(size);
    return [edge, entries.map(packEntry)];
  }

  /** The entries of the last bundle, unless it is full. @throws {ResourceMissing} */
  #lastEntries(): Buffer[] | undefined {
    const { size } = this.#commit;
    const [index, width] = [Math.floor(size / TILE_WIDTH), size % TILE_WIDTH];
    if (width === 0) return [];
    const bundle = readBundle(this.#options.folder, index, size);
    if (bundle === undefined) throw new ResourceMissing(tilePath('entries', index, width));
    return splitBundle(bundle);
  }

  #readCheckpoint(): (Checkpoint & { byAll: boolean }) | undefined {
    const { folder, signers } = this.#options;
    const note = readCheckpointFile(folder);
    if (note === undefined) return undefined;
    const verifierKeys = signers().map(({ verifierKey }) => verifierKey);
    const opened = openCheckpoint(note, verifierKeys);
    if (opened.kind !== 'signed') {
      throw new LogNotWhole(LOG_NOT_WHOLE.checkpointNotOurs(folder, opened.detail));
    }
    const { checkpoint, by } = opened;
    if (checkpoint.size > this.#commit.size) {
      throw new LogNotWhole(LOG_NOT_WHOLE.wentBack(folder, checkpoint.size, this.#commit.size));
    }
    return { ...checkpoint, byAll: by.length === verifierKeys.length };
  }

  #sign(size: number): void {
    const { origin, root } = this.#commit;
    const signers = this.#options.signers();
    replaceDurably(
      this.#options.folder,
      CHECKPOINT,
      signCheckpoint({ origin, size, root }, signers),
    );
    this.#signedWith = signers;
  }

  /** Removes what an interrupted batch has left. */
  #removePast(size: number): void {
    const { folder } = this.#options;
    const remove = (level: TileLevel, hashes: number): void => {
      const first = Math.floor(hashes / TILE_WIDTH);
      for (let index = first; index < first + TILES_LOOKED_PAST; index++) {
        removeIfThere(join(folder, tilePath(level, index)));
        const partials = join(folder, `${tilePath(level, index)}.p`);
        if (index > first) removeIfThere(partials);
        else if (existsSync(partials)) {
          for (const width of readdirSync(partials)) {
            if (Number(width) > hashes % TILE_WIDTH) removeIfThere(join(partials, width));
          }
        }
      }
    };
    remove('entries', size);
    // A batch makes a tree one level higher, or two from nothing.
    for (let level = 0; level < levelsOf(size) + 2; level++) remove(level, hashesAt(level, size));
  }

  /**
   * Seals events. When it returns they are permanently in the log and the checkpoint covers them.
   *
   * @throws if the disk does not take them. {@link reload} must be called then: the log either ends before them, or has
   * them without a signature over them
   */
  append(entries: readonly LogEntry[]): void {
    if (entries.length > 0) this.write(this.plan(entries));
  }

  /** The log with these events, at least one. Nothing is written. */
  plan(events: readonly LogEntry[]): PlannedBatch {
    const { folder } = this.#options;
    const files: { path: string; content: Buffer }[] = [];
    const filled: string[] = [];
    const edge = this.#edge.copy();
    let bundle = [...this.#bundle];
    const numbers = [...this.#commit.numbers];
    const full = (level: TileLevel, index: number, content: Buffer): void => {
      files.push({ path: tilePath(level, index), content });
      const begun = widthOf(level, index, this.#commit.size) > 0;
      if (begun) filled.push(join(folder, `${tilePath(level, index)}.p`));
    };

    for (const { stream, number, entry } of events) {
      bundle.push(packEntry(entry));
      numbers[stream] = number;
      edge.append(leafHash(entry), (level, index, hashes) =>
        full(level, index, tileOfHashes(hashes)),
      );
      if (bundle.length === TILE_WIDTH) {
        full('entries', edge.size / TILE_WIDTH - 1, Buffer.concat(bundle));
        bundle = [];
      }
    }
    const last = Math.floor(edge.size / TILE_WIDTH);
    if (bundle.length > 0) {
      const path = tilePath('entries', last, bundle.length);
      files.push({ path, content: Buffer.concat(bundle) });
    }
    for (let level = 0; level < edge.levels; level++) {
      const hashes = edge.hashes(level);
      const isNew = hashesAt(level, edge.size) > hashesAt(level, this.#commit.size);
      if (hashes.length === 0 || !isNew) continue;
      const index = Math.floor(hashesAt(level, edge.size) / TILE_WIDTH);
      files.push({ path: tilePath(level, index, hashes.length), content: tileOfHashes(hashes) });
    }
    const commit = { ...this.#commit, size: edge.size, root: edge.root(), numbers };
    const entries = events.map(({ entry }) => entry);
    return { commit, entries, files, filled, edge, bundle };
  }

  /** Carries out the last plan, as {@link append} does. */
  write({ commit, files, filled, edge, bundle }: PlannedBatch): void {
    writeDurably(this.#options.folder, files);
    this.commits.write(commit);
    this.#commit = commit;
    this.#edge = edge;
    this.#bundle = bundle;
    this.#sign(edge.size);
    // Their contents are now in the full tile.
    for (const path of filled) removeIfThere(path);
  }

  /** Signs the newest checkpoint once more if the keys have changed. */
  useNewKeys(): void {
    if (this.#options.signers() !== this.#signedWith) this.#sign(this.#commit.size);
  }

  /** Starts over from what is committed. @throws {LogNotWhole} */
  reload(): void {
    this.#commit = this.#readOrBegin();
    [this.#edge, this.#bundle] = this.#load();
  }

  /**
   * From now on entries before `index` are pruned: full bundles and tiles that end by then are removed.
   *
   * @param numbers of every stream's last event before `index`
   */
  prune(index: number, numbers: readonly number[]): void {
    if (index > this.#commit.minimumIndex) {
      const commit = { ...this.#commit, minimumIndex: index, prunedNumbers: [...numbers] };
      this.commits.write(commit);
      this.#commit = commit;
    }
    const { folder } = this.#options;
    const { minimumIndex } = this.#commit;
    const remove = (level: TileLevel, span: number): void => {
      const pathOf = (tile: number): string => join(folder, tilePath(level, tile));
      const end = Math.floor(minimumIndex / span);
      let first = end;
      while (first > 0 && existsSync(pathOf(first - 1))) first--;
      // Oldest first, so that a crash leaves a log without a hole.
      for (let tile = first; tile < end; tile++) {
        // Also what it held before it was full: a crash may have left that.
        removeIfThere(`${pathOf(tile)}.p`);
        removeIfThere(pathOf(tile));
      }
    };
    remove('entries', TILE_WIDTH);
    for (let level = 0; TILE_WIDTH ** (level + 1) <= minimumIndex; level++) {
      remove(level, TILE_WIDTH ** (level + 1));
    }
  }
}
