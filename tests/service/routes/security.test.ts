import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemSchema } from '#schemas/errors.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { COULD_NOT_CHECK } from '#schemas/wording/lookup.ts';
import { describedPath, openApi } from '#service/description/openapi.ts';
import { DESK_PAGES } from '#service/pages/desk-pages.ts';
import { PAGES } from '#service/pages/pages.ts';
import { OPERATIONS } from '#service/routes/routes.ts';
import { writeNotice } from '#service/uploads/notices.ts';
import { officer } from '../../support/authority.ts';
import { NHS_NUMBER } from '../../support/fhir.ts';
import { type RawRequest, type RawResponse, rawRequest } from '../../support/raw-http.ts';
import { testNumber } from '../../support/rows.ts';
import {
  claims,
  role,
  startTestService,
  type TestService,
  testFolder,
  until,
} from '../../support/service.ts';
import { type TokenAttack, tokenAttacks } from '../../support/token-attacks.ts';
import { untilAnswered } from '../../support/until.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

/**
 * What every route must pass. The routes are those of the running service. A route missing from the table fails the
 * suite, so none can be added without saying whom it lets in.
 */

const CHILD = testNumber(4_001);
const SEQUENCE = 7;
const ISSUER = 'https://identity.example';
const OTHER_ISSUER = 'https://other.example';
const AUDIENCE = 'flags';

/** The people who try every route. */
const PEOPLE = {
  nurse: claims(),
  practitioner: claims({ sub: 'gp-1', activities: ['B0170'], organisation: 'ZZP01' }),
  officer: officer('ZZ101'),
  otherOfficer: officer('ZZ102', { sub: 'officer-2' }),
  /** From an authority that has sent nothing and is not known here. */
  strangeOfficer: officer('ZZ999', { sub: 'officer-3' }),
  auditor: claims({ sub: 'auditor-1', activities: [], scope: 'audit' }),
  operator: claims({ sub: 'operator-1', activities: [], scope: 'operate' }),
  teacher: claims({ sub: 'teacher-1', activities: ['B0107', 'B0170'], organisation: 'ZZS01' }),
  porter: claims({ sub: 'porter-1', activities: ['B0108', 'b0107', 'B01070'], scope: 'uploads' }),
  undecided: claims({ sub: 'two-roles', roles: [role('a', ['B0107']), role('b', ['B0170'])] }),
};
type Person = keyof typeof PEOPLE;

type Entry = {
  /** An existing address, for a route whose path has parameters. */
  path?: string;
  body?: { type: string; text: string };
  /** Whose token is let in, and with which status. Everybody else gets 403. */
  people: Partial<Record<Person, number>> | 'anybody without a token';
  /** Whether its refusals are OperationOutcomes. */
  fhir?: boolean;
  /** Whether a clinician waits for the answer, so that each refusal must say that nothing was checked. */
  lookup?: boolean;
};

const json = (value: unknown) => ({ type: 'application/json', text: JSON.stringify(value) });
const byNumber = new URLSearchParams({
  'patient:identifier': `${NHS_NUMBER}|${CHILD}`,
}).toString();
const form = { type: 'application/x-www-form-urlencoded', text: byNumber };
const everyLookup: Entry['people'] = { nurse: 200, practitioner: 200 };
const searches = (type: string, people: Entry['people']): Record<string, Entry> => ({
  [`GET /FHIR/R4/${type}`]: {
    path: `/FHIR/R4/${type}?${byNumber}`,
    people,
    fhir: true,
    lookup: true,
  },
  [`POST /FHIR/R4/${type}/_search`]: { body: form, people, fhir: true, lookup: true },
});
const open = (more: Partial<Entry> = {}): Entry => ({
  people: 'anybody without a token',
  ...more,
});

