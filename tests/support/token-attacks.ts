import { createHmac } from 'node:crypto';
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose';
import type { TokenRefusal } from '#service/admission/authenticate.ts';

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

/** The target of the attacks: an issuer that signs with ES256 and the key `key-1`. */
type Victim = {
  issuer: string;
  audience: string;
  /** Another trusted issuer, which has a different key with the same id. */
  otherIssuer: string;
  pair: Pair;
  otherPair: Pair;
  /** Valid claims, except for those that the verifier itself checks. */
  claims: () => Record<string, unknown>;
  /** Seconds since 1970. */
  now: () => number;
  /** An address that answers with the attacker's keys. Fetching it is already a fault. */
  attackersAddress: string;
};

export type TokenAttack = {
  name: string;
  make: () => string | Promise<string>;
  /** How the token is refused when it is judged. A server may refuse it earlier because of its size. */
  refused: TokenRefusal;
};

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const header = { alg: 'ES256', kid: 'key-1' };

/** Signs with ES256 text that is not JSON, or not what a signer would make of a token. */
export async function signText(
  privateKey: CryptoKey,
  payload: string | Buffer,
  protectedHeader = JSON.stringify(header),
): Promise<string> {
  const text = [protectedHeader, payload]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const signature = await crypto.subtle.sign(algorithm, privateKey, Buffer.from(text));
  return `${text}.${Buffer.from(signature).toString('base64url')}`;
}

