import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { RegExpRouter } from 'hono/router/reg-exp-router';
import { TrieRouter } from 'hono/router/trie-router';
import { refusalResponse } from './fhir/outcome.ts';
import { withTraceId } from './fhir/request.ts';
import { FHIR_BASE } from './fhir/vocabulary.ts';
import { problemResponse } from './http/problem.ts';
import { readRequestIds } from './http/request-ids.ts';
import type { MountedRoute, NotFound } from './http/route.ts';
import { allowedMethods } from './routes/route.ts';
import { errorFields, type Log } from './telemetry/log.ts';
import { createRouteNames } from './telemetry/requests.ts';

const isFhir = (path: string): boolean => path === FHIR_BASE || path.startsWith(`${FHIR_BASE}/`);

/**
 * The app with exactly the given routes. Each has one handler and no middleware, so that Hono calls it
 * directly.
 *
 * @throws for addresses that one regular expression cannot hold, unless they are marked as separate.
 * Otherwise Hono would use a slower router for all of them, at the cost of every lookup.
 */
export function createApp(
  routes: readonly MountedRoute[],
  { log, page }: { log: Log; page?: NotFound | undefined },
) {
  const app = new Hono<{ Bindings: HttpBindings }>({ router: new RegExpRouter() });
  const apart = new Hono<{ Bindings: HttpBindings }>({ router: new TrieRouter() });
  for (const { operation, handler } of routes) {
    (operation.apart === true ? apart : app).on(operation.method, operation.path, handler);
    for (const path of operation.optionsAt ?? []) app.on('OPTIONS', path, handler);
  }

  const allowed = allowedMethods(routes);
  const routeOf = createRouteNames([...allowed.keys()]);
  const hasFhir = routes.some(({ operation }) => isFhir(operation.path));
  app.notFound((c) => apart.fetch(c.req.raw, c.env));
  apart.notFound((c) => {
    const { path } = c.req;
    const allow = allowed.get(routeOf(path));
    const code = allow === undefined ? 'not-found' : 'method-not-allowed';
    const { incoming } = c.env;
    const shown = isFhir(path) ? undefined : page?.(c, allow !== undefined);
    if (shown !== undefined) return shown;
    const method = allow === undefined ? {} : { allow };
    return hasFhir && isFhir(path)
      ? refusalResponse(code, { ...readRequestIds(withTraceId(incoming)), ...method })
      : problemResponse(code, { ...readRequestIds(incoming), ...method });
  });
  const failed = (error: Error): Response => {
    log.error('A request failed inside the service.', errorFields(error));
    return problemResponse('could-not-check');
  };
  app.onError(failed);
  apart.onError(failed);
  return app;
}
