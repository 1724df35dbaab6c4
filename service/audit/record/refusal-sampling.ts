import type { RecordedEvent } from '#schemas/audit/audit-event.ts';

type RefusalEvent = Extract<RecordedEvent, { type: 'refusal' }>;

/** Audits refusals that may arrive by the thousand without letting them fill the audit. */
export type RefusalSampling = {
  note: (event: RefusalEvent) => void;
  /** Records what has only been counted so far. */
  flush: () => void;
};

const SINGLY_A_MINUTE = 20;
const WINDOW_MS = 60_000;
const CALLERS_AT_MOST = 1_000;

/**
 * The first twenty refusals of a caller in a minute are separate events; the others share one more, which
 * gives their number and the time of the last. So each is accounted for, and no client can write without
 * limit.
 */
export function createRefusalSampling(
  record: (event: RefusalEvent) => void,
  now: () => number = Date.now,
): RefusalSampling {
  const counted = new Map<string, { seen: number; unsaid: number; last: RefusalEvent }>();
  let window = 0;

  function flush(): void {
    for (const { unsaid, last } of counted.values()) {
      if (unsaid > 0) record({ ...last, count: unsaid });
    }
    counted.clear();
  }

  return {
    note(event) {
      const current = Math.floor(now() / WINDOW_MS);
      if (current !== window || counted.size >= CALLERS_AT_MOST) flush();
      window = current;
      const { issuer, client, user, organisation } = event.caller;
      const key = JSON.stringify([issuer, client, user, organisation?.code, event.code]);
      const known = counted.get(key) ?? { seen: 0, unsaid: 0, last: event };
      counted.set(key, known);
      known.seen++;
      if (known.seen <= SINGLY_A_MINUTE) {
        record(event);
        return;
      }
      known.unsaid++;
      known.last = { ...event, occurredAt: new Date(now()).toISOString() };
    },
    flush,
  };
}
