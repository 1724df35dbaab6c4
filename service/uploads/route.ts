import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { ErrorCode } from '#schemas/errors.ts';
import type { Caller } from '../auth/authenticate.ts';
import { problemResponse, SAFE_HEADERS } from '../http/problem.ts';
import { idFields, type RequestIds, readRequestIds } from '../http/request-ids.ts';
import { errorFields, type Log } from '../log.ts';
import type { NoteRefusal } from '../lookup/refusals.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import {
  type AuthorityAdmission,
  type AuthorityAdmissionDependencies,
  admitAuthority,
} from './admission.ts';

export type AuthorityContext = Context<{ Bindings: HttpBindings }>;
export type Admitted = Extract<AuthorityAdmission, { kind: 'admitted' }>;
type Handler = (c: AuthorityContext) => Promise<Response>;

/** A route of an authority's own systems. */
export type AuthorityRoute = {
  method: 'GET' | 'POST';
  path: string;
  allow: string;
  handler: Handler;
};

export type AuthorityRouteDependencies = AuthorityAdmissionDependencies & {
  noteRefusal: NoteRefusal;
  log: Log;
  tracing: Pick<Tracing, 'of'>;
};

export function headersOf(ids: RequestIds, type: string): Record<string, string> {
  return {
    ...SAFE_HEADERS,
    'content-type': type,
    ...(ids.requestId !== undefined && { 'x-request-id': ids.requestId }),
    ...(ids.correlationId !== undefined && { 'x-correlation-id': ids.correlationId }),
  };
}

/** A caller as an audit event holds it. */
export function auditedCaller({ identity }: Caller) {
  const { issuer, client, user, name, role } = identity;
  return {
    issuer,
    client,
    user,
    name,
    role: { code: role.code, name: role.name },
    organisation: role.organisation,
  };
}

/** Makes handlers that admit an authority, by its own token, before they answer it. */
export function authorityRoutes(dependencies: AuthorityRouteDependencies) {
  const { noteRefusal, log, tracing } = dependencies;

  /** @param failure what a fault inside is answered with */
  return function route(
    answer: (c: AuthorityContext, admitted: Admitted) => Promise<Response | ErrorCode>,
    failure: ErrorCode,
  ): Handler {
    return async (c) => {
      const { incoming } = c.env;
      // Hono answers HEAD by GET, and an answer that nobody reads would be audited as one that was.
      if (incoming.method === 'HEAD') {
        return problemResponse('method-not-allowed', {
          ...readRequestIds(incoming.headers),
          allow: 'GET',
          lookup: false,
        });
      }
      try {
        const token = tracing.of(incoming)?.child('token');
        const admission = await admitAuthority(dependencies, incoming.headers);
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
        const ids = readRequestIds(incoming.headers);
        const fields = { ...errorFields(error), ...idFields(ids) };
        log.error('a request of an authority failed inside the service', fields);
        return problemResponse(failure, { ...ids, lookup: false });
      }
    };
  };
}
