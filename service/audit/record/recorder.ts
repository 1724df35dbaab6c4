import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type RecordedEvent,
  recordedEventSchema,
  writtenJson,
} from '#schemas/audit/audit-event.ts';
import type { LookupStore } from '#store/lookup.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { errorFields, type Log } from '../../telemetry/log.ts';
import { EventSpool, type Lost } from './event-spool.ts';

/** What may be recorded; the recorder itself reports how many were lost. */
export type Occurrence = Exclude<RecordedEvent, { type: 'events-lost' }>;

export type Recorder = {
  /** Takes an event, dated now if it gives no time; it is on disk soon, or counted as lost. */
  record(event: Occurrence): void;
  /** Waits for the events taken so far, at most this long; the rest stays in the spool. */
  drain(deadlineMs: number): Promise<void>;
  /** Events that wait to be recorded, in memory or on disk. */
  readonly waiting: number;
  /** Events for which there was no room since this process started. */
  readonly lost: number;
};

type SpoolSettings = { folder: string; mostBytes: number };

/** Events on their way to the store at the same time. */
const UNDER_WAY_AT_MOST = 1_000;
/** Events in memory until the next write to the spool. */
const QUEUED_AT_MOST = 10_000;
const SPOOLED_EVERY_MS = 100;
const TRIED_AGAIN_EVERY_MS = 250;
const TAKEN_AT_ONCE = 64;
const ADOPTED_EVERY_MS = 60_000;

type Kept = { json: string; at: string };
type Timed = { event: RecordedEvent; at: string };

function parseKept(json: string): RecordedEvent | undefined {
  try {
    const event = recordedEventSchema.parse(JSON.parse(json));
    // An event that the store would never take must not delay those behind it.
    writtenJson(event);
    return event;
  } catch {
    return undefined;
  }
}

/**
 * Records what is not an answer, and so need not be on disk before its reply: refusals, checks that could not
 * be made, answers that did not arrive. What the store does not accept goes to a bounded spool on disk, with the
 * time it happened, and from there to the store when that is back, in order. The next process empties the spool of one
 * that died. What does not fit is counted, and the count becomes an event.
 *
 * An attempt whose reply was lost may leave an event twice, under the same id. So may a process that ends while the disk
 * accepts nothing.
 */