const ROUTES: Record<string, Entry> = {
  'POST /lookup': { body: json({ nhsNumber: CHILD }), people: everyLookup, lookup: true },
  'POST /lookup/batch': {
    body: json({ items: [{ nhsNumber: CHILD }] }),
    people: { practitioner: 200 },
    lookup: true,
  },
  // Nobody here has looked up this number.
  'POST /lookup/:auditId/attendance': {
    path: `/lookup/${randomUUID()}/attendance`,
    body: json({ nhsNumber: testNumber(4_009), attended: 'seen' }),
    people: { nurse: 404, practitioner: 404 },
  },
  ...searches('CareTeam', everyLookup),
  ...searches('Flag', everyLookup),
  ...searches('PatientFlag', everyLookup),
  ...searches('AuditEvent', { nurse: 200 }),
  'POST /uploads': {
    body: {
      type: 'application/xml',
      text: fileXml(upload({ authority: 'ZZ101', sequence: SEQUENCE, records: [planOf(4_002)] })),
    },
    people: { officer: 200, otherOfficer: 200, strangeOfficer: 200 },
  },
  'GET /uploads/:sequence': {
    path: `/uploads/${SEQUENCE}`,
    people: { officer: 200, otherOfficer: 404, strangeOfficer: 404 },
  },
  'GET /uploads/:sequence/notice': {
    path: `/uploads/${SEQUENCE}/notice`,
    people: { officer: 200, otherOfficer: 404, strangeOfficer: 404 },
  },
  'GET /holdings': { people: { officer: 200, otherOfficer: 200, strangeOfficer: 404 } },
  'POST /reconcile': {
    body: {
      type: 'application/xml',
      text: fileXml(upload({ authority: 'ZZ101', records: [planOf(4_002)] })),
    },
    people: { officer: 200, otherOfficer: 200, strangeOfficer: 404 },
  },
  'GET /notifications': { people: { officer: 200, otherOfficer: 200, strangeOfficer: 200 } },
  'POST /audit/search': { body: json({ reason: 'review' }), people: { auditor: 200 } },
  'GET /openapi.json': open(),
  'GET /docs': open(),
  'GET /docs/integrating.md': open(),
  'GET /docs/lookup-examples.md': open(),
  'GET /_ping': open(),
  'GET /_status': open(),
  'GET /problems/:code': open({ path: '/problems/not-found' }),
  'GET /FHIR/R4/metadata': open({ fhir: true }),
  'GET /FHIR/R4/SearchParameter/flag-code': open({ fhir: true }),
  'GET /FHIR/R4/CodeSystem/error-code': open({ fhir: true }),
  'GET /FHIR/R4/CodeSystem/audit-event': open({ fhir: true }),
};

type Route = Entry & { name: string; method: string; path: string };
const routes: Route[] = Object.entries(ROUTES).map(([name, entry]) => {
  const [method = '', path = ''] = name.split(' ');
  return { path, ...entry, name, method };
});
const guarded = routes.filter(({ people }) => people !== 'anybody without a token');
const openRoutes = routes.filter(({ people }) => people === 'anybody without a token');
const posts = routes.filter(({ method }) => method === 'POST');
const named = (list: readonly Route[]) => list.map((route) => [route.name, route] as const);

/** Somebody whom a route with a body lets in. An auditor is shown who looked at whom in their organisation. */
function senderOf({ lookup, people }: Route): Person {
  const isClinical = people !== 'anybody without a token' && people.practitioner !== undefined;
  if (lookup === true || isClinical) return 'practitioner';
  return people !== 'anybody without a token' && people.auditor !== undefined
    ? 'auditor'
    : 'officer';
}

let service: TestService;
let pair: Awaited<ReturnType<typeof generateKeyPair>>;
let otherPair: Awaited<ReturnType<typeof generateKeyPair>>;
const now = (): number => Math.floor(Date.now() / 1_000);

