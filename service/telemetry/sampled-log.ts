import type { Log, LogFields } from './log.ts';

const WINDOW_MS = 60_000;
/** Beyond this many keys in a minute, further ones share one line: a stranger chooses the keys. */
const KEYS_AT_MOST = 1_000;
const OTHERS = '';

export type SampledLog = {
  /** Logs the first of a key in each minute; the others are counted and logged in one line later. */
  log(key: string, level: keyof Log, message: string, fields: LogFields): void;
  /** Logs the count of a minute that is over; the last minute of a flood has no next line to do so. */
  review(): void;
  /** Logs the count so far. */
  flush(): void;
};

/**
 * A log that a flood cannot fill: at most one line for each key and minute, and a limited number of keys.
 *
 * @param now milliseconds; a test gives its own clock
 */
export function createSampledLog(log: Log, now: () => number = Date.now): SampledLog {
  let minute = 0;
  const seen = new Map<string, number>();

  function flush(): void {
    let unsaid = 0;
    for (const count of seen.values()) unsaid += count - 1;
    if (unsaid > 0)
      log.warn('Further refusals in the last minute were not logged.', { count: unsaid });
    seen.clear();
  }

  function review(): void {
    const current = Math.floor(now() / WINDOW_MS);
    if (current !== minute) flush();
    minute = current;
  }

  return {
    log(key, level, message, fields) {
      review();
      const kept = seen.has(key) || seen.size < KEYS_AT_MOST ? key : OTHERS;
      const count = seen.get(kept) ?? 0;
      seen.set(kept, count + 1);
      if (count === 0) log[level](message, fields);
    },
    review,
    flush,
  };
}
