import { createHmac, randomUUID } from 'node:crypto';
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';

/** How a mailbox is reached, and how it knows us. */
export type MeshConnection = {
  /** Base address without `/messageexchange`; `http:` for a rehearsal on this machine only. */
  url: string;
  mailbox: string;
  password: string;
  /** The shared key of the environment (live, int); it is not the mailbox's own. */
  sharedKey: string;
  /** PEM. `ca` replaces the certificate authorities that Node comes with. */
  tls?: { cert: string; key: string; ca?: string };
};

export type MeshDeadlines = {
  /** Until the connection is made and its certificates are checked. */
  connectDeadlineMs: number;
  /** Without a byte in either direction. */
  idleDeadlineMs: number;
  /** Deadline of one request and its whole answer, however slowly that comes. */
  requestDeadlineMs: number;
  /** The first wait before a request is repeated; doubled each time, and randomly reduced. */
  retryMs: number;
};

const DEADLINES: MeshDeadlines = {
  connectDeadlineMs: 10_000,
  idleDeadlineMs: 30_000,
  requestDeadlineMs: 900_000,
  retryMs: 1_000,
};
const ATTEMPTS = 4;
/** A longer `Retry-After` ends the round instead of being waited for. */
const WAIT_AT_MOST_MS = 20_000;
const RETRY_AFTER_AT_MOST_MS = 3_600_000;
/** The largest answer other than a message: a JSON listing of 5,000 has some 200 KiB. */
const ANSWER_AT_MOST_BYTES = 4_194_304;
/** Answers after which the same request may succeed. Source: mesh-client, `retry_status_force_list`; 408 likewise. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A code of Node's or of OpenSSL's, which names no secret. */
type Fault = string;

export type MeshReply =
  /** `body` is empty if it went to a sink. */
  | { kind: 'reply'; status: number; headers: IncomingHttpHeaders; body: Buffer }
  /** Whether the request arrived is unknown. */
  | { kind: 'lost'; fault: Fault };

/** Takes a body as it comes, and says whether it wants more. */
export type Sink = (bytes: Buffer) => Promise<boolean>;

export type MeshRequest = {
  method: 'GET' | 'POST' | 'PUT';
  /** Path below the mailbox: `inbox/...`, each part already escaped. */
  path: string;
  headers?: Record<string, string>;
  body?: Buffer;
  /** The destination of this answer's body; `undefined` to have it collected. */
  sinkFor?: (status: number, headers: IncomingHttpHeaders) => Sink | undefined;
};

/**
 * The token of one request: it must never be used again, not even for a repeat of the request.
 *
 * Source: NHS Digital, MESH API, Authorization header. The time is UTC, to the minute.
 */
export function authorization(
  { mailbox, password, sharedKey }: Omit<MeshConnection, 'url' | 'tls'>,
  now: Date,
  nonce: string,
): string {
  const timestamp = now.toISOString().replaceAll(/[-:T]/g, '').slice(0, 12);
  const said = `${mailbox}:${nonce}:0`;
  const hash = createHmac('sha256', sharedKey)
    .update(`${said}:${password}:${timestamp}`)
    .digest('hex');
  return `NHSMESH ${said}:${timestamp}:${hash}`;
}

const faultOf = (error: unknown): Fault => {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error.name;
};

/** What can end a request here, with the name under which it is reported. */
class Ended extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** `Retry-After` in milliseconds, in either form; `undefined` if absent or unreadable. */
export function retryAfterMs(headers: IncomingHttpHeaders, now: number): number | undefined {
  const text = headers['retry-after'];
  if (text === undefined) return undefined;
  const ms = /^[0-9]{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), RETRY_AFTER_AT_MOST_MS);
}

/** Between half of it and all of it, so that many clients do not return together; whole milliseconds. */
export const jittered = (ms: number): number => Math.round(ms * (0.5 + Math.random() / 2));

/** The disk, not the network, failed while a body was stored. */
class SinkFailed extends Error {}

async function stored(sink: Sink, bytes: Buffer): Promise<boolean> {
  try {
    return await sink(bytes);
  } catch (error) {
    throw new SinkFailed('sink', { cause: error });
  }
}

export type Exchange = {
  /** Makes a request once. If it is lost, its effect is unknown. */
  once(request: MeshRequest): Promise<MeshReply>;
  /** Makes a request that may be repeated until it is answered, but not for ever. */
  repeated(request: MeshRequest): Promise<MeshReply>;
  /** Ends every connection, and with it the requests under way, whose effect is then unknown. */
  close(): void;
};

