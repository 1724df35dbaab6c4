import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { problemSchema } from '#schemas/errors.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';

const CHILD = testNumber(301);
const AT_ONCE = 3;

let service: TestService;

beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
    environment: { LOOKUPS_AT_ONCE: String(AT_ONCE) },
  });
});
afterAll(() => service?.stopAndRemove());

const ready = async () => (await fetch(`${service.baseUrl}/_status`)).status === 200;

/**
 * What one more request gets while the store is paused, with as many lookups under way as a process takes on. If one of
 * those is answered first, as on a busy machine that loses readiness meanwhile, this tries again.
 */
async function beyondLimit(ask: () => Promise<Response>): Promise<Response> {
  let first: Response | undefined;
  await until(async () => (first = await whileBusy(ask)) !== undefined, 'the first answer');
  return first as Response;
}

async function whileBusy(ask: () => Promise<Response>): Promise<Response | undefined> {
  await until(ready);
  const token = await service.token();
  await service.lookup({ nhsNumber: CHILD }, { token });
  const running = await readFile(join(service.dataDir, 'redis', 'running.json'), 'utf8');
  const { pid } = JSON.parse(running) as { pid: number };
  process.kill(pid, 'SIGSTOP');
  try {
    const sent = Array.from({ length: AT_ONCE }, () =>
      service.lookup({ nhsNumber: CHILD }, { token }),
    );
    // What was sent before a ping is being worked on by the time the ping is answered.
    for (let i = 0; i < 3; i++) await fetch(`${service.baseUrl}/_ping`);
    const outcome = await Promise.race([ask(), Promise.race(sent).then(() => undefined)]);
    process.kill(pid, 'SIGCONT');
    for (const each of await Promise.all(sent)) expect([200, 503]).toContain(each.status);
    return outcome;
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

test('a lookup beyond what a process takes on is refused before any of the others is answered', async () => {
  const requestId = randomUUID();
  const first = await beyondLimit(() =>
    service.lookup({ nhsNumber: CHILD }, { headers: { 'x-request-id': requestId } }),
  );

  expect(first.status).toBe(503);
  expect(first.headers.get('retry-after')).toBe('5');
  expect(first.headers.get('x-request-id')).toBe(requestId);
  expect(problemSchema.parse(await first.json())).toMatchObject({
    code: 'could-not-check',
    checked: false,
  });
  expect((await service.answered({ nhsNumber: CHILD })).status).toBe(200);
});

test('a FHIR search beyond the limit is also refused, with an OperationOutcome', async () => {
  const token = await service.token();
  const first = await beyondLimit(() =>
    fetch(`${service.baseUrl}/FHIR/R4/CareTeam/_search`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/x-www-form-urlencoded',
        'x-request-id': randomUUID(),
      },
      body: `patient:identifier=https://fhir.nhs.uk/Id/nhs-number|${CHILD}`,
    }),
  );

  expect(first.status).toBe(503);
  expect(first.headers.get('retry-after')).toBe('5');
  expect(await first.json()).toMatchObject({ resourceType: 'OperationOutcome' });
});

/** A POST to /lookup as sent over the wire, announcing a body of this length. */
const requestOf = (token: string, length: number): string =>
  `POST /lookup HTTP/1.1\r\nHost: ${new URL(service.baseUrl).host}\r\nAuthorization: Bearer ${token}\r\nX-Request-ID: ${randomUUID()}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

test('clients that do not send their bodies take up no places', async () => {
  await until(ready);
  const token = await service.token();
  const { hostname, port } = new URL(service.baseUrl);
  // On a busy machine they may have been given up by the time of the answer, and this tries again.
  await until(async () => {
    let received = '';
    const slow = Array.from({ length: 2 * AT_ONCE }, () => {
      const socket = connect(Number(port), hostname);
      socket.on('data', (chunk) => (received += chunk.toString()));
      socket.write(requestOf(token, 30));
      return socket;
    });
    await Promise.all(slow.map((socket) => once(socket, 'connect')));
    // By the time these pings are answered, the requests sent before them have been looked at.
    for (let i = 0; i < 3; i++) await fetch(`${service.baseUrl}/_ping`);
    const { status } = await service.answered({ nhsNumber: CHILD }, { token });
    const isWaiting = received === '';
    for (const socket of slow) socket.destroy();
    return status === 200 && isWaiting;
  }, 'an answer while the others wait');
});

test('lookups in one packet are made one after another, and refuse nobody', async () => {
  await until(ready);
  const body = JSON.stringify({ nhsNumber: CHILD });
  const token = await service.token();
  const { hostname, port } = new URL(service.baseUrl);
  const request = () => requestOf(token, body.length) + body;
  // On a busy machine a check may fail although nobody is refused, and this tries again.
  await until(async () => {
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.setEncoding('utf8').on('data', (text: string) => (received += text));
    const statuses = (): string[] =>
      [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status);
    socket.write(Array.from({ length: 10 }, request).join(''));
    await until(() => statuses().length === 10, 'ten answers');
    socket.destroy();
    return statuses().every((status) => status === '200');
  }, 'ten answers of 200');
});
