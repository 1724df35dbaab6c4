import { rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LOOK_UP, NOT_CHECKED, SIGN_IN, SIGN_IN_REFUSED } from '#schemas/wording/pages.ts';
import { openSealer } from '#service/pages/session/seal.ts';
import { refusedPage, signInRefusalOf } from '#service/pages/sign-in/refused.ts';
import { createTries } from '#service/pages/sign-in/tries.ts';
import { createBlocks } from '#store/blocks.ts';
import { keys } from '#store/keys.ts';
import {
  type Cis2,
  type Cis2Person,
  CLIENT_ID,
  openFor,
  providerBySecret,
  signInAtCis2,
  startCis2,
  throughCis2,
} from '../../support/cis2.ts';
import { HEADINGS } from '../../support/pages.ts';
import { testNumber } from '../../support/rows.ts';
import {
  role,
  startTestService,
  type TestService,
  testFolder,
  until,
} from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import {
  createVisitor,
  hiddenOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/** Signing in with a real OpenID provider that is built like CIS2, and what somebody might try against it. */

const PLAN = testNumber(7_201);
let service: TestService;
let cis2: Cis2;
let strangers: Awaited<ReturnType<typeof startRefusing>>;
let dataDir: string;

beforeAll(async () => {
  dataDir = await testFolder();
  cis2 = await startCis2();
  strangers = await startRefusing();
  const provider = providerBySecret(cis2);
  const { environment } = await openFor(cis2, dataDir, [
    provider,
    { ...provider, id: 'gone', name: 'Gone Identity', issuer: 'http://127.0.0.1:9' },
    { ...provider, id: 'strangers', name: 'Other Identity', issuer: strangers.issuer },
  ]);
  await writeFile(join(dataDir, 'revocations.json'), '[]');
  service = await startTestService({
    dataDir,
    environment: {
      ...environment,
      ORGANISATIONS_FILE: await writeOrganisations(),
      REVOCATIONS_FILE: join(dataDir, 'revocations.json'),
      REREAD_SECONDS: '0.05',
    },
    authorities: [{ code: 'ZZ101', name: 'Northmoor Council', rows: [{ nhsNumber: PLAN }] }],
  });
});
afterAll(async () => {
  await service?.stopAndRemove();
  await cis2?.stop();
  await strangers?.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

/** A provider that does as little as possible: it knows no code. */
async function startRefusing() {
  let tokensAsked = 0;
  const server = createHttpServer((request, response) => {
    const isToken = request.url === '/token';
    if (isToken) tokensAsked += 1;
    response.writeHead(isToken ? 400 : 200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify(
        isToken
          ? { error: 'invalid_grant' }
          : {
              issuer,
              authorization_endpoint: `${issuer}/auth`,
              token_endpoint: `${issuer}/token`,
              jwks_uri: `${issuer}/jwks`,
            },
      ),
    );
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
  const issuer = `http://127.0.0.1:${port}`;
  return {
    issuer,
    get tokensAsked(): number {
      return tokensAsked;
    },
    async stop(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

async function writeOrganisations(): Promise<string> {
  const path = join(dataDir, 'organisations.json');
  await writeFile(
    path,
    JSON.stringify([
      { code: 'ZZH01', name: 'Sample Hospital', setting: 'emergency-department' },
      { code: 'ZZP01', name: 'Sample Practice', setting: 'general-practice' },
      { code: 'ZZS01', name: 'Sample School', setting: 'education' },
    ]),
  );
  return path;
}

const signIn = (visitor: Visitor, sub: string, person?: Cis2Person): Promise<Visit> =>
  signInAtCis2(cis2, visitor, sub, person);

let counted = 0;
const somebody = (): string => `5550000${String(10_000 + ++counted)}`;

test('somebody signed in by the provider looks up a child, and is audited as if they had used a token', async () => {
  const visitor = createVisitor(service.baseUrl);
  const sub = somebody();
  const back = await signIn(visitor, sub);
  expect([back.status, back.headers.get('location')]).toEqual([303, '/look-up']);
  expect((await visitor.lookUp(PLAN)).heading).toBe(HEADINGS.onPlan);
  const events = await service.events();
  expect(
    events.find((event) => event.type === 'lookup' && event.caller.user === sub),
  ).toMatchObject({
    api: 'pages',
    caller: {
      issuer: cis2.issuer,
      client: CLIENT_ID,
      name: 'Nora Nurse',
      role: { code: 'R8001', name: 'Nurse Access Role' },
      organisation: { code: 'ZZH01', name: 'SAMPLE HOSPITAL' },
    },
  });
});

test('the provider is asked for a code with PKCE, state and nonce, new each time, and asked to have a role chosen', async () => {
  const visitor = createVisitor(service.baseUrl);
  const asked = async (path: string) =>
    new URL((await visitor.get(path)).headers.get('location') ?? '').searchParams;
  const [first, second] = [await asked('/sign-in/cis2'), await asked('/sign-in/cis2?role=change')];
  expect(Object.fromEntries(first)).toMatchObject({
    response_type: 'code',
    code_challenge_method: 'S256',
    prompt: 'login',
    acr_values: 'AAL2_OR_AAL3_ANY',
    redirect_uri: `${service.baseUrl}/sign-in/cis2/back`,
    scope: 'openid profile email nationalrbacaccess associatedorgs selectedrole',
  });
  expect(second.get('scope')).toMatch(/ changedrole$/);
  for (const name of ['state', 'nonce', 'code_challenge']) {
    expect(first.get(name)?.length).toBeGreaterThan(30);
    expect(first.get(name)).not.toBe(second.get(name));
  }
});

test('addresses come from the configuration, whatever the Host says', async () => {
  const visitor = createVisitor(service.baseUrl);
  const start = await visitor.ask('/sign-in/cis2', {
    headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
  });
  const to = new URL(start.headers.get('location') ?? '');
  expect(to.origin).toBe(cis2.issuer);
  expect(to.searchParams.get('redirect_uri')).toBe(`${service.baseUrl}/sign-in/cis2/back`);
});

describe('somebody who is not let in is told why, what was sent and whom to ask', () => {
  test.for<[string, Cis2Person, string, string]>([
    ['no role', { roles: [] }, SIGN_IN_REFUSED.role, 'registration authority'],
    [
      'a role that was not chosen among those held',
      { selectedRole: '555000000000' },
      SIGN_IN_REFUSED.role,
      'registration authority',
    ],
    [
      'a role at an organisation with an invalid code',
      { roles: [{ id: '1', organisation: 'rj 1' }] },
      SIGN_IN_REFUSED.unreadable,
      'roles.0.organisation.code',
    ],
    ['no name', { name: '' }, SIGN_IN_REFUSED.unreadable, 'team that runs this service'],
    [
      'no activity',
      { roles: [{ id: '1', activities: undefined }] },
      SIGN_IN_REFUSED.activity,
      'B0107',
    ],
    [
      'another activity',
      { roles: [{ id: '1', activities: ['B0108'] }] },
      SIGN_IN_REFUSED.activity,
      'Nurse Access Role (R8001)',
    ],
    [
      'an organisation that is not a care setting',
      { roles: [{ id: '1', organisation: 'ZZS01' }] },
      SIGN_IN_REFUSED.notCare,
      'ZZS01',
    ],
    [
      'an identity that is not assured',
      { identityAssurance: '2' },
      SIGN_IN_REFUSED.assurance,
      'strong',
    ],
    ['a weak sign-in', { authenticationAssurance: '1' }, SIGN_IN_REFUSED.assurance, 'smartcard'],
  ])('%s', async ([, person, heading, says]) => {
    const visitor = createVisitor(service.baseUrl);
    const page = await signIn(visitor, somebody(), person);
    expect(page.heading).toBe(heading);
    expect(page.status).toBe(403);
    expect(wordsOf(page)).toContain(says);
    expect(wordsOf(page)).toContain(SIGN_IN_REFUSED.sent);
    expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
  });

  test.for<[string, Cis2Person]>([
    ['who is refused', { roles: [{ id: '1', organisation: 'ZZS01' }] }],
    ['whose role cannot be read', { name: '' }],
    ['who must choose a role', { roles: [{ id: '1' }, { id: '2' }], selectedRole: undefined }],
  ])(
    'nobody continues as the person who was signed in before, once the provider has named somebody else: %s',
    async ([, person]) => {
      const visitor = createVisitor(service.baseUrl);
      await signIn(visitor, somebody());
      expect((await visitor.get('/look-up')).status).toBe(200);
      const former = new Map(visitor.jar);
      expect((await signIn(visitor, somebody(), person)).status).not.toBe(303);
      expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
      // A copy of the earlier cookie does not help.
      for (const [name, value] of former) visitor.jar.set(name, value);
      await until(async () => (await visitor.get('/look-up')).status !== 200);
    },
  );

  test('somebody whose organisation cannot look up flags is shown whom to ring before being shown how to sign in again', () => {
    const person = { name: 'Nora Nurse', user: 'nurse-1', role: role('1', ['B0107'], 'ZZS01') };
    const text = String(refusedPage('not-care', 'NHS Care Identity', person).content);
    expect(text).toMatch(
      /class="nhsuk-button" href="\/councils"[\s\S]*class="nhsuk-button nhsuk-button--secondary" href="\/sign-in"/,
    );
    expect(text).not.toContain(SIGN_IN.cannot);
  });

  test('somebody from an unregistered organisation, which only a demo lets in', () => {
    const person = { name: 'Nora Nurse', user: 'nurse-1', role: role('1', ['B0107'], 'ZZZ99') };
    const why = signInRefusalOf('organisation-not-registered') ?? 'role';
    const { title, content } = refusedPage(why, 'NHS Care Identity', person);
    expect(title).toBe(SIGN_IN_REFUSED.organisation);
    for (const said of ['ZZZ99', 'nurse-1', 'B0107', 'team that runs this service']) {
      expect(String(content)).toContain(said);
    }
  });

  test('a user whom the operator has blocked; blocked later, they lose the session in use', async () => {
    const sub = somebody();
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, sub);
    const form = await visitor.form('/look-up');
    const block = { issuer: cis2.issuer, user: sub, by: 'test', reason: 'test' };
    await createBlocks(service.admin, service.store).block(block);
    await until(
      async () => (await visitor.get('/look-up')).heading === SIGN_IN_REFUSED.blocked,
      'the block',
    );
    // So is a look whose form was opened before.
    const look = await visitor.post('/look-up', { ...form, number: PLAN });
    expect([look.status, look.heading]).toEqual([403, SIGN_IN_REFUSED.blocked]);
    const again = await signIn(createVisitor(service.baseUrl), sub);
    expect(again.heading).toBe(SIGN_IN_REFUSED.blocked);
  });

  test('a user revoked by file, on a page that does not send them round in circles', async () => {
    const sub = somebody();
    const path = join(dataDir, 'revocations.json');
    await writeFile(path, JSON.stringify([{ issuer: cis2.issuer, user: sub }]));
    let page: Visit | undefined;
    await until(async () => {
      page = await signIn(createVisitor(service.baseUrl), sub);
      return page.status === 403;
    }, 'the revocation');
    expect(page?.heading).toBe(SIGN_IN_REFUSED.blocked);
  });

  test('the provider refuses', async () => {
    const visitor = createVisitor(service.baseUrl);
    cis2.refuse();
    const back = await throughCis2(cis2, await visitor.get('/sign-in/cis2'));
    const page = await visitor.ask(`${back.pathname}${back.search}`);
    expect([page.status, page.heading]).toEqual([403, SIGN_IN_REFUSED.denied]);
  });

  test.for([
    ['access_denied', SIGN_IN_REFUSED.denied],
    ['login_required', SIGN_IN_REFUSED.denied],
    ['server_error', SIGN_IN_REFUSED.unavailable],
    ['temporarily_unavailable', SIGN_IN_REFUSED.unavailable],
    ['invalid_scope', SIGN_IN_REFUSED.unavailable],
    ['made_up', SIGN_IN_REFUSED.unavailable],
  ] as const)('the provider says %s', async ([error, heading]) => {
    const visitor = createVisitor(service.baseUrl);
    const start = await visitor.get('/sign-in/cis2');
    const state = new URL(start.headers.get('location') ?? '').searchParams.get('state') ?? '';
    const search = new URLSearchParams({ error, state, iss: cis2.issuer });
    expect((await visitor.ask(`/sign-in/cis2/back?${search.toString()}`)).heading).toBe(heading);
  });

  test('the provider does not answer', async () => {
    const page = await createVisitor(service.baseUrl).ask('/sign-in/gone');
    expect([page.status, page.heading]).toEqual([503, SIGN_IN_REFUSED.unavailable]);
    expect(wordsOf(page)).toMatch(/Tried at [0-9]{2}:[0-9]{2}:[0-9]{2} on /);
  });
});

describe('the provider’s answer for another browser does not sign this one in', () => {
  test.for<[string, (back: URL, visitor: Visitor) => Promise<Visit>]>([
    [
      'brought to another browser',
      (back) => createVisitor(service.baseUrl).ask(`${back.pathname}${back.search}`),
    ],
    [
      'with another state',
      (back, visitor) => {
        back.searchParams.set('state', 'another');
        return visitor.ask(`${back.pathname}${back.search}`);
      },
    ],
    ['without anything', (back, visitor) => visitor.ask(back.pathname)],
    [
      'with a second state',
      (back, visitor) => {
        back.searchParams.append('state', 'another');
        return visitor.ask(`${back.pathname}${back.search}`);
      },
    ],
    [
      'with a second code',
      (back, visitor) => {
        back.searchParams.append('code', 'another');
        return visitor.ask(`${back.pathname}${back.search}`);
      },
    ],
    [
      'used a second time',
      async (back, visitor) => {
        await visitor.ask(`${back.pathname}${back.search}`);
        return visitor.ask(`${back.pathname}${back.search}`);
      },
    ],
    [
      'brought to another provider’s address',
      (back, visitor) => visitor.ask(`/sign-in/gone/back${back.search}`),
    ],
    [
      'with the code of another person’s sign-in',
      async (back, visitor) => {
        cis2.next(somebody());
        const start = await createVisitor(service.baseUrl).get('/sign-in/cis2');
        const other = await throughCis2(cis2, start);
        back.searchParams.set('code', other.searchParams.get('code') ?? '');
        return visitor.ask(`${back.pathname}${back.search}`);
      },
    ],
  ])('%s', async ([, bring]) => {
    const visitor = createVisitor(service.baseUrl);
    cis2.next(somebody());
    const back = await throughCis2(cis2, await visitor.get('/sign-in/cis2'));
    const page = await bring(back, visitor);
    expect([page.status, page.heading]).toEqual([400, SIGN_IN_REFUSED.notFinished]);
  });

  test('from another issuer', async () => {
    const visitor = createVisitor(service.baseUrl);
    cis2.next(somebody());
    const back = await throughCis2(cis2, await visitor.get('/sign-in/cis2'));
    back.searchParams.set('iss', 'https://evil.example');
    const page = await visitor.ask(`${back.pathname}${back.search}`);
    expect(page.status).toBe(503);
  });
});

test('if several tabs start to sign in at once, each finishes, and old attempts do not pile up', async () => {
  const visitor = createVisitor(service.baseUrl);
  const sub = somebody();
  cis2.next(sub);
  const starts = await Promise.all([1, 2, 3].map(() => visitor.get('/sign-in/cis2')));
  for (const start of starts) {
    const back = await throughCis2(cis2, start);
    const answer = await visitor.ask(`${back.pathname}${back.search}`);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/look-up']);
    expect((await visitor.get('/look-up')).status).toBe(200);
  }
  const idle = visitor.jar.size;
  for (let i = 0; i < 9; i++) await visitor.get('/sign-in/cis2');
  expect(visitor.jar.size).toBe(idle + 4);
});

describe('a provider is asked about no more than', () => {
  test('one code for each sign-in under way, however often a kept cookie brings another', async () => {
    const visitor = createVisitor(service.baseUrl);
    const start = await visitor.get('/sign-in/cis2');
    const state = new URL(start.headers.get('location') ?? '').searchParams.get('state') ?? '';
    const kept = new Map(visitor.jar);
    const before = cis2.tokensAsked;
    for (let i = 0; i < 4; i++) {
      for (const [name, value] of kept) visitor.jar.set(name, value);
      const search = new URLSearchParams({ code: `made-up-${i}`, state, iss: cis2.issuer });
      const page = await visitor.ask(`/sign-in/cis2/back?${search.toString()}`);
      expect(page.heading).toBe(SIGN_IN_REFUSED.notFinished);
    }
    expect(cis2.tokensAsked).toBe(before + 1);
  });

  test('a limited number of made-up codes, from one stranger or many, and others still sign in elsewhere', async () => {
    const begun = performance.now();
    const brought = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const visitor = createVisitor(service.baseUrl);
        const start = await visitor.get('/sign-in/strangers');
        const state = new URL(start.headers.get('location') ?? '').searchParams.get('state') ?? '';
        const search = new URLSearchParams({ code: 'made-up', state });
        return () => visitor.ask(`/sign-in/strangers/back?${search.toString()}`);
      }),
    );
    const made = await Promise.all(brought.map((bring) => bring()));
    const seconds = (performance.now() - begun) / 1_000;
    const of = (wanted: string) => made.filter(({ heading }) => heading === wanted);
    // These are the codes the provider was not asked about. On a slow machine there may be none.
    const busy = of(SIGN_IN_REFUSED.busy);
    for (const { status } of busy) expect(status).toBe(503);
    // On a busy machine the store or the provider may take too long over some, and it may or may not have been asked.
    const late = of(SIGN_IN_REFUSED.unavailable).length;
    expect(of(SIGN_IN_REFUSED.notFinished)).toHaveLength(100 - busy.length - late);
    expect(strangers.tokensAsked).toBeGreaterThanOrEqual(50 - late);
    expect(strangers.tokensAsked).toBeLessThanOrEqual(50 + 5 * seconds + late);
    expect(strangers.tokensAsked).toBeLessThanOrEqual(100 - busy.length);
    expect(strangers.tokensAsked).toBeGreaterThanOrEqual(100 - busy.length - late);
    const back = await signIn(createVisitor(service.baseUrl), somebody());
    expect(back.headers.get('location')).toBe('/look-up');
  });

  test('a limit that recovers, and that people signing in do not use up', () => {
    let seconds = 0;
    const tries = createTries({ atMost: 2, perSecond: 1, now: () => seconds * 1_000 });
    expect([tries.take(), tries.take(), tries.take()]).toEqual([true, true, false]);
    tries.giveBack();
    expect([tries.take(), tries.take()]).toEqual([true, false]);
    seconds = 1;
    expect([tries.take(), tries.take()]).toEqual([true, false]);
    seconds = 100;
    expect([tries.take(), tries.take(), tries.take()]).toEqual([true, true, false]);
  });
});

test('one of several roles is chosen, once for this browser', async () => {
  const visitor = createVisitor(service.baseUrl);
  const roles = [{ id: '1' }, { id: '2', organisation: 'ZZP01', activities: ['B0170'] }];
  // This provider does not say which role was chosen.
  const page = await signIn(visitor, somebody(), { roles, selectedRole: undefined });
  expect(page.heading).toBe(SIGN_IN.chooseRole);
  const offered = [...page.text.matchAll(/name="role" type="radio" value="([^"]+)"/g)];
  const fields = { ...hiddenOf(page, '/role'), role: offered[1]?.[1] ?? '' };
  const thief = createVisitor(service.baseUrl);
  expect((await thief.post('/role', fields)).heading).toBe(SIGN_IN_REFUSED.notFinished);
  expect(thief.jar.has('cp-flags-session')).toBe(false);
  const visit = new Map(visitor.jar);
  expect((await visitor.post('/role', fields)).headers.get('location')).toBe('/look-up');
  expect(wordsOf(await visitor.get('/look-up'))).toContain(LOOK_UP.recorded);
  for (const [name, value] of visit) thief.jar.set(name, value);
  expect((await thief.post('/role', fields)).heading).toBe(SIGN_IN_REFUSED.notFinished);
});

describe('a double click leads into one session if it sends twice', () => {
  type Choosing = (visitor: Visitor) => Promise<[address: string, fields: Record<string, string>]>;
  const choices: [string, Choosing][] = [
    [
      'a choice of a role',
      async (visitor) => {
        const roles = [{ id: '1' }, { id: '2' }];
        const page = await signIn(visitor, somebody(), { roles, selectedRole: undefined });
        const [, role = ''] = /name="role" type="radio" value="([^"]+)"/.exec(page.text) ?? [];
        return ['/role', { ...hiddenOf(page, '/role'), role }];
      },
    ],
    [
      'a choice of a made-up person',
      async (visitor) => {
        const fields = await visitor.form('/sign-in');
        return ['/sign-in', { ...fields, person: 'emergencyDepartment' }];
      },
    ],
  ];
  const twice: [string, (visitor: Visitor, send: () => Promise<Visit>) => Promise<Visit[]>][] = [
    ['at the same moment', (_, send) => Promise.all([send(), send()])],
    [
      'before the first answer arrives, which is lost',
      async (visitor, send) => {
        const kept = new Map(visitor.jar);
        const first = await send();
        visitor.jar.clear();
        for (const [name, value] of kept) visitor.jar.set(name, value);
        return [first, await send()];
      },
    ],
    ['after the first answer', async (_, send) => [await send(), await send()]],
  ];
  const sessionsIn = ({ headers }: Visit): string[] =>
    headers.getSetCookie().filter((cookie) => cookie.startsWith('cp-flags-session='));

  test.for(
    choices.flatMap(([what, choose]) =>
      twice.map(([when, sendTwice]) => ({ what, when, choose, sendTwice })),
    ),
  )('$what, $when', async ({ choose, sendTwice }) => {
    const visitor = createVisitor(service.baseUrl);
    const [address, fields] = await choose(visitor);
    const answers = await sendTwice(visitor, () => visitor.post(address, fields));
    for (const { status, headers } of answers) {
      expect([status, headers.get('location')]).toEqual([303, '/look-up']);
    }
    expect((await visitor.get('/look-up')).status).toBe(200);
    expect(new Set(answers.flatMap(sessionsIn)).size).toBe(1);
  });

  test('an answer from the provider, while the provider is still being asked who that is', async () => {
    const visitor = createVisitor(service.baseUrl);
    cis2.next(somebody());
    const { pathname, search } = await throughCis2(cis2, await visitor.get('/sign-in/cis2'));
    const before = cis2.tokensAsked;
    let second: Promise<Visit> | undefined;
    cis2.beforeClaims(async () => {
      second = visitor.ask(`${pathname}${search}`);
      // The second request is either answered at once, or waits for the first.
      await Promise.race([second, delay(300)]);
    });
    const answers = [await visitor.ask(`${pathname}${search}`), await second];
    for (const answer of answers) {
      expect([answer?.status, answer?.headers.get('location')]).toEqual([303, '/look-up']);
    }
    expect(new Set(answers.flatMap((answer) => (answer ? sessionsIn(answer) : []))).size).toBe(1);
    expect(cis2.tokensAsked).toBe(before + 1);
  });

  test('a choice of a role, but not a different role at the same moment', async () => {
    const visitor = createVisitor(service.baseUrl);
    const roles = [{ id: '1' }, { id: '2' }];
    const page = await signIn(visitor, somebody(), { roles, selectedRole: undefined });
    const [one, other] = [...page.text.matchAll(/name="role" type="radio" value="([^"]+)"/g)];
    const fields = hiddenOf(page, '/role');
    const kept = new Map(visitor.jar);
    expect((await visitor.post('/role', { ...fields, role: one?.[1] ?? '' })).status).toBe(303);
    for (const [name, value] of kept) visitor.jar.set(name, value);
    const second = await visitor.post('/role', { ...fields, role: other?.[1] ?? '' });
    expect([second.heading, sessionsIn(second)]).toEqual([SIGN_IN_REFUSED.notFinished, []]);
  });

  test.for(choices)('%s, and not in a browser with another session', async ([, choose]) => {
    const [visitor, other] = [createVisitor(service.baseUrl), createVisitor(service.baseUrl)];
    const [address, fields] = await choose(visitor);
    await signIn(other, somebody());
    expect((await visitor.post(address, fields)).status).toBe(303);
    expect(sessionsIn(await other.post(address, fields))).toEqual([]);
  });
});

test('a role must be chosen within five minutes, even if the clock was put back meanwhile', async () => {
  const sealer = await openSealer(join(dataDir, 'session-keys'), false, {
    everyMs: 60_000,
    onProblem: () => undefined,
  });
  const chosen = async (offeredAfterMinutes: number): Promise<Visit> => {
    const visitor = createVisitor(service.baseUrl);
    const roles = [{ id: '1' }, { id: '2' }];
    const page = await signIn(visitor, somebody(), { roles, selectedRole: undefined });
    const [, sealed = ''] = /name="role" type="radio" value="([^"]+)"/.exec(page.text) ?? [];
    const choice = sealer.open('role', sealed) as { at: number };
    const at = choice.at + offeredAfterMinutes * 60_000;
    const fields = { ...hiddenOf(page, '/role'), role: sealer.seal('role', { ...choice, at }) };
    return visitor.post('/role', fields);
  };
  for (const minutes of [-4, 0]) expect((await chosen(minutes)).status).toBe(303);
  for (const minutes of [-6, 2]) {
    expect((await chosen(minutes)).heading).toBe(SIGN_IN_REFUSED.notFinished);
  }
  sealer.stop();
});

