import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { whenUndelivered } from '#service/lookup/undelivered.ts';
import { until } from '../../support/service.ts';

/** More than the socket buffers at both ends can hold, so that an unread answer cannot be written in full. */
const LARGE = 'x'.repeat(64 * 1024 * 1024);

let server: Server;
/** What happened to the answers, by the path of the request. */
const arrived: string[] = [];
const told: string[] = [];
const finished: string[] = [];

beforeAll(async () => {
  server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '';
    arrived.push(path);
    const answer = (): void => {
      whenUndelivered(incoming, outgoing, () => told.push(path));
      outgoing.once('finish', () => finished.push(path));
      outgoing.end(path.startsWith('/large') ? LARGE : 'small');
    };
    if (path.endsWith('/late')) incoming.socket.once('close', () => setImmediate(answer));
    else answer();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => server.close());

function send(...paths: string[]): { socket: Socket; received: () => string } {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => (received += chunk.toString()));
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
  return { socket, received: () => received };
}

test('an answer that was cut off is reported, once', async () => {
  const { socket, received } = send('/large/1');
  await until(() => received().length > 0);
  socket.destroy();
  await until(() => told.includes('/large/1'));
  expect(told.filter((path) => path === '/large/1')).toHaveLength(1);
});

test('an answer whose client left first is reported', async () => {
  const { socket } = send('/small/late');
  await until(() => arrived.includes('/small/late'));
  socket.destroy();
  await until(() => told.includes('/small/late'));
});

test('answers that were written in full are not reported', async () => {
  const { socket, received } = send('/small/3', '/small/4');
  await until(() => received().split('small').length === 3);
  await until(() => finished.includes('/small/4'));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.end();
  await closed;
  expect(told).not.toContain('/small/3');
  expect(told).not.toContain('/small/4');
});
