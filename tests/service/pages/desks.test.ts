import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { SAMPLE_AUTHORITIES } from '#schemas/sample.ts';
import { COUNCIL } from '#schemas/wording/council.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { FRAME } from '#schemas/wording/pages.ts';
import { DEMO_OPERATOR } from '#service/admission/personas.ts';
import { startService } from '#service/main.ts';
import { DESK_PAGES } from '#service/pages/desk-pages.ts';
import { PAGES as OTHER_PAGES } from '#service/pages/pages.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { beginForm } from '../../support/begun-form.ts';
import { visitorAs } from '../../support/desk.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import {
  createVisitor,
  hiddenOf,
  signedIn,
  type Visit,
  type Visitor,
} from '../../support/visitor.ts';

/**
 * Who may open which page of a council, a privacy officer or an operator. The pages are those of the running service. A
 * page missing from the table fails the suite, so none can be added without saying whom it is for.
 */

/** The made-up people of a demo, and somebody who is not signed in. */
const PEOPLE = [
  'emergencyDepartment',
  'scheduledCare',
  'authority',
  'privacyOfficer',
  'caldicottGuardian',
  'operations',
  'stranger',
] as const;
type Person = (typeof PEOPLE)[number];

type Entry = {
  /** An existing address, for a page whose path has parameters. */
  path?: string;
  /** Who is let in, and with which status: 403 for a form that is sent without its token. */
  people: Partial<Record<Person, number>>;
};

const council: Entry = { people: { authority: 200 } };
/** A form sent without its token. */
const form: Entry = { people: { authority: 403 } };

const officer: Entry = { people: { privacyOfficer: 200, caldicottGuardian: 200 } };
/** What only officers of the operating organisation may do. */
const guardian: Entry = { people: { privacyOfficer: 404, caldicottGuardian: 200 } };
const officerForm: Entry = { people: { privacyOfficer: 403, caldicottGuardian: 403 } };

/** The id of a comparison that does not exist. */
const COMPARED = '/council/reconcile/00000000-0000-4000-8000-000000000000';
/** The id of an uploaded file that does not exist. */
const WAITING = '/council/upload/00000000-0000-4000-8000-000000000000';
/** The page of a council, for the operator. */
const COUNCIL_PAGE = `/operator/councils/${SAMPLE_AUTHORITIES[0]?.code}`;
const operator: Entry = { people: { operations: 200 } };
const operatorForm: Entry = { people: { operations: 403 } };
/** A page about something that does not exist. */
const operatorNothing: Entry = { people: { operations: 404 } };