test('a role is not accepted once the provider has ended its session', async () => {
  const visitor = createVisitor(service.baseUrl);
  const sub = somebody();
  const roles = [{ id: '1' }, { id: '2', organisation: 'ZZP01', activities: ['B0170'] }];
  const page = await signIn(visitor, sub, { roles, selectedRole: undefined });
  const [, role = ''] = /name="role" type="radio" value="([^"]+)"/.exec(page.text) ?? [];
  const logout = { logout_token: await cis2.logoutToken({ sub }) };
  const ended = await createVisitor(service.baseUrl).post('/sign-in/cis2/logged-out', logout);
  expect(ended.status).toBe(200);
  // Once a session of theirs can begin, the clock that dates sessions is past the ending.
  const elsewhere = createVisitor(service.baseUrl);
  await until(async () => {
    await signIn(elsewhere, sub);
    return (await elsewhere.get('/look-up')).status === 200;
  }, 'a session that begins after the ending');
  const taken = await visitor.post('/role', { ...hiddenOf(page, '/role'), role });
  expect(taken.heading).toBe(SIGN_IN_REFUSED.notFinished);
  expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
});

describe('a session', () => {
  test('gets an id that nobody knew before, whatever cookie was planted', async () => {
    const attacker = createVisitor(service.baseUrl);
    await signIn(attacker, somebody());
    const planted = attacker.jar.get('cp-flags-session') ?? '';
    const victim = createVisitor(service.baseUrl);
    victim.jar.set('cp-flags-session', planted);
    const sub = somebody();
    await signIn(victim, sub);
    expect(victim.jar.get('cp-flags-session')).not.toBe(planted);
    expect(wordsOf(await attacker.get('/look-up'))).not.toContain(sub);
  });

  test('is over everywhere once its user signs out, and its cookie opens nothing', async () => {
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, somebody());
    const kept = visitor.jar.get('cp-flags-session') ?? '';
    const page = await visitor.get('/look-up');
    const out = await visitor.post('/sign-out', hiddenOf(page, '/sign-out'));
    expect(out.heading).toBe(SIGN_IN.signedOut);
    const thief = createVisitor(service.baseUrl);
    thief.jar.set('cp-flags-session', kept);
    expect((await thief.get('/look-up')).headers.get('location')).toBe('/sign-in');
    const late = await thief.post('/look-up', { ...hiddenOf(page, '/look-up'), number: PLAN });
    expect([late.status, late.heading]).toEqual([401, NOT_CHECKED.over]);
  });

  test('is over once somebody signs in again in its browser, and a late answer does not bring it back', async () => {
    const visitor = createVisitor(service.baseUrl);
    const sub = somebody();
    await signIn(visitor, sub);
    const former = visitor.jar.get('cp-flags-session') ?? '';
    await signIn(visitor, sub, { roles: [{ id: '2', activities: ['B0170'] }] });
    expect(wordsOf(await visitor.get('/look-up'))).toContain(LOOK_UP.recorded);
    const late = createVisitor(service.baseUrl);
    late.jar.set('cp-flags-session', former);
    expect((await late.get('/look-up')).headers.get('location')).toBe('/sign-in');
    expect((await visitor.get('/look-up')).status).toBe(200);
  });

  test('does not exist if its cookie is changed, cut short or made up', async () => {
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, somebody());
    const good = visitor.jar.get('cp-flags-session') ?? '';
    const visit = visitor.jar.get('cp-flags-visit') ?? '';
    const flipped = `${good.slice(0, 40)}${good[40] === 'A' ? 'B' : 'A'}${good.slice(41)}`;
    for (const bad of [flipped, good.slice(0, -4), `${good}AAAA`, visit, '', 'x', 'e30']) {
      visitor.jar.set('cp-flags-session', bad);
      expect((await visitor.get('/look-up')).status).toBe(303);
    }
    visitor.jar.set('cp-flags-session', good);
    expect((await visitor.get('/look-up')).status).toBe(200);
  });
});

