import {
  detailOf,
  ERRORS,
  type ErrorCode,
  type LimitReached,
  type Problem,
} from '#schemas/errors.ts';
import { refusalAdvice } from '#schemas/wording/lookup.ts';
import { answerHeaders } from './headers.ts';

const RETRY_AFTER_SECONDS = 5;

export type ProblemOptions = {
  requestId?: string | undefined;
  correlationId?: string | undefined;
  /** Methods of the address, for 405. */
  allow?: string;
  /** False on routes where nobody waits for a check; then the body does not mention one. */
  lookup?: boolean;
  /** For `too-many-requests`: which limit. */
  limit?: LimitReached | undefined;
};

/** The body of a refusal; see `problemSchema`. */
export function problem(
  code: ErrorCode,
  { requestId, lookup = true, limit }: ProblemOptions,
): Problem {
  const { title, status } = ERRORS[code];
  return {
    type: `/problems/${code}`,
    title,
    status,
    detail: detailOf(code, limit),
    code,
    ...(requestId !== undefined && { requestId }),
    ...(lookup && { checked: false as const, advice: [refusalAdvice(code)] }),
  };
}

/** The headers of a refusal, in one record. Ids are echoed only if they were valid. */
export function problemHeaders(
  code: ErrorCode,
  { requestId, correlationId, allow, limit }: ProblemOptions,
): Record<string, string> {
  const headers = answerHeaders('application/problem+json', { requestId, correlationId });
  if (allow !== undefined) headers['allow'] = allow;
  const { status, retryable } = ERRORS[code];
  if (status === 503 && retryable) headers['retry-after'] = String(RETRY_AFTER_SECONDS);
  if (limit !== undefined) headers['retry-after'] = String(limit.retryAfterSeconds);
  if (status === 401) {
    headers['www-authenticate'] =
      code === 'token-required' ? 'Bearer' : 'Bearer error="invalid_token"';
  }
  return headers;
}

/** A complete refusal. */
export function problemResponse(code: ErrorCode, options: ProblemOptions = {}): Response {
  return new Response(JSON.stringify(problem(code, options)), {
    status: ERRORS[code].status,
    headers: problemHeaders(code, options),
  });
}
