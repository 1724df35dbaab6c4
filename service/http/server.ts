import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import { problem, problemHeaders, problemResponse } from './problem.ts';

const HEADERS_AT_MOST_BYTES = 16 * 1024;
const HEADERS_DEADLINE_MS = 10_000;
/** From the first byte of a request to its last; a body has a shorter deadline of its own. */
const REQUEST_DEADLINE_MS = 20_000;
const DEADLINES_CHECKED_EVERY_MS = 2_000;
/** Longer than load balancers keep an idle connection (60 s), so that they and not we end it. */
const KEEP_ALIVE_MS = 65_000;
const CONNECTIONS_AT_MOST = 10_000;
const IDLE_CHECKED_EVERY_MS = 20;

export type HttpServer = {
  readonly port: number;
  /** Accepts nothing new, lets what is in flight finish until the deadline, then cuts it off. */
  stop(deadlineMs: number): Promise<void>;
};

/** The port is taken, or not this process's to take. The message is the sentence for the user. */
export class CannotListen extends Error {
  override name = 'CannotListen';
}

const UNREADABLE: Partial<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
};

/**
 * Answers what is not HTTP enough to reach a handler. As Node's own handler does, nothing is written into
 * a response that has begun.
 */
function refuseUnreadable(
  error: NodeJS.ErrnoException,
  socket: Duplex & { _httpMessage?: { headersSent: boolean } | null },
): void {
  if (!socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const code = UNREADABLE[error.code ?? ''] ?? 'malformed-request';
  const { status, title } = ERRORS[code];
  const body = JSON.stringify(problem(code, {}));
  const headers = Object.entries({
    ...problemHeaders(code, {}),
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${title}\r\n${headers.join('')}\r\n${body}`, () =>
    socket.destroy(),
  );
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'is in use by another program. Stop that one, or set PORT to another port'
          : `cannot be listened on (${error.code}). Set HOST and PORT to an address of this machine`;
      reject(new CannotListen(`${host}:${port} ${why}.`));
    });
    server.listen(port, host, resolve);
  });
}

/**
 * Serves an app with Node's HTTP server, every limit set. A body that its handler left unread is drained
 * for half a second, so that the client gets to read its answer, and then the connection is closed.
 *
 * @param port 0 for any free one
 * @throws {CannotListen}
 */
export async function serveHttp(
  fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>,
  { host, port }: { host: string; port: number },
): Promise<HttpServer> {
  const listener = getRequestListener((request, env) => fetch(request, env as HttpBindings), {
    // What cannot be made a Request: no Host, or an address that is none.
    errorHandler: () => problemResponse('malformed-request'),
  });
  const server = createServer(
    {
      maxHeaderSize: HEADERS_AT_MOST_BYTES,
      headersTimeout: HEADERS_DEADLINE_MS,
      requestTimeout: REQUEST_DEADLINE_MS,
      connectionsCheckingInterval: DEADLINES_CHECKED_EVERY_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      requireHostHeader: false,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  server.maxConnections = CONNECTIONS_AT_MOST;
  server.on('clientError', refuseUnreadable);
  // By default Node invites the body before anybody knows who sends it.
  server.on('checkContinue', (incoming, outgoing) => void listener(incoming, outgoing));
  server.on('checkExpectation', (incoming, outgoing) => void listener(incoming, outgoing));
  await listen(server, host, port);

  return {
    port: (server.address() as AddressInfo).port,
    stop: (deadlineMs) =>
      new Promise((resolve) => {
        const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECKED_EVERY_MS);
        const cut = setTimeout(() => server.closeAllConnections(), deadlineMs);
        server.close(() => {
          clearInterval(idle);
          clearTimeout(cut);
          resolve();
        });
      }),
  };
}
