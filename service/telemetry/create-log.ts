import { type DestinationStream, pino } from 'pino';
import type { Configuration } from '#schemas/configuration.ts';
import { printable } from '#schemas/printable.ts';
import { type Log, type LogFields, withoutNumbers } from './log.ts';

/** A record, so that the compiler misses no field: one that is not here would never be logged. */
const FIELDS = Object.keys({
  code: true,
  status: true,
  requestId: true,
  trace_id: true,
  span_id: true,
  source: true,
  client: true,
  organisation: true,
  authority: true,
  sequence: true,
  cause: true,
  count: true,
  role: true,
  address: true,
  error: true,
  where: true,
} satisfies Record<keyof LogFields, true>) as (keyof LogFields)[];

/** Ids recognised as such, a UUID or a fixed number of hex digits, whose digits may look like anything. */
const CHECKED: ReadonlySet<string> = new Set(['requestId', 'trace_id', 'span_id']);
/** The longest sentences end with what to do. */
const LONGEST_FIELD = 1_000;

/** The last defence for words that come from elsewhere (a sentence about a file, an error's class). */
const scrubbed = (text: string): string => printable(withoutNumbers(text.slice(0, LONGEST_FIELD)));

/** How much a full disk may hold back; further lines are dropped. */
const HELD_BACK_BYTES = 1_048_576;

/** An answer matters more than a log line that cannot be written. */
function createStderr(): DestinationStream {
  const stderr = pino.destination({ dest: 2, sync: true, maxLength: HELD_BACK_BYTES });
  return stderr.on('error', () => undefined);
}

/**
 * The service's log, JSON lines on stderr (stdout belongs to what a person reads). Fields outside the
 * list above are dropped, even if a cast let them through.
 */
export function createLog(
  level: NonNullable<Configuration['LOG_LEVEL']>,
  destination: DestinationStream = createStderr(),
): Log {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  const at =
    (name: keyof Log) =>
    (message: string, fields: LogFields = {}): void => {
      if (!logger.isLevelEnabled(name)) return;
      const kept: Record<string, string | number> = {};
      for (const field of FIELDS) {
        const value = fields[field];
        if (typeof value === 'number') kept[field] = value;
        if (typeof value === 'string') kept[field] = CHECKED.has(field) ? value : scrubbed(value);
      }
      logger[name](kept, scrubbed(message));
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
