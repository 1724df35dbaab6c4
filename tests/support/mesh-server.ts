import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { MeshConnection } from '#service/mesh/exchange.ts';
import { certify } from './certificates.ts';

/** What the server does to a request, either instead of answering it or as well. */
type MeshFault =
  /** The connection ends before anything is done. */
  | { kind: 'cut-before' }
  /** The request is carried out, and the connection ends before the answer. */
  | { kind: 'cut-after' }
  /** The request is not carried out, and is answered like this. */
  | { kind: 'answer'; status: number; headers?: OutgoingHttpHeaders; body?: string | Buffer }
  /** The request is carried out, and the answer is changed. */
  | { kind: 'change'; change: (answer: Answer) => Answer }
  /** The answer ends after this many bytes of its body. */
  | { kind: 'cut-body'; bytes: number }
  /** No answer ever comes. */
  | { kind: 'mute' }
  /** The answer arrives one byte at a time and never ends. */
  | { kind: 'drip' };

type Answer = { status: number; headers: OutgoingHttpHeaders; body: Buffer };
type MeshCall = { method: string; path: string; headers: IncomingMessage['headers'] };

type StoredMessage = {
  id: string;
  from: string;
  to: string;
  type: 'DATA' | 'REPORT';
  status: 'uploading' | 'accepted' | 'acknowledged' | 'undeliverable' | 'gone';
  headers: Record<string, string>;
  chunks: Buffer[];
  total: number;
};

const TWO_HOURS_MS = 7_200_000;
const PAGE_OF_TEST = 500;

/**
 * A MESH server that is stricter than the real one. A token is good for one request only, and for two hours. Only a
 * client with a certificate from its authority is admitted, and every header and the order of requests are checked.
 */