beforeAll(async () => {
  pair = await generateKeyPair('ES256', { extractable: true });
  otherPair = await generateKeyPair('ES256', { extractable: true });
  const jwks = async ({ publicKey }: typeof pair) =>
    JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'key-1' }] });
  const dataDir = await testFolder();
  await writeFile(join(dataDir, 'jwks.json'), await jwks(pair));
  await writeFile(join(dataDir, 'other-jwks.json'), await jwks(otherPair));
  const issuer = (name: string, jwksFile: string) => ({
    issuer: name,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    jwksFile,
  });
  await writeFile(
    join(dataDir, 'issuers.json'),
    JSON.stringify([issuer(ISSUER, 'jwks.json'), issuer(OTHER_ISSUER, 'other-jwks.json')]),
  );
  service = await startTestService({
    dataDir,
    environment: { ISSUERS_FILE: join(dataDir, 'issuers.json'), MAX_UPLOAD_MIB: '1' },
    authorities: [
      { code: 'ZZ101', name: 'Ours Council', rows: [{ nhsNumber: CHILD, localId: 'LOCAL-ZZ101' }] },
      { code: 'ZZ102', name: 'Theirs Council', rows: [{ nhsNumber: testNumber(4_003) }] },
    ],
  });
  await writeNotice(join(dataDir, 'notices'), {
    id: randomUUID(),
    createdAt: new Date().toISOString(),
    authority: { code: 'ZZ101', name: 'Ours Council' },
    sequence: SEQUENCE,
    numbers: [{ nhsNumber: CHILD, localId: 'LOCAL-ZZ101' }],
    omitted: 0,
  });
  const loaded = await ask(ROUTES['POST /uploads'] as Route, { as: 'officer', path: '/uploads' });
  expect(JSON.parse(loaded.body)).toMatchObject({ code: 'CPF02' });
  const notifications = { path: '/notifications', method: 'GET', people: {} };
  await until(
    async () => (await ask(notifications, { as: 'officer' })).status === 200,
    'the log from which authorities are told',
  );
});
afterAll(() => service?.stopAndRemove());

const tokenOf = new Map<Person, Promise<string>>();

/** One token for each person, used for all their requests as their system would. */
function token(person: Person): Promise<string> {
  const held = tokenOf.get(person) ?? newToken(person);
  tokenOf.set(person, held);
  return held;
}

const newToken = (person: Person): Promise<string> =>
  new SignJWT({ ...PEOPLE[person] })
    .setProtectedHeader({ alg: 'ES256', kid: 'key-1', typ: 'JWT' })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setExpirationTime(now() + 3_600)
    .sign(pair.privateKey);

type Sent = Partial<RawRequest> & {
  as?: Person;
  token?: string;
  /** Headers instead of those of a good request, or in addition to them. */
  more?: readonly (readonly [string, string])[];
};

/** A request that is correct except for the given parts. Its response is checked as every response is. */
async function ask(
  route: Entry & { name?: string; method?: string; path: string },
  sent: Sent = {},
) {
  const { method = route.method ?? 'POST', path = route.path, more = [], as } = sent;
  const bearer = sent.token ?? (as && (await token(as)));
  const replaced = new Set(more.map(([name]) => name.toLowerCase()));
  const headers = Object.entries({
    'X-Request-ID': randomUUID(),
    ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
    ...(route.body !== undefined && { 'Content-Type': route.body.type }),
    // Sent with every request, since the log has only the first of a kind in a minute.
    ...Object.fromEntries(UNREAD.map((name) => [name, `\u009b31m${MARK}\u0085`])),
  }).filter(([name]) => !replaced.has(name.toLowerCase()));
  // Nothing here makes the store unavailable, and on a busy machine it may be for a moment.
  const response = await untilAnswered(() =>
    rawRequest(service.baseUrl, {
      method,
      path,
      headers: [...headers, ...more],
      body: sent.body ?? route.body?.text ?? '',
    }),
  );
  expectSafe(response);
  // At another address or with another method, this route is not the one that answers.
  if (sent.path === undefined && sent.method === undefined && route.name !== undefined) {
    answered.add(`${route.name} ${response.status}`);
    if (response.status === 200) expectDescribed(route.name, response);
  }
  return response;
}

/** Which route has answered with which status, in the whole suite. */
const answered = new Set<string>();

/** An answer has only the members that its description names. */
function expectDescribed(name: string, { headers, body }: RawResponse): void {
  const operation = OPERATIONS.find(({ method, path }) => name === `${method} ${path}`);
  const type = headers.get('content-type')?.split(';')[0] ?? '';
  const described = operation?.answer.content[type];
  expect(described, `${name} ${type}`).toBeDefined();
  if (described?.schema === undefined || !type.endsWith('json')) return;
  const content: unknown = JSON.parse(body);
  expect(described.schema.parse(content)).toEqual(content);
}

