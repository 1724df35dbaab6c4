import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

type Received = { path: string; headers: IncomingHttpHeaders; body: Buffer };

/**
 * Stores whatever is sent by OTLP unchanged. In protobuf text is not encoded and ids are plain bytes, so a test can
 * find either without decoding.
 *
 * @param behaviour `silent` never answers
 */
export async function startCollector(behaviour: 'taking' | 'silent' = 'taking') {
  const received: Received[] = [];
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { url: path = '', headers } = incoming;
      received.push({ path, headers, body: Buffer.concat(chunks) });
      if (behaviour === 'taking') {
        outgoing.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    /** Everything that has come for a signal so far. */
    of: (signal: 'traces' | 'metrics'): Buffer =>
      Buffer.concat(
        received.filter(({ path }) => path === `/v1/${signal}`).map(({ body }) => body),
      ),
    stop(): Promise<void> {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
export type Collector = Awaited<ReturnType<typeof startCollector>>;
