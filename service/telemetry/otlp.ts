import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
  ValueType,
} from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Distribution, Labels, Reading } from './instruments.ts';
import type { SpanMaker } from './traces.ts';

/**
 * Everything from OpenTelemetry itself, in one module that is loaded only if something is sent by OTLP: it
 * takes a tenth of a second and 16 MiB that another start should not pay for.
 */

const SCOPE = 'cp-flags';

type Moment = [seconds: number, nanoseconds: number];
const momentOf = (milliseconds: number): Moment => [
  Math.floor(milliseconds / 1_000),
  Math.round((milliseconds % 1_000) * 1e6),
];
const BEGAN_AT = momentOf(performance.timeOrigin);

const histogramOf = ({ bounds, counts, sum }: Distribution) => ({
  buckets: { boundaries: [...bounds], counts: [...counts] },
  count: counts.reduce((all, count) => all + count, 0),
  sum,
});

function metricOf(reading: Reading, endTime: Moment): MetricData {
  const { name, description, unit } = reading;
  const common = {
    descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const pointOf = <T>(attributes: Labels, value: T) => ({
    startTime: BEGAN_AT,
    endTime,
    attributes,
    value,
  });
  if (reading.kind === 'histogram') {
    return {
      ...common,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: reading.points.map(({ labels, distribution }) =>
        pointOf(labels, histogramOf(distribution)),
      ),
    };
  }
  const dataPoints = reading.points.map(({ labels, value }) => pointOf(labels, value));
  return reading.kind === 'gauge'
    ? { ...common, dataPointType: DataPointType.GAUGE, dataPoints }
    : { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
}

/** The present values, in the form that exporters take. */
function resourceMetrics(resource: Resource, readings: readonly Reading[]): ResourceMetrics {
  const endTime = momentOf(Date.now());
  const metrics = readings
    .filter(({ points }) => points.length > 0)
    .map((reading) => metricOf(reading, endTime));
  return { resource, scopeMetrics: [{ scope: { name: SCOPE }, metrics }] };
}

/** What runs here, as exports name it; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` take precedence. */
export function openResource(own: { version: string; instance: string; role: string }): Resource {
  return resourceFromAttributes({
    'service.name': 'cp-flags',
    'service.version': own.version,
    'service.instance.id': own.instance,
    'cp_flags.role': own.role,
  }).merge(detectResources({ detectors: [envDetector] }));
}

type ExportOptions = {
  timeoutMillis: number;
  resource: Resource;
  /** Called after each attempt, with why it failed if it did. */
  attempted: (address: string, failure: string | undefined) => void;
};

type Exporter<T> = {
  export(
    items: T,
    done: (result: { code: number; error?: Error & { code?: string | number } }) => void,
  ): void;
};

/** Makes an exporter report how each attempt went. */
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

/**
 * Connections for one export each, which end at its deadline: the exporter's own deadline restarts with each
 * byte, so that a trickling answer would never end.
 */
const bounded =
  (deadlineMs: number) =>
  (protocol: string): HttpAgent => {
    const agent = protocol === 'https:' ? new HttpsAgent() : new HttpAgent();
    const { createConnection } = agent;
    agent.createConnection = (...args) => {
      const socket = createConnection.apply(agent, args);
      const deadline = setTimeout(() => socket?.destroy(), deadlineMs);
      socket?.once('close', () => clearTimeout(deadline));
      return socket;
    };
    return agent;
  };

/** Sends metrics by OTLP at an interval. `stop` sends them once more. */
export function pushMetrics(
  url: string,
  read: () => Promise<readonly Reading[]>,
  { resource, attempted, timeoutMillis }: ExportOptions,
  everyMs: number,
): { stop: () => Promise<void> } {
  const exporter = new OTLPMetricExporter({
    url,
    timeoutMillis,
    httpAgentOptions: bounded(timeoutMillis),
  });
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

/** Makes spans that go out by OTLP in batches; those without room are dropped. */
export function openSpans(
  url: string,
  { resource, attempted, timeoutMillis }: ExportOptions,
  everyMs: number,
): { make: SpanMaker; stop: () => Promise<void> } {
  const httpAgentOptions = bounded(timeoutMillis);
  const exporter = watched(
    new OTLPTraceExporter({ url, timeoutMillis, httpAgentOptions }),
    (failure) => attempted(url, failure),
  );
  const provider = new TracerProvider({
    resource,
    // Whether a request is traced is decided before anything is made for it.
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
