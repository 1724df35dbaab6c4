import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { ErrorCode } from '#schemas/errors.ts';
import type { Gate } from '#store/gate.ts';
import type { Admit } from '../auth/admission.ts';
import { readBody } from '../http/body.ts';
import { problemResponse, SAFE_HEADERS } from '../http/problem.ts';
import { type RequestIds, readRequestIds } from '../http/request-ids.ts';
import { errorFields } from '../log.ts';
import type { SampledLog } from '../sampled-log.ts';
import { answerJson } from './answer.ts';
import type { Admitted, CheckFlag } from './check.ts';
import type { Recorder } from './recorder.ts';
import type { NoteRefusal, Refused } from './refusals.ts';
import { isPlainJson, type ParsedRequest, parseRequest } from './request.ts';
import { whenUndelivered } from './undelivered.ts';

export type LookupContext = Context<{ Bindings: HttpBindings }>;

export type LookupDependencies = {
  admit: Admit;
  check: CheckFlag;
  gate: Pick<Gate, 'authorities'>;
  recorder: Recorder;
  noteRefusal: NoteRefusal;
  sampled: SampledLog;
};

const BODY_LIMITS = { maxBytes: 16 * 1024, deadlineMs: 5_000 };

type Read =
  | Extract<ParsedRequest, { kind: 'parsed' }>
  | { kind: 'refused'; code: ErrorCode; number?: string };

/** Content type, body, JSON and schema, in this order. */
async function readRequest({ incoming, outgoing }: HttpBindings): Promise<Read> {
  if (!isPlainJson(incoming.headers)) return { kind: 'refused', code: 'unsupported-media-type' };
  const body = await readBody(incoming, outgoing, BODY_LIMITS);
  return body.kind === 'read' ? parseRequest(body.bytes) : body;
}

/**
 * `POST /lookup`: is there a flag for this NHS number, whom to ring, who looked before.
 *
 * One handler and one raw response with every header in one record: passing middlewares, Hono's header
 * helpers and `c.req.header()` each cost a third of the throughput or more.
 *
 * Whatever is not a complete, audited answer is a problem with `checked: false`.
 */
export function createLookupHandler(dependencies: LookupDependencies) {
  const { admit, check, gate, recorder, noteRefusal, sampled } = dependencies;

  function couldNotCheck(cause: string, ids: RequestIds): Response {
    sampled.log(`could-not-check ${cause}`, 'error', 'a check could not be made', {
      cause,
      ...(ids.requestId !== undefined && { requestId: ids.requestId }),
    });
    return problemResponse('could-not-check', ids);
  }

  async function answer(env: HttpBindings, admitted: Admitted): Promise<Response | Refused> {
    const { ids, caller, access } = admitted;
    const read = await readRequest(env);
    if (read.kind === 'refused') {
      const source = env.incoming.socket.remoteAddress;
      return { ...read, ids, api: 'plain', caller, roleChosen: true, source };
    }
    const { nhsNumber } = read.request;
    const { auditId, coverage, result } = await check(admitted, read.request, 'plain');
    if (result.kind === 'could-not-check') return couldNotCheck(result.cause, ids);

    const notDelivered = (): void => recorder.record({ type: 'not-delivered', auditId, nhsNumber });
    let body: string;
    try {
      const silent = access.access === 'silent-read';
      body = answerJson(auditId, read.request, result, silent, coverage, gate.authorities);
    } catch (error) {
      // The event on disk says that this answer may be shown; it is not going to be.
      notDelivered();
      return couldNotCheck(errorFields(error).error ?? 'answer', ids);
    }
    whenUndelivered(env.incoming, env.outgoing, notDelivered);
    const headers: Record<string, string> = {
      ...SAFE_HEADERS,
      'content-type': 'application/json',
      'x-request-id': ids.requestId,
    };
    if (ids.correlationId !== undefined) headers['x-correlation-id'] = ids.correlationId;
    return new Response(body, { status: 200, headers });
  }

  return async function lookup(c: LookupContext): Promise<Response> {
    const { incoming } = c.env;
    try {
      const admission = await admit(incoming.headers);
      const outcome: Response | Refused =
        admission.kind === 'admitted'
          ? await answer(c.env, admission)
          : { ...admission, api: 'plain', source: incoming.socket.remoteAddress };
      if (outcome instanceof Response) return outcome;
      noteRefusal(outcome);
      return problemResponse(outcome.code, outcome.ids);
    } catch (error) {
      sampled.log('fault', 'error', 'a lookup failed inside the service', errorFields(error));
      return problemResponse('could-not-check', readRequestIds(incoming.headers));
    }
  };
}
