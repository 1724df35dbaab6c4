import { connect, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { type HttpServer, serveHttp } from '#service/http/server.ts';

/** Servers for one test file, and raw connections to them, which end after each test. */
export function httpServers() {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });
  return {
    async serve(
      fetch: Parameters<typeof serveHttp>[0] = () => new Response('hello'),
      options: Partial<Parameters<typeof serveHttp>[1]> = {},
    ): Promise<HttpServer> {
      const server = await serveHttp(fetch, { host: '127.0.0.1', port: 0, ...options });
      ends.push(() => server.stop(0));
      return server;
    },
    /** Connects and sends this text unchanged, before anything else that is written. */
    client(port: number, text: string) {
      const socket: Socket = connect(port, '127.0.0.1');
      socket.write(text);
      let received = '';
      let closed = false;
      socket.on('data', (chunk) => (received += chunk.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => (closed = true));
      ends.push(() => socket.destroy());
      return { socket, received: () => received, closed: () => closed };
    },
  };
}
