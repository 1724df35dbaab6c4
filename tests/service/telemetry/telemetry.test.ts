import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { connect as connectSocket, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authorityClient } from '../../support/authority.ts';
import { type Collector, startCollector } from '../../support/otlp-collector.ts';
import { freePort } from '../../support/ports.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { startStopwatch } from '../../support/stopwatch.ts';
import { untilAnswered } from '../../support/until.ts';
import { fileXml, person, planOf, upload } from '../../support/upload-model.ts';

let collector: Collector;
let service: TestService;
let page: () => Promise<string>;

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const HELD = testNumber(4100);
const NOT_HELD = testNumber(4101);

async function pageOf({ metricsPort }: TestService): Promise<() => Promise<string>> {
  const url = `http://127.0.0.1:${await metricsPort}/metrics`;
  return async () => (await fetch(url)).text();
}

/** The value of a series, or the sum of all series that match. */
function valueOf(text: string, name: string, ...labels: string[]): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

beforeAll(async () => {
  collector = await startCollector();
  service = await startTestService({
    authorities: [
      { code: 'ZZ101', rows: [{ nhsNumber: HELD }] },
      { code: 'ZZ102', hoursOld: 100 },
    ],
    environment: {
      METRICS_PORT: '0',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_METRIC_EXPORT_INTERVAL: '100',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    },
  });
  page = await pageOf(service);
});
afterAll(async () => {
  await service?.stopAndRemove();
  await collector?.stop();
});

const sampled = { traceparent: `00-${TRACE}-${PARENT}-01` };

