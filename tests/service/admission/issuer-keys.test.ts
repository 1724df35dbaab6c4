import { generateKeyPairSync } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import * as fc from 'fast-check';
import { exportJWK, generateKeyPair, type JWK, jwtVerify, SignJWT } from 'jose';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  type IssuerKeys,
  KeysUnavailable,
  keySetSchema,
  remoteKeys,
  usableKeys,
} from '#service/admission/issuer-keys.ts';
import { certify } from '../../support/certificates.ts';
import { until, WAIT_MS } from '../../support/until.ts';

const ES256 = ['ES256'];

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

let first: Pair;
let second: Pair;
let server: Server | undefined;
let keys: IssuerKeys | undefined;
/** How often the keys were fetched. */
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

test('an added key is found when the first token names it', async () => {
  const published = { keys: [await jwk(first, 'one')] };
  const url = await publish((_, outgoing) => outgoing.end(JSON.stringify(published)));
  keys = remoteKeys(url, ES256, { cooldownMs: 0 });
  expect(await verifies(keys.find, first, 'one')).toBe(true);
  const { version } = keys;
  published.keys.push(await jwk(second, 'two'));
  expect(await verifies(keys.find, second, 'two')).toBe(true);
  expect(keys.version).toBeGreaterThan(version);
});

test('a removed key is no longer accepted once the keys have been fetched again', async () => {
  let published = { keys: [await jwk(first, 'one'), await jwk(second, 'two')] };
  const url = await publish((_, outgoing) => outgoing.end(JSON.stringify(published)));
  const followed = remoteKeys(url, ES256, { refreshMs: 10 });
  keys = followed;
  expect(await verifies(followed.find, first, 'one')).toBe(true);
  const { version } = followed;
  published = { keys: [await jwk(second, 'two')] };
  await until(() => followed.version > version, 'the keys to be fetched again');
  expect(await verifies(followed.find, first, 'one')).toBe(false);
});

test('made-up key ids cause no more fetches than the cooldown allows', async () => {
  const body = JSON.stringify({ keys: [await jwk(first, 'one')] });
  const url = await publish((_, outgoing) => outgoing.end(body));
  const { find } = (keys = remoteKeys(url, ES256, { cooldownMs: 600_000 }));
  expect(await verifies(find, first, 'one')).toBe(true);
  for (let i = 0; i < 50; i++) expect(await verifies(find, second, `made-up-${i}`)).toBe(false);
  expect(asked).toBe(1);
});

test('tokens that wait for the same fetch share it', async () => {
  const body = JSON.stringify({ keys: [await jwk(first, 'one')] });
  const url = await publish((_, outgoing) => outgoing.end(body));
  const { find } = (keys = remoteKeys(url, ES256));
  const all = await Promise.all(Array.from({ length: 20 }, () => verifies(find, first, 'one')));
  expect(all.every(Boolean)).toBe(true);
  expect(asked).toBe(1);
});

test('while keys cannot be fetched, the last ones count for a limited time', async () => {
  const body = JSON.stringify({ keys: [await jwk(first, 'one')] });
  let down = false;
  const url = await publish((_, outgoing) => {
    outgoing.statusCode = down ? 500 : 200;
    outgoing.end(down ? '' : body);
  });
  const said: string[] = [];
  const followed = remoteKeys(url, ES256, {
    refreshMs: 10,
    cooldownMs: 10,
    onProblem: (sentence) => said.push(sentence),
  });
  keys = followed;
  expect(await verifies(followed.find, first, 'one')).toBe(true);
  down = true;
  await until(() => followed.problem !== undefined, 'the outage to be noticed');
  expect(await verifies(followed.find, first, 'one')).toBe(true);
  expect(followed.usable).toBe(true);
  expect(followed.problem).toMatch(
    /cannot be fetched again: the answer has status 500.* count until [0-9:]{5} (GMT|BST) on [0-9]+ [A-Z][a-z]+ 20[0-9]{2}\.$/,
  );
  expect(said).toEqual([followed.problem]);
  down = false;
  await until(() => followed.problem === undefined, 'the outage to be over');

  followed.stop();
  down = true;
  keys = remoteKeys(url, ES256, { keepMs: 0, cooldownMs: 0 });
  const token = await sign(first, 'one');
  await expect(jwtVerify(token, keys.find)).rejects.toThrow(KeysUnavailable);
});