export async function startMeshServer(
  mailboxes: Record<string, string> = {
    X26CPF1: 'ours',
    X26ABC1: 'theirs',
    X26ABC2: 'others',
  },
) {
  const authority = certify('MESH authority');
  const own = certify('MESH', { issuer: authority });
  const client = certify('cp-flags', { issuer: authority });
  const sharedKey = 'TestKey';
  const messages = new Map<string, StoredMessage>();
  const nonces = new Set<string>();
  const calls: MeshCall[] = [];
  const refusals: string[] = [];
  let faultOf: (call: MeshCall, count: number) => MeshFault | undefined = () => undefined;
  let pageSize = PAGE_OF_TEST;
  let aheadMs = 0;

  function refusalOf({ headers, url = '' }: IncomingMessage): string | undefined {
    const [, mailbox = ''] = /^\/messageexchange\/([^/?]+)/.exec(url) ?? [];
    const password = mailboxes[mailbox];
    const [, said = '', nonce = '', count = '', at = '', hash = ''] =
      /^NHSMESH ([^:]+):([^:]+):([0-9]+):([0-9]{12}):([0-9a-f]{64})$/.exec(
        headers.authorization ?? '',
      ) ?? [];
    if (password === undefined || said !== mailbox) return 'mailbox';
    const hashed = createHmac('sha256', sharedKey)
      .update([said, nonce, count, password, at].join(':'))
      .digest('hex');
    if (hashed !== hash) return 'hash';
    const instant = Date.parse(at.replace(/(....)(..)(..)(..)(..)/, '$1-$2-$3T$4:$5Z'));
    if (Math.abs(Date.now() + aheadMs - instant) > TWO_HOURS_MS) return 'age';
    if (nonces.has(`${nonce}:${count}`)) return 'reuse';
    nonces.add(`${nonce}:${count}`);
    return headers.accept === 'application/vnd.mesh.v2+json' ? undefined : 'accept';
  }

  const answer = (status: number, body: unknown = '', headers = {}): Answer => ({
    status,
    headers,
    body: Buffer.isBuffer(body)
      ? body
      : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  });
  const refusal = (status: number, code: string, msg: string): Answer =>
    answer(status, { detail: [{ event: 'SEND', code, msg }] });

  function receivedHeaders(message: StoredMessage, chunk: number): Record<string, string> {
    const { id, from, to, type, headers, total } = message;
    return {
      ...(type === 'DATA' && { 'mex-from': from }),
      'mex-to': to,
      'mex-messagetype': type,
      'mex-messageid': id,
      'mex-chunk-range': type === 'REPORT' ? '1:0' : `${chunk}:${total}`,
      'mex-statuscode': '00',
      'mex-statussuccess': 'SUCCESS',
      ...headers,
    };
  }

  function handle(mailbox: string, call: MeshCall, body: Buffer): Answer {
    const { method, headers } = call;
    const url = new URL(call.path, 'https://mesh');
    const [first = '', id = '', ...rest] = url.pathname.split('/').slice(3);
    if (first === '') {
      if (method !== 'POST') return answer(405);
      return headers['mex-clientversion'] && headers['mex-osname'] && headers['mex-osversion']
        ? answer(200)
        : answer(400, { detail: [{ type: 'missing', loc: ['header'], msg: 'field required' }] });
    }
    if (first === 'inbox' && id === '') {
      const ready = [...messages.values()]
        .filter((each) => each.to === mailbox && each.status === 'accepted')
        .map((each) => each.id);
      const from = url.searchParams.get('continue_from');
      const rest = from === null ? ready : ready.slice(ready.indexOf(from) + 1);
      const page = rest.slice(0, pageSize);
      const next =
        rest.length > page.length
          ? `/messageexchange/${mailbox}/inbox?continue_from=${page.at(-1)}`
          : undefined;
      return answer(200, { messages: page, links: { self: call.path, ...(next && { next }) } });
    }
    if (first === 'inbox') {
      const message = messages.get(id);
      if (message?.to !== mailbox) return answer(404);
      if (method === 'PUT' && rest.join('/') === 'status/acknowledged') {
        if (message.status === 'accepted') message.status = 'acknowledged';
        return answer(200);
      }
      if (message.status !== 'accepted') return answer(410);
      const chunk = Number(rest[0] ?? '1');
      if (message.type === 'REPORT') return answer(200, '', receivedHeaders(message, 1));
      const data = message.chunks[chunk - 1];
      if (data === undefined) return answer(404);
      return answer(chunk < message.total ? 206 : 200, data, receivedHeaders(message, chunk));
    }
    if (first === 'outbox' && id === '') {
      const to = String(headers['mex-to'] ?? '');
      const [, total = '1'] = /^1:([1-9][0-9]*)$/.exec(String(headers['mex-chunk-range'])) ?? [];
      if (!Object.keys(mailboxes).includes(to))
        return refusal(417, '12', 'Unregistered to address');
      if (headers['mex-workflowid'] === 'UNREGISTERED') return refusal(417, '17', 'Not registered');
      if (body.length === 0) return refusal(417, '02', 'Data file is missing');
      const made = randomUUID().replaceAll('-', '').toUpperCase();
      const kept = ['workflowid', 'localid', 'subject', 'filename'].map((name) => `mex-${name}`);
      messages.set(made, {
        id: made,
        from: mailbox,
        to,
        type: 'DATA',
        status: Number(total) === 1 ? 'accepted' : 'uploading',
        headers: Object.fromEntries(
          [...kept, 'content-encoding'].flatMap((name) =>
            headers[name] === undefined ? [] : [[name, String(headers[name])]],
          ),
        ),
        chunks: [body],
        total: Number(total),
      });
      return answer(202, { message_id: made });
    }
    if (first === 'outbox' && id === 'tracking') {
      const local = rest[0] === undefined ? undefined : decodeURIComponent(rest[0]);
      const found = [...messages.values()].filter(
        (each) =>
          each.from === mailbox &&
          (local === undefined
            ? each.id === url.searchParams.get('messageID')
            : each.headers['mex-localid'] === local),
      );
      if (found.length > 1) return answer(300);
      const [message] = found;
      if (message === undefined) return answer(404);
      const { status } = message;
      return local === undefined
        ? answer(200, { message_id: message.id, local_id: message.headers['mex-localid'], status })
        : answer(200, { messageId: message.id, status });
    }
    const message = messages.get(id);
    if (first !== 'outbox' || method !== 'POST' || message?.from !== mailbox) return answer(404);
    const chunk = Number(rest[0]);
    if (message.status !== 'uploading') return answer(423, { message: 'Locked' });
    if (headers['mex-chunk-range'] !== `${chunk}:${message.total}`)
      return refusal(417, '06', 'chunks');
    if (headers['content-encoding'] !== message.headers['content-encoding'])
      return refusal(417, '06', 'encoding');
    message.chunks[chunk - 1] = body;
    if (message.chunks.filter(Boolean).length === message.total) message.status = 'accepted';
    return answer(202);
  }

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of incoming as AsyncIterable<Buffer>) parts.push(part);
    const call = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
    };
    calls.push(call);
    const refused = refusalOf(incoming);
    if (refused !== undefined) {
      refusals.push(refused);
      outgoing.writeHead(403, { date: new Date(Date.now() + aheadMs).toUTCString() }).end();
      return;
    }
    const fault = faultOf(call, calls.length);
    if (fault?.kind === 'mute') return;
    if (fault?.kind === 'drip') {
      const timer = setInterval(() => outgoing.write(' '), 20);
      incoming.socket.once('close', () => clearInterval(timer));
      return;
    }
    if (fault?.kind === 'cut-before') return void incoming.socket.destroy();
    const [, mailbox = ''] = /^\/messageexchange\/([^/?]+)/.exec(call.path) ?? [];
    let answered =
      fault?.kind === 'answer'
        ? answer(fault.status, fault.body, fault.headers)
        : handle(mailbox, call, Buffer.concat(parts));
    if (fault?.kind === 'change') answered = fault.change(answered);
    if (fault?.kind === 'cut-after') return void incoming.socket.destroy();
    const { status, headers, body } = answered;
    const framed = !('content-length' in headers && headers['content-length'] === undefined);
    // As in HTTP 1.0, the body ends when the connection does.
    if (!framed) Object.assign(outgoing, { useChunkedEncodingByDefault: false });
    const length = framed ? { 'content-length': body.length } : {};
    outgoing.writeHead(
      status,
      Object.fromEntries(
        Object.entries({ ...length, ...headers }).filter(([, value]) => value !== undefined),
      ),
    );
    if (fault?.kind === 'cut-body') {
      outgoing.write(body.subarray(0, fault.bytes), () => incoming.socket.destroy());
    } else outgoing.end(body);
  }

  const listener: Server = createServer(
    {
      cert: own.cert,
      key: own.key,
      ca: authority.cert,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (incoming, outgoing) => void serve(incoming, outgoing).catch(() => incoming.socket.destroy()),
  );
  listener.on('tlsClientError', (error: NodeJS.ErrnoException) => {
    refusals.push(error.code ?? 'tls');
  });
  const sockets = new Set<TLSSocket>();
  listener.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const url = `https://127.0.0.1:${port}`;

  return {
    url,
    port,
    messages,
    calls,
    refusals,
    sharedKey,
    authority,
    client,
    /** How this service reaches its mailbox on the server. */
    connection: (differing: Partial<MeshConnection> = {}): MeshConnection => ({
      url,
      mailbox: 'X26CPF1',
      password: 'ours',
      sharedKey,
      tls: { cert: client.cert, key: client.key, ca: authority.cert },
      ...differing,
    }),
    /** The settings of a service with this mailbox, whose secrets are put in a folder. */
    async environment(folder: string): Promise<Record<string, string>> {
      const write = async (name: string, text: string): Promise<string> => {
        await writeFile(join(folder, name), text, { mode: 0o600 });
        return join(folder, name);
      };
      return {
        MESH_URL: url,
        MESH_MAILBOX: 'X26CPF1',
        MESH_PASSWORD_FILE: await write('password', 'ours\n'),
        MESH_SHARED_KEY_FILE: await write('shared-key', sharedKey),
        MESH_CERT_FILE: await write('cert.pem', client.cert),
        MESH_KEY_FILE: await write('key.pem', client.key),
        MESH_CA_FILE: await write('ca.pem', authority.cert),
        MESH_POLL_SECONDS: '1',
        MESH_WORKFLOW_ID: 'TEST_WORKFLOW',
        MESH_NOTIFICATION_WORKFLOW_ID: 'TEST_NOTIFY',
        MESH_MAILBOXES_FILE: await write(
          'mailboxes.json',
          JSON.stringify({
            X26ABC1: 'ZZ101',
            X26ABC2: { authority: 'ZZ102', workflowId: 'OTHER_UPLOAD' },
          }),
        ),
      };
    },
    /** Sets what to do wrong, depending on the call and on how many there were. */
    fault(given: typeof faultOf | undefined): void {
      faultOf = given ?? (() => undefined);
    },
    /** Sets the server's clock ahead of ours by this much. */
    clockAhead(ms: number): void {
      aheadMs = ms;
    },
    pages(size: number): void {
      pageSize = size;
    },
    /** Puts a message into a mailbox, as if its sender had done so. */
    put(
      message: Partial<StoredMessage> & { data?: string | readonly (string | Buffer)[] } = {},
    ): StoredMessage {
      const { data = 'data', headers, ...rest } = message;
      const parts = typeof data === 'string' ? [data] : data;
      const id = rest.id ?? randomUUID().replaceAll('-', '').toUpperCase();
      const stored: StoredMessage = {
        id,
        from: 'X26ABC1',
        to: 'X26CPF1',
        type: 'DATA',
        status: 'accepted',
        chunks: parts.map((part) => (typeof part === 'string' ? gzipSync(part) : part)),
        total: parts.length,
        ...rest,
        headers: {
          'mex-workflowid': 'TEST_WORKFLOW',
          'mex-localid': 'local-1',
          'mex-filename': 'upload.xml',
          'mex-subject': '',
          'content-encoding': 'gzip',
          ...headers,
        },
      };
      messages.set(id, stored);
      return stored;
    },
    /** Fetches and acknowledges everything in a mailbox, as its recipient. */
    collect(mailbox: string): { headers: Record<string, string>; text: string }[] {
      return [...messages.values()]
        .filter(({ to, status }) => to === mailbox && status === 'accepted')
        .map((message) => {
          message.status = 'acknowledged';
          const text = message.chunks.map((chunk) => gunzipSync(chunk).toString()).join('');
          return { headers: message.headers, text };
        });
    },
    /** Everything that was sent to a mailbox, whether or not it was fetched. */
    sentTo: (mailbox: string): StoredMessage[] =>
      [...messages.values()].filter(({ to, type }) => to === mailbox && type === 'DATA'),
    /** Reports that a message was not delivered. */
    reportOn(message: StoredMessage, code: string, description: string): StoredMessage {
      message.status = 'undeliverable';
      const id = randomUUID().replaceAll('-', '').toUpperCase();
      const report: StoredMessage = {
        id,
        from: '',
        to: message.from,
        type: 'REPORT',
        status: 'accepted',
        chunks: [],
        total: 0,
        headers: {
          'mex-linkedmsgid': message.id,
          'mex-statuscode': code,
          'mex-statusdescription': description,
          'mex-statussuccess': 'ERROR',
          'mex-localid': message.headers['mex-localid'] ?? '',
          'mex-workflowid': message.headers['mex-workflowid'] ?? '',
        },
      };
      messages.set(id, report);
      return report;
    },
    async stop(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
export type MeshServer = Awaited<ReturnType<typeof startMeshServer>>;
