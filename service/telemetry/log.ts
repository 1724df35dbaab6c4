import type { Configuration } from '#schemas/configuration.ts';
import { numbersIn } from '#schemas/nhs-number.ts';

/**
 * Everything a log line may hold besides its message. There is no field for a body, a token, a name or an NHS
 * number, and an error is logged by {@link errorFields}, never whole: Redis errors carry the arguments of the
 * call that failed.
 */
export type LogFields = {
  code?: string;
  status?: number;
  requestId?: string;
  /** As OpenTelemetry names them, so that a line is found from its trace. */
  trace_id?: string;
  span_id?: string;
  source?: string;
  client?: string;
  organisation?: string;
  authority?: string;
  sequence?: number;
  cause?: string;
  count?: number;
  role?: string;
  address?: string;
  error?: string;
  where?: string;
};

export type Log = Record<
  Exclude<NonNullable<Configuration['LOG_LEVEL']>, 'silent'>,
  (message: string, fields?: LogFields) => void
>;

/** Replaces in a text what could be an NHS number. */
export const HIDDEN_NUMBER = '[number]';

/** A text without anything that could be an NHS number; any other text unchanged. */
export function withoutNumbers(text: string): string {
  const normal = text.normalize('NFKC');
  let [rest, at] = ['', 0];
  for (const { from, to } of numbersIn(normal)) {
    if (from >= at) rest += `${normal.slice(at, from)}${HIDDEN_NUMBER}`;
    at = Math.max(at, to);
  }
  return at === 0 ? text : rest + normal.slice(at);
}

/** What may be logged about an error: its class and where it arose, not its message. */
export function errorFields(error: unknown): Pick<LogFields, 'error' | 'where'> {
  if (!(error instanceof Error)) return { error: typeof error };
  const frame = error.stack?.split('\n').find((line) => /^\s+at /.test(line));
  const where =
    frame === undefined ? {} : { where: frame.trim().replace(/\(?file:.*\/(?=\w+\/)/, '(') };
  return { error: error.name, ...where };
}

/** Only the code of a fault, or else its kind: its message may contain anything. */
export function errorCode(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code ?? (error instanceof Error ? error.name : 'unknown');
}
