import { SEARCH_TYPES } from '#schemas/lookup.ts';
import { SAFE_HEADERS } from '../http/problem.ts';
import { readRequestIds } from '../http/request-ids.ts';
import type { Route, RouteContext } from '../http/route.ts';
import { CONFORMANCE } from './conformance.ts';
import { wantsJson } from './media.ts';
import { refusalResponse } from './outcome.ts';
import { createSearchHandler, type SearchDependencies, withTraceId } from './search.ts';
import { FHIR_BASE, FHIR_JSON } from './vocabulary.ts';

export type FhirDependencies = SearchDependencies & {
  /** The address by which clients reach this service, where it is not the one that they send. */
  publicUrl?: string | undefined;
  /** Of the software. */
  version: string;
};

export type Fhir = {
  routes: readonly Route[];
  /** True of an address that this service answers for, whether there is anything or not. */
  covers(path: string): boolean;
  /** Refuses a request that no route takes; `allow` where another method would be taken. */
  refuse(c: RouteContext, allow: string | undefined): Response;
};

/**
 * The FHIR R4 service: searches by NHS number, and what describes them. Its shapes are those of the draft
 * CP-IS FHIR guide (CareTeam, AuditEvent) and of the Patient Flags guide (Flag).
 */
export function createFhir({ publicUrl, version, ...dependencies }: FhirDependencies): Fhir {
  const baseOf = ({ req: { url } }: RouteContext): string =>
    `${publicUrl ?? url.slice(0, url.indexOf('/', url.indexOf('//') + 2))}${FHIR_BASE}`;

  const conformance = Object.entries(CONFORMANCE).map(
    ([path, describe]): Route => ({
      method: 'GET',
      path,
      open: true,
      handler: (c) => {
        const base = baseOf(c);
        const { headers } = c.env.incoming;
        if (!wantsJson(headers, c.req.query('_format') ?? null)) {
          return refusalResponse(
            'format-unsupported',
            base,
            readRequestIds(withTraceId(c.env.incoming)),
          );
        }
        return new Response(JSON.stringify(describe(base, version)), {
          status: 200,
          headers: { ...SAFE_HEADERS, 'content-type': FHIR_JSON },
        });
      },
    }),
  );
  const searches = SEARCH_TYPES.flatMap((type): Route[] => {
    const search = createSearchHandler(type, dependencies);
    const handler = (c: RouteContext) => search(c.env, baseOf(c));
    const path = `${FHIR_BASE}/${type}`;
    return [
      { method: 'GET', path, handler },
      { method: 'POST', path: `${path}/_search`, handler },
    ];
  });

  return {
    routes: [...conformance, ...searches],
    covers: (path) => path === FHIR_BASE || path.startsWith(`${FHIR_BASE}/`),
    refuse(c, allow) {
      const ids = readRequestIds(withTraceId(c.env.incoming));
      return allow === undefined
        ? refusalResponse('not-found', baseOf(c), ids)
        : refusalResponse('method-not-allowed', baseOf(c), { ...ids, allow });
    },
  };
}