/** Headers that no code here reads, and that a careless log would repeat. */
const UNREAD = ['User-Agent', 'Referer', 'Cookie', 'Traceparent', 'X-Forwarded-For', 'Via'];
const HEADERS = new Set([
  'allow',
  'cache-control',
  'connection',
  'content-length',
  'content-security-policy',
  'content-type',
  'date',
  'link',
  'retry-after',
  'transfer-encoding',
  'www-authenticate',
  'x-content-type-options',
  'x-correlation-id',
  'x-request-id',
]);
/** Part of everything that is sent, so that it can be searched for where it must not appear. */
const MARK = 'INJECTED';

/** Checks that apply to every response: known headers, nothing cached, nothing that could run, nothing repeated. */
function expectSafe({ headers, raw }: RawResponse): void {
  expect([...headers.keys()].filter((name) => !HEADERS.has(name))).toEqual([]);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  expect(raw.toUpperCase()).not.toContain(MARK);
}

/** The status and code of a refusal, which must be complete and in the format of its route. */
function refusal({ fhir, lookup }: Entry, { status, headers, body }: RawResponse): string {
  const content: unknown = JSON.parse(body);
  if (headers.get('content-type') === 'application/fhir+json') {
    expect(fhir).toBe(true);
    expect(content).toMatchObject({
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'error', details: { text: COULD_NOT_CHECK } }],
    });
    return `${status} ${
      (content as { issue: { details: { coding: { code: string }[] } }[] }).issue[0]?.details
        .coding[1]?.code
    }`;
  }
  expect(headers.get('content-type')).toBe('application/problem+json');
  const problem = problemSchema.parse(content);
  expect(problem.status).toBe(status);
  if (lookup === true) expect(problem).toMatchObject({ checked: false, advice: [COULD_NOT_CHECK] });
  return `${status} ${problem.code}`;
}

/** Details of a child and an authority, which only those who are let in may see. */
const SECRETS = [CHILD, 'LOCAL-ZZ101', 'Ours Council', '02079460199'];
function expectNoSecret({ raw }: RawResponse): void {
  expect(SECRETS.filter((secret) => raw.includes(secret))).toEqual([]);
}

test('every route of the service is in the table, and the rest are only pages for browsers', () => {
  const served = service.routes.map(({ method, path }) => `${method} ${path}`);
  // A load balancer asks with these, and they give the answers of two routes that are open to anybody.
  const options = ['OPTIONS /', 'OPTIONS /_ping', 'OPTIONS /_status'];
  const pages = [...PAGES, ...DESK_PAGES].map(
    ({ operation: { method, path } }) => `${method} ${path}`,
  );
  expect(served.toSorted()).toEqual(
    [...routes.map(({ name }) => name), ...options, ...pages].toSorted(),
  );
});

test('every route is in the API description, with who may use it', () => {
  const described = new Map(
    OPERATIONS.map(({ method, path, letsIn }) => [`${method} ${path}`, letsIn]),
  );
  expect([...described.keys()].toSorted()).toEqual(routes.map(({ name }) => name).toSorted());
  for (const { name, people } of routes) {
    expect(described.get(name) === 'anybody').toBe(people === 'anybody without a token');
  }
});

describe('without a token', () => {
  test.for(named(guarded))('%s is 401 and says how to ask', async ([, route]) => {
    for (const more of [[], [['Authorization', 'Basic bnVyc2U6cGFzcw==']]] as const) {
      const response = await ask(route, { more });
      expect(refusal(route, response)).toBe('401 token-required');
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expectNoSecret(response);
    }
  });

  test.for(named(guarded))(
    '%s accepts one only from the Authorization header',
    async ([, route]) => {
      const bearer = await token('nurse');
      const mark = route.path.includes('?') ? '&' : '?';
      const response = await ask(route, {
        path: `${route.path}${mark}access_token=${bearer}`,
        more: [
          ['Cookie', `access_token=${bearer}`],
          ['Proxy-Authorization', `Bearer ${bearer}`],
          ['X-Forwarded-Authorization', `Bearer ${bearer}`],
        ],
      });
      expect(refusal(route, response)).toBe('401 token-required');
    },
  );

  test.for(named(openRoutes))('%s answers, and shows nothing about a child', async ([, route]) => {
    const response = await ask(route);
    expect(response.status).toBe(200);
    expectNoSecret(response);
  });
});

