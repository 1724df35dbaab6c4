import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigurationError } from '#schemas/configuration.ts';
import { OPERATOR } from '#schemas/wording/operator.ts';
import { NOT_CHECKED, SIGN_IN, SIGN_IN_REFUSED } from '#schemas/wording/pages.ts';
import { publicHalf, readClientProof } from '#service/pages/sign-in/client-keys.ts';
import { hasBrowser, openPage, startBrowser } from '../../support/browser.ts';
import { certify } from '../../support/certificates.ts';
import { type Cis2, providerOf, signInAtCis2, startCis2 } from '../../support/cis2.ts';
import { liveIssuer, liveSettings, settingFiles } from '../../support/live.ts';
import { HEADINGS } from '../../support/pages.ts';
import { freePort } from '../../support/ports.ts';
import { cpFlags } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, testFolder, until } from '../../support/service.ts';
import { START_MS } from '../../support/until.ts';
import {
  createVisitor,
  hiddenOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/**
 * A live dataset, with a private authority for all TLS, and a provider that knows this service by keys fetched from it.
 */

const PLAN = testNumber(7_401);
const AUTHORITIES = getCACertificates('default');
const OFFICERS = { id: 'officers', name: 'Officers Identity', for: 'officers' };

let folder: string;
let cis2: Cis2;
let baseUrl: string;
let service: ReturnType<typeof cpFlags>;

const write = settingFiles(() => folder);

function privateKey(kid: string): JsonWebKey {
  const { privateKey: key } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...key.export({ format: 'jwk' }), kid, alg: 'RS256' };
}
const CURRENT = privateKey('current');
const NEXT = privateKey('next');

beforeAll(async () => {
  folder = await testFolder();
  const authority = certify('private authority');
  setDefaultCACertificates([...AUTHORITIES, authority.cert]);
  const own = certify('flags', { issuer: authority });
  cis2 = await startCis2({ tls: certify('identity', { issuer: authority }) });
  const port = await freePort();
  baseUrl = `https://127.0.0.1:${port}`;
  cis2.open(`${baseUrl}/sign-in/cis2/back`, {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks_uri: `${baseUrl}/sign-in/cis2/keys`,
  });
  await write('key.json', { keys: [CURRENT, NEXT] });
  await write('jwks.json', { keys: [{ kty: 'EC', crv: 'P-256', ...publicPoint() }] });
  const environment = {
    ISSUERS_FILE: await write('issuers.json', [liveIssuer('https://id.example')]),
    ...(await liveSettings(write, {
      organisations: [{ code: 'ZZH01', name: 'Sample Hospital', setting: 'emergency-department' }],
      child: PLAN,
    })),
  };
  const dataDir = join(folder, 'data');
  const filled = await startTestService({
    kind: 'live',
    dataDir,
    environment,
    authorities: [{ code: 'ZZ101', name: 'Northmoor Council', rows: [{ nhsNumber: PLAN }] }],
  });
  await filled.stop();
  service = cpFlags(['serve'], {
    ...environment,
    DATA_DIR: dataDir,
    PORT: String(port),
    PUBLIC_URL: baseUrl,
    TLS_CERT_FILE: await write('cert.pem', own.cert),
    TLS_KEY_FILE: await write('cert-key.pem', own.key),
    NODE_EXTRA_CA_CERTS: await write('authority.pem', authority.cert),
    SIGN_IN_FILE: await write('sign-in.json', [
      { ...providerOf(cis2), clientKeyFile: 'key.json' },
      { ...providerOf(cis2), ...OFFICERS, clientKeyFile: 'key.json' },
    ]),
  });
  const said = () => service.stdout().includes(baseUrl) || service.gone();
  await until(said, 'the service to answer', START_MS);
  if (service.gone()) throw new Error(service.stderr());
  await until(
    async () => (await fetch(`${baseUrl}/_status`)).status === 200,
    'the service to be ready',
  );
});
afterAll(async () => {
  service?.kill('SIGINT');
  await service?.ended;
  await cis2?.stop();
  setDefaultCACertificates(AUTHORITIES);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

function publicPoint(): { x: string; y: string } {
  const { x = '', y = '' } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    format: 'jwk',
  });
  return { x, y };
}

const signIn = (visitor: Visitor, sub: string, organisation = 'ZZH01'): Promise<Visit> =>
  signInAtCis2(cis2, visitor, sub, { roles: [{ id: '1', organisation }] });

test('the service’s public keys can be fetched, including the next one, and no private part is given out', async () => {
  const response = await fetch(`${baseUrl}/sign-in/cis2/keys`);
  expect(response.headers.get('content-type')).toBe('application/jwk-set+json');
  expect(response.headers.get('cache-control')).toBe('public, max-age=300');
  const text = await response.text();
  const { kty, n, e } = CURRENT;
  expect(JSON.parse(text)).toEqual({
    keys: [
      { kty, n, e, kid: 'current', alg: 'RS256', use: 'sig' },
      { kty, n: NEXT.n, e: NEXT.e, kid: 'next', alg: 'RS256', use: 'sig' },
    ],
  });
  for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
    for (const key of [CURRENT, NEXT]) expect(text).not.toContain(key[member]);
  }
});

