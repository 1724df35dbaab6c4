import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OwnCheck } from '#schemas/status.ts';
import { OWN_DISK } from '#schemas/wording/operations.ts';
import { type Room, roomOn } from '#store/trust/room.ts';
import { errorCode, type Log } from '../telemetry/log.ts';

const LOOKED_EVERY_MS = 10_000;
/** The file system of another machine never answers once that machine has gone. */
const ANSWERS_WITHIN_MS = 5_000;
const WRITTEN = Buffer.alloc(4_096);
/** A disk that answers late each time would otherwise be well and not well again at each look. */
const WELL_AFTER_GOOD_LOOKS = 2;

/**
 * Watches whether this process can write into its data folder, and how much room there is: events that Redis does not
 * take are kept there, and councils' numbers. It logs each change.
 */
export function watchOwnDisk(
  folder: string,
  log: Pick<Log, 'info' | 'error'>,
  {
    everyMs = LOOKED_EVERY_MS,
    answersWithinMs = ANSWERS_WITHIN_MS,
    room = roomOn,
  }: { everyMs?: number; answersWithinMs?: number; room?: typeof roomOn } = {},
): { check: () => OwnCheck; look: () => Promise<void>; stop: () => void } {
  let ok = true;
  let detail: string = OWN_DISK.notLooked;
  /** In a row. */
  let goodLooks = 0;
  /** The look under way has no answer in time. */
  let isLate = false;

  async function find(): Promise<void> {
    const file = join(folder, '.disk-check');
    let found: Room;
    try {
      await writeFile(file, WRITTEN, { mode: 0o600 });
      await rm(file, { force: true });
      found = await room(folder);
    } catch (error) {
      await rm(file, { force: true }).catch(() => undefined);
      become(false, OWN_DISK.notWritable(errorCode(error)));
      return;
    }
    const mebibytes = Math.floor(found.free / 1_048_576);
    const enough = found.free > found.reserve;
    become(enough, enough ? OWN_DISK.room(mebibytes) : OWN_DISK.little(mebibytes));
  }

  function become(now: boolean, says: string): void {
    goodLooks = now && !isLate ? goodLooks + 1 : 0;
    if (now && !ok && goodLooks < WELL_AFTER_GOOD_LOOKS) return;
    if (now !== ok) log[now ? 'info' : 'error'](says);
    [ok, detail] = [now, says];
  }

  let looking: Promise<void> | undefined;
  /** While a look has no answer, no other look begins: each would hold one of the process's few threads for files. */
  async function look(): Promise<void> {
    looking ??= find().finally(() => {
      looking = undefined;
      isLate = false;
    });
    const timedOut = await Promise.race([looking, delay(answersWithinMs, true, { ref: false })]);
    if (timedOut !== true) return;
    isLate = true;
    become(false, OWN_DISK.noAnswer);
  }
  const timer = setInterval(() => void look(), everyMs).unref();
  void look();
  return {
    check: () => ({ name: 'process:disk', ok, detail }),
    look,
    stop: () => clearInterval(timer),
  };
}