describe('what is exported', () => {
  test('counts each lookup under its outcome and each refusal under its code', async () => {
    let before = '';
    let after = '';
    await until(async () => {
      before = await page();
      const answers = [
        await service.lookup({ nhsNumber: HELD }),
        await service.lookup({ nhsNumber: NOT_HELD }),
        await service.lookup({ nhsNumber: '9990000000' }),
        await service.lookup({ nhsNumber: HELD }, { token: 'none' }),
      ];
      after = await page();
      return answers.every(({ status }) => status !== 503);
    }, 'four answers in a row, none of them could-not-check');
    const rise = (name: string, ...labels: string[]): number =>
      valueOf(after, name, ...labels) - valueOf(before, name, ...labels);
    expect(rise('cp_flags_lookups_total', '"flagged"')).toBe(1);
    expect(rise('cp_flags_lookups_total', '"not-flagged"', '"unscheduled"')).toBe(1);
    expect(rise('cp_flags_refusals_total', '"invalid-nhs-number"', 'token="valid"')).toBe(1);
    expect(rise('cp_flags_refusals_total', '"token-malformed"', 'token="none"')).toBe(1);
    const answered = (status: number): number =>
      rise('http_server_request_duration_seconds_count', '"/lookup"', `"${status}"`);
    expect([answered(200), answered(400), answered(401)]).toEqual([2, 1, 1]);
    expect(rise('db_client_operation_duration_seconds_count')).toBe(2);
    expect(rise('cp_flags_lookup_batch_size_sum')).toBe(2);
    expect(valueOf(after, 'http_server_active_requests')).toBe(0);
  });

  test('counts a client that left in the middle of its body as broken off, and not as active for ever', async () => {
    const brokenOff = async (): Promise<number> =>
      valueOf(
        await page(),
        'http_server_request_duration_seconds_count',
        'error_type="broken-off"',
      );
    const before = await brokenOff();
    const { hostname, port, host } = new URL(service.baseUrl);
    const socket = connectSocket(Number(port), hostname);
    socket.write(
      `POST /lookup HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${await service.token()}\r\nX-Request-ID: ${randomUUID()}\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{`,
    );
    const active = async (): Promise<number> =>
      valueOf(await page(), 'http_server_active_requests');
    await until(async () => (await active()) === 1, 'the request to be active');
    socket.destroy();

    await until(async () => (await brokenOff()) === before + 1, 'the request to be broken off');
    await until(async () => (await active()) === 0, 'no request to be active');
  });

  test('says which authority is behind and by how much, and the state of the store and the audit', async () => {
    let text = '';
    await until(async () => {
      text = await page();
      return (
        valueOf(text, 'cp_flags_audit_sealing') === 1 &&
        valueOf(text, 'cp_flags_check', '"store:durable"') === 1
      );
    }, 'the sealing, and a durable store');
    expect(valueOf(text, 'cp_flags_authority_up_to_date', '"ZZ101"')).toBe(1);
    expect(valueOf(text, 'cp_flags_authority_up_to_date', '"ZZ102"')).toBe(0);
    expect(valueOf(text, 'cp_flags_authority_data_age_seconds', '"ZZ102"')).toBeGreaterThan(
      99 * 3_600,
    );
    expect(valueOf(text, 'cp_flags_store_open')).toBe(1);
    expect(valueOf(text, 'cp_flags_audit_problem')).toBe(0);
    expect(valueOf(text, 'cp_flags_store_memory_free_ratio')).toBeGreaterThan(0.5);
  });

  test('is sent by OTLP under the same names', async () => {
    await fetch(`${service.baseUrl}/_ping`);
    const names = ['cp_flags.authority.data.age', 'http.server.request.duration'];
    await until(() => names.every((name) => collector.of('metrics').includes(name)), 'metrics');
  });

  test('holds no NHS number, user, name, token or text sent by a caller, whatever was asked', async () => {
    const token = await service.token(
      claims({ sub: 'distinctive-user', name: 'Distinctive Name' }),
    );
    const invalid = '9990000000';
    const hostile = {
      ...sampled,
      tracestate: `vendor=${HELD}`,
      baggage: `patient=${HELD}`,
      'user-agent': `agent ${HELD}`,
    };
    const requestId = randomUUID();
    const headers = { ...hostile, 'x-request-id': requestId };
    const ask = { token, headers };
    await service.lookup({ nhsNumber: HELD, dateOfBirth: '2019-03-05' }, ask);
    await service.lookup({ nhsNumber: invalid }, ask);
    await service.lookup({ nhsNumber: HELD }, { token: `not.a.${HELD}`, headers: hostile });
    const get = (path: string, method = 'GET'): Promise<Response> =>
      fetch(`${service.baseUrl}${path}`, {
        method,
        headers: { ...headers, authorization: `Bearer ${token}` },
      });
    const careTeam = `/FHIR/R4/CareTeam?patient:identifier=https://fhir.nhs.uk/Id/nhs-number|${HELD}`;
    const found = await untilAnswered(() => get(careTeam));
    expect(found.status).toBe(200);
    expect((await get(`/lookup/${HELD}`)).status).toBe(404);
    expect((await get(`/problems/${HELD}`)).status).toBe(404);
    expect((await get(`/uploads/${HELD}`)).status).toBe(403);
    expect((await get('/lookup', 'DELETE')).status).toBe(405);
    const send = authorityClient(service);
    const sent = await send('/uploads', {
      method: 'POST',
      body: fileXml(upload({ authority: 'ZZ101', sequence: 10, records: [planOf(7_001)] })),
      headers: { 'content-type': 'application/xml', ...hostile },
    });
    expect(sent.status).toBe(200);
    const spans = [
      'POST /lookup',
      'GET /FHIR/R4/CareTeam',
      'POST /uploads',
      'FCALL lookup',
      'load',
    ];
    await until(() => spans.every((name) => collector.of('traces').includes(name)), 'the spans');

    const text = await page();
    const everything = [
      collector.of('traces'),
      collector.of('metrics'),
      text,
      service.lines.join(''),
    ];
    const secrets = [
      HELD,
      invalid,
      person(7_001).nhsNumber,
      'distinctive-user',
      'Distinctive Name',
      'patient:identifier',
      'vendor=',
      '2019-03-05',
      token,
    ];
    for (const exported of everything) {
      for (const secret of secrets) expect(exported.includes(secret)).toBe(false);
    }
    // A request id in a trace would lead to somebody who knows the patient.
    expect(collector.of('traces').includes(requestId)).toBe(false);
    // Only the audit may say what was found.
    expect(collector.of('traces').includes('flagged')).toBe(false);
    expect(text).not.toMatch(/route="[^"]*999/);
  });
});

