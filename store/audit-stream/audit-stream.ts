import type { Redis } from 'ioredis';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import { list } from '../connection/reply.ts';
import { LeaseLost } from '../errors.ts';
import { changeIf } from '../functions/change-if.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { auditPartitions, keys } from '../keys.ts';
import { isReplaced } from '../locks/worker-lease.ts';
import { type CopyOrder, keepCopy, readCopyOrder } from './copy-orders.ts';
import { appendEvent } from './events.ts';
import { isActKept } from './kept-acts.ts';
import { createLookupFrames } from './lookup-frames.ts';
import {
  AUDIT_LOG_FIELD,
  acceptSealedSize,
  noteSealedSize,
  type SealedSize,
  sealedBeyond,
} from './sealed-size.ts';
import { timeOf } from './stream-entry.ts';
import {
  bytesOf,
  entryOf,
  idOf,
  type RawEntry,
  type StreamEvent,
  sealable,
  unreadable,
} from './stream-event.ts';

const ENTRIES_A_READ = 128;
const STREAMS_A_READ = 32;

/** A stream whose events do not follow what is sealed from it. */
export type StreamGap = {
  stream: number;
  sealed: number;
  /** The number of the next event present; the last ever given if the stream went back. */
  found: number;
};

export type StreamBatch = {
  events: StreamEvent[];
  /** How many of `events` are not events of this service, or are acts that no council has done. */
  unreadable: { stream: number; number: number }[];
  /** There is more than was read. */
  more: boolean;
  /** Streams that ended before what is sealed, or continue later than right after it. Nothing of them is read. */
  gaps: StreamGap[];
};

/** How far a stream has got. */
export type StreamState = {
  /** The number of the last event it was ever given, 0 if none. */
  last: number;
  /** How many events it holds. */
  held: number;
  /** How many were ever added to it: equal to `last`, unless somebody else has set the numbers ahead. */
  added: number;
};

/** The number of the last event that each stream had been given, at or after a moment in milliseconds. */
export type NumbersRead = { at: number; last: readonly number[] };

/** How far each stream has got, in the order of `auditPartitions`. */
export async function streamStates(redis: Redis): Promise<StreamState[]> {
  const streams = auditPartitions.map(keys.audit);
  const reply = list(await redis.fcall(FUNCTIONS.auditNumbers, streams.length, ...streams));
  return streams.map((_, stream) => {
    const [last, held, added] = reply.slice(3 * stream, 3 * stream + 3).map(Number);
    if (last === undefined || held === undefined || added === undefined) {
      throw new Error('The store did not say how far the audit streams have come.');
    }
    return { last, held, added };
  });
}

const numberOf = (raw: RawEntry): number => Number(idOf(raw).slice(2));

const isAccepted = (
  accepted: readonly StreamGap[],
  of: number,
  next: number,
  number: number,
): boolean =>
  accepted.some(
    ({ stream, sealed, found }) => stream === of && sealed === next - 1 && found === number,
  );

/** Whether it may be sealed next. An entry whose id was set ahead (`1-5`) never follows another. */
const follows = (
  raw: RawEntry,
  stream: number,
  next: number,
  accepted: readonly StreamGap[],
): boolean =>
  idOf(raw) === `0-${next}` ||
  (idOf(raw).startsWith('0-') && isAccepted(accepted, stream, next, numberOf(raw)));

/**
 * The audit streams as the worker works on them; a list by stream is in the order of `auditPartitions`.
 *
 * @param replicated whether writes on the connection wait for replicas
 */