describe('a key file is refused at the start', () => {
  test.for<[string, unknown]>([
    ['with a public key', { kty: CURRENT.kty, n: CURRENT.n, e: CURRENT.e, alg: 'RS256' }],
    ['with a key that has no alg', { ...CURRENT, alg: undefined }],
    ['with a shared key', { kty: 'oct', k: 'c2VjcmV0', alg: 'HS256' }],
    ['with no key', { keys: [] }],
    ['with three keys', { keys: [CURRENT, NEXT, { ...NEXT, kid: 'third' }] }],
    ['with two keys that share an id', { keys: [CURRENT, { ...NEXT, kid: 'current' }] }],
    ['with two keys without ids', { keys: [CURRENT, { ...NEXT, kid: undefined }] }],
    [
      'with a next key that is public',
      { keys: [CURRENT, { kty: 'RSA', n: NEXT.n, e: NEXT.e, kid: 'n', alg: 'RS256' }] },
    ],
    ['that is not a key file', 'no JSON'],
  ])('%s', async ([, content]) => {
    const clientKeyFile = await write('wrong-key.json', content);
    await expect(readClientProof({ clientKeyFile })).rejects.toThrow(ConfigurationError);
  });
});

test('only the public part of an elliptic-curve key is shown', () => {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...key.export({ format: 'jwk' }), alg: 'ES256' } as JWK;
  const { kty, crv, x, y } = jwk;
  expect(publicHalf(jwk)).toEqual({ kty, crv, x, y, alg: 'ES256', use: 'sig' });
});

test('the address of an unknown provider has no keys', async () => {
  expect((await fetch(`${baseUrl}/sign-in/other/keys`)).status).toBe(404);
});

test('after a provider fetches those keys over TLS, somebody signs in and looks up a child in live data', async () => {
  const visitor = createVisitor(baseUrl);
  const back = await signIn(visitor, '555000000021');
  expect([back.status, back.headers.get('location')]).toEqual([303, '/look-up']);
  const cookies = back.headers.getSetCookie();
  expect(cookies).toHaveLength(3);
  for (const cookie of cookies) {
    expect(cookie).toMatch(/^__Host-cp-flags-(?:session|visit|flow-[\w-]+)=.*; Path=\/; .*Secure/);
  }
  expect((await visitor.lookUp(PLAN)).heading).toBe(HEADINGS.onPlan);
  const page = await visitor.get('/look-up');
  const out = await visitor.post('/sign-out', hiddenOf(page, '/sign-out'));
  expect(out.heading).toBe(SIGN_IN.signedOut);
  const late = await visitor.post('/look-up', { ...hiddenOf(page, '/look-up'), number: PLAN });
  expect(late.heading).toBe(NOT_CHECKED.over);
});

test('somebody from an unregistered organisation is told its code, and that they should ask the operator of the service', async () => {
  const visitor = createVisitor(baseUrl);
  const page = await signIn(visitor, '555000000022', 'ZZX99');
  expect([page.status, page.heading]).toEqual([403, SIGN_IN_REFUSED.organisation]);
  expect(wordsOf(page)).toContain('the organisation code ZZX99');
  expect(wordsOf(page)).toContain('Ask the team that runs this service to register ZZX99');
  expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
});

test('a browser that has used TLS must use it for a year', async () => {
  const { headers } = await fetch(`${baseUrl}/sign-in`);
  expect(headers.get('strict-transport-security')).toBe('max-age=31536000');
});

test('the operator is told at the start that nobody can sign in to the operator’s pages, since no organisation is named', async () => {
  const said = () => service.stdout() + service.stderr();
  await until(() => said().includes(OPERATOR.noOperator), 'the warning');
});

test('no made-up person can be chosen', async () => {
  const page = await createVisitor(baseUrl).get('/sign-in');
  expect(wordsOf(page)).not.toContain('Demo');
  const chosen = await createVisitor(baseUrl).post('/sign-in', { person: 'emergencyDepartment' });
  expect(chosen.status).toBe(404);
});

test.skipIf(!hasBrowser)(
  'a browser keeps the session’s cookie over TLS, and its forms are accepted',
  async () => {
    const browser = await startBrowser();
    const { page, complaints, close } = await openPage(browser, { ignoreHTTPSErrors: true });
    try {
      cis2.next('555000000023');
      await page.goto(baseUrl);
      await page.getByRole('link', { name: 'Sign in with NHS Care Identity' }).click();
      await page.getByLabel('NHS number').fill(PLAN);
      await page.getByRole('button', { name: 'Look up' }).click();
      await page.getByRole('heading', { level: 1, name: HEADINGS.onPlan }).waitFor();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('heading', { level: 1, name: SIGN_IN.signedOut }).waitFor();
      expect(complaints).toEqual([]);
    } finally {
      await close();
      await browser.close();
    }
  },
);
