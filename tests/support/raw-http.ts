import { connect } from 'node:net';

export type RawRequest = {
  method: string;
  /** The address exactly as sent, encoded or not. */
  path: string;
  /** Exactly as sent, in latin1. Host and Connection are added if missing. */
  headers?: readonly (readonly [name: string, value: string])[];
  body?: string | Buffer;
};

export type RawResponse = {
  status: number;
  headers: Headers;
  body: string;
  /** Every byte that came back, in latin1. */
  raw: string;
};

function unchunked(body: string): string {
  let text = '';
  let rest = body;
  for (;;) {
    const [size = ''] = rest.split('\r\n', 1);
    const length = Number.parseInt(size, 16);
    if (!(length > 0)) return text;
    text += rest.slice(size.length + 2, size.length + 2 + length);
    rest = rest.slice(size.length + 4 + length);
  }
}

function parse(raw: string): RawResponse {
  const split = raw.indexOf('\r\n\r\n');
  const [start = '', ...lines] = raw.slice(0, split).split('\r\n');
  const headers = new Headers(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  const rest = raw.slice(split + 4);
  const body = headers.get('transfer-encoding') === 'chunked' ? unchunked(rest) : rest;
  return {
    status: Number(start.split(' ')[1]),
    headers,
    body: Buffer.from(body, 'latin1').toString('utf8'),
    raw,
  };
}

/**
 * Sends exactly these bytes, as no well-behaved client would, and resolves with the answer. The status is NaN if the
 * server closed the connection without an answer.
 */
export function rawRequest(
  baseUrl: string,
  { method, path, headers = [], body = '' }: RawRequest,
): Promise<RawResponse> {
  const { hostname, port, host } = new URL(baseUrl);
  const named = new Set(headers.map(([name]) => name.toLowerCase()));
  const all: (readonly [string, string])[] = [
    ...(named.has('host') ? [] : [['Host', host] as const]),
    ...headers,
    ...(body.length === 0 || named.has('content-length') || named.has('transfer-encoding')
      ? []
      : [['Content-Length', String(Buffer.byteLength(body))] as const]),
    ['Connection', 'close'],
  ];
  const head = `${method} ${path} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname);
    socket.on('data', (chunk) => chunks.push(chunk));
    // The server may close while a body is still arriving, and what it said before that counts.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(parse(Buffer.concat(chunks).toString('latin1'))));
    socket.write(Buffer.from(head, 'latin1'));
    if (body.length > 0) socket.write(body);
  });
}
