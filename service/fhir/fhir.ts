import { TLSSocket } from 'node:tls';
import type { HttpBindings } from '@hono/node-server';
import { SEARCH_TYPES } from '#schemas/lookup.ts';
import { responseOf, SAFE_HEADERS } from '../http/problem.ts';
import { readRequestIds } from '../http/request-ids.ts';
import type { LookupContext, LookupHandler } from '../lookup/handler.ts';
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

export type FhirRoute = {
  method: 'GET' | 'POST';
  path: string;
  /** What the Allow header says of this path. */
  allow: string;
  handler: (c: LookupContext) => Response | Promise<Response>;
};

export type Fhir = {
  routes: readonly FhirRoute[];
  /** The searches by POST once more, by path, as plain handlers: see `createHandler`. */
  direct: readonly [path: string, handler: LookupHandler][];
  /** True of an address that this service answers for, whether there is anything or not. */
  covers(path: string): boolean;
  /** Refuses a request that no route takes; `allow` where another method would be taken. */
  refuse(c: LookupContext, allow: string | undefined): Response;
};

/**
 * The FHIR R4 service: searches by NHS number, and what describes them. Its shapes are those of the draft
 * CP-IS FHIR guide (CareTeam, AuditEvent) and of the Patient Flags guide (Flag).
 */
export function createFhir({ publicUrl, version, ...dependencies }: FhirDependencies): Fhir {
  const baseOf = ({ req: { url } }: LookupContext): string =>
    `${publicUrl ?? url.slice(0, url.indexOf('/', url.indexOf('//') + 2))}${FHIR_BASE}`;
  // The server hands over what has a Host as it stands in a link, and no other.
  const directBaseOf = ({ incoming: { socket, headers } }: HttpBindings): string =>
    `${publicUrl ?? `${socket instanceof TLSSocket ? 'https' : 'http'}://${headers.host}`}${FHIR_BASE}`;

  const conformance = Object.entries(CONFORMANCE).map(
    ([path, describe]): FhirRoute => ({
      method: 'GET',
      path,
      allow: 'GET, HEAD',
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
  const direct: [string, LookupHandler][] = [];
  const searches = SEARCH_TYPES.flatMap((type): FhirRoute[] => {
    const search = createSearchHandler(type, dependencies);
    const handler = async (c: LookupContext) => responseOf(await search(c.env, baseOf(c)));
    const path = `${FHIR_BASE}/${type}`;
    direct.push([`${path}/_search`, (env) => search(env, directBaseOf(env))]);
    return [
      { method: 'GET', path, allow: 'GET', handler },
      { method: 'POST', path: `${path}/_search`, allow: 'POST', handler },
    ];
  });

  return {
    routes: [...conformance, ...searches],
    direct,
    covers: (path) => path === FHIR_BASE || path.startsWith(`${FHIR_BASE}/`),
    refuse(c, allow) {
      const ids = readRequestIds(withTraceId(c.env.incoming));
      return allow === undefined
        ? refusalResponse('not-found', baseOf(c), ids)
        : refusalResponse('method-not-allowed', baseOf(c), { ...ids, allow });
    },
  };
}
