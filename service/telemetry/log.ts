import type { Configuration } from '#schemas/configuration.ts';

/**
 * Everything a log line may say besides its message. There is no field for a body, a token, a name or
 * an NHS number, and an error is given by {@link errorFields}, never whole: Redis errors carry the
 * arguments of the call that failed.
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

/** Ten digits, also in the printed 3-3-4 form. */
const LIKE_AN_NHS_NUMBER = /(?<![0-9])[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}(?![0-9])/g;

/** A text with whatever could be an NHS number taken out. */
export const withoutNumbers = (text: string): string =>
  text.replace(LIKE_AN_NHS_NUMBER, '[number]');

/** What may be said of an error: its class and where it arose, not its message. */
export function errorFields(error: unknown): Pick<LogFields, 'error' | 'where'> {
  if (!(error instanceof Error)) return { error: typeof error };
  const frame = error.stack?.split('\n').find((line) => /^\s+at /.test(line));
  const where =
    frame === undefined ? {} : { where: frame.trim().replace(/\(?file:.*\/(?=\w+\/)/, '(') };
  return { error: error.name, ...where };
}

/** The code of a fault alone, or else its kind: its message may hold anything. */
export function errorCode(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code ?? (error instanceof Error ? error.name : 'unknown');
}