describe('a form', () => {
  test.for<[string, Record<string, string>]>([
    ['sent from another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['sent from a frame of another site', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    ['whose headers contradict each other', { origin: '', 'sec-fetch-site': 'cross-site' }],
    ['sent from a neighbouring site', { origin: 'null', 'sec-fetch-site': 'same-site' }],
  ])('%s makes no look and ends no session', async ([, headers]) => {
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, somebody());
    const page = await visitor.get('/look-up');
    const fields = { ...hiddenOf(page, '/look-up'), number: PLAN };
    if (headers['origin'] === '') headers['origin'] = service.baseUrl;
    const looked = await visitor.post('/look-up', fields, headers);
    expect([looked.status, looked.heading]).toEqual([403, NOT_CHECKED.untrusted]);
    const out = await visitor.post('/sign-out', hiddenOf(page, '/sign-out'), headers);
    expect(out.status).toBe(403);
    expect((await visitor.get('/look-up')).status).toBe(200);
    // A browser sends it from another site without the cookies.
    const without = createVisitor(service.baseUrl);
    for (const path of ['/look-up', '/list', '/look-up/attendance', '/sign-out', '/sign-in']) {
      const refused = await without.post(path, fields, headers);
      expect([path, refused.status, refused.headers.getSetCookie()]).toEqual([path, 403, []]);
    }
  });

  test('without a session never removes a cookie, whatever origin the browser gives', async () => {
    const stranger = createVisitor(service.baseUrl);
    for (const path of ['/look-up', '/list', '/look-up/attendance', '/sign-out']) {
      const answer = await stranger.post(path, { token: 'x' });
      expect([path, answer.headers.getSetCookie()]).toEqual([path, []]);
    }
  });

  test('to sign in signs nobody in if it has a repeated field', async () => {
    const visitor = createVisitor(service.baseUrl);
    const fields = Object.entries({
      ...(await visitor.form('/sign-in')),
      person: 'emergencyDepartment',
    });
    for (const field of fields) {
      const answer = await visitor.post('/sign-in', [...fields, field]);
      expect([answer.status, answer.heading]).toEqual([400, NOT_CHECKED.repeated]);
    }
    expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
  });

  test('with no token, somebody else’s, or one for another form makes no look', async () => {
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, somebody());
    const other = createVisitor(service.baseUrl);
    await signIn(other, somebody());
    const page = await visitor.get('/look-up');
    const own = hiddenOf(page, '/look-up');
    const foreign = await other.form('/look-up');
    for (const fields of [
      { form: own.form },
      { form: own.form, token: '' },
      foreign,
      { ...own, form: foreign.form },
      { ...own, token: hiddenOf(page, '/sign-out').token },
    ]) {
      const looked = await visitor.post('/look-up', { ...fields, number: PLAN });
      expect([looked.status, looked.heading]).toEqual([403, NOT_CHECKED.stale]);
    }
    await until(async () => {
      const refusals = (await service.events()).filter(
        (event) => event.type === 'refusal' && event.code === 'form-untrusted',
      );
      return refusals.length >= 5;
    }, 'the refusals');
  });
});

