import { createHmac } from 'node:crypto';
import {
  createLocalJWKSet,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Authenticate, createAuthenticator } from '#service/auth/authenticate.ts';
import { mappingOf } from '#service/auth/claims.ts';
import { type IssuerKeys, KeysUnavailable } from '#service/auth/issuer-keys.ts';
import type { TrustedIssuer } from '#service/auth/issuers.ts';
import { claims } from './support.ts';

const ISSUER = 'https://identity.example';
const OTHER_ISSUER = 'https://other.example';
const AUDIENCE = 'flags';
const NOW = Date.UTC(2026, 10, 24, 12);
const seconds = NOW / 1_000;

let pair: Awaited<ReturnType<typeof generateKeyPair>>;
let otherPair: Awaited<ReturnType<typeof generateKeyPair>>;
let keys: IssuerKeys;
let otherKeys: IssuerKeys;

async function keysOf(key: typeof pair, kid: string, version = 1): Promise<IssuerKeys> {
  const jwk = { ...(await exportJWK(key.publicKey)), kid };
  const find = createLocalJWKSet({ keys: [jwk] });
  return { find, version, problem: undefined, stop: () => undefined };
}

beforeAll(async () => {
  pair = await generateKeyPair('ES256', { extractable: true });
  otherPair = await generateKeyPair('ES256', { extractable: true });
  keys = await keysOf(pair, 'key-1');
  otherKeys = await keysOf(otherPair, 'key-1');
});

const trusted = (differing: Partial<TrustedIssuer> = {}): TrustedIssuer => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ['ES256'],
  clockToleranceSeconds: 5,
  mapping: mappingOf('cp-flags'),
  keys,
  demoOnly: false,
  ...differing,
});

const base = () => ({ ...claims(), iss: ISSUER, aud: AUDIENCE, exp: seconds + 600, iat: seconds });
const header = { alg: 'ES256', kid: 'key-1' };
const sign = (
  payload: Record<string, unknown>,
  protectedHeader: JWTHeaderParameters = header,
  key = pair.privateKey,
) => new SignJWT(payload).setProtectedHeader(protectedHeader).sign(key);

/** A signed token whose parts are exactly these texts, valid JSON or not. */
async function signText(
  payload: string,
  protectedHeader = JSON.stringify(header),
): Promise<string> {
  const text = [protectedHeader, payload]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
  const key = pair.privateKey;
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const signature = await crypto.subtle.sign(algorithm, key, Buffer.from(text));
  return `${text}.${Buffer.from(signature).toString('base64url')}`;
}

const authenticator = (
  issuers: readonly TrustedIssuer[] = [trusted()],
  options: Partial<Parameters<typeof createAuthenticator>[0]> = {},
): Authenticate =>
  createAuthenticator({ issuers, demoAllowed: () => false, now: () => NOW, ...options });

async function outcome(authenticate: Authenticate, token: string): Promise<string> {
  const authentication = await authenticate(`Bearer ${token}`);
  return authentication.kind === 'verified' ? 'verified' : authentication.code;
}

