import { COPY } from '#schemas/wording/copy.ts';
import type { Commits, CopiedCommit } from '../copy/commits.ts';
import { placeOf } from '../log/entry.ts';
import { readBundle, tilesOf } from '../log/log-folder.ts';
import { splitBundle } from '../tlog/bundle.ts';
import { leafHash } from '../tlog/hash.ts';
import { TILE_WIDTH, tilePath } from '../tlog/tiles.ts';
import { createTree, Edge } from '../tlog/tree.ts';
import { type LogEntry, LogNotWhole, type LogWriter } from './log-writer.ts';

/** Entries taken over, or copied, at a time. */
const ENTRIES_AT_ONCE = 8_192;

function eventOf(entry: Buffer): LogEntry {
  const place = placeOf(entry, 0, entry.length);
  if (place === undefined)
    throw new Error('an entry of the log does not begin as every entry does');
  return { stream: place.stream, number: place.number, entry };
}

/**
 * Brings the log and its copy to the same size, whichever is behind: the log if another worker continued it
 * or its disk is new, the copy if it was away or is new. The writer has exclusive use of the log.
 *
 * @param epoch of this worker
 * @throws {LogNotWhole} if they are not the same log; {CopyAway} {CopyDamaged}
 */
export async function agree(writer: LogWriter, commits: Commits, epoch: number): Promise<void> {
  await takeOver(writer, commits);
  await copyOver(writer, commits, epoch);
}

/**
 * The log's root after each commit from here to the newest, and the first of these commits. The newest root
 * covers them all, so no entry is written and signed that was only inserted into an object in between.
 * `undefined` if they do not reach the newest, because the copy is being pruned.
 *
 * @throws {LogNotWhole} if they lead elsewhere
 */
async function rootsTo(
  newest: CopiedCommit,
  first: CopiedCommit,
  writer: LogWriter,
  commits: Commits,
): Promise<{ roots: Map<number, string>; read: Map<number, CopiedCommit> } | undefined> {
  const { size } = writer.committed;
  const edge = Edge.read(size, size, tilesOf(writer.folder));
  const roots = new Map<number, string>();
  const read = new Map<number, CopiedCommit>();
  for (let next = first; ; ) {
    if (edge.size - size < ENTRIES_AT_ONCE) read.set(next.from, next);
    for (const entry of next.entries.slice(Math.max(0, edge.size - next.from))) {
      edge.append(leafHash(entry), () => undefined);
    }
    roots.set(edge.size, edge.root());
    if (edge.size >= newest.size) break;
    const after = await commits.after(next.size);
    if (after === undefined) return undefined;
    next = after;
  }
  if (roots.get(newest.size) === newest.root) return { roots, read };
  throw new LogNotWhole(COPY.differs(commits.place, size));
}

/** Appends what the copy has and the log lacks. Otherwise like {@link agree}. */
export async function takeOver(writer: LogWriter, commits: Commits): Promise<void> {
  // A restored log may end within what was sealed in one batch.
  const before = writer.committed.size;
  const first = (await commits.after(before)) ?? (await commits.holding(before));
  const newest = first && (await commits.newest());
  if (first === undefined || newest === undefined) return;
  await commits.requireOwn(newest);
  const { id, dataset } = writer.committed;
  if (newest.log !== id || newest.dataset !== dataset) {
    throw new LogNotWhole(COPY.otherLog(commits.place));
  }
  const known = await rootsTo(newest, first, writer, commits);
  if (known === undefined) return;
  const { roots, read } = known;
  let waiting: CopiedCommit[] = [];
  function write(): void {
    const [end] = waiting.slice(-1);
    if (end === undefined) return;
    // Once it is known to be a worker's, it counts, however often it is read.
    const last = end.size === newest?.size ? newest : end;
    const { size } = writer.committed;
    const entries = waiting.flatMap((commit) =>
      commit.entries.slice(Math.max(0, size - commit.from)),
    );
    const planned = writer.plan(entries.map(eventOf));
    const same =
      planned.commit.root === roots.get(last.size) &&
      last.numbers.every((number, stream) => planned.commit.numbers[stream] === number);
    if (!same) throw new LogNotWhole(COPY.differs(commits.place, size));
    writer.write(planned);
    waiting = [];
  }
  for (
    let next: CopiedCommit | undefined = first;
    next !== undefined && next.from < newest.size;
  ) {
    waiting.push(next);
    if (next.size - writer.committed.size >= ENTRIES_AT_ONCE) write();
    next = read.get(next.size) ?? (await commits.after(next.size));
  }
  write();
}

/** Copies what the log has and the copy lacks. */
async function copyOver(writer: LogWriter, commits: Commits, epoch: number): Promise<void> {
  const { id, dataset, origin, size, minimumIndex } = writer.committed;
  const newest = await commits.newest();
  if (newest !== undefined && newest.log !== id) {
    throw new LogNotWhole(COPY.otherLog(commits.place));
  }
  const from = newest?.size ?? 0;
  const tree = createTree(size, tilesOf(writer.folder));
  if (from > size || (newest !== undefined && tree.root(from) !== newest.root)) {
    throw new LogNotWhole(COPY.differs(commits.place, Math.min(from, size)));
  }
  if (from < minimumIndex) throw new LogNotWhole(COPY.pruned(commits.place));
  const numbers = newest?.numbers.slice() ?? writer.committed.numbers.map(() => 0);
  for (let at = from; at < size; ) {
    const end = Math.min(size, at + ENTRIES_AT_ONCE);
    const entries = entriesBetween(writer, at, end);
    for (const entry of entries) {
      const { stream, number } = eventOf(entry);
      numbers[stream] = number;
    }
    const commit = { log: id, dataset, origin, from: at, size: end, root: tree.root(end), epoch };
    if (!(await commits.add({ ...commit, numbers: [...numbers], entries }))) {
      throw new LogNotWhole(COPY.differs(commits.place, at));
    }
    at = end;
  }
}

function entriesBetween({ folder, committed }: LogWriter, from: number, to: number): Buffer[] {
  const entries: Buffer[] = [];
  for (let bundle = Math.floor(from / TILE_WIDTH); bundle * TILE_WIDTH < to; bundle++) {
    const bytes = readBundle(folder, bundle, committed.size);
    const held = bytes === undefined ? undefined : splitBundle(bytes);
    if (held === undefined) throw new Error(`${tilePath('entries', bundle)} cannot be read`);
    const first = bundle * TILE_WIDTH;
    entries.push(...held.slice(Math.max(0, from - first), to - first));
  }
  return entries;
}