/** Requests to a mailbox, each with its own token and deadlines; redirects are treated as answers. */
export function createExchange(
  connection: MeshConnection,
  given: Partial<MeshDeadlines> = {},
): Exchange {
  const deadlines = { ...DEADLINES, ...given };
  const { connectDeadlineMs, idleDeadlineMs, requestDeadlineMs, retryMs } = deadlines;
  const base = new URL(connection.url);
  const secure = base.protocol === 'https:';
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, minVersion: 'TLSv1.2', ...connection.tls })
    : new HttpAgent({ keepAlive: true });
  const root = `${base.pathname.replace(/\/+$/, '')}/messageexchange/${connection.mailbox}`;

  function send({ method, path, headers, body }: MeshRequest, signal: AbortSignal): ClientRequest {
    const request = (secure ? httpsRequest : httpRequest)({
      host: base.hostname.replaceAll(/^\[|\]$/g, ''),
      port: base.port === '' ? undefined : Number(base.port),
      path: path === '' ? root : `${root}/${path}`,
      method,
      agent,
      signal,
      headers: {
        accept: 'application/vnd.mesh.v2+json',
        authorization: authorization(connection, new Date(), randomUUID()),
        ...headers,
        ...(method !== 'GET' && { 'content-length': body?.length ?? 0 }),
      },
    });
    request.setTimeout(idleDeadlineMs, () => request.destroy(new Ended('no byte in time')));
    request.on('socket', (socket) => {
      if (!socket.connecting) return;
      const timer = setTimeout(
        () => request.destroy(new Ended('no connection in time')),
        connectDeadlineMs,
      );
      const done = (): void => clearTimeout(timer);
      socket.once(secure ? 'secureConnect' : 'connect', done).once('close', done);
    });
    request.end(body);
    return request;
  }

  const answerTo = (request: ClientRequest): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      request.once('response', resolve);
      // Even after the answer began, so that its reader learns of it.
      request.on('error', reject);
    });

  async function read(response: IncomingMessage, sink: Sink | undefined): Promise<Buffer> {
    const parts: Buffer[] = [];
    let length = 0;
    for await (const bytes of response as AsyncIterable<Buffer>) {
      if (sink === undefined) {
        length += bytes.length;
        if (length > ANSWER_AT_MOST_BYTES) throw new Ended('answer too long');
        parts.push(bytes);
      } else if (!(await stored(sink, bytes))) {
        // Leaving the loop ends the connection, since the rest is not wanted.
        return Buffer.alloc(0);
      }
    }
    const framed =
      response.headers['content-length'] !== undefined ||
      response.headers['transfer-encoding'] !== undefined ||
      response.statusCode === 204;
    // An answer that merely ends with its connection may have been cut off, which nobody would notice.
    if (!response.complete || !framed) throw new Ended('answer cut short');
    return Buffer.concat(parts);
  }

  const closed = new AbortController();
  async function once(request: MeshRequest): Promise<MeshReply> {
    if (closed.signal.aborted) return { kind: 'lost', fault: 'told to stop' };
    try {
      const response = await answerTo(send(request, AbortSignal.timeout(requestDeadlineMs)));
      const { statusCode: status = 0, headers } = response;
      const body = await read(response, request.sinkFor?.(status, headers));
      return { kind: 'reply', status, headers, body };
    } catch (error) {
      if (error instanceof SinkFailed) throw error.cause;
      return { kind: 'lost', fault: faultOf(error) };
    }
  }

  return {
    once,
    async repeated(request) {
      for (let attempt = 1; ; attempt++) {
        const reply = await once(request);
        if (attempt === ATTEMPTS || closed.signal.aborted) return reply;
        if (reply.kind === 'reply' && !PASSING.has(reply.status)) return reply;
        const asked = reply.kind === 'reply' ? retryAfterMs(reply.headers, Date.now()) : undefined;
        if ((asked ?? 0) > WAIT_AT_MOST_MS) return reply;
        const wait = Math.max(asked ?? 0, jittered(retryMs * 2 ** (attempt - 1)));
        await delay(wait, undefined, { signal: closed.signal }).catch(() => undefined);
      }
    },
    close() {
      closed.abort();
      agent.destroy();
    },
  };
}
