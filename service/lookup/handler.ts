import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { Admit } from '../auth/admission.ts';
import { readBody } from '../http/body.ts';
import { problemResponse, SAFE_HEADERS } from '../http/problem.ts';
import { type RequestIds, readRequestIds } from '../http/request-ids.ts';
import { errorFields } from '../log.ts';
import type { SampledLog } from '../sampled-log.ts';
import type { Admitted } from './check.ts';
import type { NoteRefusal, Refused } from './refusals.ts';
import { isPlainJson } from './request.ts';

export type LookupContext = Context<{ Bindings: HttpBindings }>;

export type HandlerDependencies = { admit: Admit; noteRefusal: NoteRefusal; sampled: SampledLog };

/** What is to be refused of an admitted request; who, when and by which way the handler knows. */
export type WorkRefused = Pick<Refused, 'code' | 'number' | 'limit'>;

const BODY_LIMITS = { maxBytes: 16 * 1024, deadlineMs: 5_000 };

/** The body of a request in JSON, or why it is not looked at. */
export async function readJsonBody({
  incoming,
  outgoing,
}: HttpBindings): Promise<Buffer | WorkRefused> {
  if (!isPlainJson(incoming.headers)) return { code: 'unsupported-media-type' };
  const body = await readBody(incoming, outgoing, BODY_LIMITS);
  return body.kind === 'read' ? body.bytes : body;
}

/** A 200 with every header in one plain record. */
export function answerResponse(body: string, { requestId, correlationId }: RequestIds): Response {
  const headers: Record<string, string> = {
    ...SAFE_HEADERS,
    'content-type': 'application/json',
  };
  if (requestId !== undefined) headers['x-request-id'] = requestId;
  if (correlationId !== undefined) headers['x-correlation-id'] = correlationId;
  return new Response(body, { status: 200, headers });
}

/**
 * A route of lookups: who may not ask is refused and noted, and a fault is could-not-check.
 *
 * One handler and one raw response: passing middlewares, Hono's header helpers and `c.req.header()` each
 * cost a third of the throughput or more.
 */
export function createHandler(
  { admit, noteRefusal, sampled }: HandlerDependencies,
  work: (env: HttpBindings, admitted: Admitted) => Promise<Response | WorkRefused>,
) {
  return async function handle(c: LookupContext): Promise<Response> {
    const { incoming } = c.env;
    try {
      const admitting = admit(incoming.headers);
      // Not awaited where it need not be: most tokens have been seen before.
      const admission = admitting instanceof Promise ? await admitting : admitting;
      let refused: Omit<Refused, 'api' | 'source'>;
      if (admission.kind === 'admitted') {
        const outcome = await work(c.env, admission);
        if (outcome instanceof Response) return outcome;
        const { ids, caller } = admission;
        refused = { ...outcome, ids, caller, roleChosen: true };
      } else {
        refused = admission;
      }
      noteRefusal({ ...refused, api: 'plain', source: incoming.socket.remoteAddress });
      return problemResponse(refused.code, { ...refused.ids, limit: refused.limit });
    } catch (error) {
      sampled.log('fault', 'error', 'a lookup failed inside the service', errorFields(error));
      return problemResponse('could-not-check', readRequestIds(incoming.headers));
    }
  };
}
