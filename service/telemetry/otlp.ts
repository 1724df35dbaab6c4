import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import type { Resource } from '@opentelemetry/resources';
import { PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Reading } from './instruments.ts';
import { resourceMetrics, SCOPE } from './opentelemetry.ts';
import type { SpanMaker } from './tracing.ts';

export type ExportOptions = {
  timeoutMillis: number;
  resource: Resource;
  /** Told of each attempt: nothing, or why it failed. */
  attempted: (address: string, failure: string | undefined) => void;
};

type Exporter<T> = {
  export(
    items: T,
    done: (result: { code: number; error?: Error & { code?: string | number } }) => void,
  ): void;
};

/** Has an exporter tell how each attempt went. */
function watched<T, E extends Exporter<T>>(
  exporter: E,
  tell: (failure: string | undefined) => void,
): E {
  const send = exporter.export.bind(exporter);
  exporter.export = (items, done) =>
    send(items, (result) => {
      const { code, error } = result;
      tell(code === 0 ? undefined : String(error?.code ?? error?.name ?? 'unknown'));
      done(result);
    });
  return exporter;
}

/** Sends metrics by OTLP at an interval. `stop` sends what there is once more. */
export function pushMetrics(
  url: string,
  read: () => Promise<readonly Reading[]>,
  { resource, attempted, timeoutMillis }: ExportOptions,
  everyMs: number,
): { stop: () => Promise<void> } {
  const exporter = new OTLPMetricExporter({ url, timeoutMillis });
  const reader = new PeriodicExportingMetricReader({
    exporter: watched(exporter, (failure) => attempted(url, failure)),
    exportIntervalMillis: everyMs,
  });
  reader.setMetricProducer({
    collect: async () => ({
      resourceMetrics: resourceMetrics(resource, await read()),
      errors: [],
    }),
  });
  return { stop: () => reader.shutdown() };
}

const KINDS = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT };

/** Makes spans that go out by OTLP in batches; what finds no room there is dropped. */
export function openSpans(
  url: string,
  { resource, attempted, timeoutMillis }: ExportOptions,
  everyMs: number,
): { make: SpanMaker; stop: () => Promise<void> } {
  const exporter = watched(new OTLPTraceExporter({ url, timeoutMillis }), (failure) =>
    attempted(url, failure),
  );
  const provider = new TracerProvider({
    resource,
    // Whether a request is traced has been decided before anything is made for it.
    sampler: new AlwaysOnSampler(),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: everyMs })],
  });
  const tracer = provider.getTracer(SCOPE);

  const make: SpanMaker = (name, labels, parent) => {
    const context =
      parent === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, {
            traceId: parent.traceId,
            spanId: parent.spanId,
            traceFlags: TraceFlags.SAMPLED,
            isRemote: true,
          });
    const server = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes: labels }, context);
    const within = trace.setSpan(context, server);
    const { traceId, spanId } = server.spanContext();
    return {
      ids: { traceId, spanId },
      child(childName, childLabels = {}, kind = 'internal') {
        const span = tracer.startSpan(
          childName,
          { kind: KINDS[kind], attributes: childLabels },
          within,
        );
        return { end: (error) => endSpan(span, {}, error) };
      },
      end: (last, error) => endSpan(server, last, error),
    };
  };
  return { make, stop: () => provider.shutdown() };
}

function endSpan(span: Span, labels: Attributes, error: string | undefined): void {
  span.setAttributes(labels);
  if (error !== undefined) {
    span.setAttribute('error.type', error);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