/** Every known attack on a verifier of tokens, and how each one must be refused. */
export function tokenAttacks(victim: Victim): TokenAttack[] {
  const { pair, otherPair, issuer, audience, attackersAddress } = victim;
  const base = () => ({
    ...victim.claims(),
    iss: issuer,
    aud: audience,
    exp: victim.now() + 600,
    iat: victim.now(),
  });
  const sign = (
    payload: Record<string, unknown>,
    more: Partial<JWTHeaderParameters> = {},
    key: CryptoKey = pair.privateKey,
  ) => new SignJWT(payload).setProtectedHeader({ ...header, ...more }).sign(key);
  const signed = (payload: string | Buffer, protectedHeader?: string) =>
    signText(pair.privateKey, payload, protectedHeader);
  const unsigned = (alg: string, signature = '') =>
    `${encode({ ...header, alg })}.${encode(base())}.${signature}`;
  const hmac = (alg: 'HS256' | 'HS512', secret: string, more: Partial<JWK> = {}): string => {
    const text = `${encode({ ...header, ...more, alg })}.${encode(base())}`;
    const hash = alg === 'HS256' ? 'sha256' : 'sha512';
    return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`;
  };
  const attack = (refused: TokenRefusal, name: string, make: TokenAttack['make']): TokenAttack => ({
    name,
    make,
    refused,
  });

  return [
    // There is no signature, or none by a key that counts.
    attack('token-unsigned', 'alg none', () => unsigned('none')),
    attack('token-unsigned', 'alg None', () => unsigned('None')),
    attack('token-unsigned', 'alg nOnE', () => unsigned('nOnE')),
    attack('token-unsigned', 'its signature cut off', async () =>
      (await sign(base())).replace(/[^.]+$/, ''),
    ),
    attack('token-untrusted', 'alg none, and a signature', () => unsigned('none', 'AAAA')),
    attack('token-malformed', 'an empty alg', () => unsigned('', 'AAAA')),
    attack('token-untrusted', 'a signature of zeros', () =>
      unsigned('ES256', Buffer.alloc(64).toString('base64url')),
    ),
    attack('token-malformed', 'no alg', () =>
      [encode({ kid: 'key-1' }), encode(base()), 'AAAA'].join('.'),
    ),
    attack('token-malformed', 'a typ that is a number', () =>
      signed(JSON.stringify(base()), JSON.stringify({ ...header, typ: 5 })),
    ),
    attack('token-claims', 'an id that is a number, which no revocation names', () =>
      sign({ ...base(), jti: 5 }),
    ),
    attack('token-malformed', 'an alg that is a list', () =>
      [encode({ ...header, alg: ['ES256'] }), encode(base()), 'AAAA'].join('.'),
    ),
    attack('token-untrusted', 'HS256 with the public key', async () =>
      hmac('HS256', await exportSPKI(pair.publicKey)),
    ),
    attack('token-untrusted', 'HS512 with the public key', async () =>
      hmac('HS512', await exportSPKI(pair.publicKey)),
    ),
    attack('token-untrusted', 'HS256 with the public key as a JWK', async () =>
      hmac('HS256', JSON.stringify(await exportJWK(pair.publicKey))),
    ),
    attack('token-untrusted', 'HS256 with an empty secret', () =>
      hmac('HS256', '\0', { kid: '/dev/null' }),
    ),
    attack('token-untrusted', 'an algorithm that the issuer does not use', async () =>
      sign(base(), { alg: 'RS256' }, (await generateKeyPair('RS256')).privateKey),
    ),
    attack('token-untrusted', 'a signature over other claims', async () => {
      const [head, , signature] = (await sign(base())).split('.');
      return [head, encode({ ...base(), sub: 'somebody-else' }), signature].join('.');
    }),

    // The key is the attacker's own.
    attack('token-untrusted', 'its own key in the header', async () =>
      sign(
        base(),
        { kid: 'mine', jwk: await exportJWK(otherPair.publicKey) },
        otherPair.privateKey,
      ),
    ),
    attack('token-untrusted', 'its own key in the header under a known id', async () =>
      sign(base(), { jwk: await exportJWK(otherPair.publicKey) }, otherPair.privateKey),
    ),
    attack('token-untrusted', 'jku: an address of keys', () =>
      sign(base(), { jku: attackersAddress }, otherPair.privateKey),
    ),
    attack('token-untrusted', 'jku with an id found only there', () =>
      sign(base(), { jku: attackersAddress, kid: 'mine' }, otherPair.privateKey),
    ),
    attack('token-untrusted', 'x5u: an address of certificates', () =>
      sign(base(), { x5u: attackersAddress }, otherPair.privateKey),
    ),
    attack('token-untrusted', 'x5c: a certificate of its own', () =>
      sign(base(), { x5c: ['MIIB'] }, otherPair.privateKey),
    ),
    ...[
      '../../../../dev/null',
      '..\\..\\windows\\win.ini',
      '/etc/passwd',
      '/proc/self/environ',
      'file:///etc/passwd',
      `${attackersAddress}/mine`,
      "' OR 1=1 --",
      "key-1' UNION SELECT 'secret",
      '| cat /etc/passwd',
      '$(id)',
      'key-1\0',
      'key-1\r\nX-Injected: 1',
      'KEY-1',
      '',
      '*',
      '__proto__',
      'constructor',
      'k'.repeat(4_000),
    ].map((kid) =>
      attack('token-untrusted', `kid ${JSON.stringify(kid.slice(0, 30))}`, () =>
        sign(base(), { kid }),
      ),
    ),
    attack('token-untrusted', 'another issuer’s key', () => sign(base(), {}, otherPair.privateKey)),
    attack('token-untrusted', 'another issuer’s name', () =>
      sign({ ...base(), iss: victim.otherIssuer }),
    ),
    attack('token-untrusted', 'an issuer that nobody trusts', () =>
      sign({ ...base(), iss: 'https://attacker.example' }),
    ),
    attack('token-untrusted', 'an issuer that differs by a slash', () =>
      sign({ ...base(), iss: `${issuer}/` }),
    ),
    attack('token-untrusted', 'an issuer that is a list', () =>
      sign({ ...base(), iss: [issuer] as never }),
    ),
    attack('token-untrusted', 'an issuer called __proto__', () =>
      sign({ ...base(), iss: '__proto__' }),
    ),
    attack('token-untrusted', 'no issuer', () => sign({ ...base(), iss: undefined })),
    attack('token-untrusted', 'an unknown critical header', () =>
      signed(JSON.stringify(base()), JSON.stringify({ ...header, crit: ['x'], x: 1 })),
    ),

    // The signature is good, but the token is not meant for this service or this time.
    attack('token-audience', 'another audience', () => sign({ ...base(), aud: 'another' })),
    attack('token-audience', 'no audience', () => sign({ ...base(), aud: undefined })),
    attack('token-audience', 'an audience that only begins alike', () =>
      sign({ ...base(), aud: `${audience}.attacker.example` }),
    ),
    attack('token-audience', 'several audiences, none of them this', () =>
      sign({ ...base(), aud: ['one', 'two'] }),
    ),
    attack('token-expired', 'expired', () => sign({ ...base(), exp: victim.now() - 60 })),
    attack('token-expired', 'expired since 1970', () => sign({ ...base(), exp: 0 })),
    attack('token-expired', 'not yet valid', () => sign({ ...base(), nbf: victim.now() + 60 })),
    attack('token-claims', 'no expiry', () => sign({ ...base(), exp: undefined })),
    attack('token-claims', 'an expiry that is text', () =>
      signed(JSON.stringify({ ...base(), exp: '2030-01-01' })),
    ),
    attack('token-claims', 'an expiry beyond all numbers', () =>
      signed(JSON.stringify(base()).replace(/"exp":\d+/, '"exp":1e999')),
    ),
    attack('token-claims', 'a time to begin that is text', () =>
      signed(JSON.stringify({ ...base(), nbf: '2020-01-01' })),
    ),
    attack('token-claims', 'an audience that is a number', () =>
      signed(JSON.stringify({ ...base(), aud: 5 })),
    ),
    attack('token-claims', 'two roles of one id', () => {
      const { roles = [] } = base() as { roles?: object[] };
      return sign({ ...base(), roles: [...roles, ...roles] });
    }),
    attack('token-malformed', 'the type of a logout token', () =>
      sign(base(), { typ: 'logout+jwt' }),
    ),
    attack('token-malformed', 'the type of a DPoP proof', () => sign(base(), { typ: 'dpop+jwt' })),

    // One text can be read in two ways.
    attack('token-malformed', 'a claim twice', () =>
      signed(JSON.stringify(base()).replace('{', '{"sub":"somebody-else",')),
    ),
    attack('token-malformed', 'a claim twice, once escaped', () =>
      signed(JSON.stringify(base()).replace('{', '{"s\\u0075b":"somebody-else",')),
    ),
    attack('token-malformed', 'the expiry twice', () =>
      signed(JSON.stringify(base()).replace('{', '{"exp":1,')),
    ),
    attack('token-malformed', 'the activities of a role twice', () =>
      signed(JSON.stringify(base()).replace('"activities"', '"activities":["B0170"],"activities"')),
    ),
    attack('token-malformed', 'another token as its payload', async () =>
      signed(await sign(base())),
    ),
    attack('token-malformed', 'a payload that is a list', () => signed(JSON.stringify([base()]))),
    attack('token-malformed', 'a payload that is no JSON', () => signed('{')),
    attack('token-malformed', 'a payload that is not UTF-8', () =>
      signed(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])),
    ),
    attack('token-malformed', 'a header that is no JSON', () =>
      signed(JSON.stringify(base()), '{'),
    ),
    attack('token-malformed', 'the encrypted form', () => 'a.b.c.d.e'),
    attack('token-malformed', 'padded base64', async () => `${await sign(base())}==`),
    attack('token-malformed', 'the JSON form', async () => {
      const [head, payload, signature] = (await sign(base())).split('.');
      return JSON.stringify({ protected: head, payload, signature });
    }),

    // These claims would end up in logs, answers and the audit.
    ...Object.entries({
      'a line break in the name': { name: 'Nora\r\nNurse' },
      'a terminal’s escape in the name': { name: '\u001b[2JNora' },
      'an eight-bit escape in the name': { name: '\u009b2JNora' },
      'a line separator in the name': { name: 'Nora\u2028Nurse' },
      'a user id with a line break': { sub: 'nurse\n1' },
      'a user id that is an object': { sub: { $gt: '' } },
      'a client id with an escape': { client_id: '\u001b[31mred' },
      'a name of 1,000 letters': { name: 'x'.repeat(1_000) },
      'roles that are none': { roles: [] },
      'roles that are text': { roles: 'all' },
      'no user': { sub: undefined },
    }).map(([name, claims]) => attack('token-claims', name, () => sign({ ...base(), ...claims }))),

    // There is too much of it.
    attack('token-malformed', 'over 8 KiB', () => sign({ ...base(), more: 'x'.repeat(8_192) })),
    attack('token-malformed', 'a payload nested deeply', () =>
      signed(JSON.stringify(base()).replace('{', `{"more":${'['.repeat(900)}${']'.repeat(900)},`)),
    ),
  ];
}
