import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Configuration } from '#schemas/configuration.ts';
import { TELEMETRY } from '#schemas/wording/operations.ts';
import { exposition } from './exposition.ts';
import { gauge, type Reading, type Source } from './instruments.ts';
import { errorFields, type Log } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { serveMetrics } from './metrics-page.ts';
import { watchProcess } from './process.ts';
import { createRequestObserver, createRouteNames, type RequestObserver } from './requests.ts';
import { createTraces, type Traces } from './traces.ts';

/** How long a stop waits for telemetry to be sent; the rest is lost. */
const FLUSHED_WITHIN_MS = 2_000;
/** A disk that does not answer is left out of the metrics. */
const READ_WITHIN_MS = 1_000;

export type Telemetry = {
  /** The id of this run of the process, as metrics and traces have it. */
  instance: string;
  metrics: Metrics;
  /** `undefined` if OTEL_SDK_DISABLED says that requests are not to be measured. */
  observer(paths: readonly string[]): RequestObserver | undefined;
  calledStore: Metrics['calledStore'] | undefined;
  traces: Traces;
  /** Adds something to be read whenever metrics are exported. */
  watch(source: Source): void;
  /** Starts the configured exports. Gives the port of the page; never rejects. */
  start(): Promise<number | undefined>;
  stop(): Promise<void>;
};

/** The addresses of OTLP, by signal; `undefined` if it is not sent. */
export function otlpAddresses(configuration: Configuration): { traces?: string; metrics?: string } {
  const { OTEL_SDK_DISABLED, OTEL_TRACES_SAMPLER } = configuration;
  if (OTEL_SDK_DISABLED) return {};
  const base = configuration.OTEL_EXPORTER_OTLP_ENDPOINT?.replace(/\/+$/, '');
  const of = (signal: string, own: string | undefined): string | undefined =>
    own ?? (base === undefined ? undefined : `${base}/v1/${signal}`);
  const traces = of('traces', configuration.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
  const metrics = of('metrics', configuration.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT);
  return {
    ...(traces !== undefined && OTEL_TRACES_SAMPLER !== 'always_off' && { traces }),
    ...(metrics !== undefined && { metrics }),
  };
}

function ratioOf({ OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG }: Configuration): number {
  if (OTEL_TRACES_SAMPLER === 'parentbased_always_on') return 1;
  return OTEL_TRACES_SAMPLER === 'parentbased_traceidratio' ? OTEL_TRACES_SAMPLER_ARG : 0;
}

/**
 * Measures this process. Requests are always counted, in plain numbers; OpenTelemetry is loaded only if an
 * address to send them to is set, and takes no part in answering: its failures are log lines.
 */
export function createTelemetry(
  configuration: Configuration,
  { version, log }: { version: string; log: Log },
): Telemetry {
  const { METRICS_HOST, ROLE, TLS_CERT_FILE, OTEL_SDK_DISABLED } = configuration;
  const METRICS_PORT = OTEL_SDK_DISABLED ? undefined : configuration.METRICS_PORT;
  const metrics = createMetrics(TLS_CERT_FILE === undefined ? 'http' : 'https');
  const traces = createTraces(ratioOf(configuration));
  const otlp = otlpAddresses(configuration);
  const asked = METRICS_PORT !== undefined || Object.keys(otlp).length > 0;
  const sources: Source[] = [() => metrics.read()];
  const stops: (() => Promise<void>)[] = [];
  const instance = randomUUID();
  const failing = new Set<string>();
  let starting: Promise<number | undefined> | undefined;
  let stopped = false;

  /** One that fails, or does not answer in time, is left out. */
  async function readOne(source: Source): Promise<readonly Reading[]> {
    const patience = new AbortController();
    const late = delay(READ_WITHIN_MS, [], { signal: patience.signal }).catch(() => []);
    try {
      return await Promise.race([source(), late]);
    } catch {
      return [];
    } finally {
      patience.abort();
    }
  }
  const read = async (): Promise<readonly Reading[]> =>
    (await Promise.all(sources.map(readOne))).flat();

  function attempted(url: string, failure: string | undefined): void {
    const { origin: address } = new URL(url);
    if (failure !== undefined && !failing.has(url)) {
      failing.add(url);
      log.warn(TELEMETRY.notSent, { address, cause: failure });
    }
    if (failure === undefined && failing.delete(url)) {
      log.info('Traces and metrics are sent by OTLP again.', { address });
    }
  }

  async function beginSending(): Promise<void> {
    const { openResource, openSpans, pushMetrics } = await import('./otlp.ts');
    if (stopped) return;
    const resource = openResource({ version, instance, role: ROLE });
    const timeoutMillis = configuration.OTEL_EXPORTER_OTLP_TIMEOUT;
    const options = { resource, attempted, timeoutMillis };
    if (otlp.traces !== undefined) {
      const spans = openSpans(otlp.traces, options, configuration.OTEL_BSP_SCHEDULE_DELAY);
      traces.use(spans.make);
      stops.push(async () => {
        traces.use(undefined);
        await spans.stop();
      });
    }
    if (otlp.metrics !== undefined) {
      const everyMs = configuration.OTEL_METRIC_EXPORT_INTERVAL;
      stops.push(pushMetrics(otlp.metrics, read, options, everyMs).stop);
    }
  }

  /** What OTLP says about its sender, where Prometheus looks for it. */
  const target = gauge({ name: 'target.info', description: 'What runs here.', unit: '' }, [
    {
      labels: {
        'service.name': 'cp-flags',
        'service.version': version,
        'service.instance.id': instance,
        'cp_flags.role': ROLE,
      },
      value: 1,
    },
  ]);

  async function begin(): Promise<number | undefined> {
    const { source, stop } = watchProcess();
    sources.push(source);
    stops.push(async () => stop());
    if (Object.keys(otlp).length > 0) await beginSending();
    if (METRICS_PORT === undefined || stopped) return undefined;
    const page = await serveMetrics(
      { host: METRICS_HOST, port: METRICS_PORT },
      async () => exposition([target, ...(await read())]),
      log,
    );
    stops.push(page.stop);
    return page.port;
  }

  return {
    instance,
    metrics,
    observer: (paths) =>
      OTEL_SDK_DISABLED
        ? undefined
        : createRequestObserver(metrics, traces, createRouteNames(paths)),
    calledStore: OTEL_SDK_DISABLED ? undefined : metrics.calledStore,
    traces,
    watch: (source) => void sources.push(source),
    start() {
      starting ??= (asked ? begin() : Promise.resolve(undefined)).catch((error: unknown) => {
        log.error('Metrics and traces cannot be exported. Lookups continue.', errorFields(error));
        return undefined;
      });
      return starting;
    },
    async stop() {
      stopped = true;
      await starting;
      const patience = new AbortController();
      await Promise.race([
        Promise.allSettled(stops.map((stop) => stop())),
        delay(FLUSHED_WITHIN_MS, undefined, { signal: patience.signal }).catch(() => undefined),
      ]);
      patience.abort();
    },
  };
}
