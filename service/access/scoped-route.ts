import type { ErrorCode } from '#schemas/errors.ts';
import type { NoteRefusal } from '../audit/record/refusals.ts';
import { problemResponse, SAFE_HEADERS } from '../http/problem.ts';
import type { RequestHead } from '../http/request-head.ts';
import { idFields, type RequestIds, readRequestIds } from '../http/request-ids.ts';
import type { RouteContext } from '../http/route.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import type { KnownCaller, Refusal } from './admission.ts';

export type ScopedContext = RouteContext;
export type ScopedHandler = (c: ScopedContext) => Promise<Response>;

export type ScopedRouteDependencies = {
  noteRefusal: NoteRefusal;
  log: Log;
  tracing: Pick<Tracing, 'of'>;
};

/** Of an answer that repeats the ids of its request. */
export function headersOf(ids: RequestIds, type: string): Record<string, string> {
  return {
    ...SAFE_HEADERS,
    'content-type': type,
    ...(ids.requestId !== undefined && { 'x-request-id': ids.requestId }),
    ...(ids.correlationId !== undefined && { 'x-correlation-id': ids.correlationId }),
  };
}

/**
 * A handler that answers whoever is admitted; who is not, or may not have what they ask, is refused and noted.
 *
 * @param failure what a fault inside is answered with, and what the log says of it
 */
export function scopedRoute<A extends KnownCaller>(
  { noteRefusal, log, tracing }: ScopedRouteDependencies,
  admit: (head: RequestHead) => Promise<A | Refusal>,
  answer: (c: ScopedContext, admitted: A) => Promise<Response | ErrorCode>,
  failure: { code: ErrorCode; says: string },
): ScopedHandler {
  return async (c) => {
    const { incoming } = c.env;
    // Hono answers HEAD by GET, and an answer that nobody reads would be audited as one that was.
    if (incoming.method === 'HEAD') {
      return problemResponse('method-not-allowed', {
        ...readRequestIds(incoming),
        allow: 'GET',
        lookup: false,
      });
    }
    try {
      const token = tracing.of(incoming)?.child('token');
      const admission = await admit(incoming);
      token?.end(admission.kind === 'refused' ? admission.code : undefined);
      const outcome = admission.kind === 'admitted' ? await answer(c, admission) : admission.code;
      if (outcome instanceof Response) return outcome;
      const limit = admission.kind === 'refused' ? admission.limit : undefined;
      noteRefusal({
        code: outcome,
        limit,
        ids: admission.ids,
        api: 'plain',
        caller: admission.caller,
        roleChosen: admission.kind === 'admitted' || admission.roleChosen,
        source: incoming.socket.remoteAddress,
      });
      return problemResponse(outcome, { ...admission.ids, limit, lookup: false });
    } catch (error) {
      const ids = readRequestIds(incoming);
      log.error(failure.says, { ...errorFields(error), ...idFields(ids) });
      return problemResponse(failure.code, { ...ids, lookup: false });
    }
  };
}
