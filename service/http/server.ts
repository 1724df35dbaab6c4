import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import type { RequestObserver } from '../telemetry/requests.ts';
import { listen } from './listening.ts';
import { problemResponse } from './problem.ts';
import { createHostCheck, isFramed, isPlainlyAddressed } from './request-head.ts';
import type { NotRouted } from './route.ts';
import type { TlsMaterial } from './tls.ts';

const HEADERS_AT_MOST_BYTES = 16 * 1024;
/**
 * What Node reads of a head, twice what is allowed: what a client accepts is then known although the head is too large,
 * in however many packets it comes.
 */
const HEAD_READ_AT_MOST_BYTES = 2 * HEADERS_AT_MOST_BYTES;
const IDLE_CHECKED_EVERY_MS = 20;

/** Requests on one connection that wait for the answer before them. */
const WAITING_AT_MOST = 16;
/** How long an unread body is drained, so that the client can read its answer. */
const DRAINED_FOR_MS = 500;
/** A declared body small enough to arrive soon, so that its connection can be kept. */
const SMALL_BODY_BYTES = 16 * 1024;

/** Times and numbers; each has a default, and tests give smaller ones. */
export type ServerLimits = {
  /** From the first byte of a request to the end of its headers. Default 10,000. */
  headersMs?: number;
  /** To its last byte; the body of a lookup has a shorter deadline of its own. Default 300,000. */
  requestMs?: number;
  /**
   * A client that reads nothing of its answer is cut off after at most this long, and not before half of it. Default
   * 20,000.
   */
  unreadMs?: number;
  /** From connecting to the end of the TLS handshake. Default 5,000. */
  handshakeMs?: number;
  /** How often the first two are checked. Default 2,000. */
  checkedEveryMs?: number;
  /** Default 10,000. */
  connections?: number;
};

/** Longer than load balancers keep an idle connection (60 s), so that they and not we end it. */
const KEEP_ALIVE_MS = 65_000;

export type HttpServer = {
  readonly port: number;
  /** The certificate to show from the next connection on. */
  useTls: (material: TlsMaterial) => void;
  /** Tells each client with its next answer that the connection ends; new ones are still accepted. */
  drain(): void;
  /** Accepts nothing new, lets requests in flight finish until the deadline, then cuts them off. */
  stop(deadlineMs: number): Promise<void>;
};

const UNREADABLE: Partial<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
};

/** Faults of a client that speaks HTTP. One that fails in TLS could not read an answer. */
const HTTP_FAULT = /^(?:HPE_|ERR_HTTP_)/;

/** What a client accepts, if that is in what arrived last. */
const ACCEPT = /\r\naccept:([^\r\n]*)/i;

/**
 * Answers requests too malformed to reach a handler. As Node's own handler does, nothing is written into a
 * response that has begun.
 */
function createRefusal(notRouted: NotRouted | undefined) {
  const refused = new WeakSet<Duplex>();
  return async (
    error: NodeJS.ErrnoException & { rawPacket?: Buffer },
    socket: Duplex & { _httpMessage?: { headersSent: boolean } | null },
  ): Promise<void> => {
    // The rest of a request that is being answered.
    if (refused.has(socket)) return;
    refused.add(socket);
    const readable = HTTP_FAULT.test(error.code ?? '') && socket.writable;
    if (!readable || socket._httpMessage?.headersSent === true) {
      socket.destroy();
      return;
    }
    const answering = socket._httpMessage;
    const code = UNREADABLE[error.code ?? ''] ?? 'malformed-request';
    const { status, title } = ERRORS[code];
    const accept = ACCEPT.exec(error.rawPacket?.toString('latin1') ?? '')?.[1];
    const answer = notRouted?.({ headers: { accept } }, code) ?? problemResponse(code);
    const body = await answer.text();
    if (answering?.headersSent === true || !socket.writable) {
      // The request has got its answer meanwhile, and a second one would be taken for that of another request.
      socket.end(() => socket.destroy());
      return;
    }
    answer.headers.set('content-length', String(Buffer.byteLength(body)));
    answer.headers.set('connection', 'close');
    const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.end(`HTTP/1.1 ${status} ${title}\r\n${headers}\r\n${body}`, () => socket.destroy());
  };
}

/**
 * Ends a connection on which nothing happens: idle, or its client does not read its answer. One whose request
 * is still being handled is left alone.
 */
function cutSilent(socket: Socket & { _httpMessage?: { headersSent: boolean } | null }): void {
  if (socket._httpMessage?.headersSent !== false) socket.destroy();
}

/** Whether an unread body costs its sender the connection. */
function endsWhereUnread({ headers }: IncomingMessage): boolean {
  return (
    headers.expect !== undefined ||
    headers['transfer-encoding'] !== undefined ||
    Number(headers['content-length'] ?? 0) > SMALL_BODY_BYTES
  );
}

/**
 * Answers before the request was read to its end, announces the end of the connection, and ends it once the
 * client had time to read that: closing a connection that is still sending might lose the answer.
 */
async function answerEarly(
  response: Response,
  { incoming, outgoing }: { incoming: IncomingMessage; outgoing: ServerResponse },
): Promise<Response> {
  const body = Buffer.from(await response.arrayBuffer());
  outgoing.statusCode = response.status;
  outgoing.setHeaders(response.headers);
  outgoing.setHeader('content-length', body.length).setHeader('connection', 'close');
  outgoing.write(body);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, DRAINED_FOR_MS);
    incoming.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    incoming.resume();
  });
  outgoing.end();
  return RESPONSE_ALREADY_SENT;
}