test('a HEAD of the return address leaves the sign-in to the browser', async () => {
  const visitor = createVisitor(service.baseUrl);
  cis2.next(somebody());
  const { pathname, search } = await throughCis2(cis2, await visitor.get('/sign-in/cis2'));
  const ahead = await fetch(`${service.baseUrl}${pathname}${search}`, {
    method: 'HEAD',
    redirect: 'manual',
    headers: { cookie: [...visitor.jar].map(([key, value]) => `${key}=${value}`).join('; ') },
  });
  expect([ahead.status, ahead.headers.get('allow')]).toEqual([405, 'GET']);
  expect((await visitor.ask(`${pathname}${search}`)).status).toBe(303);
  expect((await visitor.get('/look-up')).status).toBe(200);
});

describe('a provider ends sessions', () => {
  const sendOnce = (token: string): Promise<Visit> =>
    createVisitor(service.baseUrl).post(
      '/sign-in/cis2/logged-out',
      { logout_token: token },
      { origin: cis2.issuer, 'sec-fetch-site': 'cross-site' },
    );
  const send = (token: string): Promise<Visit> => untilAnswered(() => sendOnce(token));

  test('of a person, and not their later ones by the same token', async () => {
    const sub = somebody();
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, sub);
    const token = await cis2.logoutToken({ sub });
    expect((await send(token)).status).toBe(200);
    expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
    // A sign-in within milliseconds of the ending may still count as earlier, since clocks are never read ahead.
    await until(async () => {
      await signIn(visitor, sub);
      return (await visitor.get('/look-up')).status === 200;
    }, 'a session that begins after the ending');
    expect((await send(token)).status).toBe(400);
    expect((await visitor.get('/look-up')).status).toBe(200);
  });

  test('of a person it is still being asked about, who is then not signed in', async () => {
    const visitor = createVisitor(service.baseUrl);
    // The service waits a few seconds for the provider, and on a slow machine that may be too short.
    const answer = await untilAnswered(async () => {
      const sub = somebody();
      cis2.next(sub);
      const { pathname, search } = await throughCis2(cis2, await visitor.get('/sign-in/cis2'));
      cis2.beforeClaims(async () => {
        expect((await send(await cis2.logoutToken({ sub }))).status).toBe(200);
        // Waits until a session that begins now counts as later than the ending.
        const later = createVisitor(service.baseUrl);
        await until(async () => {
          await signIn(later, sub);
          return (await later.get('/look-up')).status === 200;
        }, 'a session that begins after the ending');
      });
      return visitor.ask(`${pathname}${search}`);
    });
    expect([answer.status, answer.heading]).toEqual([400, SIGN_IN_REFUSED.notFinished]);
    expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
  });

  test('of each person it names, even by a token id already used for another person', async () => {
    const jti = 'not-so-unique';
    for (const sub of [somebody(), somebody()]) {
      const visitor = createVisitor(service.baseUrl);
      await signIn(visitor, sub);
      const token = await cis2.logoutToken({ sub, jti });
      expect((await send(token)).status).toBe(200);
      expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
      expect((await send(token)).status).toBe(400);
    }
  });

  test('not by a token that is sent a second time', async () => {
    const sub = somebody();
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, sub);
    const token = await cis2.logoutToken({ sub });
    const sent = await visitor.post('/sign-in/cis2/logged-out', [
      ['logout_token', token],
      ['logout_token', token],
    ]);
    expect(sent.status).toBe(400);
    expect((await visitor.get('/look-up')).status).toBe(200);
  });

  test('of a person for whom it never named its own session, by a token that does name one', async () => {
    const sub = somebody();
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, sub);
    expect((await send(await cis2.logoutToken({ sub, sid: 'unheard-of' }))).status).toBe(200);
    expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
  });

  test('by a token that is sent again because it could not be recorded', async () => {
    const sub = somebody();
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, sub);
    const token = await cis2.logoutToken({ sub });
    await service.admin.del(keys.ended);
    await service.admin.set(keys.ended, 'damaged');
    expect((await sendOnce(token)).status).toBe(503);
    await service.admin.del(keys.ended);
    expect((await send(token)).status).toBe(200);
    expect((await visitor.get('/look-up')).headers.get('location')).toBe('/sign-in');
  });

  test.for<[string, Record<string, unknown>, string?]>([
    ['of another issuer', { iss: 'https://evil.example' }],
    ['for another client', { aud: 'another' }],
    ['from long ago', { iat: Math.floor(Date.now() / 1_000) - 600 }],
    ['without an event', { events: {} }],
    ['that is an ID token', { nonce: 'x' }],
    ['about nobody', { sub: undefined }],
    ['without an id, which could be used twice', { jti: undefined }],
  ])('not by a token %s', async ([, differing]) => {
    const sub = somebody();
    const visitor = createVisitor(service.baseUrl);
    await signIn(visitor, sub);
    expect((await send(await cis2.logoutToken({ sub, ...differing }))).status).toBe(400);
    expect((await visitor.get('/look-up')).status).toBe(200);
  });
});

