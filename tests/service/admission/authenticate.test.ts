import { setTimeout as delay } from 'node:timers/promises';
import {
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { type Authenticate, createAuthenticator } from '#service/admission/authenticate.ts';
import { mappingOf } from '#service/admission/claims.ts';
import { type IssuerKeys, KeysUnavailable } from '#service/admission/issuer-keys.ts';
import type { TrustedIssuer } from '#service/admission/issuers.ts';
import { claims } from '../../support/service.ts';
import { type TokenAttack, tokenAttacks } from '../../support/token-attacks.ts';

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
  return { find, version, problem: undefined, usable: true, passedOver: [], stop: () => undefined };
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

const authenticator = (
  issuers: readonly TrustedIssuer[] = [trusted()],
  options: Partial<Parameters<typeof createAuthenticator>[0]> = {},
): Authenticate =>
  createAuthenticator({ issuers, demoAllowed: () => false, now: () => NOW, ...options });

async function outcome(authenticate: Authenticate, token: string): Promise<string> {
  const authentication = await authenticate(`Bearer ${token}`);
  return authentication.kind === 'verified' ? 'verified' : authentication.code;
}

describe('with a set of several candidate keys', () => {
  const several = async (of: readonly [typeof pair, string?][]): Promise<IssuerKeys> => {
    const set = await Promise.all(
      of.map(async ([{ publicKey }, kid]) => ({
        ...(await exportJWK(publicKey)),
        ...(kid !== undefined && { kid }),
      })),
    );
    return { ...keys, find: createLocalJWKSet({ keys: set }) };
  };

  test.for<[string, () => [typeof pair, string?][], JWTHeaderParameters]>([
    [
      'the same key twice',
      () => [
        [pair, 'key-1'],
        [pair, 'key-1'],
      ],
      header,
    ],
    [
      'two keys under one name',
      () => [
        [otherPair, 'key-1'],
        [pair, 'key-1'],
      ],
      header,
    ],
    ['two keys without a name', () => [[otherPair], [pair]], { alg: 'ES256' }],
  ])('a good token is accepted: %s', async ([, of, protectedHeader]) => {
    const authenticate = authenticator([trusted({ keys: await several(of()) })]);
    expect(await outcome(authenticate, await sign(base(), protectedHeader))).toBe('verified');
    const late = await sign({ ...base(), exp: seconds - 600 }, protectedHeader);
    expect(await outcome(authenticate, late)).toBe('token-expired');
  });

  test('a token signed by none of these keys is refused', async () => {
    const authenticate = authenticator([
      trusted({
        keys: await several([[pair], [await generateKeyPair('ES256', { extractable: true })]]),
      }),
    ]);
    const forged = await sign(base(), { alg: 'ES256' }, otherPair.privateKey);
    expect(await outcome(authenticate, forged)).toBe('token-untrusted');
  });
});

describe('a token that was tampered with is refused:', () => {
  const attacks = (): TokenAttack[] =>
    tokenAttacks({
      issuer: ISSUER,
      audience: AUDIENCE,
      otherIssuer: OTHER_ISSUER,
      pair,
      otherPair,
      claims,
      now: () => seconds,
      attackersAddress: 'https://attacker.example/keys',
    });
  test('each attack for its own reason', async () => {
    const issuers = [trusted(), trusted({ issuer: OTHER_ISSUER, keys: otherKeys })];
    const outcomes: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const { name, make, refused } of attacks()) {
      outcomes[name] = await outcome(authenticator(issuers), await make());
      expected[name] = refused;
    }
    expect(outcomes).toEqual(expected);
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

describe('for each issuer,', () => {
  test('its own keys, audience and algorithms apply', async () => {
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

  test('a remembered token does not outlive the allowed age', async () => {
    let now = NOW;
    const authenticate = authenticator([trusted({ maxTokenAgeSeconds: 60 })], { now: () => now });
    const token = await sign({ ...base(), iat: seconds - 40 });
    expect(await outcome(authenticate, token)).toBe('verified');
    now += 26_000;
    expect(await outcome(authenticate, token)).toBe('token-expired');
  });

  test('a token type may be required', async () => {
    const authenticate = authenticator([trusted({ type: 'at+jwt' })]);
    expect(await outcome(authenticate, await sign(base(), { ...header, typ: 'at+jwt' }))).toBe(
      'verified',
    );
    expect(await outcome(authenticate, await sign(base(), { ...header, typ: 'JWT' }))).toBe(
      'token-malformed',
    );
    expect(await outcome(authenticate, await sign(base()))).toBe('token-malformed');
  });

  test('keys that cannot be fetched mean could-not-check, and not a fault in the token', async () => {
    const none = { ...keys, find: () => Promise.reject(new KeysUnavailable()) };
    expect(await outcome(authenticator([trusted({ keys: none })]), await sign(base()))).toBe(
      'could-not-check',
    );
  });

  test('a token that cannot be verified within two seconds is could-not-check, and nobody waits longer', async () => {
    const mute = { ...keys, find: () => new Promise<never>(() => undefined) };
    const token = await sign(base());
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const verifying = outcome(authenticator([trusted({ keys: mute })]), token);
    await vi.advanceTimersByTimeAsync(2_000);
    vi.useRealTimers();
    expect(await Promise.race([verifying, delay(500, 'waited for')])).toBe('could-not-check');
  });

  test('keys may be fetched without TLS only in a demo', async () => {
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

describe('a verified token is checked again', () => {
  test('once its issuer’s keys change', async () => {
    let version = 1;
    let find = keys.find;
    const turning: IssuerKeys = {
      find: (...given) => find(...given),
      get version() {
        return version;
      },
      problem: undefined,
      usable: true,
      passedOver: [],
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

  test('as soon as its user is blocked, and the refusal says who that is', async () => {
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
