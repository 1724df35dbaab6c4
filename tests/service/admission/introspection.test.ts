import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { issuersFileSchema } from '#schemas/people/identity.ts';
import { type Authenticate, createAuthenticator } from '#service/admission/authenticate.ts';
import { mappingOf } from '#service/admission/claims.ts';
import {
  createIntrospection,
  type IntrospectionOptions,
} from '#service/admission/introspection.ts';
import { readIssuers, type TrustedIssuer } from '#service/admission/issuers.ts';
import {
  type IntrospectionServer,
  startIntrospectionServer,
} from '../../support/introspection-server.ts';
import { claims } from '../../support/service.ts';
import { WAIT_MS } from '../../support/until.ts';

const ISSUER = 'https://id.example';
const TOKEN = 'opaque-token_1~+/.=';

let server: IntrospectionServer;
let pair: Awaited<ReturnType<typeof generateKeyPair>>;
let now: number;
const seconds = (): number => Math.floor(now / 1_000);

beforeAll(async () => {
  server = await startIntrospectionServer();
  pair = await generateKeyPair('ES256', { extractable: true });
});
afterAll(() => server?.close());
beforeEach(() => {
  now = Date.UTC(2026, 10, 24, 12);
  server.tokens.clear();
  server.users.clear();
  server.asked.length = 0;
});
afterEach(() => {
  server.instead = undefined;
});

const active = (differing: Record<string, unknown> = {}): Record<string, unknown> => ({
  active: true,
  token_type: 'Bearer',
  ...claims(),
  aud: 'cp-flags',
  exp: seconds() + 600,
  iat: seconds(),
  ...differing,
});

