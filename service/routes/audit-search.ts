import type { z } from 'zod';
import { auditSearchAnswerSchema, auditSearchSchema } from '#schemas/audit/audit-search.ts';
import type { Store } from '#store/store.ts';
import { admitScope, type ScopedAdmissionDependencies } from '../admission/admit-scope.ts';
import { type GuardDependencies, guarded } from '../admission/guarded.ts';
import { requestedBy } from '../audit/record/requested.ts';
import { readCursor, writeCursor } from '../audit/search/search.ts';
import { type Reach, searchedUntilOf } from '../audit/search/searched-until.ts';
import type { Searcher } from '../audit/search/searcher.ts';
import { recordedCriteria, type ViewerDependencies, viewerOf } from '../audit/search/viewer.ts';
import { authorityHeaders, BODY_REFUSALS, resourceOf } from '../description/operation.ts';
import { auditBundle } from '../fhir/audit-events.ts';
import type { BaseOf } from '../fhir/request.ts';
import { FHIR_JSON } from '../fhir/vocabulary.ts';
import { preferredType } from '../http/accept.ts';
import { answerHeaders } from '../http/headers.ts';
import { readJsonBody, readObject } from '../http/json-body.ts';
import { problemResponse } from '../http/problem.ts';
import type { Log } from '../telemetry/log.ts';
import type { Route } from './route.ts';

type AuditSearchDependencies = ScopedAdmissionDependencies &
  GuardDependencies &
  ViewerDependencies & {
    log: Log;
    searcher: Pick<Searcher, 'search'>;
    /** How far the index reaches, by the worker's thread's last report. */
    indexed: () => Reach | undefined;
    store: Pick<Store, 'appendEvent'>;
    baseOf: BaseOf;
  };

/** `POST /audit/search`: a page of events that the caller may see, recorded before it is sent. */
export const auditSearch: Route<AuditSearchDependencies> = {
  operation: {
    method: 'POST',
    path: '/audit/search',
    id: 'auditSearch',
    tag: 'Audit',
    summary: 'Search the audit',
    description:
      'Newest first. The operating organisation sees everything, an authority the unscheduled accesses to children whose plan it holds, any other organisation what its own people did. Each search is audited before its answer leaves. `next` is the `cursor` of the same search’s next page; with FHIR it is in the header X-Next-Cursor.',
    letsIn: 'audit',
    parameters: authorityHeaders,
    body: {
      'application/json': {
        schema: auditSearchSchema,
        example: { reason: 'complaint 12/2026', nhsNumber: '9991000011' },
      },
    },
    answer: {
      description: 'The matching events that the caller may see, and how far the search reached.',
      content: {
        'application/json': { schema: auditSearchAnswerSchema },
        [FHIR_JSON]: { schema: resourceOf('Bundle') },
      },
    },
    refusals: [
      ...BODY_REFUSALS,
      'invalid-audit-search',
      'invalid-nhs-number',
      'audit-cursor-invalid',
      'audit-unavailable',
    ],
  },
  handler(dependencies) {
    const { searcher, indexed, store, baseOf, log } = dependencies;
    return guarded(
      dependencies,
      {
        admit: (head) => admitScope(dependencies, head, 'audit', 'audit-scope-required'),
        refuse: (code, options) => problemResponse(code, { ...options, lookup: false }),
        api: 'plain',
        fault: {
          code: 'audit-unavailable',
          log: (fields) => log.error('A search of the audit failed inside the service.', fields),
        },
      },
      async (c, { ids, caller }) => {
        const { identity } = caller;
        const body = await readJsonBody(c.env);
        if (body.kind === 'refused') return body;
        const json = readObject(body.bytes);
        if (json === undefined) return { code: 'malformed-json' };
        const parsed = auditSearchSchema.safeParse(json);
        if (!parsed.success) {
          const onlyTheNumber = parsed.error.issues.every(({ path }) => path[0] === 'nhsNumber');
          return { code: onlyTheNumber ? 'invalid-nhs-number' : 'invalid-audit-search' };
        }
        const { reason, limit, cursor, ...criteria } = parsed.data;
        const after = cursor === undefined ? undefined : readCursor(cursor, criteria);
        if (cursor !== undefined && after === undefined) return { code: 'audit-cursor-invalid' };

        const viewer = viewerOf(identity, dependencies);
        // The extent before the search, which reaches at least as far.
        const before = indexed();
        const found = await searcher.search({ criteria, viewer, limit, after });
        if (found.kind !== 'found') {
          if (found.kind === 'failed') {
            log.error('The audit could not be searched.', { cause: found.cause });
          } else if (found.kind === 'too-slow') {
            log.warn('A search of the audit took too long and was abandoned.');
          }
          return { code: 'audit-unavailable' };
        }
        const reach = searchedUntilOf(before, found.size);
        const requested = requestedBy({ ids, caller });
        const view: z.infer<typeof auditSearchAnswerSchema>['view'] = viewer.kind;
        await store.appendEvent({
          type: 'audit-search',
          ...requested,
          by: identity.name,
          reason,
          view,
          criteria: recordedCriteria(criteria),
          eventsShown: found.events.length,
        });
        const next = found.next === undefined ? undefined : writeCursor(found.next, criteria);
        const type = preferredType(c, ['application/json', FHIR_JSON]);
        const base = baseOf(c);
        const text =
          type === FHIR_JSON
            ? auditBundle(found.events, {
                id: requested.auditId,
                base,
                more: next !== undefined,
                coverage: reach,
              })
            : { auditId: requested.auditId, view, events: found.events, next, coverage: reach };
        return new Response(JSON.stringify(text), {
          status: 200,
          headers: {
            ...answerHeaders(type, ids),
            ...(next !== undefined && { 'x-next-cursor': next }),
          },
        });
      },
    );
  },
};
