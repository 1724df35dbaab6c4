import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import type { Description } from './description/description.ts';
import type { Fhir } from './fhir/fhir.ts';
import { problemResponse, SAFE_HEADERS } from './http/problem.ts';
import { readRequestIds } from './http/request-ids.ts';
import { allowedMethods, type Route } from './http/route.ts';
import type { LookupHandler } from './lookup/handler.ts';
import type { AuditSearchRoute } from './routes/audit-search.ts';
import type { Uploads } from './routes/uploads.ts';
import { errorFields, type Log } from './telemetry/log.ts';
import { createRouteNames } from './telemetry/requests.ts';

export type AppDependencies = {
  /** Absent in the worker role, as are batches and FHIR. */
  lookup?: LookupHandler;
  batch?: LookupHandler;
  fhir?: Fhir;
  /** Absent in the lookup role, which has no right to load. */
  uploads?: Uploads;
  /** Absent in the lookup role, which has no log. */
  auditSearch?: AuditSearchRoute;
  notifications?: Route;
  description: Description;
  ping: () => Response;
  status: () => Response;
  log: Log;
};

const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(ERRORS, text);

/** What the `type` of a problem points to. */
function describeProblem(code: string | undefined): Response {
  if (code === undefined || !isErrorCode(code)) return problemResponse('not-found');
  const { title, status, detail, retryable } = ERRORS[code];
  return new Response(JSON.stringify({ code, title, status, detail, retryable }), {
    status: 200,
    headers: { ...SAFE_HEADERS, 'content-type': 'application/json' },
  });
}

/** The routes. Each has exactly one handler, and none a middleware, so that Hono calls it directly. */
export function createApp(dependencies: AppDependencies) {
  const { lookup, batch, fhir, uploads, notifications, ping, status, log } = dependencies;
  const { auditSearch, description } = dependencies;
  const app = new Hono<{ Bindings: HttpBindings }>();
  const routes: Route[] = [
    ...(lookup === undefined
      ? []
      : [{ method: 'POST' as const, path: '/lookup', handler: lookup }]),
    ...(batch === undefined
      ? []
      : [{ method: 'POST' as const, path: '/lookup/batch', handler: batch }]),
    ...(auditSearch === undefined ? [] : [{ method: 'POST' as const, ...auditSearch }]),
    ...(fhir?.routes ?? []),
    ...(uploads?.routes ?? []),
    ...(notifications === undefined ? [] : [notifications]),
    { method: 'GET', path: '/_ping', open: true, handler: ping },
    { method: 'GET', path: '/_status', open: true, handler: status },
    { method: 'GET', path: '/openapi.json', open: true, handler: description.openapi },
    { method: 'GET', path: '/docs', open: true, handler: description.page },
    {
      method: 'GET',
      path: '/problems/:code',
      open: true,
      handler: (c) => describeProblem(c.req.param('code')),
    },
  ];
  for (const { method, path, handler } of routes) app.on(method, path, handler);
  const allowed = allowedMethods(routes);
  const routeOf = createRouteNames([...allowed.keys()]);
  app.notFound((c) => {
    const ids = readRequestIds(c.env.incoming);
    const allow = allowed.get(routeOf(c.req.path));
    if (fhir?.covers(c.req.path) === true) return fhir.refuse(c, allow);
    return allow === undefined
      ? problemResponse('not-found', ids)
      : problemResponse('method-not-allowed', { ...ids, allow });
  });
  app.onError((error) => {
    log.error('a request failed inside the service', errorFields(error));
    return problemResponse('could-not-check');
  });
  return app;
}
