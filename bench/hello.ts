import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

/** The baseline for a lookup: `node bench/hello.ts node-http | hono` answers hello, and nothing else. */

const say = (port: number): void => console.log(`hello on ${port}`);

if (process.argv[2] === 'hono') {
  const app = new Hono();
  app.post('/', (c) => c.text('hello'));
  app.get('/', (c) => c.text('hello'));
  serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => say(port));
} else {
  const server = createServer((_incoming, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'text/plain', 'content-length': '5' });
    outgoing.end('hello');
  });
  server.listen(0, '127.0.0.1', () => say((server.address() as AddressInfo).port));
}
process.on('SIGTERM', () => process.exit(0));
