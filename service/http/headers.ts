/** On every answer: it must not be stored, its type must not be guessed, and it must not run as a page. */
export const SAFE_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

/** The ids of a request, as far as they are valid. */
type AnsweredIds = { requestId?: string | undefined; correlationId?: string | undefined };

/** The headers of an answer that repeats the ids of its request, in one plain record because that costs least. */
export function answerHeaders(
  type: string,
  { requestId, correlationId }: AnsweredIds,
): Record<string, string> {
  const headers: Record<string, string> = { ...SAFE_HEADERS, 'content-type': type };
  if (requestId !== undefined) headers['x-request-id'] = requestId;
  if (correlationId !== undefined) headers['x-correlation-id'] = correlationId;
  return headers;
}
