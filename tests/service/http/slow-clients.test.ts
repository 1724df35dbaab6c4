import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { ERRORS } from '#schemas/errors.ts';
import { wantsPage } from '#service/http/accept.ts';
import type { NotRouted } from '#service/http/route.ts';
import type { ServerLimits } from '#service/http/server.ts';
import type { TlsMaterial } from '#service/http/tls.ts';
import { certify } from '../../support/certificates.ts';
import { httpServers } from '../../support/http-servers.ts';
import { until } from '../../support/service.ts';

const SHORT_MS = 30;
const QUICK: ServerLimits = { checkedEveryMs: 10 };
/** More than the buffers at both ends can hold. */
const LARGE = 'x'.repeat(64 * 1024 * 1024);

const { serve: serveWith, client } = httpServers();

const serve = (limits: ServerLimits, fetch?: Parameters<typeof serveWith>[0]) =>
  serveWith(fetch, { limits: { ...QUICK, ...limits } });

function tls(): TlsMaterial {
  const { cert, key } = certify('flags');
  return { options: { cert, key, minVersion: 'TLSv1.3' }, expiresAt: Number.POSITIVE_INFINITY };
}

test('endless headers are cut off, however steadily they come', async () => {
  const { port } = await serve({ headersMs: SHORT_MS });
  const slow = client(port, 'GET / HTTP/1.1\r\n');
  const drip = setInterval(() => slow.socket.write('X-A: b\r\n'), 5);
  await until(slow.closed, 'the connection to be cut');
  clearInterval(drip);
  expect(slow.received()).toMatch(/^HTTP\/1\.1 408 /);
});

test('an endless body is cut off unless its handler waits for it', async () => {
  const { port } = await serve(
    { requestMs: 2 * SHORT_MS, headersMs: SHORT_MS },
    async (request) => {
      await request.text();
      return new Response('read');
    },
  );
  const slow = client(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n');
  const drip = setInterval(() => slow.socket.write('x'), 5);
  await until(slow.closed, 'the connection to be cut');
  clearInterval(drip);
  expect(slow.received()).not.toContain('read');
});

test('a client that does not read its answer is cut off', async () => {
  const { port } = await serve({ unreadMs: SHORT_MS }, () => new Response(LARGE));
  const slow = client(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  slow.socket.pause();
  // A client that reads nothing does not notice the end of its connection, so it writes until that fails.
  await until(async () => {
    slow.socket.write('x');
    return slow.closed() || slow.socket.destroyed;
  }, 'the connection to be cut');
});

test('a client is not cut off because its answer takes longer than that to make', async () => {
  let answer: ((response: Response) => void) | undefined;
  const { port } = await serve(
    { unreadMs: SHORT_MS },
    () => new Promise<Response>((resolve) => (answer = resolve)),
  );
  let waiting = client(port, '');
  await until(async () => {
    // On a busy machine the request itself may arrive too late.
    if (waiting.closed()) waiting = client(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    return answer !== undefined;
  }, 'the request');
  // Meanwhile others come and go, each silent for as long as it may be.
  for (let i = 0; i < 3; i++) {
    await until(client(port, '').closed, 'an idle connection to be ended');
  }
  expect(waiting.closed()).toBe(false);
  answer?.(new Response('late'));
  await until(() => waiting.received().includes('late'), 'the answer');
});

test('a silent connection is ended', async () => {
  const { port } = await serve({ headersMs: SHORT_MS });
  await until(client(port, '').closed, 'the connection to be cut');
});

test('an endless TLS handshake is cut off', async () => {
  const { port } = await serveWith(undefined, { tls: tls(), limits: { handshakeMs: SHORT_MS } });
  await until(client(port, '').closed, 'the connection to be cut');
  const prompt = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await new Promise((resolve) => prompt.once('secureConnect', resolve));
  prompt.destroy();
});

test('a stop does not wait for an endless TLS handshake', async () => {
  const server = await serveWith(undefined, { tls: tls() });
  const silent = client(server.port, '');
  await until(() => !silent.socket.connecting);
  await server.stop(SHORT_MS);
  await until(silent.closed);
});

test('connections beyond the limit are refused, and make room when they end', async () => {
  const { port } = await serve({ connections: 2 });
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  const first = client(port, request);
  const second = client(port, request);
  await until(() => first.received() !== '' && second.received() !== '');
  const third = client(port, request);
  await until(third.closed, 'the third to be refused');
  expect(third.received()).toBe('');
  first.socket.destroy();
  await until(async () => {
    const fourth = client(port, request);
    await until(() => fourth.closed() || fourth.received() !== '');
    return fourth.received() !== '';
  }, 'room to be made');
});

test('headers over 16 KiB are refused with a message', async () => {
  const { port } = await serve({});
  const large = client(port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`);
  await until(large.closed);
  expect(large.received()).toMatch(/^HTTP\/1\.1 431 /);
  expect(large.received()).toContain('"checked":false');
});

test.for([
  ['a browser', 'text/html,application/xhtml+xml,*/*;q=0.8', 'a page'],
  ['a program', 'application/json', '"checked":false'],
])(
  'headers over 16 KiB are refused in the form that %s accepts, in however many packets they come',
  async ([, accept, answer]) => {
    const notRouted: NotRouted = (incoming, fault) =>
      wantsPage(incoming) ? new Response('a page', { status: ERRORS[fault].status }) : undefined;
    const { port } = await serveWith(undefined, { notRouted });
    const whole = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
    const large = client(
      port,
      `${whole}GET / HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\nCookie: a`,
    );
    // What came with the first request has been read once that is answered.
    await until(() => large.received().includes('hello'));
    large.socket.write(`${'x'.repeat(17_000)}\r\n\r\n`);
    await until(large.closed);
    const [, second] = large.received().split(/hello/);
    expect(second).toMatch(/^[^]*HTTP\/1\.1 431 /);
    expect(second).toContain(answer);
  },
);

test('a draining server still answers, and closes each connection after its next answer', async () => {
  const server = await serve({});
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  const kept = client(server.port, request);
  await until(() => kept.received().includes('hello'));
  expect(kept.closed()).toBe(false);
  server.drain();
  kept.socket.write(request);
  await until(kept.closed, 'the connection to end');
  expect(kept.received().match(/hello/g)).toHaveLength(2);
  const late = client(server.port, request);
  await until(late.closed);
  expect(late.received()).toContain('hello');
});
