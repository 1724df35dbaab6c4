import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { signInFileSchema } from '#schemas/people/sign-in.ts';
import { openProvider, type Provider } from '#service/pages/sign-in/openid.ts';
import { statesTogether } from '#service/pages/sign-in/provider-health.ts';
import { until } from '../../support/test-store.ts';

/** What the operator is told about a provider that does not work. */

type Answer = { status: number; body: object | string; challenge?: string } | 'mute';
const wellKnown = '/.well-known/openid-configuration';

let folder: string;
let server: Server;
let issuer: string;
let answers: Map<string, Answer>;
/** How often each address was asked. */
let asked: Map<string, number>;
let told: [boolean, string][];
let opened: Provider[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-provider-'));
  await writeFile(join(folder, 'secret'), 'made-up-secret');
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
beforeEach(async () => {
  server = createServer((request, response) => {
    const { url = '' } = request;
    asked.set(url, askedAbout(url) + 1);
    const answer: Answer = answers.get(url) ?? { status: 404, body: {} };
    if (answer === 'mute') return;
    response.writeHead(answer.status, {
      'content-type': typeof answer.body === 'string' ? 'text/html' : 'application/json',
      ...(answer.challenge !== undefined && { 'www-authenticate': answer.challenge }),
    });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  answers = new Map();
  asked = new Map();
  answers.set(wellKnown, {
    status: 200,
    body: {
      issuer,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
    },
  });
  told = [];
  opened = [];
});
afterEach(async () => {
  for (const { stop } of opened) stop();
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
});

const askedAbout = (address: string): number => asked.get(address) ?? 0;

async function open(): Promise<Provider> {
  const [settings] = signInFileSchema.parse([
    {
      id: 'test',
      name: 'Test Identity',
      for: 'staff',
      issuer,
      clientId: 'client',
      clientSecretFile: join(folder, 'secret'),
      claims: 'cis2',
    },
  ]);
  if (settings === undefined) throw new Error('no provider');
  // A look that the end of a test cuts short is not part of the next one.
  const toldHere = told;
  const provider = await openProvider(settings, {
    redirectUri: 'http://127.0.0.1:1/back',
    nameOf: () => undefined,
    onHealth: (ok, sentence) => void toldHere.push([ok, sentence]),
  });
  opened.push(provider);
  return provider;
}

/** Somebody returns from the provider with a code. */
async function comeBack(provider: Provider): Promise<void> {
  const started = await provider.start(false);
  if (started === undefined) throw new Error('the provider is away');
  const { flow } = started;
  const returned = await provider.finish(`?code=made-up&state=${flow.state}`, {
    ...flow,
    begunAt: Date.now(),
  });
  expect(returned.kind).toBe('refused');
}

test('a silent provider is reported once, before anybody tries to sign in, and again when it answers', async () => {
  const discovery = answers.get(wellKnown);
  answers.set(wellKnown, 'mute');
  const provider = await open();
  expect(provider.state.ok).toBe(true);
  await until(() => !provider.state.ok, 'the provider to be missed');
  expect(provider.state.detail).toBe(
    'Test Identity does not say how to sign in with it (no answer within 5 s).',
  );
  if (discovery !== undefined) answers.set(wellKnown, discovery);
  await provider.start(false);
  expect(provider.state).toMatchObject({ ok: true, detail: 'Test Identity answers.' });
  expect(told.map(([ok]) => ok)).toEqual([false, true]);
});

const NOT_UNDERSTOOD = 'the answer does not follow OpenID Connect';
/** As RFC 6749 section 5.2 has it for clients that prove themselves in a header. */
const CHALLENGED: Answer = {
  status: 401,
  body: { error: 'invalid_client' },
  challenge: 'Basic realm="test"',
};

test.for<[string, Answer, string]>([
  ['breaks', { status: 500, body: {} }, 'status 500'],
  ['breaks with a challenge', { status: 502, body: '', challenge: 'Basic' }, 'status 502'],
  ['is at another address', { status: 404, body: {} }, 'status 404'],
  ['is behind a page', { status: 200, body: '<p>Welcome' }, NOT_UNDERSTOOD],
  ['says far too much', { status: 200, body: { padding: 'x'.repeat(262_144) } }, NOT_UNDERSTOOD],
  ['refuses the service', { status: 401, body: { error: 'invalid_client' } }, 'invalid_client'],
  ['refuses the service with a challenge', CHALLENGED, 'status 401'],
])('a token endpoint that %s is reported once, however many try', async ([, answer, says]) => {
  const provider = await open();
  answers.set('/token', answer);
  await comeBack(provider);
  await comeBack(provider);
  expect(provider.state.ok).toBe(false);
  expect(provider.state.detail).toContain(says);
  expect(told).toEqual([[false, provider.state.detail]]);
  expect(statesTogether([provider.state, { ok: true, detail: 'x', since: '' }])).toMatchObject({
    ok: false,
    detail: provider.state.detail,
  });
});

test('a provider cannot fill the memory with how to sign in with it', async () => {
  const discovery = answers.get(wellKnown);
  if (typeof discovery !== 'object' || typeof discovery.body === 'string') throw new Error();
  answers.set(wellKnown, {
    ...discovery,
    body: { ...discovery.body, padding: 'x'.repeat(262_144) },
  });
  const provider = await open();
  await until(() => !provider.state.ok, 'the provider to be missed');
  expect(provider.state.detail).toContain(NOT_UNDERSTOOD);
  expect(await provider.start(false)).toBeUndefined();
});

test('no code made up by a stranger marks a provider as broken', async () => {
  const provider = await open();
  for (const error of ['invalid_grant', 'invalid_request']) {
    answers.set('/token', { status: 400, body: { error } });
    await comeBack(provider);
    answers.set('/token', { status: 400, body: { error }, challenge: 'Basic realm="test"' });
    await comeBack(provider);
  }
  expect(provider.state.ok).toBe(true);
  expect(told).toEqual([]);
});

describe('when it looks again, a minute later', () => {
  beforeAll(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
  afterAll(() => void vi.useRealTimers());

  /** Waits until the provider is looked at again. A look that begins before the last one ends asks nothing. */
  async function aMinuteLater(): Promise<void> {
    const before = askedAbout(wellKnown);
    await until(() => {
      vi.advanceTimersByTime(60_000);
      return askedAbout(wellKnown) > before;
    }, 'the next look');
  }

  test.for<[string, Answer]>([
    ['refuses the service', { status: 401, body: { error: 'invalid_client' } }],
    ['refuses the service with a challenge', CHALLENGED],
    ['does not follow OpenID Connect', { status: 200, body: '<p>Welcome' }],
    ['is at another address', { status: 404, body: '<p>Not found' }],
  ])('a token endpoint that %s stays reported, although it answers', async ([, answer]) => {
    const provider = await open();
    answers.set('/token', answer);
    await comeBack(provider);
    const { detail } = provider.state;
    // It may also have been away in between.
    answers.set('/token', { status: 503, body: {} });
    await comeBack(provider);
    answers.set('/token', answer);
    await aMinuteLater();
    await aMinuteLater();
    expect(provider.state.ok).toBe(false);
    await comeBack(provider);
    expect(provider.state.detail).toBe(detail);
    expect(told.filter(([ok]) => ok)).toEqual([]);
  });

  test('what a token endpoint answered wrongly stays named, although it was away since', async () => {
    const provider = await open();
    answers.set('/token', { status: 401, body: { error: 'invalid_client' } });
    await comeBack(provider);
    const { detail } = provider.state;
    for (const status of [503, 429]) {
      answers.set('/token', { status, body: '<p>Later' });
      await comeBack(provider);
      expect(provider.state.detail).toBe(detail);
    }
  });

  test.for([403, 404, 429])(
    'a page with status %i instead of a token is reported until the endpoint answers, whether or not anybody signs in',
    async (status) => {
      const provider = await open();
      answers.set('/token', { status, body: '<p>Not now' });
      await comeBack(provider);
      expect(provider.state.detail).toContain(`status ${status}`);
      answers.set('/token', { status: 400, body: { error: 'invalid_request' } });
      await until(async () => {
        await aMinuteLater();
        return provider.state.ok;
      }, 'the provider to be well');
    },
  );

  test('a firewall is reported as long as it answers 403, and a provider that was away for another reason is not, although it answers 403 without a token', async () => {
    const provider = await open();
    answers.set('/token', { status: 403, body: '<p>Forbidden' });
    await comeBack(provider);
    const { detail } = provider.state;
    for (let look = 0; look < 2; look++) {
      const before = askedAbout('/token');
      await aMinuteLater();
      await until(() => askedAbout('/token') > before, 'the token endpoint to be asked');
    }
    await aMinuteLater();
    expect(provider.state).toMatchObject({ ok: false, detail });
    expect(told).toEqual([[false, detail]]);
    answers.set('/token', { status: 502, body: '<p>Bad gateway' });
    await comeBack(provider);
    answers.set('/token', { status: 403, body: '<p>Forbidden' });
    await until(async () => {
      await aMinuteLater();
      return provider.state.ok;
    }, 'the provider to be well');
  });

  test('a token endpoint that was away is reported until it answers, whether or not anybody signs in', async () => {
    const provider = await open();
    answers.set('/token', { status: 503, body: {} });
    await comeBack(provider);
    expect(provider.state.ok).toBe(false);
    const before = askedAbout('/token');
    await aMinuteLater();
    await until(() => askedAbout('/token') > before, 'the token endpoint to be asked');
    await aMinuteLater();
    expect(provider.state.ok).toBe(false);
    answers.set('/token', { status: 400, body: { error: 'invalid_request' } });
    await aMinuteLater();
    await until(() => provider.state.ok, 'the provider to be well');
    expect(told.map(([ok]) => ok)).toEqual([false, true]);
  });
});
