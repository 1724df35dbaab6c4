import { ValueType } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
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
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { Distribution, Labels, Reading } from './instruments.ts';

/**
 * Readings as OpenTelemetry has them, and as a page for Prometheus. This module, and `otlp.ts` more so, is
 * loaded only where something is exported: a start without it need not pay for it in time or memory.
 */

export const SCOPE = 'cp-flags';

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

/** What is read now, as exporters take it. */
export function resourceMetrics(resource: Resource, readings: readonly Reading[]): ResourceMetrics {
  const endTime = momentOf(Date.now());
  const metrics = readings
    .filter(({ points }) => points.length > 0)
    .map((reading) => metricOf(reading, endTime));
  return { resource, scopeMetrics: [{ scope: { name: SCOPE }, metrics }] };
}

/** What runs here, as exports name it; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` go before. */
export function openResource(own: { version: string; instance: string; role: string }): Resource {
  return resourceFromAttributes({
    'service.name': 'cp-flags',
    'service.version': own.version,
    'service.instance.id': own.instance,
    'cp_flags.role': own.role,
  }).merge(detectResources({ detectors: [envDetector] }));
}

/** As OpenTelemetry names metrics in Prometheus; the serializer leaves the unit out, a collector does not. */
const UNIT_WORDS: Partial<Record<string, string>> = { s: 'seconds', By: 'bytes', '1': 'ratio' };

function withUnit(reading: Reading): Reading {
  const word = UNIT_WORDS[reading.unit];
  return word === undefined || reading.name.endsWith(`.${word}`)
    ? reading
    : { ...reading, name: `${reading.name}.${word}` };
}

/** Writes readings as a page for Prometheus. */
export function createPage(resource: Resource): (readings: readonly Reading[]) => string {
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);
  return (readings) => serializer.serialize(resourceMetrics(resource, readings.map(withUnit)));
}
