import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERRORS, problemSchema } from '#schemas/errors.ts';
import { wantsPage } from '#service/http/accept.ts';
import { type HttpServer, serveHttp } from '#service/http/server.ts';
import { rawRequest } from '../../support/raw-http.ts';

/** An address that a proxy in front has let through reaches exactly that route here, and no other. */

let server: HttpServer;
let reached: string[] = [];
beforeAll(async () => {
  server = await serveHttp(
    ({ url }) => {
      reached.push(new URL(url).pathname);
      return new Response('reached');
    },
    { host: '127.0.0.1', port: 0 },
  );
});
afterAll(() => server?.stop(0));

async function ask(path: string, headers: readonly (readonly [string, string])[] = []) {
  reached = [];
  const baseUrl = `http://127.0.0.1:${server.port}`;
  const { status, body } = await rawRequest(baseUrl, { method: 'GET', path, headers });
  const code = status === 200 ? '' : ` ${problemSchema.parse(JSON.parse(body)).code}`;
  return `${status}${code}`;
}

const host = (): string => `127.0.0.1:${server.port}`;

test.for([
  '/x/../lookup',
  '/x/%2e%2e/lookup',
  '/x/%2E./lookup',
  '/x/.%2e/lookup',
  '/./lookup',
  '/%2e/lookup',
  '/lookup/.',
  '/lookup/x/..',
  '/../lookup',
  '//lookup',
  '/x//lookup',
  '/lookup//',
  '/%6cookup',
  '/x%2f..%2flookup',
  '/%2flookup',
  '/lookup%00',
  '/x\\..\\lookup',
  '/\\lookup',
  '/x/..%5clookup',
  '/lookup;x',
  '/x;/../lookup',
  '/lookup#x',
  '/lookup?x#y',
])('%j is refused, whatever it might mean', async (path) => {
  expect(await ask(path)).toBe('400 address-not-plain');
  expect(await ask(`http://${host()}${path}`)).toBe('400 address-not-plain');
  expect(reached).toEqual([]);
});

test.for(['/lo\tokup', '/lookup\f', '/look\u00fcp', '/lookup?\u00fc'])(
  '%j is not an HTTP address',
  async (path) => {
    expect(await ask(path)).toBe('400 malformed-request');
    expect(reached).toEqual([]);
  },
);

test.for([
  ['names the host of the Host header', 'http://HOST/lookup', 'HOST', '200'],
  ['has no path', 'http://HOST', 'HOST', '200'],
  ['names another host', 'http://other.example/lookup', 'HOST', '400 address-not-plain'],
  ['names another port', 'http://127.0.0.1/lookup', 'HOST', '400 address-not-plain'],
  ['names a user', 'http://user@HOST/lookup', 'HOST', '400 address-not-plain'],
  ['names a host with a path', 'http://HOST/x/lookup', 'HOST/x', '400 malformed-request'],
  ['names no host', 'http:///lookup', 'HOST', '400 address-not-plain'],
] as const)('an absolute address that %s: %s', async ([, path, name, outcome]) => {
  const named = (text: string): string => text.replace('HOST', host());
  expect(await ask(named(path), [['Host', named(name)]])).toBe(outcome);
});

test('a browser is shown a page for what reaches no route, and a program is given a problem', async () => {
  const withPage = await serveHttp(() => new Response('reached'), {
    host: '127.0.0.1',
    port: 0,
    notRouted: (incoming, fault) =>
      wantsPage(incoming)
        ? new Response(`shown ${fault}`, { status: ERRORS[fault].status })
        : undefined,
  });
  const baseUrl = `http://127.0.0.1:${withPage.port}`;
  for (const [accept, isShown] of [
    ['text/html,application/xhtml+xml,*/*;q=0.8', true],
    ['application/json', false],
    ['text/html;q=0', false],
    ['text/html;q=0.5, application/problem+json', false],
    ['application/problem+json;q=0.5, text/html', true],
    ['*/*', false],
  ] as const) {
    const headers = [['Accept', accept]] as const;
    const answer = await rawRequest(baseUrl, { method: 'GET', path: '/lookup%', headers });
    const got = ({ body }: { body: string }): string =>
      isShown ? body : `shown ${problemSchema.parse(JSON.parse(body)).code}`;
    expect([accept, got(answer)]).toEqual([accept, 'shown address-not-plain']);
    const plain = await rawRequest(baseUrl, { method: 'GET', path: '/lookup', headers });
    expect(plain.body).toBe('reached');
    for (const [path, more, fault] of [
      ['/lookup', ['X-More', 'x'.repeat(17_000)], 'headers-too-large'],
      ['/look up', ['X-More', 'x'], 'malformed-request'],
    ] as const) {
      const all = [...headers, more];
      const refused = await rawRequest(baseUrl, { method: 'GET', path, headers: all });
      expect([accept, got(refused)]).toEqual([accept, `shown ${fault}`]);
      expect(refused.status).toBe(ERRORS[fault].status);
      expect(refused.headers.get('connection')).toBe('close');
    }
  }
  await withPage.stop(0);
});

test('an address that reaches a handler is exactly the one that was sent', async () => {
  const PARTS = [
    '/',
    '/',
    '.',
    '%2e',
    '%2F',
    '%',
    '\\',
    ';',
    '#',
    '\t',
    'a',
    'b',
    'é',
    '@',
    ':',
    '?',
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...PARTS), { maxLength: 8 }),
      fc.constantFrom('', 'http://HOST'),
      async (parts, form) => {
        const path = `/${parts.join('')}`;
        await ask(form.replace('HOST', host()) + path);
        if (reached.length > 0) expect(reached).toEqual([path.split('?')[0]]);
      },
    ),
    { numRuns: 300 },
  );
});