export function createAuditStreams(redis: Redis, replicated = false) {
  const readLookup = createLookupFrames();

  async function numbers(): Promise<number[]> {
    return (await streamStates(redis)).map(({ last }) => last);
  }

  async function pushed(): Promise<number[]> {
    const states = await streamStates(redis);
    return states.flatMap(({ last, added }, stream) => (last > added ? [stream] : []));
  }

  /** Entries of several streams from these numbers on; for a stream that could not be read, the error. */
  async function entries(
    wanted: readonly { stream: number; from: number }[],
    count: number,
  ): Promise<RawEntry[][]> {
    const read: RawEntry[][] = [];
    for (let i = 0; i < wanted.length; i += STREAMS_A_READ) {
      const pipeline = redis.pipeline();
      for (const { stream, from } of wanted.slice(i, i + STREAMS_A_READ)) {
        const key = keys.audit(auditPartitions[stream] ?? 'system');
        pipeline.xrangeBuffer(key, `0-${from}`, '+', 'COUNT', count);
      }
      for (const [error, reply] of (await pipeline.exec()) ?? []) {
        if (error !== null) throw error;
        read.push(reply as RawEntry[]);
      }
    }
    return read;
  }

  /** The first gap after an event that is there. */
  async function gapAfter(
    stream: number,
    from: number,
    last: number,
    accepted: readonly StreamGap[],
  ): Promise<StreamGap | undefined> {
    let next = from;
    for (;;) {
      const [held = []] = await entries([{ stream, from: next }], ENTRIES_A_READ);
      for (const raw of held) {
        if (!follows(raw, stream, next, accepted)) {
          return { stream, sealed: next - 1, found: numberOf(raw) };
        }
        next = numberOf(raw) + 1;
      }
      if (held.length > 0) continue;
      const isWhole = next > last || isAccepted(accepted, stream, next, last + 1);
      return isWhole ? undefined : { stream, sealed: next - 1, found: last + 1 };
    }
  }

  return {
    /** Whether there is a Redis to ask. */
    get reachable(): boolean {
      return redis.status === 'ready';
    },

    /** The number of the last event each stream was ever given, 0 if none. */
    numbers,

    /** Streams whose numbers somebody else has set ahead. */
    pushed,

    /**
     * Renumbers the entries of a pushed stream in the order in which they were added, or finds what that
     * would do. Needs the administrator's rights.
     *
     * @returns how many get another number; `unclear` if nothing was done, since the stream was changed in
     * another way too
     */
    async repair(
      stream: number,
      does: 'look' | 'repair' = 'repair',
    ): Promise<number | 'sound' | 'unclear'> {
      const key = keys.audit(auditPartitions[stream] ?? 'system');
      const reply = await redis.fcall(FUNCTIONS.repairStream, 2, key, `${key}:repair`, does);
      return reply === 'sound' || reply === 'unclear' ? reply : Number(reply);
    },

    /**
     * What comes after `sealed` in every stream, in order within each, up to about `mostEvents` or
     * `mostBytes`.
     *
     * @param last what {@link numbers} said
     * @param accepted gaps that somebody has answered for: reading continues after them
     */
    async read(
      sealed: readonly number[],
      last: readonly number[],
      { mostEvents, mostBytes }: { mostEvents: number; mostBytes: number },
      accepted: readonly StreamGap[] = [],
    ): Promise<StreamBatch> {
      const batch: StreamBatch = { events: [], unreadable: [], more: false, gaps: [] };
      let bytes = 0;
      let waiting = auditPartitions.flatMap((_, stream) => {
        const after = sealed[stream] ?? 0;
        const found = last[stream] ?? 0;
        if (found < after) batch.gaps.push({ stream, sealed: after, found });
        return found > after ? [{ stream, from: after + 1 }] : [];
      });
      while (waiting.length > 0) {
        const round = waiting.slice(0, STREAMS_A_READ);
        const rest = waiting.slice(STREAMS_A_READ);
        const replies = await entries(round, ENTRIES_A_READ);
        const unfinished: typeof waiting = [];
        for (const [i, { stream, from }] of round.entries()) {
          const held = replies[i] ?? [];
          let next = from;
          let taken = 0;
          for (const raw of held) {
            if (!follows(raw, stream, next, accepted)) break;
            next = numberOf(raw);
            taken++;
            const found = sealable(stream, next, raw, readLookup);
            const isForged = found?.act !== undefined && !(await isActKept(redis, found.act));
            const readable = isForged ? undefined : found;
            const event = readable ?? (await unreadable(stream, next, raw));
            batch.events.push(event);
            bytes += Math.max(event.entry.length, bytesOf(raw));
            if (readable === undefined) batch.unreadable.push({ stream, number: next });
            next++;
          }
          const missing = held[taken];
          if (missing !== undefined || held.length === 0) {
            const found = missing === undefined ? (last[stream] ?? 0) + 1 : numberOf(missing);
            if (!isAccepted(accepted, stream, next, found)) {
              batch.gaps.push({ stream, sealed: next - 1, found });
            }
          } else if (next <= (last[stream] ?? 0)) {
            unfinished.push({ stream, from: next });
          }
        }
        // A stream that has been read goes to the end, so that one busy stream does not hold up the others.
        waiting = [...rest, ...unfinished];
        if (batch.events.length >= mostEvents || bytes >= mostBytes) {
          batch.more = waiting.length > 0;
          break;
        }
      }
      return batch;
    },

    /**
     * Resolves once the replicas have everything read before: what is sealed must not be lost with a primary.
     * It makes a write of its own and waits for that, since `WAIT` covers only the writes of its connection.
     *
     * @throws {NotReplicated}
     */
    async awaitReplicas(): Promise<void> {
      if (replicated) await redis.hset(keys.dataset, 'sealing', Date.now());
    },

    /**
     * Streams whose events do not follow those sealed without a gap, or that ended before them: the first gap of each.
     *
     * @param readSealed is asked before and after: what was sealed and trimmed in the meantime is not missing
     * @param accepted gaps that somebody has answered for
     */
    async gaps(
      readSealed: () => readonly number[],
      accepted: readonly StreamGap[] = [],
    ): Promise<StreamGap[]> {
      const sealed = readSealed();
      const states = await streamStates(redis);
      const last = states.map((state) => state.last);
      const wanted = auditPartitions.flatMap((_, stream) => {
        const from = (sealed[stream] ?? 0) + 1;
        return (last[stream] ?? 0) >= from ? [{ stream, from }] : [];
      });
      // From the first event that a stream holds: sealed events stay in it if the worker was stopped before it removed
      // them.
      const oldest = wanted.map(({ stream }) => ({ stream, from: 0 }));
      const replies = await entries(oldest, 1);
      const later: StreamGap[] = [];
      for (const [i, { stream, from }] of wanted.entries()) {
        const end = last[stream] ?? 0;
        const first = replies[i]?.[0];
        const found = first === undefined ? end + 1 : numberOf(first);
        if (found > from) later.push({ stream, sealed: from - 1, found });
        // Events before a gap are not sealed, so the gap may come later than right after the sealed events.
        else if (found < from || states[stream]?.held !== end - from + 1) {
          const gap = await gapAfter(stream, from, end, accepted);
          if (gap !== undefined) later.push(gap);
        }
      }
      const back = auditPartitions.flatMap((_, stream) => {
        const [after, found] = [sealed[stream] ?? 0, last[stream] ?? 0];
        return found < after ? [{ stream, sealed: after, found }] : [];
      });
      const now = readSealed();
      return [...back, ...later.filter(({ stream, found }) => found > (now[stream] ?? 0) + 1)];
    },

    /** Milliseconds: when the oldest event after `sealed` was recorded; `undefined` if there is none. */
    async oldest(sealed: readonly number[], last: readonly number[]): Promise<number | undefined> {
      const wanted = auditPartitions.flatMap((_, stream) => {
        const after = sealed[stream] ?? 0;
        return (last[stream] ?? 0) > after ? [{ stream, from: after + 1 }] : [];
      });
      const replies = await entries(wanted, 1);
      const times = replies.flatMap(([first]) => {
        return first === undefined ? [] : (timeOf(entryOf(first).fields) ?? []);
      });
      return times.length === 0 ? undefined : Math.min(...times);
    },

    /** Appends an event to the system's stream and returns its number there. On disk when it resolves. */
    append: (event: WrittenEvent): Promise<number> => appendEvent(redis, event),

    /**
     * Removes the events up to and including these numbers. Doing it again changes nothing.
     *
     * @param lease the token of the worker's lease, if needed
     * @throws {LeaseLost} if somebody else has it by now; then nothing was removed
     */
    async trim(upTo: readonly number[], streams: readonly number[], lease?: string): Promise<void> {
      if (streams.length === 0) return;
      const trimmed = await redis.fcall(
        FUNCTIONS.trimAudit,
        streams.length + 1,
        ...streams.map((stream) => keys.audit(auditPartitions[stream] ?? 'system')),
        keys.workerLock,
        ...streams.map((stream) => String(upTo[stream] ?? 0)),
        lease ?? '',
      );
      if (trimmed === -1) throw new LeaseLost();
    },

    isReplaced: (lease: Parameters<typeof isReplaced>[1]): Promise<boolean> =>
      isReplaced(redis, lease),
    copyOrder: (): Promise<CopyOrder> => readCopyOrder(redis),
    keepCopy: (): Promise<void> => keepCopy(redis),

    /** The dataset that the store holds; `undefined` if none. */
    async dataset(): Promise<string | undefined> {
      return (await redis.hget(keys.dataset, 'id')) ?? undefined;
    },

    /** Which log seals this store's events; `undefined` while none does. */
    async sealedBy(): Promise<string | undefined> {
      return (await redis.hget(keys.dataset, AUDIT_LOG_FIELD)) ?? undefined;
    },

    /** Which log seals this store's events: `log`, unless another came first. */
    async claim(log: string): Promise<string> {
      await redis.hsetnx(keys.dataset, AUDIT_LOG_FIELD, log);
      return (await redis.hget(keys.dataset, AUDIT_LOG_FIELD)) ?? '';
    },

    noteSealedSize: (sealed: SealedSize): Promise<boolean> => noteSealedSize(redis, sealed),
    acceptSealedSize: (sealed: SealedSize): Promise<void> => acceptSealedSize(redis, sealed),
    sealedBeyond: (read: Parameters<typeof sealedBeyond>[1]): ReturnType<typeof sealedBeyond> =>
      sealedBeyond(redis, read),

    /** From now on `log` seals this store's events, in place of `before`. @returns whether that still did */
    adopt: (log: string, before: string): Promise<boolean> =>
      changeIf(redis, keys.dataset, [AUDIT_LOG_FIELD, before], 'set', AUDIT_LOG_FIELD, log),
  };
}
export type AuditStreams = ReturnType<typeof createAuditStreams>;
