import type { IncomingMessage } from 'node:http';
import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { ConfigurationError, readConfiguration } from '#schemas/configuration.ts';
import { exposition } from '#service/telemetry/exposition.ts';
import { Distribution } from '#service/telemetry/instruments.ts';
import { createMetrics } from '#service/telemetry/metrics.ts';
import { createRouteNames } from '#service/telemetry/requests.ts';
import { otlpAddresses } from '#service/telemetry/telemetry.ts';
import { readTraceparent, traceparentOf } from '#service/telemetry/trace-context.ts';
import { createTraces, type SpanMaker } from '#service/telemetry/traces.ts';

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'.split('')), {
      minLength: length,
      maxLength: length,
    })
    .map((digits) => digits.join(''));

describe('a traceparent', () => {
  test('reads back as written, and only its last bit says whether it is sampled', () => {
    fc.assert(
      fc.property(hex(32), hex(16), hex(2), (traceId, spanId, flags) => {
        const read = readTraceparent(`00-${traceId}-${spanId}-${flags}`);
        if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) expect(read).toBeUndefined();
        else {
          const isSampled = Number.parseInt(flags, 16) % 2 === 1;
          expect(read).toEqual({ traceId, spanId, sampled: isSampled });
          expect(readTraceparent(traceparentOf({ traceId, spanId }))?.traceId).toBe(traceId);
        }
      }),
    );
  });

  test('yields only ids, whatever is sent', () => {
    const good = fc
      .tuple(hex(2), hex(32), hex(16), hex(2), fc.constantFrom('', '-', '-more'))
      .map(([version, traceId, spanId, flags, more]) =>
        [version, traceId, spanId, flags].join('-').concat(more),
      );
    const changed = fc
      .tuple(good, fc.nat(60), fc.nat(2), fc.constantFrom('', '0', 'A', 'g', '-', '\n', 'é'))
      .map(([text, place, gone, odd]) => text.slice(0, place) + odd + text.slice(place + gone));
    let ids = 0;
    fc.assert(
      fc.property(fc.oneof(fc.string(), good, changed), (text) => {
        const read = readTraceparent(text);
        if (read === undefined) return;
        ids++;
        expect(read.traceId).toMatch(/^[0-9a-f]{32}$/);
        expect(read.spanId).toMatch(/^[0-9a-f]{16}$/);
        expect(text).toContain(`-${read.traceId}-${read.spanId}-`);
      }),
      { numRuns: 500 },
    );
    expect(ids).toBeGreaterThan(50);
  });

  test.each([
    ['an invalid version', `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`],
    ['capitals', `00-${'A'.repeat(32)}-${'b'.repeat(16)}-01`],
    ['more after version 00', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01-x`],
    ['two headers', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01, 00-x`],
  ])('with %s is not read', (_, header) => {
    expect(readTraceparent(header)).toBeUndefined();
  });

  test('of a later version is read by its first fields', () => {
    const header = `01-${'a'.repeat(32)}-${'b'.repeat(16)}-01-what-comes`;
    expect(readTraceparent(header)?.sampled).toBe(true);
  });
});

describe('sampling', () => {
  const begin = (traceparent: string | undefined, ratio: number, drawn: number) => {
    const traces = createTraces(ratio, () => drawn);
    const made: unknown[] = [];
    const maker: SpanMaker = (name) => {
      made.push(name);
      const end = () => undefined;
      return {
        ids: { traceId: 'a'.repeat(32), spanId: 'c'.repeat(16) },
        child: () => ({ end }),
        end,
      };
    };
    traces.use(maker);
    const ask = (): void => {
      const headers = traceparent === undefined ? {} : { traceparent };
      traces.begin({ headers } as IncomingMessage, 'GET', '/');
    };
    return { made, ask };
  };
  const parent = (flags: string): string => `00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`;

  test.each([
    [undefined, 0, 0, 0],
    [undefined, 0.1, 0.05, 1],
    [undefined, 0.1, 0.5, 0],
    [parent('01'), 0, 0.5, 1],
    [parent('00'), 1, 0, 0],
  ])('with parent %s and ratio %d, a draw of %d makes %d', (traceparent, ratio, drawn, count) => {
    const { made, ask } = begin(traceparent, ratio, drawn);
    ask();
    expect(made).toHaveLength(count);
  });

  test('is limited, however many requests ask to be traced', () => {
    const { made, ask } = begin(parent('01'), 0, 0);
    const clock = vi.spyOn(performance, 'now').mockReturnValue(5_999);
    for (let i = 0; i < 2_000; i++) ask();
    expect(made).toHaveLength(100);
    clock.mockReturnValue(6_000);
    for (let i = 0; i < 2_000; i++) ask();
    expect(made).toHaveLength(200);
  });
});