const PAGES: Record<string, Entry> = {
  'GET /council': council,
  'GET /council/upload': council,
  'POST /council/upload': form,
  'GET /council/upload/:id': { path: WAITING, people: { authority: 404 } },
  'POST /council/upload/:id': { ...form, path: WAITING },
  'POST /council/upload/:id/discard': { ...form, path: `${WAITING}/discard` },
  'GET /council/history': council,
  'GET /council/history/:sequence': { path: '/council/history/7', people: { authority: 404 } },
  'POST /council/history/:sequence': { ...form, path: '/council/history/7' },
  'GET /council/held': council,
  'GET /council/holdings': council,
  'POST /council/holdings': form,
  'GET /council/reconcile': council,
  'POST /council/reconcile': form,
  'GET /council/reconcile/:id': { path: COMPARED, people: { authority: 404 } },
  'GET /council/reconcile/:id/csv': { path: `${COMPARED}/csv`, people: { authority: 404 } },
  'GET /council/looks': council,
  'POST /council/looks': form,
  'GET /officer': officer,
  'POST /officer/search': officerForm,
  'POST /officer/event': officerForm,
  'GET /officer/reports': officer,
  'POST /officer/reports': officerForm,
  'GET /officer/patterns': officer,
  'POST /officer/patterns': officerForm,
  'GET /officer/child': officer,
  'POST /officer/child': officerForm,
  'POST /officer/child/copy': officerForm,
  'GET /officer/cases': officer,
  'POST /officer/cases': officerForm,
  // A case that does not exist looks like another organisation's.
  'GET /officer/cases/:id': {
    path: '/officer/cases/00000000-0000-4000-8000-000000000000',
    people: { privacyOfficer: 404, caldicottGuardian: 404 },
  },
  'POST /officer/cases/:id': {
    ...officerForm,
    path: '/officer/cases/00000000-0000-4000-8000-000000000000',
  },
  'GET /officer/seal': officer,
  'GET /officer/seal/checkpoint': officer,
  'GET /officer/seal/key': officer,
  'POST /officer/seal/verify': officerForm,
  // A proof contains the whole event, which only the operating organisation may see.
  'POST /officer/seal/check': officerForm,
  'POST /officer/seal/proof': { people: { privacyOfficer: 404, caldicottGuardian: 403 } },
  'GET /officer/holds': guardian,
  'POST /officer/holds': officerForm,
  'GET /officer/holds/:id': {
    path: '/officer/holds/9999',
    people: { privacyOfficer: 404, caldicottGuardian: 404 },
  },
  'POST /officer/holds/:id': { ...officerForm, path: '/officer/holds/9999' },
  'GET /officer/erase': guardian,
  'POST /officer/erase': officerForm,
  'GET /officer/blocked': officer,
  'POST /officer/block': officerForm,
  'POST /officer/unblock': officerForm,
  'GET /council/numbers': council,
  'POST /council/numbers/check': form,
  'POST /council/numbers': form,
  'GET /council/columns': council,
  'POST /council/columns': form,
  'POST /council/columns/save': form,
  'POST /council/columns/reset': form,
  'GET /council/withdrawals': council,
  'GET /council/withdraw': council,
  'POST /council/withdraw/find': form,
  'POST /council/withdraw': form,
  // A withdrawal that does not exist looks like another council's.
  'GET /council/withdrawals/:id': { path: '/council/withdrawals/bcdf', people: { authority: 404 } },
  'POST /council/withdrawals/:id/confirm': { ...form, path: '/council/withdrawals/bcdf/confirm' },
  'POST /council/withdrawals/:id/decline': { ...form, path: '/council/withdrawals/bcdf/decline' },
  'POST /council/withdrawals/:id/undo': { ...form, path: '/council/withdrawals/bcdf/undo' },
  'GET /council/restrictions': council,
  'GET /council/restrict': council,
  'POST /council/restrict/find': form,
  'POST /council/restrict': form,
  'GET /council/restrictions/:id': {
    path: '/council/restrictions/bcdf',
    people: { authority: 404 },
  },
  'POST /council/restrictions/:id/end': { ...form, path: '/council/restrictions/bcdf/end' },
  'GET /operator': operator,
  'GET /operator/councils': operator,
  'GET /operator/set-up': operator,
  'GET /operator/councils/:authority': { ...operator, path: COUNCIL_PAGE },
  'POST /operator/councils/:authority': { ...operatorForm, path: COUNCIL_PAGE },
  'POST /operator/councils/:authority/check': { ...operatorForm, path: `${COUNCIL_PAGE}/check` },
  'POST /operator/councils/:authority/numbering': {
    ...operatorForm,
    path: `${COUNCIL_PAGE}/numbering`,
  },
  'POST /operator/councils/:authority/plans': { ...operatorForm, path: `${COUNCIL_PAGE}/plans` },
  'GET /operator/expected': operator,
  'POST /operator/expected/check': operatorForm,
  'POST /operator/expected': operatorForm,
  'GET /operator/files': operator,
  'GET /operator/files/:authority/:sequence': {
    ...operator,
    path: `/operator/files/${SAMPLE_AUTHORITIES[0]?.code}/1`,
  },
  'POST /operator/files/:authority/:sequence': {
    ...operatorForm,
    path: `/operator/files/${SAMPLE_AUTHORITIES[0]?.code}/1`,
  },
  'GET /operator/messages': operator,
  'GET /operator/messages/:message': { ...operatorNothing, path: '/operator/messages/none' },
  'POST /operator/messages/:message': { ...operatorForm, path: '/operator/messages/none' },
  'GET /operator/notifications': operator,
  'POST /operator/notifications': operatorForm,
  'GET /operator/users': operator,
  'POST /operator/users': operatorForm,
  'GET /operator/users/:key': { ...operatorNothing, path: '/operator/users/none' },
  'POST /operator/users/:key': { ...operatorForm, path: '/operator/users/none' },
  'GET /operator/running': operator,
  'GET /operator/running/decisions/:decision': {
    ...operator,
    path: '/operator/running/decisions/promotion',
  },
  'POST /operator/running/decisions/:decision': {
    ...operatorForm,
    path: '/operator/running/decisions/promotion',
  },
  'GET /operator/running/repair': operator,
  'GET /operator/runbook': operator,
};

