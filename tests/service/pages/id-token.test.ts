import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { signInFileSchema } from '#schemas/people/sign-in.ts';
import { SIGN_IN_PROVIDERS } from '#schemas/wording/operations.ts';
import { openProvider, type Provider } from '#service/pages/sign-in/openid.ts';
import { until } from '../../support/until.ts';

/** What a provider's tokens must be, whichever way they arrive. */

const SECRET = 'made-up-secret-made-up-secret-made-up';
const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout';
type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

let folder: string;
let server: Server;
let issuer: string;
let own: Keys;
/** The id by which the provider publishes its key. */
let ownId = 'own';
let others: Keys;
let provider: Provider;
/** Where the provider publishes the keys that it signs with now. */
let keysPath = '/keys';
/** How it answers if asked about the person. */
let meStatus = 200;
/** How often each address was asked. */
const asked = new Map<string, number>();
/** Makes the next token that the provider returns. */
let sign: (claims: JWTPayload) => Promise<string> | string;
let nonce: string;
let more: JWTPayload;

const signedBy =
  ({ privateKey }: Keys) =>
  (claims: JWTPayload): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: ownId }).sign(privateKey);

async function answerTo(path: string | undefined): Promise<object> {
  const now = Math.floor(Date.now() / 1_000);
  switch (path) {
    case '/.well-known/openid-configuration':
      return {
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}${keysPath}`,
        userinfo_endpoint: `${issuer}/me`,
        id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
      };
    case '/moved':
      return { keys: [{ ...(await exportJWK(others.publicKey)), kid: 'moved', alg: 'RS256' }] };
    case '/keys':
      return { keys: [{ ...(await exportJWK(own.publicKey)), kid: ownId, alg: 'RS256' }] };
    case '/token': {
      const times = { iat: now, exp: now + 300, auth_time: now };
      const claims = { iss: issuer, sub: 'user-1', aud: 'client', nonce, ...times, ...more };
      return { access_token: 'a', token_type: 'Bearer', id_token: await sign(claims) };
    }
    default:
      return {
        sub: 'user-1',
        name: 'A Nurse',
        roles: [
          {
            id: '1',
            code: 'R8001',
            name: 'Nurse',
            organisation: { code: 'ZZH01', name: 'Example Hospital' },
            activities: ['B0107'],
          },
        ],
      };
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-id-token-'));
  await writeFile(join(folder, 'secret'), SECRET);
  [own, others] = await Promise.all([
    generateKeyPair('RS256', { extractable: true }),
    generateKeyPair('RS256', { extractable: true }),
  ]);
  server = createServer(({ url = '' }, response) => {
    const answer = async (): Promise<void> => {
      asked.set(url, (asked.get(url) ?? 0) + 1);
      const status = url === '/me' ? meStatus : 200;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(await answerTo(url.split('?')[0])));
    };
    void answer();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  provider = await open();
});
afterAll(async () => {
  provider.stop();
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function open(): Promise<Provider> {
  const [settings] = signInFileSchema.parse([
    {
      id: 'test',
      name: 'Test Identity',
      issuer,
      clientId: 'client',
      clientSecretFile: join(folder, 'secret'),
      claims: 'cp-flags',
    },
  ]);
  if (settings === undefined) throw new Error('no provider');
  return openProvider(settings, {
    redirectUri: 'http://127.0.0.1:1/back',
    nameOf: () => undefined,
    onHealth: () => undefined,
  });
}

async function signIn(by: typeof sign, claims: JWTPayload = {}, at = provider) {
  [sign, more] = [by, claims];
  const started = await at.start(false);
  if (started === undefined) throw new Error('the provider is away');
  ({ nonce } = started.flow);
  return at.finish(`?code=c&state=${started.flow.state}`, {
    ...started.flow,
    begunAt: Date.now(),
  });
}

test('an ID token signed by the provider signs somebody in', async () => {
  expect(await signIn(signedBy(own))).toMatchObject({ kind: 'known', subject: 'user-1' });
});

test.each<[string, typeof sign]>([
  ['with no signature', (claims) => new UnsecuredJWT(claims).encode()],
  [
    'signed with this service’s secret',
    (claims) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(SECRET)),
  ],
  ['signed with a key that is not the provider’s', (claims) => signedBy(others)(claims)],
])('an ID token %s signs nobody in', async (_, by) => {
  expect(await signIn(by)).toEqual({ kind: 'refused', cause: 'unavailable' });
});

test('a session id too long for a cookie is refused by name, and the person is not sent round in circles', async () => {
  expect(await signIn(signedBy(own), { sid: 'x'.repeat(256) })).toMatchObject({
    kind: 'refused',
    cause: 'unreadable',
    sent: { unreadable: 'sid' },
  });
  expect(await signIn(signedBy(own), { sid: 'x'.repeat(255) })).toMatchObject({ kind: 'known' });
  // The limit of a cookie is in bytes, not letters.
  expect(await signIn(signedBy(own), { sid: 'é'.repeat(128) })).toMatchObject({
    kind: 'refused',
    cause: 'unreadable',
    sent: { unreadable: 'sid' },
  });
});

test('an activity that a provider repeats is stored once, so that the role fits in a cookie', async () => {
  const role = {
    id: '1',
    code: 'R8001',
    name: 'Nurse',
    activities: Array<string>(100).fill('B0107'),
    organisation: { code: 'ZZH01', name: 'Example Hospital' },
  };
  const returned = await signIn(signedBy(own), { roles: [role] });
  expect(returned).toMatchObject({ claims: { roles: [{ activities: ['B0107'] }] } });
});

test.each([
  ['logout+jwt', true],
  ['Logout+JWT', true],
  ['JWT', true],
  [undefined, true],
  ['at+jwt', false],
  ['id_token+jwt', false],
])('a token of type %s ends sessions only if it is a sign-out token', async (typ, ends) => {
  const token = await new SignJWT({
    sub: 'user-1',
    jti: crypto.randomUUID(),
    events: { [LOGOUT]: {} },
  })
    .setProtectedHeader({ alg: 'RS256', kid: 'own', ...(typ !== undefined && { typ }) })
    .setIssuer(issuer)
    .setAudience('client')
    .setIssuedAt()
    .sign(own.privateKey);
  const read = await provider.readLogoutToken(token);
  expect(read).toEqual(ends ? expect.objectContaining({ subject: 'user-1' }) : undefined);
});

/** The result of a sign-out token from the provider, with given changes. */
async function signOut(
  differing: JWTPayload = {},
  kid = 'own',
  { privateKey }: Keys = own,
  at = provider,
) {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { sub: 'user-1', jti: crypto.randomUUID(), events: { [LOGOUT]: {} }, iat: now };
  const token = await new SignJWT({ iss: issuer, aud: 'client', ...claims, ...differing })
    .setProtectedHeader({ alg: 'RS256', kid, typ: 'logout+jwt' })
    .sign(privateKey);
  return at.readLogoutToken(token);
}

test('a sign-out signed with a key that is not known yet is asked for again, since the provider may just have begun to use it', async () => {
  expect(await signOut()).toMatchObject({ subject: 'user-1' });
  expect(await signOut({}, 'new', others)).toBe('unavailable');
  expect(await signOut({}, 'own', others)).toBeUndefined();
});

test('a provider that publishes its keys at another address is followed there for sign-outs too, and its former keys count no more', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const one = await open();
  try {
    expect(await signOut({}, 'own', own, one)).toMatchObject({ subject: 'user-1' });
    keysPath = '/moved';
    vi.advanceTimersByTime(60_000);
    const isFollowed = async () => typeof (await signOut({}, 'moved', others, one)) === 'object';
    await until(isFollowed, 'the keys at the new address');
    expect(await signOut({}, 'own', own, one)).toBe('unavailable');
    expect(one.state.ok).toBe(true);
  } finally {
    keysPath = '/keys';
    one.stop();
    vi.useRealTimers();
  }
});

test.each([
  [59, true],
  [-59, true],
  [-600, false],
])(
  'a sign-out by a provider whose clock is %i seconds ahead is accepted: %s',
  async (seconds, is) => {
    const read = await signOut({ iat: Math.floor(Date.now() / 1_000) + seconds });
    expect(read).toEqual(is ? expect.objectContaining({ subject: 'user-1' }) : undefined);
  },
);

test('the operator is told if the clock of the provider differs, whether or not somebody is let in by it', async () => {
  const well = 'Test Identity answers.';
  for (const [seconds, says] of [
    [90, 'of this machine differ (its own is more than 60 s ahead)'],
    // Some providers date what they issue back by five minutes.
    [-310, well],
    [-400, 'of this machine differ (its own is more than 330 s behind)'],
    [0, well],
  ] as const) {
    const iat = Math.floor(Date.now() / 1_000) + seconds;
    await signIn(signedBy(own), { iat, auth_time: iat });
    expect(provider.state).toMatchObject({ ok: says === well });
    expect(provider.state.detail).toContain(says);
  }
});

test('somebody who stays too long at the provider begins again, and nobody is told that it does not work', async () => {
  const longAgo = Math.floor(Date.now() / 1_000) - 400;
  expect(await signIn(signedBy(own), { auth_time: longAgo })).toEqual({
    kind: 'refused',
    cause: 'not-finished',
  });
  expect(provider.state.ok).toBe(true);
});

test('a provider that does not say who somebody is stays reported until it does, although it gives tokens', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const one = await open();
  try {
    meStatus = 503;
    expect(await signIn(signedBy(own), {}, one)).toEqual({ kind: 'refused', cause: 'unavailable' });
    const detail = SIGN_IN_PROVIDERS.tokens('Test Identity', SIGN_IN_PROVIDERS.status(503));
    expect(one.state).toMatchObject({ ok: false, detail });
    // The last look begins after the answers to the others have arrived.
    for (let looks = 0; looks < 3; looks++) {
      const before = asked.get('/me') ?? 0;
      vi.advanceTimersByTime(60_000);
      await until(() => (asked.get('/me') ?? 0) > before, 'the next look');
    }
    expect(one.state.ok).toBe(false);
    meStatus = 200;
    vi.advanceTimersByTime(60_000);
    await until(() => one.state.ok, 'the provider to be well');
  } finally {
    meStatus = 200;
    one.stop();
    vi.useRealTimers();
  }
});

test('a key that the provider changed a moment ago stops sign-in for one person, and the operator is told', async () => {
  // It has just fetched the keys, and so does not fetch them again for a minute.
  const one = await open();
  const signInThere = () => signIn(signedBy(own), {}, one);
  try {
    expect(await signInThere()).toMatchObject({ kind: 'known' });
    [own, ownId] = [others, 'new'];
    const detail = SIGN_IN_PROVIDERS.tokens('Test Identity', SIGN_IN_PROVIDERS.unknownKey);
    expect(await signInThere()).toEqual({ kind: 'refused', cause: 'unavailable' });
    expect(one.state).toMatchObject({ ok: false, detail });
    await until(async () => (await signInThere()).kind === 'known', 'the new key');
    expect(one.state.ok).toBe(true);
  } finally {
    one.stop();
  }
});
