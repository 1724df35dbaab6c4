import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export const BUCKET = 'cp-flags-audit';

type Answer = { status: number; body?: string | Buffer };

/** A bucket on loopback with the parts of the S3 protocol that the second copy uses. It does not check signatures. */
export async function startBucket() {
  const objects = new Map<string, Buffer>();
  /** The right that each request needed. */
  const actions = new Set<string>();
  const deleted: string[] = [];
  const bucket = {
    objects,
    actions,
    deleted,
    endpoint: '',
    /** Refuses these actions, as a bucket does without the rights to them. */
    refuses: (_action: string): boolean => false,
    /** The rules it answers with. Without any it says that there are none. */
    lifecycle: undefined as string | undefined,
    /** Whether a listing includes an object yet. */
    lists: (_name: string): boolean => true,
    async close(): Promise<void> {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };

  function listing(prefix: string): Answer {
    const found = [...objects.keys()]
      .filter((name) => name.startsWith(prefix) && bucket.lists(name))
      .map((name) => {
        const cut = name.indexOf('/', prefix.length);
        return cut < 0
          ? `<Contents><Key>${name}</Key></Contents>`
          : `<CommonPrefixes><Prefix>${name.slice(0, cut + 1)}</Prefix></CommonPrefixes>`;
      });
    const body = `<ListBucketResult><Prefix>${prefix}</Prefix>${[...new Set(found)].join('')}</ListBucketResult>`;
    return { status: 200, body };
  }

  /** The right that a request needs, and its answer. */
  function answered(
    method: string,
    url: URL,
    content: Buffer,
    once: boolean,
  ): [string, () => Answer] {
    const name = url.pathname.slice(`/${BUCKET}/`.length);
    if (url.searchParams.has('lifecycle')) {
      const { lifecycle } = bucket;
      const none = { status: 404, body: '<Code>NoSuchLifecycleConfiguration</Code>' };
      return [
        's3:GetLifecycleConfiguration',
        () => (lifecycle === undefined ? none : { status: 200, body: lifecycle }),
      ];
    }
    if (url.searchParams.has('list-type')) {
      return ['s3:ListBucket', () => listing(url.searchParams.get('prefix') ?? '')];
    }
    if (method === 'DELETE') {
      return [
        's3:DeleteObject',
        () => {
          deleted.push(name);
          return { status: objects.delete(name) ? 204 : 404 };
        },
      ];
    }
    if (method === 'PUT') {
      return [
        's3:PutObject',
        () => {
          if (once && objects.has(name)) return { status: 412 };
          objects.set(name, content);
          return { status: 200 };
        },
      ];
    }
    const body = objects.get(name);
    const absent = { status: 404, body: '<Code>NoSuchKey</Code>' };
    return ['s3:GetObject', () => (body === undefined ? absent : { status: 200, body })];
  }

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const content = await buffer(incoming);
    const { method = '', url = '', headers } = incoming;
    const once = headers['if-none-match'] === '*';
    const [action, does] = answered(method, new URL(url, bucket.endpoint), content, once);
    actions.add(action);
    const { status, body } = bucket.refuses(action) ? { status: 403, body: '' } : does();
    outgoing.statusCode = status;
    outgoing.end(body);
  }
  const http = createServer((incoming, outgoing) => void answer(incoming, outgoing));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  bucket.endpoint = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return bucket;
}
export type TestBucket = Awaited<ReturnType<typeof startBucket>>;