const huge = JSON.stringify({ keys: [{ kty: 'EC', kid: 'x'.repeat(300 * 1024) }] });
const foreign = { kty: 'AKP', kid: 'pq-1', alg: 'ML-DSA-65', pub: 'AAAA' };
test.for<[string, RequestListener, string]>([
  ['is larger than 256 KiB', (_, outgoing) => outgoing.end(huge), 'the answer is larger than 256'],
  ['never ends', (_, outgoing) => void outgoing.write('{"keys":['), 'no whole answer came within'],
  ['never begins', () => undefined, 'no whole answer came within 0.3 s'],
  ['breaks off', ({ socket }) => socket.destroy(), 'the connection was broken off'],
  ['has another status', (_, outgoing) => outgoing.writeHead(500).end(), 'has status 500'],
  ['is not JSON', (_, outgoing) => outgoing.end('<html>'), 'the answer is not JSON'],
  ['is not a set of keys', (_, outgoing) => outgoing.end('[]'), 'is no set of public keys'],
  ['holds no keys', (_, outgoing) => outgoing.end('{"keys":[]}'), 'is no set of public keys'],
  [
    'holds no usable key',
    (_, outgoing) => outgoing.end(JSON.stringify({ keys: [foreign, null] })),
    'holds no key for ES256, but pq-1 (AKP), number 2 (of no known kind)',
  ],
  [
    'holds a shared key',
    (_, outgoing) => outgoing.end('{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}'),
    'keys.0: must not be a private or shared key',
  ],
  [
    'holds a private key',
    (_, outgoing) => outgoing.end('{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"c"}]}'),
    'keys.0: must not be a private or shared key',
  ],
  [
    'is somewhere else',
    (incoming, outgoing) => {
      if (incoming.url === '/elsewhere') return void outgoing.end('{"keys":[{"kty":"EC"}]}');
      outgoing.writeHead(302, { location: '/elsewhere' }).end();
    },
    'has status 302',
  ],
])('a fetch whose answer %s is abandoned, and the reason is given', async ([, answer, reason]) => {
  const url = await publish(answer);
  const said: string[] = [];
  const followed = remoteKeys(url, ES256, {
    // Only an answer that never comes is worth a short deadline.
    fetchDeadlineMs: reason.startsWith('no whole answer') ? 300 : WAIT_MS,
    onProblem: (sentence) => said.push(sentence),
  });
  keys = followed;
  await until(() => said.length > 0, 'the answer to be given up');
  expect(said).toEqual([followed.problem]);
  expect(followed.problem).toContain(reason);
  expect(followed.problem).toMatch(/ have not been fetched yet: .* are could-not-check\.$/);
  expect(followed.usable).toBe(false);
  await expect(jwtVerify(await sign(first, 'one'), followed.find)).rejects.toThrow(KeysUnavailable);
});

test('if nothing listens or TLS fails, the reason is given', async () => {
  const closed = await publish(() => undefined);
  await new Promise<void>((resolve) => server?.close(() => resolve()));
  const refused = remoteKeys(closed, ES256);
  await until(() => refused.problem?.includes('refused') === true, 'the refusal to be named');
  refused.stop();

  const { cert, key } = certify('nobody knows');
  const secure = createTlsServer({ cert, key });
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  const { port } = secure.address() as AddressInfo;
  const distrusted = remoteKeys(`https://127.0.0.1:${port}/keys`, ES256);
  await until(
    () => /TLS failed \([A-Z_]+\)/.test(distrusted.problem ?? ''),
    'the certificate to be named',
  );
  distrusted.stop();
  secure.closeAllConnections();
  await new Promise<void>((resolve) => secure.close(() => resolve()));
});

describe('a set with unsupported keys', () => {
  test('is accepted and used for its other keys, and says which keys were ignored', async () => {
    const published = {
      keys: [
        foreign,
        await jwk(first, 'one'),
        { ...(await jwk(second, 'for-encryption')), use: 'enc' },
        { kty: 'EC', crv: 'P-256', kid: 'half', x: 'AAAA' },
        'no key',
      ],
    };
    const url = await publish((_, outgoing) => outgoing.end(JSON.stringify(published)));
    const followed = remoteKeys(url, ES256);
    keys = followed;
    expect(await verifies(followed.find, first, 'one')).toBe(true);
    expect(await verifies(followed.find, second, 'for-encryption')).toBe(false);
    expect(followed.usable).toBe(true);
    expect(followed.problem).toBeUndefined();
    expect(followed.passedOver).toEqual([
      'pq-1 (AKP)',
      'for-encryption (EC)',
      'half (EC)',
      'number 5 (of no known kind)',
    ]);
  });

  test('keeps its good keys usable, unless it contains a private key', async () => {
    const good = await jwk(first, 'one');
    const secret = (key: unknown): boolean =>
      typeof key === 'object' &&
      key !== null &&
      ['d', 'k', 'priv'].some((name) => Object.hasOwn(key, name));
    const key = fc.dictionary(fc.constantFrom('d', 'k', 'priv', 'kty', 'x', 'D'), fc.jsonValue(), {
      maxKeys: 2,
    });
    const anything = fc.oneof(fc.jsonValue(), key);
    const kept = { whole: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { maxLength: 3 }), fc.nat(3), async (junk, at) => {
        kept[junk.some(secret) ? 'refused' : 'whole']++;
        const set = keySetSchema.safeParse({ keys: junk.toSpliced(at, 0, good) });
        expect(set.success).toBe(!junk.some(secret));
        if (!set.success) return;
        const { find, passedOver } = await usableKeys(set.data, ES256);
        expect(passedOver).toHaveLength(junk.length);
        expect(await verifies(find, first, 'one')).toBe(true);
      }),
      { numRuns: 300 },
    );
    expect(Math.min(kept.whole, kept.refused)).toBeGreaterThan(5);
  });

  test('is useless if all its keys are too short or for other algorithms', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const short = { ...publicKey.export({ format: 'jwk' }), kid: 'short' };
    await expect(usableKeys({ keys: [short] }, ['RS256'])).rejects.toThrow('short (RSA)');
    const curve = await jwk(first, 'one');
    await expect(usableKeys({ keys: [curve] }, ['RS256', 'ES384'])).rejects.toThrow(
      'holds no key for RS256, ES384, but one (EC)',
    );
  });
});

test('an address where nothing answers does not delay a start', async () => {
  const url = await publish(() => undefined);
  keys = remoteKeys(url, ES256);
  expect(keys.version).toBe(0);
});