describe('a token that was tampered with is refused:', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const attacks: [string, () => string | Promise<string>, string][] = [
    ['alg none', () => `${encode({ alg: 'none' })}.${encode(base())}.`, 'token-unsigned'],
    ['alg None', () => `${encode({ alg: 'None' })}.${encode(base())}.`, 'token-unsigned'],
    [
      'alg none, and a signature all the same',
      () => `${encode({ alg: 'none' })}.${encode(base())}.AAAA`,
      'token-untrusted',
    ],
    ['no alg', () => `${encode({ kid: 'key-1' })}.${encode(base())}.AAAA`, 'token-malformed'],
    [
      'HS256 keyed with the public key',
      async () => {
        const text = `${encode({ ...header, alg: 'HS256' })}.${encode(base())}`;
        const secret = await exportSPKI(pair.publicKey);
        return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
      },
      'token-untrusted',
    ],
    [
      'its own key in the header',
      async () =>
        sign(
          base(),
          { alg: 'ES256', jwk: await exportJWK(otherPair.publicKey) },
          otherPair.privateKey,
        ),
      'token-untrusted',
    ],
    [
      'an address of keys in the header',
      () => sign(base(), { ...header, jku: 'https://attacker.example/keys' }, otherPair.privateKey),
      'token-untrusted',
    ],
    [
      'an address of certificates in the header',
      () => sign(base(), { ...header, x5u: 'https://attacker.example/c' }, otherPair.privateKey),
      'token-untrusted',
    ],
    ...[
      '../../../../dev/null',
      '/etc/passwd',
      'https://attacker.example/key',
      "' OR 1=1 --",
      '',
      '__proto__',
    ].map((kid): [string, () => Promise<string>, string] => [
      `the key id ${JSON.stringify(kid)}`,
      () => sign(base(), { ...header, kid }),
      'token-untrusted',
    ]),
    ['a long key id', () => sign(base(), { ...header, kid: 'k'.repeat(4_000) }), 'token-untrusted'],
    ['another issuer’s key', () => sign(base(), header, otherPair.privateKey), 'token-untrusted'],
    ['another issuer’s name', () => sign({ ...base(), iss: OTHER_ISSUER }), 'token-untrusted'],
    [
      'an unknown critical header',
      () => signText(JSON.stringify(base()), JSON.stringify({ ...header, crit: ['x'], x: 1 })),
      'token-untrusted',
    ],
    [
      'the type of a logout token',
      () => sign(base(), { ...header, typ: 'logout+jwt' }),
      'token-malformed',
    ],
    [
      'the type of a DPoP proof',
      () => sign(base(), { ...header, typ: 'dpop+jwt' }),
      'token-malformed',
    ],
    [
      'a claim twice',
      () => signText(JSON.stringify(base()).replace('{', '{"sub":"somebody-else",')),
      'token-malformed',
    ],
    [
      'a claim twice, once escaped',
      () => signText(JSON.stringify(base()).replace('{', '{"s\\u0075b":"somebody-else",')),
      'token-malformed',
    ],
    [
      'the activities of a role twice',
      () =>
        signText(
          JSON.stringify(base()).replace('"activities"', '"activities":["B0170"],"activities"'),
        ),
      'token-malformed',
    ],
    ['another token as its payload', async () => signText(await sign(base())), 'token-malformed'],
    ['a payload that is a list', () => signText(JSON.stringify([base()])), 'token-malformed'],
    ['a payload that is no JSON', () => signText('{'), 'token-malformed'],
    ['an encrypted form', () => 'a.b.c.d.e', 'token-malformed'],
    [
      'an issuer that is a list',
      () => sign({ ...base(), iss: [ISSUER] as never }),
      'token-untrusted',
    ],
    ['an issuer called __proto__', () => sign({ ...base(), iss: '__proto__' }), 'token-untrusted'],
    [
      'an expiry that is text',
      () => signText(JSON.stringify({ ...base(), exp: '2030-01-01' })),
      'token-claims',
    ],
    ['over 8 KiB', () => sign({ ...base(), more: 'x'.repeat(8_192) }), 'token-malformed'],
  ];
  test.for(attacks)('%s', async ([, make, expected]) => {
    const issuers = [trusted(), trusted({ issuer: OTHER_ISSUER, keys: otherKeys })];
    expect(await outcome(authenticator(issuers), await make())).toBe(expected);
  });

  test('but not for harmless header members', async () => {
    for (const more of [
      { typ: 'JWT' },
      { typ: 'at+jwt' },
      { jku: 'https://identity.example/keys' },
    ]) {
      expect(await outcome(authenticator(), await sign(base(), { ...header, ...more }))).toBe(
        'verified',
      );
    }
  });
});

