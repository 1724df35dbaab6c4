import type { HttpBindings } from '@hono/node-server';
import type { ErrorCode } from '#schemas/errors.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import type { GuardedWork } from '../admission/guarded.ts';
import { BODY_LIMITS, readBody } from '../http/body.ts';
import { answerHeaders } from '../http/headers.ts';
import type { Admitted } from '../lookup/guarded-lookup.ts';
import type { Form, LookUp } from '../lookup/lookup.ts';
import type { Rehearse } from '../lookup/rehearsals.ts';
import { whenUndelivered } from '../lookup/undelivered.ts';
import { searchset } from './bundle.ts';
import { isForm, wantsJson } from './media.ts';
import { refusalResponse } from './outcome.ts';
import { type ParsedSearch, parseSearch, SEARCH_PATHS, type SearchPath } from './parameters.ts';
import type { BaseOf } from './request.ts';
import { FHIR_JSON } from './vocabulary.ts';

export type SearchDependencies = {
  lookUp: LookUp;
  rehearse: Rehearse;
  readiness: Pick<Readiness, 'resourceKey'>;
  baseOf: BaseOf;
};

type ReadParameters =
  | { kind: 'read'; parameters: URLSearchParams }
  | { kind: 'refused'; code: ErrorCode };

/** The parameters: for a GET those in its address, for a POST only those in its form. */
async function readParameters({ incoming, outgoing }: HttpBindings): Promise<ReadParameters> {
  const { url = '', method, headers } = incoming;
  const mark = url.indexOf('?');
  const query = mark < 0 ? '' : url.slice(mark + 1);
  if (method === 'GET') return { kind: 'read', parameters: new URLSearchParams(query) };
  if (query !== '') return { kind: 'refused', code: 'search-parameters-in-url' };
  if (!isForm(headers)) return { kind: 'refused', code: 'search-form-required' };
  const body = await readBody(incoming, outgoing, BODY_LIMITS);
  if (body.kind === 'refused') return body;
  // A byte order mark and the line break at the end of a file are part of the transfer, not of the form.
  const form = body.bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .replace(/[\r\n]+$/, '');
  return { kind: 'read', parameters: new URLSearchParams(form) };
}

/**
 * Accesses are refused to silent reads rather than answered by an empty Bundle: total 0 would say that nobody
 * looked. They are refused before the check, so that no event says that they were shown.
 */
async function readSearch(
  path: SearchPath,
  env: HttpBindings,
  { access }: Admitted,
): Promise<ParsedSearch> {
  const read = await readParameters(env);
  if (read.kind === 'refused') return read;
  const search = parseSearch(path, read.parameters);
  if (search.kind === 'refused') return search;
  const { nhsNumber: number } = search;
  if (!wantsJson(env.incoming.headers, read.parameters.get('_format'))) {
    return { kind: 'refused', code: 'format-unsupported', number };
  }
  if (path === 'AuditEvent' && access.access === 'silent-read') {
    return { kind: 'refused', code: 'accesses-not-shown', number };
  }
  return search;
}

/** A search by NHS number for an admitted caller, answered as a Bundle. */
export function createSearch(
  path: SearchPath,
  { lookUp, rehearse, readiness, baseOf }: SearchDependencies,
): GuardedWork<Admitted> {
  const type = SEARCH_PATHS[path];
  return async function answer(c, admitted, trace) {
    const search = await readSearch(path, c.env, admitted);
    if (search.kind === 'refused') return search;
    const { nhsNumber } = search;
    const rehearsal = rehearse(nhsNumber);
    if (rehearsal?.kind === 'limited') return { code: 'too-many-requests', limit: rehearsal.limit };
    const form: Form = {
      api: 'fhir',
      search: type,
      words(checked) {
        const { resourceKey: key } = readiness;
        if (key === undefined) throw new Error('the store is open and has no dataset');
        return JSON.stringify(searchset(type, search, { ...checked, key }, baseOf(c)));
      },
    };
    const looked = await lookUp(admitted, { nhsNumber }, form, rehearsal, trace);
    if (looked.kind === 'could-not-check') return refusalResponse(looked.code, admitted.ids);
    const { incoming, outgoing } = c.env;
    whenUndelivered(incoming, outgoing, looked.notDelivered);
    return new Response(looked.body, {
      status: 200,
      headers: answerHeaders(FHIR_JSON, admitted.ids),
    });
  };
}
