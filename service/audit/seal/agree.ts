import { COPY } from '#schemas/wording/copy.ts';
import type { Commits, CopiedCommit } from '../copy/commits.ts';
import { placeOf } from '../log/entry.ts';
import { readBundle, tilesOf } from '../log/log-folder.ts';
import { splitBundle } from '../tlog/bundle.ts';
import { TILE_WIDTH, tilePath } from '../tlog/tiles.ts';
import { createTree } from '../tlog/tree.ts';
import { type LogEntry, LogNotWhole, type LogWriter } from './log-writer.ts';

/** Entries that are taken over, or copied, in one go. */
const ENTRIES_AT_ONCE = 8_192;

function eventOf(entry: Buffer): LogEntry {
  const place = placeOf(entry, 0, entry.length);
  if (place === undefined)
    throw new Error('an entry of the log does not begin as every entry does');
  return { stream: place.stream, number: place.number, json: entry.toString('utf8') };
}

/**
 * Brings the log and its copy to the same size, whichever is behind: the log if another worker went on with it or
 * its disk is new, the copy if it was away or is new. The writer has the log to itself.
 *
 * @param epoch of the worker that does it
 * @throws {LogNotWhole} if they are not the same log; {CopyAway} {CopyDamaged}
 */
export async function agree(writer: LogWriter, commits: Commits, epoch: number): Promise<void> {
  await takeOver(writer, commits);
  await copyOver(writer, commits, epoch);
}

/** Appends what the copy has and the log lacks. As {@link agree} otherwise. */
export async function takeOver(writer: LogWriter, commits: Commits): Promise<void> {
  // A log that was restored may end within what was sealed in one go.
  const before = writer.committed.size;
  let next = (await commits.after(before)) ?? (await commits.holding(before));
  const newest = next && (await commits.newest());
  if (newest === undefined) return;
  await commits.requireOwn(newest);
  let waiting: CopiedCommit[] = [];
  function write(): void {
    const [read] = waiting.slice(-1);
    if (read === undefined) return;
    // What was found to be a worker's counts, however often it is read.
    const last = read.size === newest?.size ? newest : read;
    const { size, id, dataset } = writer.committed;
    const entries = waiting.flatMap((commit) =>
      commit.entries.slice(Math.max(0, size - commit.from)),
    );
    const planned = writer.plan(entries.map(eventOf));
    if (last.log !== id || last.dataset !== dataset) {
      throw new LogNotWhole(COPY.otherLog(commits.place));
    }
    const same =
      planned.commit.root === last.root &&
      last.numbers.every((number, stream) => planned.commit.numbers[stream] === number);
    if (!same) throw new LogNotWhole(COPY.differs(commits.place, size));
    writer.write(planned);
    waiting = [];
  }
  for (; next !== undefined; next = await commits.after(next.size)) {
    if (next.from >= newest.size) break;
    waiting.push(next);
    if (next.size - writer.committed.size >= ENTRIES_AT_ONCE) write();
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
