import type { IncomingMessage } from 'node:http';
import type { Labels } from './instruments.ts';
import {
  readTraceparent,
  type TraceContext,
  type TraceIds,
  traceparentOf,
} from './trace-context.ts';

/** A piece of a trace under way. */
type Span = {
  /** @param error from a closed list: why the work did not succeed */
  end(error?: string): void;
};

/** The trace of one request, which exists only if it is sampled. */
export type Trace = {
  child(name: string, labels?: Labels, kind?: 'internal' | 'client'): Span;
};

/** Makes spans of a request. Loaded only if traces are exported. */
export type SpanMaker = (
  name: string,
  labels: Labels,
  parent: TraceContext | undefined,
) => { ids: TraceIds; child: Trace['child']; end(labels: Labels, error?: string): void };

type ServerTrace = ReturnType<SpanMaker>;

/** Sampled requests a second. Limited, because a stranger's header can also ask for a trace. */
const TRACES_A_SECOND = 100;

/**
 * Decides for each request whether it is traced, so that an untraced one costs only reading a header. Parent
 * based: a caller that sent a `traceparent` has decided; a share of the others is traced.
 *
 * @param random from 0 to 1; a test gives its own
 */
export function createTraces(ratio: number, random: () => number = Math.random) {
  let make: SpanMaker | undefined;
  let second = 0;
  let inSecond = 0;
  const traces = new WeakMap<IncomingMessage, Trace>();

  function withinRate(): boolean {
    const now = Math.floor(performance.now() / 1_000);
    if (now !== second) {
      second = now;
      inSecond = 0;
    }
    return ++inSecond <= TRACES_A_SECOND;
  }

  return {
    /** From now on spans are made. */
    use: (maker: SpanMaker | undefined): void => void (make = maker),
    /**
     * Starts the trace of a request, if it has one. Its own `traceparent` then replaces the received one, so
     * that anything that reads its headers later belongs to its span.
     */
    begin(incoming: IncomingMessage, method: string, route: string): ServerTrace | undefined {
      if (make === undefined) return undefined;
      const parent = readTraceparent(incoming.headers['traceparent']);
      if (!(parent?.sampled ?? (ratio > 0 && random() < ratio)) || !withinRate()) return undefined;
      const name = route === '' ? 'other' : `${method} ${route}`;
      const labels = {
        'http.request.method': method,
        ...(route !== '' && { 'http.route': route }),
      };
      const trace = make(name, labels, parent);
      incoming.headers['traceparent'] = traceparentOf(trace.ids);
      traces.set(incoming, trace);
      return trace;
    },
    of: (incoming: IncomingMessage): Trace | undefined =>
      make === undefined ? undefined : traces.get(incoming),
  };
}
export type Traces = ReturnType<typeof createTraces>;
