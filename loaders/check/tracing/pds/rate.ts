import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A token bucket, shared by all processes on a data folder: so many requests a second, and a burst of as many
 * after a pause. A request that can wait takes a turn only while no other wants one.
 */
export type TracingRate = {
  /** Resolves when a request may be made; rejects once the signal is aborted. */
  turn(urgent: boolean, signal: AbortSignal): Promise<void>;
  /** Stops all requests for this long. */
  pause(ms: number): void;
};

export const RATE_SCHEMA =
  'CREATE TABLE IF NOT EXISTS rate (id INTEGER PRIMARY KEY CHECK (id = 1), full_at INTEGER NOT NULL) STRICT; INSERT OR IGNORE INTO rate VALUES (1, 0)';

const PAUSE_AT_MOST_MS = 600_000;
/** The longest pause, plus time for those who wait for its end. Anything later comes from a clock that was put back. */
const AHEAD_AT_MOST_MS = PAUSE_AT_MOST_MS + 60_000;

/** @param db of {@link RATE_SCHEMA} */
export function createRate(
  db: DatabaseSync,
  perSecond: number,
  now: () => number = Date.now,
): TracingRate {
  const everyMs = 1_000 / perSecond;
  // Reading and writing are one command, since other processes take turns too. The bucket is full again at full_at.
  const fullAt = `iif(full_at <= ?1 + ${AHEAD_AT_MOST_MS}, full_at, ?1)`;
  const urgentTurn = db.prepare(
    `UPDATE rate SET full_at = max(${fullAt}, ?1) + ?2 WHERE id = 1 RETURNING full_at`,
  );
  const idleTurn = db.prepare(
    `UPDATE rate SET full_at = ?1 + ?2 WHERE id = 1 AND ${fullAt} <= ?1 RETURNING full_at`,
  );
  const paused = db.prepare(`UPDATE rate SET full_at = max(${fullAt}, ?1 + ?2) WHERE id = 1`);
  return {
    async turn(urgent, signal) {
      for (;;) {
        const at = Math.ceil(now());
        const row = (urgent ? urgentTurn : idleTurn).get(at, Math.ceil(everyMs)) as
          | { full_at: number }
          | undefined;
        if (row === undefined) {
          await sleep(everyMs, undefined, { signal });
          continue;
        }
        // The bucket holds what a second brings.
        const waitMs = row.full_at - at - Math.max(1_000, everyMs);
        if (waitMs > 0) await sleep(waitMs, undefined, { signal });
        return;
      }
    },
    pause(ms) {
      paused.run(Math.ceil(now()), Math.ceil(1_000 + Math.min(ms, PAUSE_AT_MOST_MS)));
    },
  };
}