const AUTHORITY = SAMPLE_AUTHORITIES[0]?.code ?? '';
const SESSION_KEYS = 'ab'.repeat(32);

let service: TestService;
const visitors = new Map<Person, Visitor>();

beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: AUTHORITY, name: 'Northmoor Council' }],
  });
  for (const person of PEOPLE) {
    const visitor = createVisitor(service.baseUrl);
    visitors.set(person, visitor);
    if (person !== 'stranger') expect((await visitor.signIn(person)).status).toBe(303);
  }
  // The history comes from the audit index, which is built after the start.
  await until(async () => (await visitorOf('authority').get('/council/history')).status === 200);
});
afterAll(() => service?.stopAndRemove());

const visitorOf = (person: Person): Visitor => visitors.get(person) as Visitor;

/** Whether a page begins with what was just done, as an alert that gets the focus. */
const saysDone = ({ text }: Visit): boolean =>
  /<main[^>]*>[^]*role="alert" tabindex="-1" autofocus[^]*<h1/.test(text);

test.for<[Person, string]>([
  ['authority', '/council/upload?deleted=yes'],
  ['authority', '/council/columns?changed=yes'],
  ['authority', '/council/numbers?changed=yes'],
  ['privacyOfficer', '/officer/blocked?done=blocked'],
  ['caldicottGuardian', '/officer/holds?done=begun'],
  ['caldicottGuardian', '/officer/erase?done=200'],
  ['operations', `${COUNCIL_PAGE}?done=plans`],
  ['operations', '/operator/expected?done=yes'],
  ['operations', '/operator/messages?done=drop'],
  ['operations', '/operator/messages?rewritten=7'],
  ['operations', '/operator/users?done=unblocked'],
])(
  'a link from elsewhere makes no page say that something was done: %s %s',
  async ([person, path]) => {
    for (const [site, says] of [
      ['same-origin', true],
      ['cross-site', false],
      ['none', false],
    ] as const) {
      const headers = { 'sec-fetch-site': site };
      const page = await untilAnswered(() => visitorOf(person).ask(path, { headers }));
      expect([site, page.status, saysDone(page)]).toEqual([site, 200, says]);
    }
    const old = createVisitor(service.baseUrl, true);
    for (const [name, value] of visitorOf(person).jar) old.jar.set(name, value);
    const page = await untilAnswered(() => old.ask(path));
    expect([page.status, saysDone(page)]).toEqual([200, false]);
  },
);