async function trusted(options: Partial<IntrospectionOptions> = {}): Promise<TrustedIssuer> {
  const find = createLocalJWKSet({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k' }] });
  return {
    issuer: ISSUER,
    audience: 'cp-flags',
    algorithms: ['ES256'],
    clockToleranceSeconds: 5,
    mapping: mappingOf('cp-flags'),
    keys: {
      find,
      version: 1,
      problem: undefined,
      usable: true,
      passedOver: [],
      stop: () => undefined,
    },
    introspection: createIntrospection({
      issuer: ISSUER,
      audience: 'cp-flags',
      clients: [],
      url: server.url,
      clientId: 'our client',
      clientSecret: 's%:é',
      deadlineMs: WAIT_MS,
      now: () => now,
      ...options,
    }),
    demoOnly: false,
  };
}
const authenticator = async (
  options: Partial<IntrospectionOptions> = {},
  differing: Partial<TrustedIssuer> = {},
): Promise<Authenticate> =>
  createAuthenticator({
    issuers: [{ ...(await trusted(options)), ...differing }],
    demoAllowed: () => false,
    now: () => now,
  });
const outcome = async (authenticate: Authenticate, token = TOKEN): Promise<string> => {
  const found = await authenticate(`Bearer ${token}`);
  return found.kind === 'verified' ? 'verified' : found.code;
};

describe('an opaque token', () => {
  test('is shown only to its issuer, with our credentials, and the issuer says who is asking', async () => {
    server.tokens.set(TOKEN, active());
    const found = await (await authenticator())(`Bearer ${TOKEN}`);
    expect(found).toMatchObject({
      kind: 'verified',
      callers: [{ identity: { issuer: ISSUER, user: claims().sub, client: claims().client_id } }],
    });
    const [asked] = server.asked;
    expect(asked?.form.get('token')).toBe(TOKEN);
    expect(asked?.form.get('token_type_hint')).toBe('access_token');
    // Each part is form-encoded before they are joined (RFC 6749, section 2.3.1).
    expect(Buffer.from(asked?.authorization.slice(6) ?? '', 'base64').toString()).toBe(
      'our+client:s%25%3A%C3%A9',
    );
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['not active', { active: false }, 'token-expired'],
    ['for another service', { aud: 'others' }, 'token-audience'],
    ['for several other services', { aud: ['a', 'b'] }, 'token-audience'],
    ['that names no service', { aud: undefined }, 'token-audience'],
    ['expired', { exp: 1 }, 'token-expired'],
    ['not valid yet', { nbf: 9_999_999_999 }, 'token-expired'],
    ['bound to a key', { cnf: { jkt: 'x' } }, 'token-untrusted'],
    ['bound by its type', { token_type: 'DPoP' }, 'token-untrusted'],
    ['without a role', { roles: [] }, 'token-claims'],
    ['without a user', { sub: undefined }, 'token-claims'],
    ['of another issuer', { iss: 'https://other.example' }, 'could-not-check'],
    ['with a number for an audience', { aud: 5 }, 'could-not-check'],
    ['with text for its expiry', { exp: '9999999999' }, 'could-not-check'],
    ['active as text', { active: 'true' }, 'could-not-check'],
    ['active as a number', { active: 1 }, 'could-not-check'],
  ])('that is %s is refused', async (_what, differing, code) => {
    server.tokens.set(TOKEN, active(differing));
    expect(await outcome(await authenticator())).toBe(code);
  });

  test('counts by its client only if it names no audience', async () => {
    const authenticate = () => authenticator({ clients: [claims().client_id] });
    server.tokens.set(TOKEN, active({ aud: undefined }));
    expect(await outcome(await authenticate())).toBe('verified');
    server.tokens.set(TOKEN, active({ aud: undefined, client_id: 'other' }));
    expect(await outcome(await authenticate())).toBe('token-audience');
    server.tokens.set(TOKEN, active({ aud: 'others' }));
    expect(await outcome(await authenticate())).toBe('token-audience');
    server.tokens.set(TOKEN, active({ aud: ['others', 'cp-flags'] }));
    expect(await outcome(await authenticate())).toBe('verified');
  });

  test('is refused if it is older than its issuer allows', async () => {
    const differing = { maxTokenAgeSeconds: 60 };
    server.tokens.set(TOKEN, active({ iat: seconds() - 30 }));
    expect(await outcome(await authenticator({}, differing))).toBe('verified');
    for (const iat of [seconds() - 70, undefined]) {
      server.tokens.set(TOKEN, active({ iat }));
      expect(await outcome(await authenticator({}, differing))).toBe('token-expired');
    }
  });

  test('takes its roles from userinfo if the answer has none, and only for the same user', async () => {
    const { roles, name, ...token } = active();
    server.tokens.set(TOKEN, token);
    server.users.set(TOKEN, { sub: token['sub'], name, roles, aud: 'x', client_id: 'other' });
    const { userinfoUrl } = server;
    const found = await (await authenticator({ userinfoUrl }))(`Bearer ${TOKEN}`);
    // What the issuer says about the token takes precedence.
    expect(found).toMatchObject({
      kind: 'verified',
      callers: [{ identity: { client: claims().client_id } }],
    });
    server.users.set(TOKEN, { sub: 'somebody-else', name, roles });
    expect(await outcome(await authenticator({ userinfoUrl }))).toBe('could-not-check');
    // Userinfo alone is never enough, since it does not say for whom the token was made.
    server.tokens.set(TOKEN, { ...token, aud: 'others' });
    server.users.set(TOKEN, { sub: token['sub'], name, roles, aud: 'cp-flags' });
    expect(await outcome(await authenticator({ userinfoUrl }))).toBe('token-audience');
    server.tokens.delete(TOKEN);
    expect(await outcome(await authenticator({ userinfoUrl }))).toBe('token-expired');
  });

  test('is shown to nobody if no issuer resolves tokens, or if it is malformed', async () => {
    const authenticate = await authenticator({}, { introspection: undefined });
    expect(await outcome(authenticate)).toBe('token-malformed');
    for (const token of [
      '',
      'short',
      'a b c d e f g',
      'with"quote-in-it',
      'ü'.repeat(20),
      'x'.repeat(9_000),
    ]) {
      expect(await outcome(await authenticator(), token)).toMatch(/^token-(malformed|required)$/);
    }
    expect(server.asked).toEqual([]);
  });
});

describe('an answer about a token', () => {
  test('counts for a minute from when it was asked for, and never for longer than the token is valid', async () => {
    server.tokens.set(TOKEN, active({ exp: seconds() + 90 }));
    const authenticate = await authenticator();
    expect(await outcome(authenticate)).toBe('verified');
    now += 59_999;
    expect(await outcome(authenticate)).toBe('verified');
    expect(server.asked).toHaveLength(1);
    now += 1;
    expect(await outcome(authenticate)).toBe('verified');
    expect(server.asked).toHaveLength(2);
    now += 40_000;
    server.tokens.set(TOKEN, { active: false });
    expect(await outcome(authenticate)).toBe('token-expired');
  });

  test('is never used for longer, even while the issuer is away', async () => {
    server.tokens.set(TOKEN, active());
    const authenticate = await authenticator();
    await outcome(authenticate);
    server.instead = (_request, response) => response.destroy();
    now += 30_000;
    expect(await outcome(authenticate)).toBe('verified');
    now += 30_000;
    expect(await outcome(authenticate)).toBe('could-not-check');
  });

  test('is asked for once, however many requests bring the token at once', async () => {
    server.tokens.set(TOKEN, active());
    const authenticate = await authenticator();
    const all = await Promise.all(Array.from({ length: 20 }, () => outcome(authenticate)));
    expect(new Set(all)).toEqual(new Set(['verified']));
    expect(server.asked).toHaveLength(1);
  });

  test('that calls it invalid is kept for a moment, so that it is not asked for again and again', async () => {
    const authenticate = await authenticator();
    for (let i = 0; i < 5; i++)
      expect(await outcome(authenticate, 'made-up-token')).toBe('token-expired');
    expect(server.asked).toHaveLength(1);
    server.tokens.set('made-up-token', active());
    now += 10_000;
    expect(await outcome(authenticate, 'made-up-token')).toBe('verified');
  });
});

describe('an issuer that cannot be asked', () => {
  const json = (status: number, body: string) => (response: ServerResponse) =>
    response.writeHead(status).end(body);
  test.each<[string, (response: ServerResponse) => void]>([
    ...[301, 302, 400, 401, 403, 404, 429, 500, 503].map(
      (status): [string, (response: ServerResponse) => void] => [
        `answers ${status}`,
        json(status, JSON.stringify({ active: true })),
      ],
    ),
    ['does not answer in JSON', json(200, '<html>')],
    ['answers nothing', json(200, '')],
    ['answers null', json(200, 'null')],
    ['answers a list', json(200, '[{"active":true}]')],
    ['does not say whether it is active', json(200, '{}')],
    ['says it twice', json(200, '{"active":false,"active":true}')],
    ['gives too long an answer', json(200, `${' '.repeat(70_000)}{"active":false}`)],
    ['cuts the connection', (response) => response.destroy()],
    ['does not answer', () => undefined],
    ['stops halfway', (response) => void response.writeHead(200).write('{')],
  ])('and %s tells us nothing about the token', async (_what, answer) => {
    server.instead = (_request, response) => answer(response);
    const issuer = await trusted({ deadlineMs: 300 });
    const authenticate = createAuthenticator({
      issuers: [issuer],
      demoAllowed: () => false,
      now: () => now,
    });
    expect(await outcome(authenticate)).toBe('could-not-check');
    expect(issuer.introspection?.problem).toMatch(
      /^Opaque tokens cannot be resolved at .*could-not-check\.$/,
    );
    expect(issuer.introspection?.problem).not.toContain(TOKEN);
  });

  test('is not followed if it redirects: a token goes only to its issuer', async () => {
    server.tokens.set(TOKEN, active());
    server.instead = (_request, response) => {
      server.instead = undefined;
      response.writeHead(307, { location: server.url }).end();
    };
    expect(await outcome(await authenticator())).toBe('could-not-check');
    expect(server.asked).toHaveLength(1);
  });

  test('is left alone after five failures, then tried with a single token, and then used again', async () => {
    server.instead = (_request, response) => response.writeHead(500).end();
    const issuer = await trusted();
    const authenticate = createAuthenticator({
      issuers: [issuer],
      demoAllowed: () => false,
      now: () => now,
    });
    for (let i = 0; i < 8; i++) await outcome(authenticate, `token-number-${i}`);
    expect(server.asked).toHaveLength(5);
    now += 10_000;
    await Promise.all([1, 2, 3].map((i) => outcome(authenticate, `another-token-${i}`)));
    expect(server.asked).toHaveLength(6);
    server.instead = undefined;
    server.tokens.set(TOKEN, active());
    expect(await outcome(authenticate)).toBe('could-not-check');
    now += 10_000;
    expect(await outcome(authenticate)).toBe('verified');
    expect(issuer.introspection?.problem).toBeUndefined();
  });

  test.each<[string, (path: string, response: ServerResponse) => boolean]>([
    ...[400, 401, 403].map(
      (status): [string, (path: string, response: ServerResponse) => boolean] => [
        `userinfo refuses it with ${status}`,
        (path, response) => path === '/userinfo' && !!response.writeHead(status).end('{}'),
      ],
    ),
    [
      'whose userinfo does not know the token',
      (path, response) => path === '/userinfo' && !!response.writeHead(404).end(),
    ],
    [
      'whose userinfo names nobody',
      (path, response) => path === '/userinfo' && !!response.writeHead(200).end('{}'),
    ],
    [
      'whose introspection cannot read the token',
      (path, response) => path === '/introspect' && !!response.writeHead(400).end(),
    ],
    [
      'whose answer names another issuer',
      (path, response) =>
        path === '/introspect' &&
        !!response.writeHead(200).end('{"active":true,"iss":"https://other.example"}'),
    ],
  ])('is not left alone because of one token: %s', async (_what, refuses) => {
    server.tokens.set(TOKEN, active());
    server.users.set(TOKEN, { sub: claims().sub });
    const authenticate = await authenticator({ userinfoUrl: server.userinfoUrl });
    server.instead = (request, response) => {
      if (!refuses(request.url ?? '', response)) {
        response.writeHead(200).end(JSON.stringify(active()));
      }
    };
    const refused = [];
    for (let i = 0; i < 6; i++) refused.push(await outcome(authenticate, `machine-token-${i}`));
    expect(refused).not.toContain('verified');
    expect(server.asked.filter(({ path }) => path === '/introspect')).toHaveLength(6);
    server.instead = undefined;
    expect(await outcome(authenticate)).toBe('verified');
  });

  test('has a separate count of failures at userinfo', async () => {
    const issuer = await trusted({ userinfoUrl: server.userinfoUrl });
    server.instead = (request, response) =>
      request.url === '/userinfo'
        ? response.writeHead(503).end()
        : response.writeHead(200).end(JSON.stringify(active()));
    for (let i = 0; i < 8; i++) await issuer.introspection?.inspect(`token-number-${i}`);
    expect(server.asked).toHaveLength(10);
  });

  test('does not affect signed tokens, and is never shown them', async () => {
    server.instead = (_request, response) => response.destroy();
    const token = await new SignJWT({ ...claims(), iss: ISSUER, aud: 'cp-flags' })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setExpirationTime(seconds() + 600)
      .sign(pair.privateKey);
    const authenticate = await authenticator();
    expect(await outcome(authenticate, token)).toBe('verified');
    const [head, payload, signature = ''] = token.split('.');
    // A character that is certain to differ, since any signature may contain any other.
    const forged = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    expect(await outcome(authenticate, [head, payload, forged].join('.'))).toBe('token-untrusted');
    expect(server.asked).toEqual([]);
  });
});

describe('the issuers file', () => {
  const entry = (issuer: string, differing = {}) => ({
    issuer,
    audience: 'cp-flags',
    jwksUrl: 'https://id.example/jwks',
    algorithms: ['RS256'],
    introspection: {
      url: 'https://id.example/introspect',
      clientId: 'a',
      clientSecretFile: 's',
      ...differing,
    },
  });

  const read = async (differing = {}, secret: string | undefined = 'secret\n') => {
    const folder = await mkdtemp(join(tmpdir(), 'cpf-issuers-'));
    try {
      await writeFile(
        join(folder, 'jwks.json'),
        JSON.stringify({ keys: [await exportJWK(pair.publicKey)] }),
      );
      if (secret !== undefined) await writeFile(join(folder, 'secret'), secret);
      const { jwksUrl: _, ...signed } = entry(ISSUER, { clientSecretFile: 'secret', ...differing });
      const file = { ...signed, algorithms: ['ES256'], jwksFile: 'jwks.json' };
      await writeFile(join(folder, 'issuers.json'), JSON.stringify([file]));
      const [issuer] = await readIssuers(join(folder, 'issuers.json'), {
        rereadMs: 60_000,
        onProblem: () => undefined,
      });
      issuer?.keys.stop();
      return issuer;
    } finally {
      await rm(folder, { recursive: true });
    }
  };

  test('names a secret file beside it, without which the start stops with a message', async () => {
    server.tokens.set(TOKEN, { ...active({ exp: 9_999_999_999 }) });
    const issuer = await read({ url: server.url });
    expect(await issuer?.introspection?.inspect(TOKEN)).toMatchObject({ kind: 'active' });
    const asked = server.asked.at(-1)?.authorization.slice(6) ?? '';
    expect(Buffer.from(asked, 'base64').toString()).toBe('a:secret');
    await expect(read({}, '')).rejects.toThrow(
      /^ISSUERS_FILE: .*secret cannot be read, or is empty\.$/,
    );
    await expect(read({ clientSecretFile: 'gone' })).rejects.toThrow(/cannot be read/);
  });

  test('is for a demo only if any of its addresses is not https', async () => {
    expect((await read())?.demoOnly).toBe(false);
    expect((await read({ url: server.url }))?.demoOnly).toBe(true);
    expect((await read({ userinfoUrl: server.userinfoUrl }))?.demoOnly).toBe(true);
  });

  test('lets only one issuer resolve tokens, so that no other issuer sees them', () => {
    expect(issuersFileSchema.safeParse([entry('a')]).success).toBe(true);
    expect(issuersFileSchema.safeParse([entry('a'), entry('b')]).success).toBe(false);
  });

  test.each([
    { url: 'ftp://id.example' },
    { url: 'https://a:b@id.example/' },
    { userinfoUrl: 'x' },
    { more: 1 },
  ])('refuses %j', (differing) => {
    expect(issuersFileSchema.safeParse([entry('a', differing)]).success).toBe(false);
  });
});

describe('once a clock that was ahead is corrected', () => {
  test('an issuer that did not answer is asked again, and a token that it has ended stops counting', async () => {
    server.tokens.set(TOKEN, active({ exp: seconds() + 36_000 }));
    const authenticate = await authenticator({ pauseMs: 10_000 });
    const put = now;
    now += 3_600_000;
    expect(await outcome(authenticate)).toBe('verified');
    server.instead = (_request, response) => void response.writeHead(500).end();
    for (let i = 0; i < 6; i++) await outcome(authenticate, `other-token-${i}`);
    server.instead = undefined;
    server.tokens.delete(TOKEN);
    now = put;
    expect(await outcome(authenticate)).toBe('token-expired');
  });
});