describe('the page for Prometheus', () => {
  test('is not on the public port', async () => {
    expect((await fetch(`${service.baseUrl}/metrics`)).status).toBe(404);
  });

  test('is bound to this machine only, unless set otherwise', async () => {
    const port = await service.metricsPort;
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal);
    if (outside === undefined) return;
    const refused = await new Promise<boolean>((resolve) => {
      const socket = connectSocket(port ?? 0, outside.address);
      socket.once('error', () => resolve(true));
      socket.once('connect', () => {
        socket.destroy();
        resolve(false);
      });
    });
    expect(refused).toBe(true);
  });

  test('answers only GET', async () => {
    const base = `http://127.0.0.1:${await service.metricsPort}`;
    const { status, headers } = await fetch(`${base}/metrics`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect((await fetch(`${base}/metrics`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${base}/`)).status).toBe(404);
  });
});

describe('a trace', () => {
  let clients = 0;
  const linesOf = (requestId: string): Record<string, unknown>[] =>
    service.lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['requestId'] === requestId);

  /** Makes a refusal, which is logged. Each comes from a new client, since repeats are only counted. */
  async function refusedWith(traceparent: string | undefined, nhsNumber: unknown) {
    const requestId = randomUUID();
    await service.lookup(nhsNumber, {
      token: await service.token(claims({ client_id: `client-${++clients}` })),
      headers: { 'x-request-id': requestId, ...(traceparent !== undefined && { traceparent }) },
    });
    await until(() => linesOf(requestId).length > 0, 'the line');
    return linesOf(requestId)[0];
  }

  test('that a caller has started continues, and the log gives its id and that of this service’s span', async () => {
    const traceId = '1af7651916cd43dd8448eb211c80319c';
    const line = await refusedWith(`00-${traceId}-${PARENT}-01`, {});
    expect(line?.['trace_id']).toBe(traceId);
    expect(line?.['span_id']).not.toBe(PARENT);
    await until(() => collector.of('traces').includes(Buffer.from(traceId, 'hex')), 'the trace');
    const traces = collector.of('traces');
    expect(traces.includes(Buffer.from(String(line?.['span_id']), 'hex'))).toBe(true);
    expect(traces.includes(Buffer.from(PARENT, 'hex'))).toBe(true);
  });

  test('that is not sampled leaves its id in the log, but no span', async () => {
    const traceId = '2af7651916cd43dd8448eb211c80319c';
    const line = await refusedWith(`00-${traceId}-${PARENT}-00`, {});
    expect(line).toMatchObject({ trace_id: traceId, span_id: PARENT });
    await refusedWith('00-3af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', {});
    const later = Buffer.from('3af7651916cd43dd8448eb211c80319c', 'hex');
    await until(() => collector.of('traces').includes(later), 'the later trace');
    expect(collector.of('traces').includes(Buffer.from(traceId, 'hex'))).toBe(false);
  });

  test('is not started by default, and an invalid header is ignored', async () => {
    expect(await refusedWith(undefined, {})).not.toHaveProperty('trace_id');
    expect(await refusedWith(`00-${'0'.repeat(32)}-${PARENT}-01`, {})).not.toHaveProperty(
      'trace_id',
    );
  });
});

describe('an exporter that does not work', () => {
  const quick = {
    OTEL_EXPORTER_OTLP_TIMEOUT: '200',
    OTEL_METRIC_EXPORT_INTERVAL: '100',
    OTEL_TRACES_SAMPLER: 'parentbased_always_on',
  };
  const about = (lines: readonly string[]) => lines.filter((line) => line.includes('OTLP'));

  async function takePort() {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  test('is reported in one line, and lookups are still answered', async () => {
    const port = await freePort();
    const s = await startTestService({
      authorities: [{ code: 'ZZ101' }],
      environment: { ...quick, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `http://127.0.0.1:${port}/v1` },
    });
    try {
      await until(() => about(s.lines).length > 0, 'the line');
      expect((await s.answered({ nhsNumber: NOT_HELD })).status).toBe(200);
      expect(about(s.lines)).toHaveLength(1);
      expect(about(s.lines)[0]).toContain(`http://127.0.0.1:${port}`);
    } finally {
      await s.stopAndRemove();
    }
    expect(about(s.lines)).toHaveLength(1);
  });

  test('does not delay a stop', async () => {
    const silent = await startCollector('silent');
    const s = await startTestService({
      authorities: [{ code: 'ZZ101' }],
      environment: {
        ...quick,
        OTEL_EXPORTER_OTLP_ENDPOINT: silent.url,
        OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
      },
    });
    try {
      await until(() => silent.received.length > 0, 'something to be sent');
      expect((await s.answered({ nhsNumber: NOT_HELD })).status).toBe(200);
    } finally {
      const read = startStopwatch();
      await s.stopAndRemove();
      await silent.stop();
      // The export itself would wait a minute: the stop has its own deadline.
      expect(read()).toBeLessThan(45_000);
    }
  });

  test('does not prevent a start if the metrics port is taken', async () => {
    const taken = await takePort();
    const { port } = taken.address() as AddressInfo;
    const s = await startTestService({
      authorities: [{ code: 'ZZ101' }],
      environment: { METRICS_PORT: String(port) },
    });
    try {
      expect(await s.metricsPort).toBeUndefined();
      expect((await s.answered({ nhsNumber: NOT_HELD })).status).toBe(200);
      expect(s.lines.filter((line) => line.includes('METRICS_PORT'))).toHaveLength(1);
    } finally {
      await s.stopAndRemove();
      taken.close();
    }
  });
});
