import { expect, test } from 'vitest';
import { httpServers } from '../../support/http-servers.ts';
import { until } from '../../support/service.ts';
import { startStopwatch } from '../../support/stopwatch.ts';

/** What a client can do to the service with a single connection. */

const { serve, client } = httpServers();
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const refuse = () => new Response('refused', { status: 401 });

test('requests sent together on one connection are answered one after another, in order', async () => {
  let atWork = 0;
  let most = 0;
  const { port } = await serve(async (request) => {
    most = Math.max(most, ++atWork);
    await new Promise((resolve) => setImmediate(resolve));
    atWork--;
    return new Response(`<${new URL(request.url).pathname}>`);
  });
  const paths = Array.from({ length: 10 }, (_, i) => `/${i}`);
  const { received, closed } = client(port, paths.map(get).join(''));
  await until(() => received().includes('</9>'), 'the last answer');
  expect([...received().matchAll(/<(\/\d)>/g)].map(([, path]) => path)).toEqual(paths);
  expect(most).toBe(1);
  expect(closed()).toBe(false);
});

test('a flood on one connection is cut off before it delays others', async () => {
  let flooded = 0;
  const { port } = await serve((request) => {
    if (!request.url.endsWith('/other')) flooded++;
    return new Response('hello');
  });
  const flood = client(port, get('/').repeat(900_000 / get('/').length));
  await until(flood.closed, 'the end of the connection');
  const other = client(port, get('/other'));
  await until(() => other.received().includes('hello'), 'the answer to another client');
  expect(flooded).toBeLessThan(20);
});

test('if a client leaves, none of its waiting requests is carried out', async () => {
  const done: string[] = [];
  const answers: (() => void)[] = [];
  const { port } = await serve(async (request) => {
    done.push(new URL(request.url).pathname);
    await new Promise<void>((resolve) => answers.push(resolve));
    return new Response('hello');
  });
  const gone = client(port, get('/first') + get('/second'));
  await until(() => answers.length > 0);
  gone.socket.destroy();
  await until(gone.closed);
  answers[0]?.();
  const later = client(port, get('/later'));
  await until(() => done.includes('/later'));
  answers[1]?.();
  await until(() => later.received().includes('hello'));
  expect(done).toEqual(['/first', '/later']);
});

test.for([
  ['at once', refuse],
  ['a moment later', () => Promise.resolve().then(refuse)],
] as const)(
  'a refusal made %s, before a large body is read, says that the connection ends',
  async ([, answer]) => {
    const { port } = await serve(answer);
    const early = client(
      port,
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegun',
    );
    await until(early.closed, 'the end of the connection');
    expect(early.received()).toMatch(/^HTTP\/1\.1 401 /);
    expect(early.received()).toMatch(/connection: close/i);
    expect(early.received()).toMatch(/refused$/);
  },
);

test.for(['a/b', 'a b', 'x:99999', '[::g]', '[0::1]', '\u00fc.example', '999.1.1.1'])(
  'a request whose Host is %j is refused before its body is read, and its connection ends',
  async (host) => {
    const { port } = await serve(() => new Response('hello'));
    const early = client(
      port,
      `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\nbegun`,
    );
    await until(early.closed, 'the end of the connection');
    expect(early.received()).toMatch(/^HTTP\/1\.1 400 /);
    expect(early.received()).toMatch(/connection: close/i);
  },
);

test.for([
  '[::1]:80',
  'X.Example',
  'x.example:80',
  'x_y',
  '10.0.0.1:8080',
  'xn--mnchen-3ya.example',
])('a request whose Host is %s is answered', async (host) => {
  const { port } = await serve(() => new Response('hello'));
  const { received } = client(port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await until(() => received().includes('hello'));
  expect(received()).toMatch(/^HTTP\/1\.1 200 /);
});

test.for([
  ['another coding as well as chunked', 'HTTP/1.1', 'gzip, chunked', 400],
  ['the coding that means none', 'HTTP/1.1', 'identity, chunked', 400],
  ['an unknown coding', 'HTTP/1.1', 'xchunked', 400],
  ['an unsupported version', 'HTTP/2.0', 'chunked', 400],
  ['a supported version and coding', 'HTTP/1.1', 'Chunked', 200],
] as const)(
  'a request in %s is answered once, with its status',
  async ([, version, coding, status]) => {
    const { port } = await serve(async (request) => new Response(await request.text()));
    const head = `POST / ${version}\r\nHost: x\r\nTransfer-Encoding: ${coding}\r\n`;
    const { received, closed } = client(
      port,
      `${head}Connection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    );
    await until(closed, 'the end of the connection');
    expect(received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(received().match(/HTTP\/1\.1 /g)).toHaveLength(1);
  },
);

test('a refusal before a small body is read leaves the connection open', async () => {
  const { port } = await serve(refuse);
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n';
  const { socket, received, closed } = client(port, head);
  await until(() => received().includes('refused'));
  socket.write(`small${get('/')}`);
  await until(() => received().match(/refused/g)?.length === 2, 'a second answer');
  expect(received()).not.toMatch(/connection: close/i);
  expect(closed()).toBe(false);
});

test('an answer that its client does not read is cut off within the stated time', async () => {
  const unreadMs = 1_000;
  const body = 'x'.repeat(32 * 1024 * 1024);
  const ends: { at: number; countedMs: number }[] = [];
  let read = (): number => 0;
  let servedAt = 0;
  const { port } = await serve(
    (_, { outgoing }) => {
      servedAt = performance.now();
      outgoing.once('close', () => ends.push({ at: performance.now(), countedMs: read() }));
      return new Response(body);
    },
    { limits: { unreadMs } },
  );
  let pausedAt = 0;
  const isLongEnough = () => (ends[0]?.at ?? 0) - pausedAt > unreadMs / 2 - 100;
  await until(async () => {
    pausedAt = 0;
    ends.length = 0;
    const { socket } = client(port, get('/'));
    socket.once('data', () => {
      socket.pause();
      pausedAt = performance.now();
      read = startStopwatch();
    });
    await until(() => ends.length > 0, 'the connection to be cut');
    // On a busy machine the first data may come late, and the time before it counts for the service as well.
    const isPrompt = pausedAt - servedAt < unreadMs / 10;
    return pausedAt > 0 && (isPrompt || isLongEnough());
  }, 'a client that stops reading at once');
  expect(isLongEnough()).toBe(true);
  // If Node had counted the whole time twice, it would be 2,000.
  expect(ends[0]?.countedMs).toBeLessThan(1.75 * unreadMs);
});

test.for([
  ['HTTP/1.0 without a Host is answered, as a balancer’s check asks', 'HTTP/1.0\r\n', 200],
  ['HTTP/1.0 with a Host is answered', 'HTTP/1.0\r\nHost: x\r\n', 200],
  ['HTTP/1.1 without a Host is refused', 'HTTP/1.1\r\nConnection: close\r\n', 400],
  ['HTTP/1.0 with an empty Host is refused', 'HTTP/1.0\r\nHost:\r\n', 400],
  ['HTTP/1.0 with two Hosts is refused', 'HTTP/1.0\r\nHost: x\r\nHost: y\r\n', 400],
] as const)('%s', async ([, text, status]) => {
  const { port } = await serve(({ url }) => new Response(new URL(url).pathname));
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    const { received, closed } = client(port, `${method} /_status ${text}\r\n`);
    await until(closed, 'the end of the connection');
    expect(received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    if (status === 200 && method === 'GET') expect(received()).toMatch(/\r\n\r\n\/_status$/);
  }
});
