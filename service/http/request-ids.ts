import type { IncomingHttpHeaders } from 'node:http';
import type { ErrorCode } from '#schemas/errors.ts';
import type { LogFields } from '../telemetry/log.ts';
import { readTraceparent, type TraceIds } from '../telemetry/trace-context.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The ids of a request, as far as they are valid: only those are echoed, logged and audited. */
export type RequestIds = {
  requestId?: string;
  correlationId?: string;
  /** The trace that the request belongs to, sampled or not. */
  trace?: TraceIds;
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
  const traceparent = headers['traceparent'];
  const trace = traceparent === undefined ? undefined : readTraceparent(traceparent);
  if (trace !== undefined) ids.trace = trace;
  if (typeof request === 'string' && UUID.test(request)) ids.requestId = request;
  if (typeof correlation === 'string' && UUID.test(correlation)) ids.correlationId = correlation;
  if (ids.requestId === undefined) {
    ids.refusal = request ? 'request-id-invalid' : 'request-id-required';
  } else if (correlation !== undefined && ids.correlationId === undefined) {
    ids.refusal = 'correlation-id-invalid';
  }
  return ids;
}

/** The ids by which a log line says which request it is about. */
export function idFields({ requestId, trace }: RequestIds): LogFields {
  return {
    ...(requestId !== undefined && { requestId }),
    ...(trace !== undefined && { trace_id: trace.traceId, span_id: trace.spanId }),
  };
}
