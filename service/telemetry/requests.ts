import type { IncomingMessage } from 'node:http';
import type { Metrics } from './metrics.ts';
import type { Tracing } from './tracing.ts';

/** A request under way, as it is measured. */
export type ObservedRequest = {
  /** @param status 0 where the answer was broken off before it began */
  end(status: number): void;
};

/** What the HTTP server tells of each request. */
export type RequestObserver = { begin(incoming: IncomingMessage): ObservedRequest };

/**
 * The route of an address, from the list of routes there are: an address as it was sent may hold anything,
 * an NHS number too, and there are as many as strangers like to send.
 *
 * @param paths as the router knows them, `:name` for a part that differs
 * @returns gives '' for an address of no route
 */
export function createRouteNames(paths: readonly string[]): (url: string) => string {
  const exact = new Set(paths.filter((path) => !path.includes(':')));
  const patterns = [...new Set(paths.filter((path) => path.includes(':')))].map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/:[^/]+/g, '[^/]+')}$`),
  }));
  return (url) => {
    if (exact.has(url)) return url;
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    if (exact.has(path)) return path;
    return patterns.find(({ pattern }) => pattern.test(path))?.path ?? '';
  };
}

/** Measures and, where they are sampled, traces requests. */
export function createRequestObserver(
  metrics: Pick<Metrics, 'began' | 'answered'>,
  tracing: Tracing,
  routeOf: (url: string) => string,
): RequestObserver {
  return {
    begin(incoming) {
      const beganAt = performance.now();
      const { method } = incoming;
      const route = routeOf(incoming.url ?? '');
      metrics.began();
      const trace = tracing.begin(
        incoming,
        () => (route === '' ? 'other' : `${method} ${route}`),
        () => ({
          'http.request.method': method ?? '',
          ...(route !== '' && { 'http.route': route }),
        }),
      );
      return {
        end(status) {
          metrics.answered(method, route, status, performance.now() - beganAt);
          if (trace === undefined) return;
          if (status === 0) trace.end({}, 'broken-off');
          else {
            const failed = status >= 500 ? String(status) : undefined;
            trace.end({ 'http.response.status_code': String(status) }, failed);
          }
        },
      };
    },
  };
}
