import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TELEMETRY } from '#schemas/wording/operations.ts';
import type { Log } from './log.ts';

const TRIED_AGAIN_EVERY_MS = 5_000;
const HEADERS_WITHIN_MS = 5_000;
const CONNECTIONS_AT_MOST = 16;
const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

type MetricsPage = {
  /** The port in use, once there is one. */
  readonly port: number | undefined;
  stop(): Promise<void>;
};

/**
 * Serves `GET /metrics` on a port of its own, which is never the public one. An unavailable port is reported
 * once and tried again: measuring must not keep the service from answering.
 */
export function serveMetrics(
  { host, port }: { host: string; port: number },
  page: () => Promise<string>,
  log: Log,
): Promise<MetricsPage> {
  async function answer(response: ServerResponse): Promise<void> {
    try {
      const text = await page();
      response.writeHead(200, {
        ...HEADERS,
        'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      });
      response.end(text);
    } catch {
      response.writeHead(500, HEADERS).end();
    }
  }

  const server = createServer(
    {
      maxHeaderSize: 8 * 1024,
      headersTimeout: HEADERS_WITHIN_MS,
      requestTimeout: HEADERS_WITHIN_MS,
    },
    (request, response) => {
      const isPage = request.url === '/metrics' || request.url?.startsWith('/metrics?') === true;
      if (!isPage) response.writeHead(404, HEADERS).end();
      else if (request.method !== 'GET')
        response.writeHead(405, { ...HEADERS, allow: 'GET' }).end();
      else void answer(response);
    },
  );
  server.maxConnections = CONNECTIONS_AT_MOST;
  // A page that nobody reads must not keep its text for ever.
  server.setTimeout(HEADERS_WITHIN_MS * 2);
  server.unref();

  let timer: NodeJS.Timeout | undefined;
  let told = false;
  let stopped = false;
  const listen = (): void => void server.listen(port, host);

  const firstAttempt = new Promise<void>((resolve) => {
    server.on('listening', () => {
      log.info('Metrics are served.', { address: `http://${host}:${boundPort()}/metrics` });
      resolve();
    });
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (!told) {
        log.error(TELEMETRY.noMetrics(`${host}:${port}`, error.code ?? error.name));
      }
      told = true;
      if (!server.listening && !stopped) timer = setTimeout(listen, TRIED_AGAIN_EVERY_MS).unref();
      resolve();
    });
  });
  const boundPort = (): number | undefined => (server.address() as AddressInfo | null)?.port;
  listen();

  const metricsPage: MetricsPage = {
    get port() {
      return boundPort();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return firstAttempt.then(() => metricsPage);
}
