import { setTimeout as delay } from 'node:timers/promises';
import type { Gate } from '#store/gate.ts';
import type { LookupStore, RecordedEvent } from '#store/lookup.ts';
import { errorFields, type Log } from '../log.ts';

export type Recorder = {
  /** Hands an event over; it is on disk soon, or the log says that events were lost. */
  record(event: RecordedEvent): void;
  /** Waits for what was handed over, at most this long; then what is left is given up. */
  drain(deadlineMs: number): Promise<void>;
};

const WAITING_AT_MOST = 1_000;
const GIVEN_UP_AFTER_MS = 10_000;
const TRIED_AGAIN_AFTER_MS = 250;

/**
 * Records what is no answer and so need not be on disk before its reply: refusals, checks that could not
 * be made, answers that did not arrive. A bounded number waits, each for a bounded time. An attempt whose
 * reply was lost may leave the event twice, under the same id.
 */
export function createRecorder(store: LookupStore, gate: Pick<Gate, 'open'>, log: Log): Recorder {
  const waiting = new Set<Promise<void>>();
  let lost = 0;
  let ending = false;

  function lose(error?: unknown): void {
    lost++;
    // The first, then one line for each doubling: a store that is down for an hour loses many.
    if (Number.isInteger(Math.log2(lost))) {
      log.error('audit events of refusals or undelivered answers were lost', {
        count: lost,
        ...(error !== undefined && errorFields(error)),
      });
    }
  }

  async function deliver(event: RecordedEvent): Promise<void> {
    const giveUpAt = performance.now() + GIVEN_UP_AFTER_MS;
    let failure: unknown;
    for (;;) {
      try {
        if (gate.open) return await store.record(event);
      } catch (error) {
        failure = error;
      }
      if (ending || performance.now() + TRIED_AGAIN_AFTER_MS > giveUpAt) return lose(failure);
      await delay(TRIED_AGAIN_AFTER_MS, undefined, { ref: false });
    }
  }

  return {
    record(event) {
      if (waiting.size >= WAITING_AT_MOST) return lose();
      const delivery = deliver(event).finally(() => waiting.delete(delivery));
      waiting.add(delivery);
    },
    async drain(deadlineMs) {
      const patience = new AbortController();
      await Promise.race([
        Promise.allSettled(waiting),
        delay(deadlineMs, undefined, { signal: patience.signal }).catch(() => undefined),
      ]);
      patience.abort();
      ending = true;
    },
  };
}