/** Whether an address and headers are larger than allowed, counted as Node's parser does. */
function isLarge({ url = '', rawHeaders }: IncomingMessage): boolean {
  let bytes = url.length;
  for (const text of rawHeaders) bytes += text.length;
  return bytes >= HEADERS_AT_MOST_BYTES;
}

/** Finds what is wrong with a request before anything else about it is read. */
function createHeadCheck(): (incoming: IncomingMessage) => ErrorCode | undefined {
  const hasHost = createHostCheck();
  return (incoming) => {
    if (isLarge(incoming)) return 'headers-too-large';
    if (!hasHost(incoming) || !isFramed(incoming)) return 'malformed-request';
    return isPlainlyAddressed(incoming) ? undefined : 'address-not-plain';
  };
}

/**
 * Answers the requests of a connection one after the other. Otherwise all requests in one packet would start
 * in one turn of the event loop, and every other client would wait for it.
 */
function inTurn(answer: (incoming: IncomingMessage, outgoing: ServerResponse) => void) {
  const waiting = new WeakMap<Socket, number>();
  return (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    if (outgoing.socket !== null) {
      answer(incoming, outgoing);
      return;
    }
    const { socket } = incoming;
    // The rest of a packet with one request too many.
    if (socket.destroyed) return;
    const before = waiting.get(socket) ?? 0;
    if (before === WAITING_AT_MOST) {
      socket.destroy();
      return;
    }
    waiting.set(socket, before + 1);
    outgoing.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
      // A turn of the event loop each, so that others have theirs.
      setImmediate(() => {
        if (!socket.destroyed) answer(incoming, outgoing);
      });
    });
  };
}

/**
 * Serves an app with Node's HTTP server, every limit set. An unread body is drained for half a second, so
 * that the client can read its answer, and then the connection is closed. The requests of a connection are
 * answered one after the other; one with more than 16 waiting is cut off.
 *
 * @param options.port 0 for any free one
 * @param options.observer called with each request
 * @param options.tls if set: only TLS 1.3; if it names client authorities, only clients with a certificate
 * from them
 * @throws {CannotListen}
 */
export async function serveHttp(
  fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>,
  {
    host,
    port,
    tls,
    limits = {},
    notRouted,
    observer,
  }: {
    host: string;
    port: number;
    tls?: TlsMaterial | undefined;
    limits?: ServerLimits;
    notRouted?: NotRouted | undefined;
    observer?: RequestObserver | undefined;
  },
): Promise<HttpServer> {
  const faultOf = createHeadCheck();
  const listener = getRequestListener(
    (request, bindings) => {
      const env = bindings as HttpBindings;
      const response = fetch(request, env);
      if (!endsWhereUnread(env.incoming)) return response;
      return Promise.resolve(response).then((given) =>
        env.incoming.complete ? given : answerEarly(given, env),
      );
    },
    {
      // For a request in HTTP/1.0 that names no host.
      hostname: 'localhost',
      // What cannot become a Request: an invalid address.
      errorHandler: () => problemResponse('malformed-request'),
    },
  );

  let draining = false;
  const answer = inTurn((incoming, outgoing) => {
    if (draining) outgoing.setHeader('connection', 'close');
    observer?.(incoming, outgoing);
    const fault = faultOf(incoming);
    if (fault === undefined) {
      void listener(incoming, outgoing);
      return;
    }
    const page = notRouted?.(incoming, fault);
    void answerEarly(page ?? problemResponse(fault), { incoming, outgoing });
  });
  const options = {
    maxHeaderSize: HEAD_READ_AT_MOST_BYTES,
    headersTimeout: limits.headersMs ?? 10_000,
    requestTimeout: limits.requestMs ?? 300_000,
    connectionsCheckingInterval: limits.checkedEveryMs ?? 2_000,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requireHostHeader: false,
  };
  const clientCertificate = tls?.options.ca !== undefined;
  const server =
    tls === undefined
      ? createServer(options, answer)
      : createTlsServer(
          {
            ...options,
            ...tls.options,
            handshakeTimeout: limits.handshakeMs ?? 5_000,
            requestCert: clientCertificate,
            rejectUnauthorized: clientCertificate,
          },
          answer,
        );
  // By default Node drops headers after the thousandth; the bytes are limited already.
  server.maxHeadersCount = 0;
  // Node checks twice: if something of an answer has gone out since the last time, it waits once more.
  server.setTimeout((limits.unreadMs ?? 20_000) / 2, cutSilent);
  const refuse = createRefusal(notRouted);
  server.on('clientError', (error, socket) => void refuse(error, socket));
  // By default Node invites the body before anybody knows its sender.
  server.on('checkContinue', answer);
  server.on('checkExpectation', answer);
  // Node's own list lacks connections whose TLS handshake has not ended.
  const sockets = new Set<Socket>();
  const { connections = 10_000 } = limits;
  server.on('connection', (socket: Socket) => {
    if (sockets.size >= connections) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const listening = await listen(server, { host, port });

  return {
    port: listening.port,
    useTls(material) {
      if (server instanceof TlsServer) server.setSecureContext(material.options);
    },
    drain: () => void (draining = true),
    async stop(deadlineMs) {
      draining = true;
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECKED_EVERY_MS);
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, deadlineMs);
      await listening.close();
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}