test('a distribution counts every value once, in the bucket that holds it', () => {
  const bounds = [1, 2, 4];
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 8 })), (values) => {
      const distribution = new Distribution(bounds);
      for (const value of values) distribution.record(value);
      const upTo = [0, 1, 2, 3].map(
        (bucket) => values.filter((value) => value <= (bounds[bucket] ?? Infinity)).length,
      );
      expect(distribution.counts.map((_, i) => sum(distribution.counts.slice(0, i + 1)))).toEqual(
        upTo,
      );
      expect(distribution.sum).toBe(sum(values));
    }),
  );
});
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

describe('the routes of metrics', () => {
  const paths = ['/lookup', '/uploads', '/uploads/:sequence', '/problems/:code'];
  const routeOf = createRouteNames(paths);

  test('are only those that exist, whatever path is requested', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webPath(), fc.constantFrom(...paths)), (url) => {
        expect(['', ...paths]).toContain(routeOf(url));
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    ['/lookup?nhsNumber=9990000018', '/lookup'],
    ['/uploads/9990000018', '/uploads/:sequence'],
    ['/uploads/1/2', ''],
    ['/lookup/9990000018', ''],
  ])('are named by their pattern: %s is %s', (url, route) => expect(routeOf(url)).toBe(route));

  test('do not multiply with methods and paths made up by strangers', () => {
    const metrics = createMetrics('http');
    for (let i = 0; i < 1_000; i++) {
      metrics.began();
      metrics.answered(`METHOD${i}`, routeOf(`/${i}`), 404, 1);
    }
    const [duration] = metrics.read();
    expect(duration?.points).toHaveLength(1);
  });
});

describe('the telemetry settings', () => {
  test.each([
    [{ METRICS_PORT: '8080' }, /METRICS_PORT: must not be PORT/],
    [{ METRICS_PORT: 'x' }, /METRICS_PORT: must be a whole number/],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' },
      /OTEL_EXPORTER_OTLP_ENDPOINT: must be an address/,
    ],
    [
      { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      /OTEL_EXPORTER_OTLP_PROTOCOL: must be http\/protobuf/,
    ],
    [{ OTEL_TRACES_SAMPLER_ARG: '2' }, /OTEL_TRACES_SAMPLER_ARG: must be at most 1/],
  ])('%o is refused with a message that says what to do', (environment, sentence) => {
    const read = (): unknown => readConfiguration(environment);
    expect(read).toThrow(ConfigurationError);
    expect(read).toThrow(sentence);
  });

  const addresses = (environment: Record<string, string>) =>
    otlpAddresses(readConfiguration(environment));

  test('send nothing anywhere by default', () => expect(addresses({})).toEqual({}));

  test('give each signal its own path under a shared address, or its own address', () => {
    const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://collector.example:4318/';
    expect(addresses({ OTEL_EXPORTER_OTLP_ENDPOINT })).toEqual({
      traces: 'http://collector.example:4318/v1/traces',
      metrics: 'http://collector.example:4318/v1/metrics',
    });
    const OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = 'https://traces.example/in';
    expect(addresses({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT })).toEqual({
      traces: 'https://traces.example/in',
    });
    const off = { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SDK_DISABLED: 'true' };
    expect(addresses(off)).toEqual({});
    const untraced = { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER: 'always_off' };
    expect(addresses(untraced)).not.toHaveProperty('traces');
  });
});

describe('the page for Prometheus', () => {
  const described = { description: 'What it says.', unit: 's' };

  test('writes units in full, underscores for dots, and histograms cumulatively', () => {
    const distribution = new Distribution([0.5, 1]);
    for (const value of [0.1, 0.7, 5]) distribution.record(value);
    const page = exposition([
      {
        ...described,
        name: 'a.b',
        kind: 'histogram',
        points: [{ labels: { 'c.d': 'e' }, distribution }],
      },
      { ...described, name: 'none', kind: 'gauge', points: [] },
      { ...described, name: 'f', unit: '{x}', kind: 'counter', points: [{ labels: {}, value: 2 }] },
    ]);
    expect(page).toBe(
      [
        '# HELP a_b_seconds What it says.',
        '# TYPE a_b_seconds histogram',
        'a_b_seconds_bucket{c_d="e",le="0.5"} 1',
        'a_b_seconds_bucket{c_d="e",le="1"} 2',
        'a_b_seconds_bucket{c_d="e",le="+Inf"} 3',
        'a_b_seconds_sum{c_d="e"} 5.8',
        'a_b_seconds_count{c_d="e"} 3',
        '# HELP f_total What it says.',
        '# TYPE f_total counter',
        'f_total 2',
        '',
      ].join('\n'),
    );
  });

  test('has one line for each value, whatever a label holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', '}') }), (text) => {
        const points = [{ labels: { of: text }, value: 1 }];
        const page = exposition([{ ...described, name: 'a', kind: 'gauge', points }]);
        const [, written = ''] =
          /^a_seconds\{of="((?:[^"\\\n]|\\["\\n])*)"\} 1\n$/m.exec(page) ?? [];
        const read = written.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
        expect(read).toBe(text);
      }),
    );
  });
});