test('a browser that opens the address of a form, as from its history, is sent to the page of the form, and a program gets a problem', async () => {
  const forms = [...OTHER_PAGES, ...DESK_PAGES].map(({ operation }) => operation);
  const reads = new Set(forms.filter(({ method }) => method === 'GET').map(({ path }) => path));
  const only = forms.filter(({ method, path }) => method === 'POST' && !reads.has(path));
  expect(only.length).toBeGreaterThan(10);
  const visitor = createVisitor(service.baseUrl);
  for (const { path, letsIn } of only) {
    const address = path.replaceAll(/:[^/]+/g, 'x1');
    const got = await visitor.get(address);
    const program = await fetch(new URL(address, service.baseUrl));
    expect([path, program.status, program.headers.get('allow')]).toEqual([path, 405, 'POST']);
    if (letsIn === 'provider') {
      expect([path, got.status]).toEqual([path, 405]);
      continue;
    }
    expect([path, got.status]).toEqual([path, 303]);
    const to = got.headers.get('location') ?? '';
    expect([path, [...reads].some((each) => each.replaceAll(/:[^/]+/g, 'x1') === to)]).toEqual([
      path,
      true,
    ]);
    expect(address.startsWith(to)).toBe(true);
  }
  expect((await visitor.get('/sign-out')).headers.get('location')).toBe('/');
  expect((await visitor.get('/look-up/attendance')).headers.get('location')).toBe('/look-up');
});

test('a mistyped address gives a browser a page, and a program a problem', async () => {
  const visitor = createVisitor(service.baseUrl);
  for (const path of ['/look-up%', '/council/%zz', '/councils//', '/officer/cases;x']) {
    const page = await visitor.get(path);
    expect([path, page.status, page.heading]).toEqual([path, 400, FRAME.notFound]);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const program = await fetch(new URL(path, service.baseUrl));
    expect([path, program.status]).toEqual([path, 400]);
    expect(program.headers.get('content-type')).toBe('application/problem+json');
  }
});

test('the table of who may open which page has every page of a desk', () => {
  const served = DESK_PAGES.map(({ operation: { method, path } }) => `${method} ${path}`);
  expect(Object.keys(PAGES).toSorted()).toEqual(served.toSorted());
});

test.for(Object.entries(PAGES))('%s opens only for the people it is for', async ([name, entry]) => {
  const [method = '', path = ''] = name.split(' ');
  const address = entry.path ?? path;
  const outcomes: Partial<Record<Person, number>> = {};
  const expected: Partial<Record<Person, number>> = {};
  for (const person of PEOPLE) {
    const visitor = visitorOf(person);
    const visit = await untilAnswered(() =>
      method === 'GET' ? visitor.get(address) : visitor.post(address, {}),
    );
    outcomes[person] = visit.status;
    const stranger = method === 'GET' ? 303 : 401;
    expected[person] = entry.people[person] ?? (person === 'stranger' ? stranger : 403);
    expect(visit.headers.get('cache-control')).toBe('no-store');
    if (person === 'stranger' && method === 'GET')
      expect(visit.headers.get('location')).toBe('/sign-in');
    else if (visit.status === 403 && entry.people[person] === undefined)
      expect(visit.heading).toBe(DESK.notYours);
  }
  expect(outcomes).toEqual(expected);
});

test('no link saves a file about children, whatever a browser says about where it comes from', async () => {
  const people = { council: 'authority', officer: 'caldicottGuardian', operator: 'operations' };
  const saved: string[] = [];
  for (const { operation } of DESK_PAGES) {
    const { method, path } = operation;
    if (method !== 'GET') continue;
    const old = createVisitor(service.baseUrl, true);
    const person = people[path.split('/')[1] as keyof typeof people] as Person;
    for (const [name, value] of visitorOf(person).jar) old.jar.set(name, value);
    const visit = await untilAnswered(() => old.ask(PAGES[`GET ${path}`]?.path ?? path));
    if (visit.headers.has('content-disposition')) saved.push(path);
  }
  expect(saved.toSorted()).toEqual(['/officer/seal/checkpoint', '/officer/seal/key']);
});

test('a refusal at a desk is audited with the kind of page', async () => {
  const visitor = await signedIn(service, 'ambulanceService');
  await visitor.get('/council');
  await expect
    .poll(() => service.events())
    .toContainEqual(
      expect.objectContaining({
        type: 'refusal',
        api: 'pages',
        code: 'authority-token-required',
        caller: expect.objectContaining({ user: 'demo-paramedic' }) as unknown,
      }),
    );
});

