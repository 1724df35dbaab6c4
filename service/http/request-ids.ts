import type { ErrorCode } from '#schemas/errors.ts';
import { REQUEST_ID } from '#schemas/request-id.ts';
import type { LogFields } from '../telemetry/log.ts';
import { readTraceparent, type TraceIds } from '../telemetry/trace-context.ts';
import { type RequestHead, repeatedHeader } from './request-head.ts';

/** Why a request is refused before its sender is checked. */
export type HeadRefusal = Extract<
  ErrorCode,
  'header-repeated' | 'request-id-required' | 'request-id-invalid' | 'correlation-id-invalid'
>;

/** The ids of a request, as far as they are valid: only those are echoed, logged and audited. */
export type RequestIds = {
  requestId?: string;
  correlationId?: string;
  /** The trace that the request belongs to, sampled or not. */
  trace?: TraceIds;
  /** What is wrong with them or with the headers beside them, if anything. */
  refusal?: HeadRefusal;
  /** Two tokens: the request has no caller. */
  twoTokens?: true;
};

/**
 * Reads `X-Request-ID` (required) and `X-Correlation-ID` (optional), both UUIDs of any version in the
 * 36-character form.
 */
export function readRequestIds(head: RequestHead): RequestIds {
  const { headers } = head;
  const request = headers['x-request-id'];
  const correlation = headers['x-correlation-id'];
  const ids: RequestIds = {};
  const traceparent = headers['traceparent'];
  const trace = traceparent === undefined ? undefined : readTraceparent(traceparent);
  if (trace !== undefined) ids.trace = trace;
  if (typeof request === 'string' && REQUEST_ID.test(request)) ids.requestId = request;
  if (typeof correlation === 'string' && REQUEST_ID.test(correlation))
    ids.correlationId = correlation;
  const repeated = repeatedHeader(head);
  if (repeated === 'authorization') ids.twoTokens = true;
  if (repeated !== undefined) {
    ids.refusal = 'header-repeated';
  } else if (ids.requestId === undefined) {
    ids.refusal = request ? 'request-id-invalid' : 'request-id-required';
  } else if (correlation !== undefined && ids.correlationId === undefined) {
    ids.refusal = 'correlation-id-invalid';
  }
  return ids;
}

/** The ids by which a log line identifies its request. */
export function idFields({ requestId, trace }: RequestIds): LogFields {
  return {
    ...(requestId !== undefined && { requestId }),
    ...(trace !== undefined && { trace_id: trace.traceId, span_id: trace.spanId }),
  };
}