export function createRecorder(
  store: Pick<LookupStore, 'record'>,
  readiness: Pick<Readiness, 'open'>,
  log: Log,
  { folder, mostBytes }: SpoolSettings,
): Recorder {
  const underWay = new Map<Promise<void>, Timed>();
  /** Events under way at the end, which are in the spool: their outcome no longer matters. */
  const left = new WeakSet<Timed>();
  let queue: Kept[] = [];
  let spool: EventSpool | undefined;
  /** Not even their number is on disk yet. */
  let lost: Lost | undefined;
  let lostInAll = 0;
  let spooling: NodeJS.Timeout | undefined;
  let carrying: Promise<void> | undefined;
  let ending = false;
  let adoptAt = Number.NEGATIVE_INFINITY;
  const reported = new Set<string>();

  function lose(count: number, at: string, error?: unknown): void {
    const before = lostInAll;
    lostInAll += count;
    // The first, then one line for each doubling: a store that is down for a week may lose many.
    if (Math.floor(Math.log2(lostInAll)) > Math.floor(Math.log2(before))) {
      log.error(
        'There was no room for audit events about refusals or undelivered answers. They were only counted.',
        {
          count: lostInAll,
          ...(error !== undefined && errorFields(error)),
        },
      );
    }
    lost = { count: (lost?.count ?? 0) + count, from: lost?.from ?? at, until: at };
  }

  function open(): EventSpool {
    return (spool ??= EventSpool.open(folder, mostBytes));
  }

  /** Writes down what is queued. */
  function writeSpool(): void {
    clearTimeout(spooling);
    spooling = undefined;
    const events = queue;
    queue = [];
    const [first] = events;
    try {
      if (first !== undefined) {
        const outcome = open().keep(events);
        if (outcome.lost > 0) {
          const pending = lost;
          lose(outcome.lost, events.at(-1)?.at ?? first.at);
          // The spool has counted them itself.
          lost = pending;
        }
      }
      if (lost !== undefined) {
        open().lose(lost);
        lost = undefined;
      }
    } catch (error) {
      if (first !== undefined) lose(events.length, first.at, error);
    }
  }

  function toSpool({ event, at }: Timed): void {
    if (queue.length >= QUEUED_AT_MOST) return lose(1, at);
    queue.push({ json: JSON.stringify(event), at });
    if (ending) writeSpool();
    else spooling ??= setTimeout(writeSpool, SPOOLED_EVERY_MS);
  }

  async function deliver(timed: Timed): Promise<void> {
    try {
      await store.record(timed.event);
    } catch {
      if (!left.has(timed)) toSpool(timed);
    }
  }

  /** Moves waiting events from the spool to the store for as long as the store takes them. */
  async function carry(): Promise<void> {
    if (spool === undefined) return;
    for (;;) {
      if (!readiness.open || ending) break;
      const events = spool.oldest(TAKEN_AT_ONCE);
      let done = 0;
      try {
        for (const { json } of events) {
          const event = parseKept(json);
          const now = new Date().toISOString();
          if (event === undefined) {
            log.error('An audit event in the spool cannot be read and was counted as lost.');
            spool.lose({ count: 1, from: now, until: now });
          } else await store.record(event);
          done++;
        }
      } finally {
        try {
          spool.remove(events.slice(0, done));
        } catch {
          // A full disk, say: they are taken off with the next ones, and those behind them need not wait for that.
        }
      }
      if (events.length < TAKEN_AT_ONCE) break;
    }
    const untold = readiness.open && spool.count === 0 && !ending ? spool.lost() : undefined;
    if (untold === undefined) return;
    await store.record({ type: 'events-lost', auditId: randomUUID(), ...untold });
    spool.settle(untold);
  }

  function look(): void {
    if (carrying !== undefined || ending) return;
    if (lost !== undefined) writeSpool();
    if (performance.now() >= adoptAt) {
      adoptAt = performance.now() + ADOPTED_EVERY_MS;
      try {
        for (const { name, error } of spool?.adopt() ?? []) {
          if (reported.has(name)) continue;
          reported.add(name);
          log.error(
            'Events left by another process cannot be read, and stay in the spool.',
            errorFields(error),
          );
        }
      } catch (error) {
        log.error('Events left by another process could not be taken over.', errorFields(error));
      }
    }
    carrying = carry()
      // The store is away again, or the disk is full: there will be another attempt.
      .catch(() => undefined)
      .finally(() => (carrying = undefined));
  }

  try {
    open();
  } catch (error) {
    log.error('The spool of audit events cannot be opened. It is tried again.', errorFields(error));
  }
  const timer = setInterval(look, TRIED_AGAIN_EVERY_MS).unref();

  return {
    record(event) {
      const at = new Date().toISOString();
      const timed = { event: { occurredAt: at, ...event }, at };
      // What came first goes first, as far as that is known.
      const direct =
        readiness.open &&
        underWay.size < UNDER_WAY_AT_MOST &&
        queue.length === 0 &&
        (spool?.count ?? 0) === 0;
      if (!direct) return toSpool(timed);
      const delivery = deliver(timed).finally(() => underWay.delete(delivery));
      underWay.set(delivery, timed);
    },
    async drain(deadlineMs) {
      const patience = new AbortController();
      ending = true;
      clearInterval(timer);
      await Promise.race([
        Promise.allSettled([...underWay.keys(), carrying]),
        delay(deadlineMs, undefined, { signal: patience.signal }).catch(() => undefined),
      ]);
      patience.abort();
      for (const timed of underWay.values()) {
        left.add(timed);
        toSpool(timed);
      }
      underWay.clear();
      writeSpool();
      spool?.close();
      spool = undefined;
    },
    get waiting() {
      return queue.length + (spool?.count ?? 0);
    },
    get lost() {
      return lostInAll;
    },
  };
}
