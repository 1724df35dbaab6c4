import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import {
  type AuditCriteria,
  type auditSearchAnswerSchema,
  auditSearchSchema,
} from '#schemas/audit/audit-search.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import type { Identity } from '#schemas/people/identity.ts';
import type { Gate } from '#store/trust/readiness.ts';
import type { KnownCaller } from '../access/admission.ts';
import { admitScope, type ScopedAdmissionDependencies } from '../access/scoped.ts';
import {
  headersOf,
  type ScopedContext,
  type ScopedRouteDependencies,
  scopedRoute,
} from '../access/scoped-route.ts';
import { readCursor, writeCursor } from '../audit/search/search.ts';
import { coverageOf, type Reach } from '../audit/search/searched-until.ts';
import type { Searcher } from '../audit/search/searcher.ts';
import type { Viewer } from '../audit/search/view.ts';
import { auditBundle } from '../fhir/audit-events.ts';
import { FHIR_BASE, FHIR_JSON } from '../fhir/vocabulary.ts';
import { readJsonBody } from '../lookup/handler.ts';
import { readObject } from '../lookup/request.ts';

export type AuditSearchDependencies = ScopedAdmissionDependencies &
  ScopedRouteDependencies & {
    searcher: Pick<Searcher, 'search'>;
    /** How far the index goes, as the worker's thread told last. */
    coverage: () => Reach | undefined;
    /** On disk when it returns. */
    appendEvent: (event: WrittenEvent) => Promise<void>;
    gate: Pick<Gate, 'authorities'>;
    /** The operating organisation's code; `undefined` where none is configured. */
    operator: () => string | undefined;
    publicUrl: string | undefined;
  };

/** Criteria as they are recorded: times are texts again. */
export function recordedCriteria(criteria: AuditCriteria): Record<string, string> {
  return Object.fromEntries(
    Object.entries(criteria).flatMap(([name, value]) => {
      if (value === undefined) return [];
      return [[name, typeof value === 'number' ? new Date(value).toISOString() : value]];
    }),
  );
}

/** Nothing else than the organisation of the role in use says what its holder sees. */
function viewerOf(
  { role: { organisation } }: Identity,
  { gate, operator }: Pick<AuditSearchDependencies, 'gate' | 'operator'>,
): Viewer {
  const { code } = organisation;
  if (code === operator()) return { kind: 'all' };
  return gate.authorities.has(code)
    ? { kind: 'authority', authority: code }
    : { kind: 'organisation', organisation: code };
}

const wantsFhir = (accept = ''): boolean =>
  accept.split(',').some((range) => range.split(';', 1)[0]?.trim().toLowerCase() === FHIR_JSON);

/** `POST /audit/search`: a page of events that the caller may see, on record before it leaves. */
export function createAuditSearch(dependencies: AuditSearchDependencies) {
  const { searcher, coverage, appendEvent, publicUrl, log } = dependencies;

  async function answer(
    { env, req }: ScopedContext,
    { ids, caller }: KnownCaller,
  ): Promise<Response | ErrorCode> {
    const { identity } = caller;
    const body = await readJsonBody(env);
    if (!Buffer.isBuffer(body)) return body.code;
    const json = readObject(body);
    if (json === undefined) return 'malformed-json';
    const parsed = auditSearchSchema.safeParse(json);
    if (!parsed.success) {
      const onlyTheNumber = parsed.error.issues.every(({ path }) => path[0] === 'nhsNumber');
      return onlyTheNumber ? 'invalid-nhs-number' : 'invalid-audit-search';
    }
    const { reason, limit, cursor, ...criteria } = parsed.data;
    const after = cursor === undefined ? undefined : readCursor(cursor, criteria);
    if (cursor !== undefined && after === undefined) return 'audit-cursor-invalid';

    const viewer = viewerOf(identity, dependencies);
    // As it was before the search, which reaches at least as far.
    const before = coverage();
    const found = await searcher.search({ criteria, viewer, limit, after });
    if (found.kind !== 'found') {
      if (found.kind === 'failed') {
        log.error('the audit could not be searched', { cause: found.cause });
      } else if (found.kind === 'too-slow') {
        log.warn('a search of the audit took too long and was given up');
      }
      return 'audit-unavailable';
    }
    const reach = coverageOf(before, found.size);
    const auditId = randomUUID();
    const view: z.infer<typeof auditSearchAnswerSchema>['view'] = viewer.kind;
    await appendEvent({
      type: 'audit-search',
      auditId,
      requestId: ids.requestId,
      ...(ids.correlationId !== undefined && { correlationId: ids.correlationId }),
      caller: auditedCaller(identity),
      by: identity.name,
      reason,
      view,
      criteria: recordedCriteria(criteria),
      eventsShown: found.events.length,
    });
    const next = found.next === undefined ? undefined : writeCursor(found.next, criteria);
    const fhir = wantsFhir(req.header('accept'));
    const base = `${publicUrl ?? new URL(req.url).origin}${FHIR_BASE}`;
    const text = fhir
      ? auditBundle(found.events, { id: auditId, base, more: next !== undefined, coverage: reach })
      : { auditId, view, events: found.events, next, coverage: reach };
    return new Response(JSON.stringify(text), {
      status: 200,
      headers: {
        ...headersOf(ids, fhir ? FHIR_JSON : 'application/json'),
        ...(next !== undefined && { 'x-next-cursor': next }),
      },
    });
  }

  const handler = scopedRoute(
    dependencies,
    (head) => admitScope(dependencies, head, 'audit', 'audit-scope-required'),
    answer,
    { code: 'audit-unavailable', says: 'a search of the audit failed inside the service' },
  );

  return { path: '/audit/search', handler };
}
export type AuditSearchRoute = ReturnType<typeof createAuditSearch>;