test.for(PEOPLE.filter((person) => person !== 'stranger'))(
  '%s is taken to the pages of their work',
  async (person) => {
    const visitor = createVisitor(service.baseUrl);
    const homes: Partial<Record<Person, string>> = {
      authority: '/council',
      privacyOfficer: '/officer',
      caldicottGuardian: '/officer',
      operations: '/operator',
    };
    const home = homes[person] ?? '/look-up';
    expect((await visitor.signIn(person)).headers.get('location')).toBe(home);
    expect((await visitor.get('/')).headers.get('location')).toBe(home);
  },
);

test.for([
  { organisation: AUTHORITY, scopes: ['audit'] },
  { organisation: AUTHORITY, scopes: ['upload', 'audit'] },
  { organisation: AUTHORITY, scopes: ['upload'] },
  { organisation: 'ZZ999', scopes: ['upload', 'audit', 'operate'] },
  { organisation: 'ZZX01', scopes: ['audit'] },
  { organisation: 'ZZX01', scopes: ['operate'] },
] as const)(
  'whatever goes wrong, $scopes of $organisation sees in the menu only what they may open',
  async (somebody) => {
    const visitor = await visitorAs(service, somebody);
    const found = /<nav class="cpf-navigation"[^]*?<\/nav>/g;
    const menuOf = ({ text }: Visit): string[] => [
      ...new Set(
        [...text.matchAll(found)].flatMap(([menu]) =>
          [...menu.matchAll(/href="([^"]+)"/g)].map(([, href = '']) => href),
        ),
      ),
    ];
    for (const scope of somebody.scopes) {
      const home = { upload: '/council', audit: '/officer', operate: '/operator' }[scope];
      const menu = menuOf(await visitor.get(home));
      for (const href of menu)
        expect([href, (await visitor.get(href)).status]).toEqual([href, 200]);
      for (const [name, { path }] of Object.entries(PAGES)) {
        const [method = '', pattern = ''] = name.split(' ');
        const address = path ?? pattern;
        if (!`${address}/`.startsWith(`${home}/`)) continue;
        const visit =
          method === 'GET' ? await visitor.get(address) : await visitor.post(address, {});
        if (visit.status === 200) continue;
        expect([name, menuOf(visit)]).toEqual([name, menu]);
      }
    }
  },
);

test('no page of the operator opens for another organisation, whatever its provider says, and no menu leads there', async () => {
  const scopes = ['audit', 'operate'] as const;
  const visitor = await visitorAs(service, { organisation: 'ZZ999', scopes });
  for (const [name, { path }] of Object.entries(PAGES)) {
    const [method = '', pattern = ''] = name.split(' ');
    if (!pattern.startsWith('/operator')) continue;
    const address = path ?? pattern;
    const visit = method === 'GET' ? await visitor.get(address) : await visitor.post(address, {});
    expect([name, visit.status]).toEqual([name, 403]);
  }
  expect((await visitor.get('/officer')).text).not.toContain('href="/operator"');
  const own = await visitorAs(service, { organisation: DEMO_OPERATOR.code, scopes });
  expect((await own.get('/operator')).status).toBe(200);
  expect((await own.get('/officer')).text).toContain('href="/operator"');
});

test('after a session ends, its cookie opens nothing more, and the browser is sent to sign in', async () => {
  const visitor = await signedIn(service, 'authority');
  const page = await visitor.get('/council');
  expect(page.heading).toBe('Northmoor Council');
  const kept = new Map(visitor.jar);
  await visitor.post('/sign-out', hiddenOf(page, '/sign-out'));
  for (const [name, value] of kept) visitor.jar.set(name, value);
  const after = await visitor.get('/council');
  expect([after.status, after.headers.get('location')]).toEqual([303, '/sign-in']);
});

const FILE_FORMS = [
  '/council/upload',
  '/council/reconcile',
  '/council/columns',
  '/officer/seal/check',
];

/** Forms from which nothing is accepted, since they have no token. */
const formOf = (address: string): { body: string; type?: string } =>
  FILE_FORMS.includes(address)
    ? {
        body: '--B\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--B--\r\n',
        type: 'multipart/form-data; boundary=B',
      }
    : { body: 'token=x' };

