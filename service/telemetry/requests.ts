import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metrics } from './metrics.ts';
import type { Traces } from './traces.ts';

/** Called by the HTTP server with each request, before anything in it is read. */
export type RequestObserver = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/** The status of an answer that was broken off before it began. */
const BROKEN_OFF = 0;

/**
 * The route of an address, from the list of routes: an address as sent may contain anything, even an NHS
 * number, and strangers can send any number of them.
 *
 * @param paths as the router knows them, `:name` for a variable part
 * @returns gives '' for an address without a route
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

/** Measures and, if they are sampled, traces requests. */
export function createRequestObserver(
  metrics: Pick<Metrics, 'began' | 'answered'>,
  traces: Traces,
  routeOf: (url: string) => string,
): RequestObserver {
  return (incoming, outgoing) => {
    const { method = '', url = '' } = incoming;
    const route = routeOf(url);
    const beganAt = performance.now();
    metrics.began();
    const trace = traces.begin(incoming, method, route);
    outgoing.on('close', () => {
      const status = outgoing.headersSent ? outgoing.statusCode : BROKEN_OFF;
      metrics.answered(method, route, status, performance.now() - beganAt);
      if (status === BROKEN_OFF) trace?.end({}, 'broken-off');
      else {
        const failed = status >= 500 ? String(status) : undefined;
        trace?.end({ 'http.response.status_code': String(status) }, failed);
      }
    });
  };
}
