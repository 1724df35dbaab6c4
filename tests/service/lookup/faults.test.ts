import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemSchema } from '#schemas/errors.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { BODY_LIMITS, readBody } from '#service/http/body.ts';
import { keys } from '#store/keys.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { startStopwatch } from '../../support/stopwatch.ts';
import { WAIT_MS } from '../../support/until.ts';

const CHILD = testNumber(301);
const UNKNOWN = testNumber(998);
const UNKEPT_CHILD = testNumber(302);

let service: TestService;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      { code: 'ZZ101', rows: [{ nhsNumber: CHILD }] },
      { code: 'ZZ102', rows: [{ nhsNumber: UNKEPT_CHILD }] },
    ],
  });
});
afterAll(() => service?.stopAndRemove());

async function redisPid(): Promise<number> {
  const text = await readFile(join(service.dataDir, 'redis', 'running.json'), 'utf8');
  return (JSON.parse(text) as { pid: number }).pid;
}

const ready = async () => (await fetch(`${service.baseUrl}/_status`)).status === 200;
const ping = () => fetch(`${service.baseUrl}/_ping`);

/** Writes to a socket, and resolves once the operating system has the text. */
const write = (socket: Socket, text: string) =>
  new Promise<void>((resolve) => socket.write(text, () => resolve()));

/** Sends a lookup by hand, and returns the part of its body that was held back. */
async function begin(
  baseUrl: string,
  token: string,
  nhsNumber: string,
  { requestId, heldBack = 0 }: { requestId?: string; heldBack?: number } = {},
): Promise<{ socket: Socket; rest: string; received: () => string }> {
  const { hostname, port } = new URL(baseUrl);
  const body = JSON.stringify({ nhsNumber });
  const socket = connect(Number(port), hostname);
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString()));
  socket.on('error', () => undefined);
  const cut = body.length - heldBack;
  await write(
    socket,
    `POST /lookup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nX-Request-ID: ${requestId ?? randomUUID()}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, cut)}`,
  );
  return { socket, rest: body.slice(cut), received: () => received };
}

test('an answer whose client has gone is followed by a not-delivered event with the same id', async () => {
  const token = await service.token();
  const leave = async (requestId: string): Promise<void> => {
    await until(ready);
    await service.lookup({ nhsNumber: CHILD }, { token });
    // Redis is paused, so the client is certain to have gone before there is an answer. A request sent before a ping is
    // being worked on by the time the ping is answered.
    const pid = await redisPid();
    process.kill(pid, 'SIGSTOP');
    const { socket } = await begin(service.baseUrl, token, CHILD, { requestId });
    for (let i = 0; i < 3; i++) await ping();
    socket.destroy();
    await ping();
    process.kill(pid, 'SIGCONT');
  };

  await until(async () => {
    const requestId = randomUUID();
    await leave(requestId);
    // On a busy machine readiness may have been lost meanwhile. Then there is no lookup, and this tries again.
    await service.lookup({ nhsNumber: CHILD }, { token });
    const events = await service.events();
    const lookup = events.find((event) => event.type === 'lookup' && event.requestId === requestId);
    if (lookup === undefined) return false;
    await until(
      async () =>
        (await service.events()).some(
          (event) => event.type === 'not-delivered' && event.auditId === lookup.auditId,
        ),
      'the not-delivered event',
    );
    return true;
  });
});

test('an answer that is read in full has no such event', async () => {
  await until(ready);
  const { auditId } = lookupAnswerSchema.parse(
    await (await service.answered({ nhsNumber: CHILD })).json(),
  );
  // A later event in the same stream is there, so an earlier one would be too.
  expect((await service.answered({ nhsNumber: CHILD })).status).toBe(200);
  const events = (await service.events()).filter((event) => event.auditId === auditId);
  expect(events.map(({ type }) => type)).toEqual(['lookup']);
});

test('a store that hangs makes lookups could-not-check within two seconds, and is used again once it is back', async () => {
  await until(ready);
  const pid = await redisPid();
  process.kill(pid, 'SIGSTOP');
  const read = startStopwatch();
  const response = await service.lookup({ nhsNumber: CHILD });
  const tookMs = read();
  await until(async () => !(await ready()), 'readiness to be withdrawn');
  process.kill(pid, 'SIGCONT');

  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('5');
  expect(problemSchema.parse(await response.json())).toMatchObject({
    code: 'could-not-check',
    checked: false,
  });
  expect(tookMs).toBeLessThan(2_000);
  expect((await service.answered({ nhsNumber: CHILD })).status).toBe(200);
});

test('a store that has died makes lookups could-not-check until it is started and verified again', async () => {
  await until(ready);
  process.kill(await redisPid(), 'SIGKILL');
  await until(async () => (await service.lookup({ nhsNumber: CHILD })).status === 503);
  const answer = await (await service.answered({ nhsNumber: CHILD })).json();
  expect(answer).toMatchObject({ outcome: 'flagged' });
});

