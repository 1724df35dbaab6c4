import { stat, statfs } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Share of a disk that must be free, with a ceiling: a tenth of a large disk is more than any night needs. */
const DISK_RESERVE = 0.1;
const DISK_RESERVE_AT_MOST_BYTES = 1_073_741_824;

/** The size of a disk, its free bytes, and the number below which there are too few. */
export type Room = { free: number; reserve: number; size: number };

/** The room on the disk of a folder, in bytes. Rejects if the folder cannot be looked at; may never answer. */
export async function roomOn(folder: string): Promise<Room> {
  const { bavail, blocks, bsize } = await statfs(folder);
  const size = blocks * bsize;
  const reserve = Math.min(DISK_RESERVE * size, DISK_RESERVE_AT_MOST_BYTES);
  return { free: bavail * bsize, reserve, size };
}

/** `late`: the disk does not answer in time, and has not answered within the last seconds either. */
type Look = { kind: 'room'; room: Room } | { kind: 'unreadable'; code: string } | { kind: 'late' };

/** Well within the deadline of a poll of Redis. */
const ANSWERS_WITHIN_MS = 300;
/** As long as a poll of Redis counts. */
const COUNTS_FOR_MS = 3_000;

/** The last look at each disk. */
const lastLooks = new Map<string, Promise<unknown>>();

/** Looks at a disk once every earlier look at it in this process has an answer. */
function inTurn<T>(disk: string, look: () => Promise<T>): Promise<T> {
  const mine = (lastLooks.get(disk) ?? Promise.resolve()).then(look);
  lastLooks.set(
    disk,
    mine.catch(() => undefined),
  );
  return mine;
}

/**
 * Looks at the room on the disk of a folder. It never waits for long, since the file system of another machine does not
 * answer once that machine has gone: the last answer counts for three seconds. While a look at a disk has no answer, no
 * other begins, at whichever of its folders, because each would hold one of the process's few threads for files.
 */
export function watchRoom(
  folder: string,
  {
    room = roomOn,
    answersWithinMs = ANSWERS_WITHIN_MS,
    countsForMs = COUNTS_FOR_MS,
  }: { room?: typeof roomOn; answersWithinMs?: number; countsForMs?: number } = {},
): () => Promise<Look> {
  /** By its device. */
  const disk = stat(folder).then(
    ({ dev }) => String(dev),
    () => folder,
  );
  let looking: Promise<Look> | undefined;
  let last: { look: Look; at: number } | undefined;

  async function find(): Promise<Look> {
    let look: Look;
    try {
      look = { kind: 'room', room: await inTurn(await disk, () => room(folder)) };
    } catch (error) {
      look = { kind: 'unreadable', code: (error as NodeJS.ErrnoException).code ?? 'unknown fault' };
    }
    last = { look, at: performance.now() };
    looking = undefined;
    return look;
  }

  return async () => {
    looking ??= find();
    const patience = new AbortController();
    const late = delay(answersWithinMs, undefined, { signal: patience.signal });
    const look = await Promise.race([looking, late.catch(() => undefined)]);
    patience.abort();
    if (look !== undefined) return look;
    const counts = last !== undefined && performance.now() - last.at < countsForMs;
    return last !== undefined && counts ? last.look : { kind: 'late' };
  };
}