test.for([
  { person: 'authority', home: '/council', organisation: AUTHORITY, scopes: ['upload'] },
  {
    person: 'caldicottGuardian',
    home: '/officer',
    organisation: DEMO_OPERATOR.code,
    scopes: ['audit'],
  },
  {
    person: 'operations',
    home: '/operator',
    organisation: DEMO_OPERATOR.code,
    scopes: ['operate'],
  },
] as const)(
  'no form of $home is accepted from somebody who signs out while it is on its way',
  async ({ person, home, organisation, scopes }) => {
    const addresses = Object.entries(PAGES).flatMap(([name, { path, people }]) => {
      const [method, pattern = ''] = name.split(' ');
      return method === 'POST' && people[person] === 403 ? (path ?? pattern) : [];
    });
    expect(addresses.length).toBeGreaterThan(3);
    // A few at a time: on a busy machine the last of many would come later than a form may.
    for (let from = 0; from < addresses.length; from += 4) {
      const some = addresses.slice(from, from + 4);
      const visitor = await visitorAs(service, { user: 'leaving', organisation, scopes });
      const page = await visitor.get(home);
      const begun = await Promise.all(
        some.map((address) => beginForm(service.baseUrl, visitor, address, formOf(address))),
      );
      await visitor.post('/sign-out', hiddenOf(page, '/sign-out'));
      const answers = await Promise.all(begun.map((end) => end()));
      for (const [i, answer] of answers.entries()) {
        expect([some[i], answer.status]).toEqual([some[i], 401]);
        expect(answer.page).toContain(DESK.over);
        expect(answer.page).not.toContain('Person leaving');
      }
    }
  },
);

test('a desk answers no HEAD', async () => {
  const visit = await visitorOf('authority').ask('/council', { method: 'HEAD' });
  expect([visit.status, visit.headers.get('allow')]).toEqual([405, 'GET']);
});

test('nobody acts for an authority in a role at an unknown organisation', async () => {
  const visitor = await visitorAs(service, { organisation: 'ZZ999', scopes: ['upload'] });
  expect((await visitor.get('/council')).heading).toBe(COUNCIL.unknown);
});

test('somebody who signs in at a lookup process is also signed in at a worker', async () => {
  const dataDir = await testFolder();
  const keysFile = join(dataDir, 'keys');
  await writeFile(keysFile, SESSION_KEYS);
  const environment = { SESSION_KEYS_FILE: keysFile };
  const worker = await startTestService({
    environment: { ...environment, ROLE: 'worker' },
    authorities: [{ code: AUTHORITY, name: 'Northmoor Council' }],
  });
  const redis = await findEmbeddedRedis(worker.dataDir);
  if (redis === undefined) throw new Error('no Redis is running');
  await writeFile(join(dataDir, 'password'), redis.users.lookup.password);
  const lookups = await startService(
    readConfiguration({
      ...environment,
      ROLE: 'lookup',
      PORT: '0',
      DATA_DIR: dataDir,
      REDIS_URL: `unix://${redis.users.lookup.username}@socket${redis.socketPath}`,
      REDIS_PASSWORD_FILE: join(dataDir, 'password'),
    }),
    { log: createLog('silent') },
  );
  try {
    const visitor = createVisitor(lookups.baseUrl);
    await until(async () => (await visitor.signIn('authority')).status === 303);
    const atWorker = createVisitor(worker.baseUrl);
    for (const [name, value] of visitor.jar) atWorker.jar.set(name, value);
    const page = await atWorker.get('/council');
    expect(page.heading).toBe('Northmoor Council');
    // Signing out at the other process signs them out here too.
    await visitor.post('/sign-out', hiddenOf(page, '/sign-out'));
    await until(async () => (await atWorker.get('/council')).status === 303);
  } finally {
    await lookups.stop();
    await worker.stopAndRemove();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
});
