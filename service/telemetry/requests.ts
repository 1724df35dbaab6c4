import type { IncomingMessage } from 'node:http';
import type { Metrics } from './metrics.ts';
import type { Traces } from './traces.ts';

/** A request under way, as it is measured. */
type ObservedRequest = {
  /** @param status 0 if the answer was broken off before it began */
  end(status: number): void;
};

/** What the HTTP server reports each request. */
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

/** One object a request, and no closure: they are what measuring costs a lookup. */
class Observed implements ObservedRequest {
  readonly #metrics: RequestMetrics;
  readonly #trace: RequestTrace | undefined;
  readonly #method: string;
  readonly #route: string;
  readonly #beganAt = performance.now();

  constructor(
    metrics: RequestMetrics,
    trace: RequestTrace | undefined,
    method: string,
    route: string,
  ) {
    this.#metrics = metrics;
    this.#trace = trace;
    this.#method = method;
    this.#route = route;
  }

  end(status: number): void {
    this.#metrics.answered(this.#method, this.#route, status, performance.now() - this.#beganAt);
    const trace = this.#trace;
    if (trace === undefined) return;
    if (status === 0) trace.end({}, 'broken-off');
    else {
      const failed = status >= 500 ? String(status) : undefined;
      trace.end({ 'http.response.status_code': String(status) }, failed);
    }
  }
}

type RequestMetrics = Pick<Metrics, 'began' | 'answered'>;
type RequestTrace = NonNullable<ReturnType<Traces['begin']>>;

/** Measures and, if they are sampled, traces requests. */
export function createRequestObserver(
  metrics: RequestMetrics,
  traces: Traces,
  routeOf: (url: string) => string,
): RequestObserver {
  return {
    begin(incoming) {
      const { method = '', url = '' } = incoming;
      const route = routeOf(url);
      metrics.began();
      return new Observed(metrics, traces.begin(incoming, method, route), method, route);
    },
  };
}