test('a sign-out by a provider whose keys cannot be fetched is answered with a request to send it again', async () => {
  const sent = await createVisitor(service.baseUrl).post(
    '/sign-in/gone/logged-out',
    { logout_token: await cis2.logoutToken({ sub: somebody() }) },
    { 'sec-fetch-site': 'cross-site' },
  );
  expect([sent.status, sent.text]).toEqual([503, '{"error":"temporarily_unavailable"}']);
});

test('none of our addresses redirects to another site', async () => {
  const visitor = createVisitor(service.baseUrl);
  for (const path of [
    '/sign-in?next=https://evil.example',
    '/sign-in/cis2?redirect_uri=https://evil.example&role=change&next=//evil.example',
    '//evil.example/sign-in',
    '/look-up?url=https://evil.example',
  ]) {
    const { headers } = await visitor.ask(
      path.startsWith('//') ? `${service.baseUrl}${path}` : path,
    );
    const to = headers.get('location');
    const url = new URL(to ?? '/', service.baseUrl);
    expect([service.baseUrl, cis2.issuer]).toContain(url.origin);
    // Whole, since the address has a random state, nonce and challenge.
    expect(url.href).not.toContain('evil.example');
  }
});

test('the operator is told once about a provider that does not answer, and lookups continue', async () => {
  const check = async () => {
    const response = await fetch(`${service.baseUrl}/_status`);
    const { checks } = (await response.json()) as {
      checks: Record<string, { status: string; outcome: string }[]>;
    };
    return { http: response.status, ...checks['pages:sign-in']?.[0] };
  };
  // The warning does not make the service unready.
  await until(async () => {
    const { http, status, outcome } = await check();
    const isNamed = outcome?.includes('Gone Identity does not say how to sign in with it') === true;
    return http === 200 && status === 'warn' && isNamed;
  }, 'the warning');
  expect((await service.answered({ nhsNumber: PLAN })).status).toBe(200);
  expect(service.lines.filter((line) => line.includes('Gone Identity'))).toHaveLength(1);
});

test('a demo offers its made-up people as well as its providers', async () => {
  const page = await createVisitor(service.baseUrl).get('/sign-in');
  expect(wordsOf(page)).toContain('Sign in with NHS Care Identity');
  expect(wordsOf(page)).toContain('Amina Demo');
});
