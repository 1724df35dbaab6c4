import type { RequestHead } from '../http/request-head.ts';
import type { RouteContext } from '../http/route.ts';
import { FHIR_BASE } from './vocabulary.ts';

/** The absolute address of the FHIR service, as the client of a request knows it. */
export type BaseOf = (c: RouteContext) => string;

/** @param publicUrl the address by which clients reach this service, if it is not the one that they send */
export const createBaseOf =
  (publicUrl: string | undefined): BaseOf =>
  ({ req: { url } }) =>
    `${publicUrl ?? url.slice(0, url.indexOf('/', url.indexOf('//') + 2))}${FHIR_BASE}`;

/** The head with `TraceID`, the draft CP-IS FHIR guide's name for a request id, in place of `X-Request-ID`. */
export function withTraceId({ headers, rawHeaders }: RequestHead): RequestHead {
  return headers['x-request-id'] === undefined && typeof headers['traceid'] === 'string'
    ? { headers: { ...headers, 'x-request-id': headers['traceid'] }, rawHeaders }
    : { headers, rawHeaders };
}
