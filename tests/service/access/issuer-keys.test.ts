import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, jwtVerify, SignJWT } from 'jose';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { type IssuerKeys, KeysUnavailable, remoteKeys } from '#service/access/issuer-keys.ts';
import { until } from '../../support/service.ts';

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

let first: Pair;
let second: Pair;
let server: Server | undefined;
let keys: IssuerKeys | undefined;
/** How often the keys were asked for. */
let asked = 0;

beforeAll(async () => {
  first = await generateKeyPair('ES256', { extractable: true });
  second = await generateKeyPair('ES256', { extractable: true });
});
afterEach(async () => {
  keys?.stop();
  keys = undefined;
  server?.closeAllConnections();
  await new Promise<void>((resolve) =>
    server === undefined ? resolve() : server.close(() => resolve()),
  );
  server = undefined;
  asked = 0;
});

async function publish(answer: RequestListener): Promise<string> {
  server = createServer((incoming, outgoing) => {
    asked++;
    answer(incoming, outgoing);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
}

const jwk = async (pair: Pair, kid: string): Promise<JWK> => ({
  ...(await exportJWK(pair.publicKey)),
  kid,
});

const sign = (pair: Pair, kid: string) =>
  new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid }).sign(pair.privateKey);

async function verifies(find: IssuerKeys['find'], pair: Pair, kid: string): Promise<boolean> {
  return jwtVerify(await sign(pair, kid), find).then(
    () => true,
    () => false,
  );
}

test('a key that was added is found at the first token that names it', async () => {
  const published = { keys: [await jwk(first, 'one')] };
  const url = await publish((_, outgoing) => outgoing.end(JSON.stringify(published)));
  keys = remoteKeys(url, { cooldownMs: 0 });
  expect(await verifies(keys.find, first, 'one')).toBe(true);
  const { version } = keys;
  published.keys.push(await jwk(second, 'two'));
  expect(await verifies(keys.find, second, 'two')).toBe(true);
  expect(keys.version).toBeGreaterThan(version);
});

test('a key that was taken away is not believed once the keys were fetched again', async () => {
  let published = { keys: [await jwk(first, 'one'), await jwk(second, 'two')] };
  const url = await publish((_, outgoing) => outgoing.end(JSON.stringify(published)));
  const followed = remoteKeys(url, { refreshMs: 10 });
  keys = followed;
  expect(await verifies(followed.find, first, 'one')).toBe(true);
  const { version } = followed;
  published = { keys: [await jwk(second, 'two')] };
  await until(() => followed.version > version, 'the keys being fetched again');
  expect(await verifies(followed.find, first, 'one')).toBe(false);
});

test('made-up key ids do not make it ask more often than the cooldown allows', async () => {
  const body = JSON.stringify({ keys: [await jwk(first, 'one')] });
  const url = await publish((_, outgoing) => outgoing.end(body));
  const { find } = (keys = remoteKeys(url, { cooldownMs: 600_000 }));
  expect(await verifies(find, first, 'one')).toBe(true);
  for (let i = 0; i < 50; i++) expect(await verifies(find, second, `made-up-${i}`)).toBe(false);
  expect(asked).toBe(1);
});

test('tokens that wait for the same fetch share it', async () => {
  const body = JSON.stringify({ keys: [await jwk(first, 'one')] });
  const url = await publish((_, outgoing) => outgoing.end(body));
  const { find } = (keys = remoteKeys(url));
  const all = await Promise.all(Array.from({ length: 20 }, () => verifies(find, first, 'one')));
  expect(all.every(Boolean)).toBe(true);
  expect(asked).toBe(1);
});

test('while they cannot be fetched the last ones count, for a bounded time', async () => {
  const body = JSON.stringify({ keys: [await jwk(first, 'one')] });
  let down = false;
  const url = await publish((_, outgoing) => {
    outgoing.statusCode = down ? 500 : 200;
    outgoing.end(down ? '' : body);
  });
  const said: string[] = [];
  const followed = remoteKeys(url, {
    refreshMs: 10,
    cooldownMs: 10,
    onProblem: (sentence) => said.push(sentence),
  });
  keys = followed;
  expect(await verifies(followed.find, first, 'one')).toBe(true);
  down = true;
  await until(() => followed.problem !== undefined, 'the outage being noticed');
  expect(await verifies(followed.find, first, 'one')).toBe(true);
  expect(said).toHaveLength(1);
  down = false;
  await until(() => followed.problem === undefined, 'the outage being over');

  followed.stop();
  down = true;
  keys = remoteKeys(url, { keepMs: 0, cooldownMs: 0 });
  const token = await sign(first, 'one');
  await expect(jwtVerify(token, keys.find)).rejects.toThrow(KeysUnavailable);
});

const huge = JSON.stringify({ keys: [{ kty: 'EC', kid: 'x'.repeat(300 * 1024) }] });
test.for<[string, RequestListener]>([
  ['is larger than 256 KiB', (_, outgoing) => outgoing.end(huge)],
  ['never ends', (_, outgoing) => void outgoing.write('{"keys":[')],
  ['never begins', () => undefined],
  ['is no JSON', (_, outgoing) => outgoing.end('<html>')],
  ['holds no keys', (_, outgoing) => outgoing.end('{"keys":[]}')],
  ['holds a shared key', (_, outgoing) => outgoing.end('{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}')],
  [
    'holds a private key',
    (_, outgoing) => outgoing.end('{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"c"}]}'),
  ],
  [
    'is somewhere else',
    (incoming, outgoing) => {
      if (incoming.url === '/elsewhere') return void outgoing.end('{"keys":[{"kty":"EC"}]}');
      outgoing.writeHead(302, { location: '/elsewhere' }).end();
    },
  ],
])('an answer that %s is given up', async ([, answer]) => {
  const url = await publish(answer);
  const followed = remoteKeys(url, { fetchDeadlineMs: 300 });
  keys = followed;
  await until(() => followed.problem !== undefined, 'the answer being given up');
  await expect(jwtVerify(await sign(first, 'one'), followed.find)).rejects.toThrow(KeysUnavailable);
});

test('an address where nobody answers does not keep a start waiting', async () => {
  const url = await publish(() => undefined);
  keys = remoteKeys(url);
  expect(keys.version).toBe(0);
});