describe('with a good token', () => {
  test.for(named(guarded))('%s is open only to those it is for', async ([, route]) => {
    const outcomes: Partial<Record<Person, number>> = {};
    const expected: Partial<Record<Person, number>> = {};
    for (const person of Object.keys(PEOPLE) as Person[]) {
      const response = await ask(route, { as: person });
      outcomes[person] = response.status;
      expected[person] = (route.people as Partial<Record<Person, number>>)[person] ?? 403;
      if (response.status !== 200) refusal(route, response);
      const own = route.lookup === true ? ['nurse', 'practitioner'] : [senderOf(route)];
      if (!own.includes(person)) expectNoSecret(response);
    }
    expect(outcomes).toEqual(expected);
  });

  test('nobody can load a file for another authority', async () => {
    const held = async () => (await ask(holdings, { as: 'officer' })).body;
    const holdings = routes.find(({ name }) => name === 'GET /holdings') as Route;
    const before = await held();
    for (const as of ['otherOfficer', 'strangeOfficer'] as const) {
      const response = await ask(ROUTES['POST /uploads'] as Route, { as, path: '/uploads' });
      expect(acknowledgementSchema.parse(JSON.parse(response.body))).toMatchObject({
        code: 'CPF01',
        counts: { accepted: 0 },
      });
    }
    expect(await held()).toBe(before);
  });

  test.for(named(guarded))('%s is not opened by a role that the token lacks', async ([, route]) => {
    for (const as of Object.keys(PEOPLE) as Person[]) {
      const response = await ask(route, { as, more: [['NHSD-Session-URID', 'role-9']] });
      expect(refusal(route, response)).toBe('403 role-not-held');
      expectNoSecret(response);
    }
  });

  test.for(named(routes))('%s is reached only by its own address', async ([, route]) => {
    for (const path of [`/x/%2e%2e${route.path}`, `/x/..${route.path}`, `/${route.path}`]) {
      for (const origin of ['', service.baseUrl]) {
        const response = await ask(route, { as: senderOf(route), path: origin + path });
        expect(refusal({ ...route, fhir: false }, response)).toBe('400 address-not-plain');
      }
    }
    const elsewhere = await ask(route, {
      as: senderOf(route),
      path: `http://other.example${route.path}`,
    });
    expect(refusal({ ...route, fhir: false }, elsewhere)).toBe('400 address-not-plain');
  });

  test.for(named(guarded))('%s accepts no once-only header twice', async ([, route]) => {
    const as = senderOf(route);
    const bearer = `Bearer ${await token(as)}`;
    const id = randomUUID();
    for (const [name, first, second] of [
      ['Authorization', bearer, bearer],
      ['Authorization', bearer, 'Bearer x'],
      ['authorization', 'Bearer x', bearer],
      ['Content-Type', route.body?.type ?? 'text/plain', route.body?.type ?? 'text/plain'],
      ['Content-Type', route.body?.type ?? 'text/plain', 'text/html'],
      ['Content-Encoding', 'identity', 'gzip'],
      ['X-Request-ID', id, id],
      ['X-Correlation-ID', id, id],
      ['NHSD-Session-URID', 'role-1', 'role-1'],
      ['IsUnscheduledAccessEvent', 'true', 'false'],
      ['X-Upload-Sequence', '1', '2'],
    ] as const) {
      const more = [
        [name, first],
        // More headers than Node keeps by default.
        ...Array.from({ length: 1_100 }, () => ['V', ''] as const),
        [name.toUpperCase(), second],
      ] as const;
      const tokens = name.toLowerCase() === 'authorization' ? {} : { as };
      const response = await ask(route, { ...tokens, more });
      expect(`${name} ${refusal(route, response)}`).toBe(`${name} 400 header-repeated`);
      expectNoSecret(response);
    }
  });

  test.for(named(routes))('%s refuses a request with two hosts', async ([, route]) => {
    const as = senderOf(route);
    for (const host of ['localhost', 'other.example']) {
      const response = await ask(route, {
        as,
        more: [
          ['Host', 'localhost'],
          ['HOST', host],
        ],
      });
      expect(response.status).toBe(400);
      expectNoSecret(response);
    }
  });

  test('a repeated header is recorded with the caller, or without one if it was the token', async () => {
    const route = ROUTES['POST /lookup'] as Route;
    const id = randomUUID();
    const twice = [
      ['Content-Type', 'application/json'],
      ['Content-Type', 'application/json'],
      ['X-Request-ID', id],
    ] as const;
    await ask(route, { as: 'nurse', path: '/lookup', method: 'POST', more: twice });
    const refused = async () =>
      (await service.events()).filter(
        (event) => event.type === 'refusal' && event.code === 'header-repeated',
      );
    await until(
      async () => (await refused()).some((event) => 'requestId' in event && event.requestId === id),
      'the refusal',
    );
    const bearer = `Bearer ${await token('nurse')}`;
    const before = (await refused()).length;
    await ask(route, {
      path: '/lookup',
      method: 'POST',
      more: [
        ['Authorization', bearer],
        ['Authorization', bearer],
      ],
    });
    const other = randomUUID();
    await ask(route, {
      as: 'nurse',
      path: '/lookup',
      method: 'POST',
      more: [...twice.slice(0, 2), ['X-Request-ID', other]],
    });
    await until(
      async () =>
        (await refused()).some((event) => 'requestId' in event && event.requestId === other),
      'the next refusal',
    );
    expect((await refused()).length).toBe(before + 1);
  });

  test.for(named(guarded))(
    '%s is not opened by headers that only a proxy sets',
    async ([, route]) => {
      const response = await ask(route, {
        as: 'porter',
        more: [
          ['X-Forwarded-For', '127.0.0.1'],
          ['X-Forwarded-User', 'nurse-1'],
          ['X-Original-URL', '/_ping'],
          ['X-Rewrite-URL', '/_ping'],
          ['X-HTTP-Method-Override', 'GET'],
          ['NHSD-End-User-Organisation-ODS', 'ZZ101'],
          ['NHSD-Session-URID', 'role-1'],
          ['IsUnscheduledAccessEvent', 'true'],
        ],
      });
      expect(response.status).toBe(403);
      expectNoSecret(response);
    },
  );
});

