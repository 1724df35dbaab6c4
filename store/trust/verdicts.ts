import { READINESS } from '#schemas/wording/store.ts';
import { lacksRights, type ReadFailure } from '../connection/connection.ts';
import type { watchRoom } from './room.ts';
import { readReplication } from './server.ts';

export const CLOCK_TOLERANCE_MS = 5_000;
/** Share of `maxmemory` that must be free for lookups to continue, since each writes its audit event. */
const MEMORY_RESERVE = 0.1;

/** A store verifier checks each second; a big load may delay one. */
const WORKER_MISSED_AFTER_MS = 15_000;

/** A condition for trusting the store: whether it holds and, in one sentence, the state or what to do. */
export type Verdict = { ok: boolean; detail: string };
export const good = (detail: string): Verdict => ({ ok: true, detail });
export const bad = (detail: string): Verdict => ({ ok: false, detail });

/** How near the store is to the limits that stop lookups, as far as known. */
export type StoreMeasures = {
  /** Of the append-only file, which a start of Redis reads. */
  fileBytes?: number;
  /** Share of `maxmemory` that is free. */
  memoryFreeShare?: number;
  /** Only if the disk is on this machine. */
  diskFreeBytes?: number;
  diskReserveBytes?: number;
  clocksApartMs?: number;
};

export type DiskVerdict = Verdict & Pick<StoreMeasures, 'diskFreeBytes' | 'diskReserveBytes'>;

/** Whether the disk of Redis answers and has more than its reserve free. */
export function disk(look: Awaited<ReturnType<ReturnType<typeof watchRoom>>>): DiskVerdict {
  if (look.kind === 'late') return bad(READINESS.diskSilent);
  if (look.kind === 'unreadable') return bad(READINESS.diskUnreadable(look.code));
  const { free, reserve } = look.room;
  const mebibytes = Math.floor(free / 1_048_576);
  const verdict =
    free > reserve ? good(READINESS.disk(mebibytes)) : bad(READINESS.littleDisk(mebibytes));
  return { ...verdict, diskFreeBytes: free, diskReserveBytes: reserve };
}

/**
 * Whether the server is a primary that can be trusted to have every answer.
 *
 * @param believed the replication id of a promoted server that was found to have them, if any
 */
export function primary(info: ReadonlyMap<string, string>, believed: string | undefined): Verdict {
  const { isReplica, wasPromoted, id } = readReplication(info);
  if (isReplica) return bad(READINESS.replica);
  if (wasPromoted && believed !== id) return bad(READINESS.promoted);
  return good(READINESS.primary);
}

/** @param problem what is wrong with how Redis writes to disk, by a worker's report, in a sentence */
export function durable(info: ReadonlyMap<string, string>, problem: string | undefined): Verdict {
  if (problem !== undefined) return bad(problem);
  if (info.get('aof_enabled') !== '1') {
    return bad(READINESS.notAppending);
  }
  if (info.get('aof_last_write_status') !== 'ok') {
    return bad(READINESS.appendFailed);
  }
  return good(READINESS.durable);
}

/** A file that is not rewritten grows until the disk is full. */
export function rewritten(info: ReadonlyMap<string, string>): Verdict {
  const bytes = Number(info.get('aof_current_size') ?? 0);
  const mebibytes = Math.ceil(bytes / 1_048_576);
  return info.get('aof_last_bgrewrite_status') === 'err'
    ? bad(READINESS.notRewritten(mebibytes))
    : good(READINESS.rewritten(mebibytes));
}

/** The code with which Redis refuses a command; empty for an error that is not its refusal. */
export function refusalCode(error: unknown): string {
  if (lacksRights(error)) return 'NOPERM';
  return error instanceof Error ? (/^[A-Z]{2,}\b/.exec(error.message)?.[0] ?? '') : '';
}

/** @param refusal the error with which Redis refuses what every lookup does; `undefined` if it does not */
export const writable = (refusal: unknown): Verdict =>
  refusal === undefined ? good(READINESS.writable) : bad(READINESS.refuses(refusalCode(refusal)));

/** Why a function of this version was not run. */
export function notRun(error: unknown): Verdict {
  const isAbsent = error instanceof Error && /\bfunction not found\b/i.test(error.message);
  return bad(isAbsent ? READINESS.noFunctions : READINESS.refusesFunctions(refusalCode(error)));
}

export const freeShare = (info: ReadonlyMap<string, string>, limit: number): number =>
  1 - Number(info.get('used_memory')) / limit;

/** Whether Redis has a limit of memory, evicts nothing, and has more than its reserve free. */
export function memory(info: ReadonlyMap<string, string>): Verdict {
  const limit = Number(info.get('maxmemory'));
  if (!(limit > 0)) {
    return bad(READINESS.noMemoryLimit);
  }
  if (info.get('maxmemory_policy') !== 'noeviction') {
    return bad(READINESS.mayForget);
  }
  const free = freeShare(info, limit);
  const percent = Math.max(0, Math.floor(free * 100));
  if (!(free > MEMORY_RESERVE)) {
    return bad(READINESS.littleMemory(percent, MEMORY_RESERVE * 100));
  }
  return good(READINESS.memory(percent));
}

/**
 * @param heartbeat when a store verifier last found the store open, or why that cannot be read
 * @param saidAt for a store that is not open: when a worker last reported how Redis writes to disk,
 * `undefined` if never
 */
export function worker(
  heartbeat: { reply: string | null } | { failure: ReadFailure },
  saidAt: number | undefined,
  storeClock: number,
): Verdict {
  if ('failure' in heartbeat) return bad(READINESS.workerUnread[heartbeat.failure]);
  return storeClock - Math.max(Number(heartbeat.reply), saidAt ?? 0) < WORKER_MISSED_AFTER_MS
    ? good(READINESS.worker)
    : bad(READINESS.noWorker);
}

/**
 * @param apart milliseconds between the clocks of service and store
 * @param wentBack milliseconds by which the store's clock is behind the newest trusted time
 */
export function clocks(apart: number, wentBack: number): Verdict {
  if (wentBack > CLOCK_TOLERANCE_MS) return bad(READINESS.clockWentBack);
  return apart <= CLOCK_TOLERANCE_MS
    ? good(READINESS.clock(apart))
    : bad(READINESS.clocksApart(apart));
}
