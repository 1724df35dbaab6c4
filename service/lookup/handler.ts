import type { HttpBindings } from '@hono/node-server';
import type { Admit } from '../access/admission.ts';
import type { NoteRefusal, Refused } from '../audit/record/refusals.ts';
import { readBody } from '../http/body.ts';
import { problemResponse, SAFE_HEADERS } from '../http/problem.ts';
import { idFields, type RequestIds, readRequestIds } from '../http/request-ids.ts';
import type { RouteContext } from '../http/route.ts';
import { errorFields } from '../telemetry/log.ts';
import type { SampledLog } from '../telemetry/sampled-log.ts';
import type { Trace, Tracing } from '../telemetry/tracing.ts';
import type { Admitted } from './check.ts';
import type { Shed } from './overload.ts';
import { isPlainJson } from './request.ts';

/** Never rejects. */
export type LookupHandler = (c: RouteContext) => Promise<Response>;

export type HandlerDependencies = {
  admit: Admit;
  noteRefusal: NoteRefusal;
  sampled: SampledLog;
  shed: Shed;
  tracing: Pick<Tracing, 'of'>;
};

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
 */
export function createHandler(
  { admit, noteRefusal, sampled, shed, tracing }: HandlerDependencies,
  work: (
    env: HttpBindings,
    admitted: Admitted,
    trace: Trace | undefined,
  ) => Promise<Response | WorkRefused>,
): LookupHandler {
  return async function handle({ env }: RouteContext): Promise<Response> {
    const { incoming } = env;
    try {
      if (shed()) return problemResponse('could-not-check', readRequestIds(incoming));
      const trace = tracing.of(incoming);
      const token = trace?.child('token');
      const admitting = admit(incoming);
      // Not awaited where it need not be: most tokens have been seen before.
      const admission = admitting instanceof Promise ? await admitting : admitting;
      token?.end(admission.kind === 'refused' ? admission.code : undefined);
      let refused: Omit<Refused, 'api' | 'source'>;
      if (admission.kind === 'admitted') {
        const outcome = await work(env, admission, trace);
        if (outcome instanceof Response) return outcome;
        const { ids, caller } = admission;
        refused = { ...outcome, ids, caller, roleChosen: true };
      } else {
        refused = admission;
      }
      noteRefusal({ ...refused, api: 'plain', source: incoming.socket.remoteAddress });
      return problemResponse(refused.code, { ...refused.ids, limit: refused.limit });
    } catch (error) {
      const ids = readRequestIds(incoming);
      const fields = { ...errorFields(error), ...idFields(ids) };
      sampled.log('fault', 'error', 'a lookup failed inside the service', fields);
      return problemResponse('could-not-check', ids);
    }
  };
}
