// By hand, since @opentelemetry/core, which reads the same header, takes 50 ms of processor time and 2.4 MiB
// at every start, and the SDK is loaded only if something is sent by OTLP.

/** The ids by which logs and spans name their trace. */
export type TraceIds = { traceId: string; spanId: string };

export type TraceContext = TraceIds & { sampled: boolean };

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ALL_ZERO = /^0+$/;
const SAMPLED = 1;

/**
 * Reads a W3C `traceparent` header; anything else does not count. `tracestate` and `baggage` are never read:
 * callers can put anything into them, which would then be in every trace.
 */
export function readTraceparent(header: string | string[] | undefined): TraceContext | undefined {
  if (typeof header !== 'string') return undefined;
  const [, version, traceId = '', spanId = '', flags = '', more] = TRACEPARENT.exec(header) ?? [];
  // Later versions may append fields; 00 has none, and ff is no version.
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) {
    return undefined;
  }
  if (ALL_ZERO.test(traceId) || ALL_ZERO.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

export const traceparentOf = ({ traceId, spanId }: TraceIds): string =>
  `00-${traceId}-${spanId}-01`;