test('a plan from an unnamed authority is not shown, and the audit says so', async () => {
  await until(ready);
  const admin = await service.connect('admin');
  const children = keys.children(partitionOf(UNKEPT_CHILD));
  const held = (await admin.hget(children, UNKEPT_CHILD)) ?? '';
  await admin.hset(children, UNKEPT_CHILD, held.replace('ZZ102', 'ZZ199'));
  // On a busy machine a check may fail for another reason, without such an event.
  await until(async () => {
    expect((await service.lookup({ nhsNumber: UNKEPT_CHILD })).status).toBe(503);
    return (await service.events()).some(
      (event) => event.type === 'not-delivered' && event.nhsNumber === UNKEPT_CHILD,
    );
  }, 'the not-delivered event');
  await admin.hset(children, UNKEPT_CHILD, held);
});

test('if too few authorities are up to date, a negative is could-not-check and a positive is not', async () => {
  const stale = await startTestService({
    authorities: [
      { code: 'ZZ101', hoursOld: 1, rows: [{ nhsNumber: CHILD }] },
      { code: 'ZZ102', hoursOld: 100 },
      { code: 'ZZ103', hoursOld: 100 },
    ],
  });
  try {
    const positive = lookupAnswerSchema.parse(
      await (await stale.answered({ nhsNumber: CHILD })).json(),
    );
    expect(positive.coverage).toMatchObject({ expected: 3, upToDate: 1, complete: false });
    expect(positive.coverage.notUpToDate.map(({ code }) => code)).toEqual(['ZZ102', 'ZZ103']);
    await until(async () => {
      expect((await stale.lookup({ nhsNumber: UNKNOWN })).status).toBe(503);
      return (await stale.events()).some(
        (event) => event.type === 'could-not-check' && event.cause === 'coverage',
      );
    }, 'the could-not-check event');
  } finally {
    await stale.stopAndRemove();
  }
});

test('a stop lets a request in flight finish, and accepts no others', async () => {
  // On a busy machine the store may be unready, or the rest of the body late: then there is nothing to finish.
  await until(
    async () => {
      const stopped = await startTestService({
        authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
      });
      const token = await stopped.token();
      const read = startStopwatch();
      const { socket, rest, received } = await begin(stopped.baseUrl, token, CHILD, {
        heldBack: 1,
      });
      await fetch(`${stopped.baseUrl}/_ping`);
      const stopping = stopped.stopAndRemove();
      await until(
        () =>
          fetch(`${stopped.baseUrl}/_ping`).then(
            () => false,
            () => true,
          ),
        'new connections to be refused',
      );
      await write(socket, rest);
      // The service runs in this process, and reads before this continues.
      await setImmediate();
      const wasLate = read() >= BODY_LIMITS.deadlineMs;
      await until(() => /"outcome"|"code"/.test(received()), 'the answer');
      await stopping;
      if (wasLate || received().includes('"could-not-check"')) return false;
      expect(received()).toContain('"outcome":"flagged"');
      return true;
    },
    'an answer to a request that is not late',
    2 * WAIT_MS,
  );
});

test('without a dataset every lookup is could-not-check, and readiness says what to do', async () => {
  const empty = await startTestService({ kind: 'none' });
  try {
    const response = await empty.lookup({ nhsNumber: CHILD });
    expect(response.status).toBe(503);
    const status = await fetch(`${empty.baseUrl}/_status`);
    expect(status.status).toBe(503);
    expect(await status.text()).toContain('cp-flags init');
  } finally {
    await empty.stopAndRemove();
  }
});

test('a body that does not arrive in time is abandoned', async () => {
  const server = createServer((incoming, outgoing) => {
    void readBody(incoming, outgoing, { maxBytes: 100, deadlineMs: 20 }).then((body) =>
      outgoing.end(JSON.stringify(body)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString()));
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123');
  await until(() => received.includes('request-timeout'));
  socket.destroy();
  server.close();
});

describe('the log', () => {
  test('says what was refused, and never an NHS number, a name or a token', async () => {
    await until(ready);
    const token = await service.token();
    await service.lookup({ nhsNumber: CHILD }, { token });
    await service.lookup({ nhsNumber: '9990000019' }, { token });
    await service.lookup({ nhsNumber: CHILD, name: 'x' }, { token });
    await service.lookup({ nhsNumber: CHILD }, { headers: { 'x-request-id': CHILD } });
    await service.lookup({ nhsNumber: CHILD }, { token: `${CHILD}.${CHILD}.x` });
    await fetch(`${service.baseUrl}/lookup/${CHILD}?nhsNumber=${CHILD}`);
    for (const code of ['invalid-nhs-number', 'request-id-invalid', 'token-malformed']) {
      await until(() => service.lines.some((line) => line.includes(code)), code);
    }

    const log = service.lines.join('');
    for (const secret of [CHILD, UNKNOWN, UNKEPT_CHILD, '9990000019', 'Nora', token]) {
      expect(log).not.toContain(secret);
    }
  });

  test('counts a stranger’s repeated attempts, and reports them once', async () => {
    const lines = () => service.lines.filter((line) => line.includes('token-required')).length;
    const knock = () =>
      fetch(`${service.baseUrl}/lookup`, {
        method: 'POST',
        headers: { 'x-request-id': randomUUID() },
      });
    const before = lines();
    for (let i = 0; i < 30; i++) await knock();
    // It is one line a minute, and the minute may change during the test.
    expect(lines() - before).toBeGreaterThanOrEqual(1);
    expect(lines() - before).toBeLessThanOrEqual(2);
  });
});
