import { parseJson } from '#schemas/json.ts';
import { readBounded } from '#store/files/bounded-body.ts';

/** No answer of the service comes near this; longer ones are cut off. */
const BODY_AT_MOST_BYTES = 262_144;

/** An HTTP answer, read whole. */
export type HttpAnswer = {
  status: number;
  /** Milliseconds that the service asked to wait; `undefined` if it did not, or in no known form. */
  retryAfterMs: number | undefined;
  /** `undefined` if it is not JSON. */
  json: unknown;
};

/** Why there is no answer. Never the fault's own message, which may repeat the address and so a number. */
export type NoAnswer = 'late' | 'unreachable' | 'too large';

/**
 * Makes one request and reads its answer. Redirects are not followed: a token must not go to another host.
 *
 * @param deadlineMs until the last byte
 * @param ended once aborted, the answer is no longer wanted and is `late`
 */
export async function request(
  url: string,
  init: { method: 'GET' | 'POST'; headers: Record<string, string>; body?: string },
  deadlineMs: number,
  ended?: AbortSignal,
): Promise<HttpAnswer | NoAnswer> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const signal = ended === undefined ? deadline : AbortSignal.any([deadline, ended]);
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', signal });
    const body = await readBounded(response, BODY_AT_MOST_BYTES);
    if (body === undefined) return 'too large';
    return {
      status: response.status,
      retryAfterMs: readRetryAfter(response.headers.get('retry-after'), Date.now()),
      json: parseJson(new TextDecoder().decode(body)),
    };
  } catch {
    return signal.aborted ? 'late' : 'unreachable';
  }
}

/** Seconds or an HTTP date (RFC 9110 section 10.2.3). */
export function readRetryAfter(text: string | null, now: number): number | undefined {
  if (text === null) return undefined;
  if (/^[0-9]{1,9}$/.test(text.trim())) return Number(text) * 1_000;
  const at = Date.parse(text);
  return Number.isNaN(at) || !/[a-z]/i.test(text) ? undefined : Math.max(0, at - now);
}
