import type { IncomingHttpHeaders } from 'node:http';
import type { ErrorCode } from '#schemas/errors.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The ids of a request, as far as they are valid: only those are echoed, logged and audited. */
export type RequestIds = {
  requestId?: string;
  correlationId?: string;
  /** What is wrong with them, if anything. */
  refusal?: ErrorCode;
};

/**
 * Reads `X-Request-ID` (required) and `X-Correlation-ID` (optional), both UUIDs of any version in the
 * 36-character form. A header sent twice arrives joined by a comma and so is not valid.
 */
export function readRequestIds(headers: IncomingHttpHeaders): RequestIds {
  const request = headers['x-request-id'];
  const correlation = headers['x-correlation-id'];
  const ids: RequestIds = {};
  if (typeof request === 'string' && UUID.test(request)) ids.requestId = request;
  if (typeof correlation === 'string' && UUID.test(correlation)) ids.correlationId = correlation;
  if (ids.requestId === undefined) {
    ids.refusal = request ? 'request-id-invalid' : 'request-id-required';
  } else if (correlation !== undefined && ids.correlationId === undefined) {
    ids.refusal = 'correlation-id-invalid';
  }
  return ids;
}
