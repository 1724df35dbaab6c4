import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { CannotListen, listen } from '#service/http/listening.ts';

const CLIENTS = 200;
const CONNECTING = `
  const { connect } = require('node:net');
  const { workerData, parentPort } = require('node:worker_threads');
  const { port, clients, connected } = workerData;
  const sockets = Array.from({ length: clients }, () =>
    connect(port, '127.0.0.1').on('connect', () => {
      if (Atomics.add(connected, 0, 1) + 1 === clients) Atomics.notify(connected, 0);
      Atomics.notify(connected, 0);
    }).on('error', () => undefined));
  parentPort.once('message', () => sockets.forEach((socket) => socket.destroy()));
`;

test('many clients that connect while the service is busy are accepted at once', async () => {
  const server = createServer();
  let accepted = 0;
  server.on('connection', () => (accepted += 1));
  const { port, close } = await listen(server, { host: '127.0.0.1', port: 0 });
  const connected = new Int32Array(new SharedArrayBuffer(4));
  const clients = new Worker(CONNECTING, {
    eval: true,
    workerData: { port, clients: CLIENTS, connected },
  });
  await once(clients, 'online');
  // This turn of the event loop lasts until all of them have connected.
  for (let seen = 0; seen < CLIENTS; seen = Atomics.load(connected, 0)) {
    Atomics.wait(connected, 0, seen, 5_000);
  }
  let turns = 0;
  for (; accepted < CLIENTS; turns++) await turn();
  expect(turns).toBeLessThan(CLIENTS / 2);
  clients.postMessage('done');
  await Promise.all([close(), once(clients, 'exit')]);
});

test('a port that another program listens on is not shared with it', async () => {
  const other = createSocketServer();
  await new Promise<void>((resolve) => other.listen({ port: 0, host: '127.0.0.1' }, resolve));
  const address = other.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  await expect(listen(createServer(), { host: '127.0.0.1', port })).rejects.toThrow(CannotListen);
  const server = createServer();
  const ours = await listen(server, { host: '127.0.0.1', port: 0 });
  await expect(listen(createServer(), { host: '127.0.0.1', port: ours.port })).rejects.toThrow(
    'is in use by another program',
  );
  await ours.close();
  await new Promise((resolve) => other.close(resolve));
});
