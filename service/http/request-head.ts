import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/**
 * Headers that identify the caller, the request or the kind of body: if there are two, a proxy may believe
 * the other.
 */
const SINGLE = [
  'authorization',
  'content-type',
  'content-encoding',
  'x-request-id',
  'x-correlation-id',
  'traceid',
  'nhsd-session-urid',
  'isunscheduledaccessevent',
  'x-upload-sequence',
  'x-upload-created-at',
  'x-upload-row-count',
  'x-upload-full',
] as const;
type SingleHeader = (typeof SINGLE)[number];

/** A repeated trace counts as none, and is no reason to refuse anything. */
type Read = SingleHeader | 'traceparent';

/**
 * What is judged about a request before its body, without any header that must not be repeated. `rawHeaders`
 * are as sent: Node keeps the first of some, and joins others.
 */
export type RequestHead = {
  headers: Partial<Pick<IncomingHttpHeaders, Read>>;
  rawHeaders: readonly string[];
};

const BITS = new Map<string, number>(SINGLE.map((name, i) => [name, 1 << i]));
/** Most other headers are distinguished by their length alone, since every lookup passes here. */
const LENGTHS = SINGLE.reduce((lengths, { length }) => lengths | (1 << length), 0);
const AUTHORIZATION = 1 << SINGLE.indexOf('authorization');

/** A single header is repeated: `authorization`, or another of them. */
export function repeatedHeader({ rawHeaders }: RequestHead): 'authorization' | 'other' | undefined {
  let seen = 0;
  let repeated = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if ((LENGTHS & (1 << name.length)) === 0) continue;
    const bit = BITS.get(name.toLowerCase()) ?? 0;
    repeated |= seen & bit;
    seen |= bit;
  }
  if (repeated === 0) return undefined;
  return (repeated & AUTHORIZATION) === 0 ? 'other' : 'authorization';
}

/** The hosts of nearly every request, which every parser reads the same way. */
const PLAIN_HOST = /^[a-z0-9._-]+(?::[1-9]\d{3})?$/;
const PORT = /:\d*$/;

/** Whether a host is valid (999.1.1.1 is not), and the same however it is read. */
function isHost(host: string): boolean {
  const parsed = URL.parse(`http://${host}`);
  if (parsed === null) return false;
  return PLAIN_HOST.test(host) || parsed.hostname === host.replace(PORT, '').toLowerCase();
}

/**
 * Checks whether a request names one host, as HTTP/1.1 requires. HTTP/1.0 may leave it out, as checks by load
 * balancers do (RFC 9112, section 3.2). The last one is remembered, since nearly all requests name the same.
 */
export function createHostCheck(): (incoming: IncomingMessage) => boolean {
  let last: string | undefined;
  return ({ rawHeaders, headers, httpVersion }) => {
    let hosts = 0;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i];
      if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
    }
    if (hosts !== 1) return hosts === 0 && httpVersion === '1.0';
    const { host = '' } = headers;
    if (host !== last && !isHost(host)) return false;
    last = host;
    return true;
  };
}

/** Whether the body of a request ends where every proxy says that it does. */
export function isFramed({ headers, httpVersionMajor }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding'];
  return httpVersionMajor === 1 && (coding === undefined || coding.toLowerCase() === 'chunked');
}

/** A path that every proxy and router reads exactly as it is written. */
const PLAIN_PATH = /^(?:\/(?!\.\.?(?:[/?]|$))[\w.~$-]+)*\/?(?:\?[!"$-~]*)?$/;
const ABSOLUTE = /^https?:\/\/([^/?]*)/;

/**
 * Whether the address of a request means the same to every program in front of the service. A parser of URLs
 * would resolve dots and decode, and so reach a route that a proxy keeps closed.
 */
export function isPlainlyAddressed({ url = '', headers }: IncomingMessage): boolean {
  if (url.startsWith('/')) return PLAIN_PATH.test(url);
  const [origin = '', host = ''] = ABSOLUTE.exec(url) ?? [];
  return host !== '' && host === headers.host && PLAIN_PATH.test(url.slice(origin.length));
}