describe('per issuer,', () => {
  test('each has its own keys, audience and algorithms', async () => {
    const other = trusted({ issuer: OTHER_ISSUER, audience: 'others', keys: otherKeys });
    const authenticate = authenticator([trusted(), other]);
    const theirs = { ...base(), iss: OTHER_ISSUER, aud: 'others' };
    expect(await outcome(authenticate, await sign(base()))).toBe('verified');
    expect(await outcome(authenticate, await sign(theirs, header, otherPair.privateKey))).toBe(
      'verified',
    );
    expect(
      await outcome(
        authenticate,
        await sign({ ...theirs, aud: AUDIENCE }, header, otherPair.privateKey),
      ),
    ).toBe('token-audience');
    const narrow = authenticator([trusted({ algorithms: ['RS256'] })]);
    expect(await outcome(narrow, await sign(base()))).toBe('token-untrusted');
  });

  test.for([
    ['one second within the tolerance', -29, 'verified'],
    ['one second beyond it', -31, 'token-expired'],
  ] as const)('the clock may be off: %s', async ([, offset, expected]) => {
    const authenticate = authenticator([trusted({ clockToleranceSeconds: 30 })]);
    const token = await sign({ ...base(), exp: seconds + offset });
    expect(await outcome(authenticate, token)).toBe(expected);
  });

  test.for([
    ['young enough', { iat: seconds - 290 }, 'verified'],
    ['too old, whatever its expiry', { iat: seconds - 306 }, 'token-expired'],
    ['issued in the future', { iat: seconds + 60 }, 'token-expired'],
    ['that does not say when it was issued', { iat: undefined }, 'token-claims'],
  ] as const)('the age of a token may be limited: one %s', async ([, differing, expected]) => {
    const authenticate = authenticator([trusted({ maxTokenAgeSeconds: 300 })]);
    expect(await outcome(authenticate, await sign({ ...base(), ...differing }))).toBe(expected);
  });

  test('a kept token does not outlive the age allowed', async () => {
    let now = NOW;
    const authenticate = authenticator([trusted({ maxTokenAgeSeconds: 60 })], { now: () => now });
    const token = await sign({ ...base(), iat: seconds - 40 });
    expect(await outcome(authenticate, token)).toBe('verified');
    now += 26_000;
    expect(await outcome(authenticate, token)).toBe('token-expired');
  });

  test('the type of token may be demanded', async () => {
    const authenticate = authenticator([trusted({ type: 'at+jwt' })]);
    expect(await outcome(authenticate, await sign(base(), { ...header, typ: 'at+jwt' }))).toBe(
      'verified',
    );
    expect(await outcome(authenticate, await sign(base(), { ...header, typ: 'JWT' }))).toBe(
      'token-malformed',
    );
    expect(await outcome(authenticate, await sign(base()))).toBe('token-malformed');
  });

  test('keys that cannot be had are could-not-check and not the token’s fault', async () => {
    const none = { ...keys, find: () => Promise.reject(new KeysUnavailable()) };
    expect(await outcome(authenticator([trusted({ keys: none })]), await sign(base()))).toBe(
      'could-not-check',
    );
  });

  test('keys fetched unprotected are for a demo only', async () => {
    for (const [allowed, expected] of [
      [true, 'verified'],
      [false, 'token-untrusted'],
      [undefined, 'could-not-check'],
    ] as const) {
      const authenticate = authenticator([trusted({ demoOnly: true })], {
        demoAllowed: () => allowed,
      });
      expect(await outcome(authenticate, await sign(base()))).toBe(expected);
    }
  });
});

describe('a token that was verified is judged anew', () => {
  test('once the keys of its issuer changed', async () => {
    let version = 1;
    let find = keys.find;
    const turning: IssuerKeys = {
      find: (...given) => find(...given),
      get version() {
        return version;
      },
      problem: undefined,
      stop: () => undefined,
    };
    const authenticate = authenticator([trusted({ keys: turning })]);
    const token = await sign(base());
    expect(await outcome(authenticate, token)).toBe('verified');
    find = otherKeys.find;
    version++;
    expect(await outcome(authenticate, token)).toBe('token-untrusted');
  });

  test.for([
    ['its id', { jti: 'token-1' }],
    ['its user', { user: 'nurse-1' }],
    ['its client', { client: 'test-client' }],
  ] as const)('once revoked by %s', async ([, revoked]) => {
    let version = 1;
    const authenticate = authenticator([trusted()], {
      revocations: {
        has: ({ jti, user, client }) =>
          version > 1 &&
          (('jti' in revoked && jti === revoked.jti) ||
            ('user' in revoked && user === revoked.user) ||
            ('client' in revoked && client === revoked.client)),
        get version() {
          return version;
        },
      },
    });
    const token = await sign({ ...base(), jti: 'token-1' });
    expect(await outcome(authenticate, token)).toBe('verified');
    version++;
    expect(await outcome(authenticate, token)).toBe('token-revoked');
    expect(
      await outcome(
        authenticate,
        await sign({ ...base(), jti: 'token-2', sub: 'nurse-2', client_id: 'another' }),
      ),
    ).toBe('verified');
  });

  test('as soon as its user is blocked, and the refusal says who it is', async () => {
    let blocked = false;
    const authenticate = authenticator([trusted()], { blocked: () => blocked });
    const token = await sign(base());
    expect(await outcome(authenticate, token)).toBe('verified');
    blocked = true;
    expect(await authenticate(`Bearer ${token}`)).toMatchObject({
      code: 'user-blocked',
      caller: { identity: { user: 'nurse-1' } },
    });
    blocked = false;
    expect(await outcome(authenticate, token)).toBe('verified');
  });
});
