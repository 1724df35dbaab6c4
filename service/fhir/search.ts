import type { HttpBindings } from '@hono/node-server';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import type { SearchType } from '#schemas/lookup.ts';
import type { Gate } from '#store/trust/readiness.ts';
import type { Refused } from '../audit/record/refusals.ts';
import { readBody } from '../http/body.ts';
import { SAFE_HEADERS } from '../http/problem.ts';
import type { RequestHead } from '../http/request-head.ts';
import { idFields, type RequestIds, readRequestIds } from '../http/request-ids.ts';
import { type Admitted, codeOfCause } from '../lookup/check.ts';
import type { LookupDependencies } from '../lookup/lookup.ts';
import { limitOf } from '../lookup/rehearsals.ts';
import { whenUndelivered } from '../lookup/undelivered.ts';
import { errorFields } from '../telemetry/log.ts';
import { searchset } from './bundle.ts';
import { isForm, wantsJson } from './media.ts';
import { refusalResponse } from './outcome.ts';
import { type ParsedSearch, parseSearch, type Search } from './parameters.ts';
import { FHIR_JSON } from './vocabulary.ts';

export type SearchDependencies = LookupDependencies & {
  gate: Pick<Gate, 'resourceKey'>;
};

/** @param base the absolute address of this FHIR service as the request's client knows it */
export type SearchHandler = (env: HttpBindings, base: string) => Promise<Response>;

const BODY_LIMITS = { maxBytes: 16 * 1024, deadlineMs: 5_000 };

/** The head with `TraceID`, the draft CP-IS FHIR guide's name for a request id, in the place of one. */
export function withTraceId({ headers, rawHeaders }: RequestHead): RequestHead {
  return headers['x-request-id'] === undefined && typeof headers['traceid'] === 'string'
    ? { headers: { ...headers, 'x-request-id': headers['traceid'] }, rawHeaders }
    : { headers, rawHeaders };
}

type ReadParameters =
  | { kind: 'read'; parameters: URLSearchParams }
  | { kind: 'refused'; code: ErrorCode };

/** The parameters: of a GET those in its address, of a POST those in its form and none besides. */
async function readParameters({ incoming, outgoing }: HttpBindings): Promise<ReadParameters> {
  const { url = '', method, headers } = incoming;
  const mark = url.indexOf('?');
  const query = mark < 0 ? '' : url.slice(mark + 1);
  if (method === 'GET') return { kind: 'read', parameters: new URLSearchParams(query) };
  if (query !== '') return { kind: 'refused', code: 'search-parameters-in-url' };
  if (!isForm(headers)) return { kind: 'refused', code: 'search-form-required' };
  const body = await readBody(incoming, outgoing, BODY_LIMITS);
  if (body.kind === 'refused') return body;
  // A byte order mark and the line break at the end of a file are how the form was sent, not part of it.
  const form = body.bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .replace(/[\r\n]+$/, '');
  return { kind: 'read', parameters: new URLSearchParams(form) };
}

/**
 * A search by NHS number, by GET or by POST to `_search`: the same check as `POST /lookup`, audited,
 * listed, notified and refused alike, and answered as a Bundle. Whatever is not a complete, audited
 * answer is an OperationOutcome that says that nothing was checked.
 *
 * Accesses are refused to silent reads, and not left out of an empty Bundle: total 0 would say that
 * nobody looked. They are refused before the check, so that no event says that they were shown.
 */
export function createSearchHandler(
  type: SearchType,
  dependencies: SearchDependencies,
): SearchHandler {
  const { admit, check, gate, recorder, noteRefusal, sampled, tracing, rehearse, shed } =
    dependencies;

  async function readSearch(env: HttpBindings, admitted: Admitted): Promise<ParsedSearch> {
    const read = await readParameters(env);
    if (read.kind === 'refused') return read;
    const search = parseSearch(type, read.parameters);
    if (search.kind === 'refused') return search;
    const { nhsNumber: number } = search;
    if (!wantsJson(env.incoming.headers, read.parameters.get('_format'))) {
      return { kind: 'refused', code: 'format-unsupported', number };
    }
    if (type === 'AuditEvent' && admitted.access.access === 'silent-read') {
      return { kind: 'refused', code: 'accesses-not-shown', number };
    }
    return search;
  }

  function couldNotCheck(cause: string, ids: RequestIds, base: string): Response {
    const code = codeOfCause(cause);
    sampled.log(`could-not-check ${cause}`, ERRORS[code].level, 'a check could not be made', {
      cause,
      ...idFields(ids),
    });
    return refusalResponse(code, base, ids);
  }

  async function answer(env: HttpBindings, admitted: Admitted, search: Search, base: string) {
    const { ids } = admitted;
    const { nhsNumber } = search;
    const trace = tracing.of(env.incoming);
    const { auditId, coverage, authorities, result } = await check(
      admitted,
      { nhsNumber },
      trace,
      type,
    );
    if (result.kind === 'could-not-check') return couldNotCheck(result.cause, ids, base);

    const notDelivered = (): void => recorder.record({ type: 'not-delivered', auditId, nhsNumber });
    let body: string;
    try {
      const { resourceKey: key } = gate;
      if (key === undefined) throw new Error('the gate is open and has no dataset');
      const checked = { auditId, result, coverage, authorities, key };
      body = JSON.stringify(searchset(type, search, checked, base));
    } catch (error) {
      // The event on disk says that this answer may be shown; it is not going to be.
      notDelivered();
      return couldNotCheck(errorFields(error).error ?? 'answer', ids, base);
    }
    whenUndelivered(env.incoming, env.outgoing, notDelivered);
    const headers: Record<string, string> = {
      ...SAFE_HEADERS,
      'content-type': FHIR_JSON,
      'x-request-id': ids.requestId,
    };
    if (ids.correlationId !== undefined) headers['x-correlation-id'] = ids.correlationId;
    return new Response(body, { status: 200, headers });
  }

  return async function search(env, base) {
    const { incoming } = env;
    const head = withTraceId(incoming);
    const refuse = (refused: Omit<Refused, 'api' | 'source'>): Response => {
      noteRefusal({ ...refused, api: 'fhir', source: incoming.socket.remoteAddress });
      return refusalResponse(refused.code, base, { ...refused.ids, limit: refused.limit });
    };
    try {
      // The router hands a HEAD to the handler of GET; it would be a look that shows its maker nothing.
      if (incoming.method === 'HEAD') {
        const ids = readRequestIds(head);
        return refusalResponse('method-not-allowed', base, { ...ids, allow: 'GET' });
      }
      if (shed()) return refusalResponse('could-not-check', base, readRequestIds(head));
      const token = tracing.of(incoming)?.child('token');
      const admission = await admit(head);
      token?.end(admission.kind === 'refused' ? admission.code : undefined);
      if (admission.kind === 'refused') return refuse(admission);
      const { ids, caller } = admission;
      const read = await readSearch(env, admission);
      if (read.kind === 'refused') return refuse({ ...read, ids, caller, roleChosen: true });
      const limit = limitOf(rehearse(read.nhsNumber));
      if (limit !== undefined) {
        return refuse({ code: 'too-many-requests', limit, ids, caller, roleChosen: true });
      }
      return await answer(env, admission, read, base);
    } catch (error) {
      const ids = readRequestIds(head);
      const fields = { ...errorFields(error), ...idFields(ids) };
      sampled.log('fault', 'error', 'a lookup failed inside the service', fields);
      return refusalResponse('could-not-check', base, ids);
    }
  };
}