describe('a token that was tampered with', () => {
  let attackers: ReturnType<typeof createServer>;
  let fetched = 0;
  let attacks: TokenAttack[];
  beforeAll(async () => {
    const jwk = { ...(await exportJWK(otherPair.publicKey)), kid: 'mine', alg: 'ES256' };
    attackers = createServer((_incoming, outgoing) => {
      fetched++;
      outgoing.end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => attackers.listen(0, '127.0.0.1', resolve));
    attacks = tokenAttacks({
      issuer: ISSUER,
      audience: AUDIENCE,
      otherIssuer: OTHER_ISSUER,
      pair,
      otherPair,
      claims: () => PEOPLE.nurse,
      now,
      attackersAddress: `http://127.0.0.1:${(attackers.address() as AddressInfo).port}/keys`,
    });
  });
  afterAll(() => attackers?.close());

  test.for(named(guarded))('does not open %s in any of the known ways', async ([, route]) => {
    const outcomes: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const { name, make, refused } of attacks) {
      const response = await ask(route, { token: await make() });
      outcomes[name] = refusal(route, response);
      expected[name] = `401 ${refused}`;
      expect(response.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
      expectNoSecret(response);
    }
    expect(outcomes).toEqual(expected);
    expect(fetched).toBe(0);
  });

  test.for(named(guarded))('over 16 KiB does not reach %s', async ([, route]) => {
    const response = await ask(route, { token: 'x'.repeat(16_384) });
    expect(response.status).toBe(431);
    expect(problemSchema.parse(JSON.parse(response.body)).code).toBe('headers-too-large');
  });
});

describe('too much', () => {
  test.for(named(routes))('in the address or the headers of %s is 431', async ([, route]) => {
    for (const sent of [
      { more: [['X-More', 'x'.repeat(17_000)]] as const },
      { path: `${route.path}?${'x'.repeat(17_000)}` },
      { more: Array.from({ length: 3_000 }, (_, i) => [`X-${i}`, '1'] as const) },
    ]) {
      expect((await ask(route, { as: 'nurse', ...sent })).status).toBe(431);
    }
  });

  test.for(named(posts))(
    'in the body of %s is 413, whether its length is declared or not',
    async ([, route]) => {
      const as = senderOf(route);
      const said = await ask(route, {
        as,
        more: [['Content-Length', '1000000000']],
        body: 'x',
      });
      expect(said.status).toBe(413);
      const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`;
      const streamed = await ask(route, {
        as,
        more: [['Transfer-Encoding', 'chunked']],
        body: `${chunk}${chunk}0\r\n\r\n`,
      });
      // Only as much of an upload is read as shows that it is too large, and its outcome says so.
      if (route.name === 'POST /uploads') {
        expect(JSON.parse(streamed.body)).toMatchObject({ code: 'CPF01' });
      } else if (route.name === 'POST /reconcile') {
        expect(JSON.parse(streamed.body)).toMatchObject({ compared: false });
      } else {
        expect(streamed.status).toBe(413);
      }
    },
  );
});

describe('another method', () => {
  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];
  test.for(named(routes))('than those of %s is 405, with what is allowed', async ([, route]) => {
    const isOpen = route.people === 'anybody without a token';
    const own = route.method === 'GET' && isOpen ? ['GET', 'HEAD'] : [route.method];
    if (/^GET \/_(ping|status)$/.test(route.name)) own.push('OPTIONS');
    for (const method of METHODS.filter((each) => !own.includes(each))) {
      const response = await ask(route, {
        method,
        as: 'nurse',
        body: '',
        ...(isOpen && { more: [['Authorization', 'Bearer x']] as const }),
      });
      expect(`${method} ${response.status}`).toBe(`${method} 405`);
      expect(response.headers.get('allow')).toBe(own.join(', '));
      expectNoSecret(response);
    }
  });

  test('CONNECT is not answered', async () => {
    const { host } = new URL(service.baseUrl);
    const response = await rawRequest(service.baseUrl, { method: 'CONNECT', path: host });
    expect(response.raw).toBe('');
  });
});

describe('another type', () => {
  const TYPES: readonly (readonly [string, string])[][] = [
    [['Content-Type', 'text/plain']],
    [['Content-Type', 'multipart/form-data; boundary=x']],
    [['Content-Type', 'application/json; charset=utf-16']],
    [['Content-Type', 'application/xml+json']],
    [['Content-Type', '']],
  ];
  test.for(named(posts))('than that of %s is 415', async ([, route]) => {
    const as = senderOf(route);
    const encoded = [
      ['Content-Type', route.body?.type ?? ''],
      ['Content-Encoding', 'br'],
    ] as const;
    for (const more of [...TYPES, encoded]) {
      const response = await ask(route, {
        as: route.path.includes('AuditEvent') ? 'nurse' : as,
        more,
      });
      expect(response.status).toBe(415);
      refusal(route, response);
    }
  });

  test.for(named(routes.filter(({ fhir }) => fhir === true)))(
    'than JSON is not available from %s',
    async ([, route]) => {
      const response = await ask(route, {
        as: 'nurse',
        more: [['Accept', 'application/fhir+xml']],
      });
      expect(refusal(route, response)).toBe('406 format-unsupported');
    },
  );
});

describe('text sent', () => {
  const PLACES = [
    'X-Request-ID',
    'X-Correlation-ID',
    'TraceID',
    'Traceparent',
    'NHSD-Session-URID',
    'IsUnscheduledAccessEvent',
    'User-Agent',
    'Referer',
    'Origin',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'Forwarded',
    'Accept',
    'Accept-Language',
    'Content-Type',
    'Content-Encoding',
    'Expect',
    'If-None-Match',
    'Range',
    'X-Upload-Sequence',
  ];
  /** Text that would break a line, colour a terminal or add a header, as far as HTTP lets it through. */
  const TEXTS = [
    `%0d%0aSet-Cookie:%20x=${MARK}`,
    `\\r\\nSet-Cookie: x=${MARK}`,
    `\u009b31m${MARK}\u0085`,
    `é{"level":"error","${MARK}":1}`,
    `\${jndi:ldap://${MARK}}`,
    `<script>${MARK}</script>`,
  ];
  /** Text that HTTP does not let through: a header inside a header, or bytes that no header may have. */
  const BROKEN = [
    `a\r\n Set-Cookie: x=${MARK}`,
    `a\nSet-Cookie: x=${MARK}`,
    `a\rSet-Cookie: x=${MARK}`,
    `\u001b[31m${MARK}`,
    `a\0${MARK}`,
  ];

  test.for(named(routes))('in a header of %s is repeated in no header', async ([, route]) => {
    for (const place of PLACES) {
      for (const text of TEXTS) await ask(route, { as: 'nurse', more: [[place, text]] });
    }
    for (const text of BROKEN) {
      const response = await ask(route, { as: 'nurse', more: [['X-Request-ID', text]] });
      expect(`${JSON.stringify(text)} ${response.status}`).toBe(`${JSON.stringify(text)} 400`);
    }
  });

  test.for(named(routes))('as the host of %s is refused if it is not a host', async ([, route]) => {
    for (const host of [
      `a/${MARK}`,
      `a%0d%0a${MARK}`,
      `${MARK}@b`,
      'a b',
      'a#b',
      '',
      '999.1.1.1',
    ]) {
      const response = await ask(route, { as: 'nurse', more: [['Host', host]] });
      expect(`${host} ${response.status}`).toBe(`${host} 400`);
      expect(response.headers.get('set-cookie')).toBeNull();
    }
  });

  test.for(named(routes))('as the host of %s is repeated only to its sender', async ([, route]) => {
    const more = [['Host', `${MARK.toLowerCase()}.example`]] as const;
    if (route.fhir === true) {
      // Links start with the host that the client called, unless PUBLIC_URL is set. Nothing stores them.
      const response = await rawRequest(service.baseUrl, {
        method: route.method,
        path: route.path,
        headers: more,
      });
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('location')).toBeNull();
    } else {
      await ask(route, { as: 'nurse', more });
    }
    await ask(route, { as: 'nurse' });
  });

  test.for(named(routes))('in the address of %s is never repeated', async ([, route]) => {
    const mark = route.path.includes('?') ? '&' : '?';
    for (const text of TEXTS.map((each) =>
      each.replaceAll(/[ \u0080-\uffff]/g, encodeURIComponent),
    )) {
      await ask(route, { as: 'nurse', path: `${route.path}${mark}${text}` });
      await ask(route, { as: 'nurse', path: `${route.path}${mark}patient=${text}` });
      await ask(route, { as: 'nurse', path: `${route.path}/${text}` });
      await ask(route, { as: 'nurse', path: `${text}${route.path}` });
    }
  });

  test.for(named(posts))('in the body of %s is never repeated', async ([, route]) => {
    for (const text of [...TEXTS, ...BROKEN]) {
      for (const as of ['nurse', 'practitioner', 'officer'] as const) {
        await ask(route, { as, body: text });
        await ask(route, { as, body: JSON.stringify({ nhsNumber: text, [text]: text }) });
        await ask(route, { as, body: `patient:identifier=${encodeURIComponent(text)}` });
      }
    }
  });

  test('appears in no log line, and every log line is a single line', () => {
    expect(service.lines.length).toBeGreaterThan(0);
    for (const line of service.lines) {
      expect(line.endsWith('}\n')).toBe(true);
      expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      expect(() => JSON.parse(line) as unknown).not.toThrow();
      expect(line.toUpperCase()).not.toContain(MARK);
      // The log has nothing else that somebody might look for in it: no token, person or child.
      expect(line).not.toMatch(/eyJ|Nora Nurse|nurse-1/);
      expect(line).not.toContain(CHILD);
    }
  });
});

test('every status seen here is in the description', () => {
  const { paths } = openApi(OPERATIONS, '0');
  const described = (name: string): string[] => {
    const [method = '', path = ''] = name.split(' ');
    return Object.keys(paths[describedPath(path)]?.[method.toLowerCase()]?.responses ?? {});
  };
  const unknown = [...answered].filter((each) => {
    const at = each.lastIndexOf(' ');
    return !described(each.slice(0, at)).includes(each.slice(at + 1));
  });
  expect(answered.size).toBeGreaterThan(100);
  expect(unknown).toEqual([]);
});
