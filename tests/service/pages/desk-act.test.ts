import { afterAll, beforeAll, expect, test } from 'vitest';
import { DESK } from '#schemas/wording/desk.ts';
import { STORE } from '#schemas/wording/store.ts';
import { createApp } from '#service/app.ts';
import { type HttpServer, serveHttp } from '#service/http/server.ts';
import { councilAct, guardedCouncil } from '#service/pages/council/guarded-council.ts';
import type { DeskDependencies } from '#service/pages/desk/guarded-desk.ts';
import { readAssets } from '#service/pages/html/assets.ts';
import { createFrame, redirect } from '#service/pages/html/frame.ts';
import { html } from '#service/pages/html/html.ts';
import { createCookies } from '#service/pages/session/cookies.ts';
import { createForms } from '#service/pages/session/forms.ts';
import { openSealer, type Sealer } from '#service/pages/session/seal.ts';
import { createSessions } from '#service/pages/session/sessions.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { TurnsBusy } from '#store/locks/turns.ts';
import { beginForm } from '../../support/begun-form.ts';
import { visitorAs } from '../../support/desk.ts';
import { testFolder } from '../../support/service.ts';
import { sessionEndings } from '../../support/session-endings.ts';
import { createVisitor, type Visitor, wordsOf } from '../../support/visitor.ts';

/** The checks that apply to every act of a council, an officer or an operator, tried with an act that does nothing. */

const refused: string[] = [];
const done: string[] = [];
/** The reasons in the forms that were examined. */
const judged: string[] = [];
const used = new Set<string>();
let ended = false;
let isUnknown = false;
let isBlocked = false;
let failing = false;
let limited = false;
let sealer: Sealer;
let server: HttpServer;
let baseUrl: string;
let dataDir: string;
let officer: Visitor;

beforeAll(async () => {
  dataDir = await testFolder();
  sealer = await openSealer(`${dataDir}/session-keys`, true, {
    everyMs: 60_000,
    onProblem: () => undefined,
  });
  const cookies = createCookies(() => false);
  const endings = sessionEndings({
    hasEnded: () => ended,
    once: (text) => Promise.resolve(!used.has(text) && used.add(text).has(text)),
  });
  // Without the replicas' confirmation, which only the operators' desk does without.
  Object.defineProperty(endings, 'current', { get: () => !isUnknown });
  const log = createLog('silent');
  const dependencies: DeskDependencies = {
    noteRefusal: ({ code }) => void refused.push(code),
    traces: { of: () => undefined },
    frame: createFrame(readAssets(), () => true),
    cookies,
    sessions: createSessions({
      sealer,
      cookies,
      endings,
      isProvider: () => true,
      blocked: () => isBlocked,
      revoked: () => false,
    }),
    forms: createForms(sealer, () => [baseUrl]),
    endings,
    canChangeRole: () => false,
    take: () =>
      limited ? { of: 'user', limit: 1, windowSeconds: 60, retryAfterSeconds: 7 } : undefined,
    isOn: () => true,
    viewer: () => 'authority',
    log,
  };
  const form = guardedCouncil(dependencies, (_, { page, hidden }) =>
    page({
      title: 'Act',
      content: html`<h1>Act</h1><form method="post" action="/act">${hidden('act')}</form>`,
    }),
  );
  const act = councilAct(dependencies, { form: 'act' }, (_, { authority, named, page }, fields) => {
    if (failing) throw new Error('broken');
    if (fields.get('reason') === 'ended') {
      ended = true;
      throw new Error('broken');
    }
    if (fields.get('reason') === 'busy') throw new TurnsBusy(STORE.settingsBusy);
    judged.push(fields.get('reason') ?? '');
    if (fields.get('reason') === 'wrong') {
      const errors = [{ field: 'reason', text: 'Say why' }];
      return page({ title: 'Act', errors, content: html`<h1>What is wrong</h1>` });
    }
    const { by, reason, account } = named(fields.get('reason') ?? '');
    done.push(`${authority} ${by} ${account} ${reason}`);
    return redirect('/act');
  });
  const letsIn = 'authority';
  const app = createApp(
    [
      { operation: { method: 'GET', path: '/act', letsIn }, handler: form },
      { operation: { method: 'POST', path: '/act', letsIn }, handler: act },
    ],
    { log },
  );
  server = await serveHttp(app.fetch, { host: '127.0.0.1', port: 0, tls: undefined });
  baseUrl = `http://127.0.0.1:${server.port}`;
  officer = await newOfficer();
});
afterAll(async () => {
  await server?.stop(0);
  sealer?.stop();
});

/** Each call gives a new session of the same person. */
const newOfficer = (): Promise<Visitor> =>
  visitorAs({ baseUrl, dataDir }, { user: 'officer', organisation: 'ZZ101', scopes: ['upload'] });

const formOf = (visitor = officer) => visitor.form('/act');

test('an act is done once, in the name of the person signed in whatever was typed, and ends in a redirect', async () => {
  const form = await formOf();
  const fields = { ...form, reason: 'because', by: 'Somebody Else', authority: 'ZZ999' };
  const first = await officer.postOnce('/act', fields);
  expect([first.status, first.headers.get('location')]).toEqual([303, '/act']);
  expect(done).toEqual(['ZZ101 Person officer officer (cp-flags-demo) because']);
  const again = await officer.postOnce('/act', fields);
  expect([again.status, again.heading]).toEqual([409, DESK.usedUp]);
  expect(done).toHaveLength(1);
});

test('a form sent twice with a mistake in it gets the same answer both times, and is examined once', async () => {
  const fields = { ...(await formOf()), reason: 'wrong' };
  const before = judged.length;
  const visits = await Promise.all([
    officer.postOnce('/act', fields),
    officer.postOnce('/act', fields),
  ]);
  for (const visit of [...visits, await officer.postOnce('/act', fields)]) {
    expect([visit.status, visit.heading]).toEqual([400, 'What is wrong']);
    expect(visit.title).toMatch(/^Error: Act - /);
    expect(visit.text).toMatch(/nhsuk-error-summary[^]*href="#reason">Say why[^]*<h1/);
  }
  expect(judged.slice(before)).toEqual(['wrong']);
  // The same form with other contents is a different request, and the form has already been used.
  const other = await officer.postOnce('/act', { ...fields, reason: 'right' });
  expect([other.status, other.heading]).toEqual([409, DESK.usedUp]);
  // The answer is given to nobody else.
  const stranger = await (await newOfficer()).postOnce('/act', fields);
  expect(stranger.heading).toBe(DESK.untrusted);
});

test.each([
  ['without a token', { token: '' }, {}],
  ['with the token of another form', { form: '00000000-0000-4000-8000-000000000000' }, {}],
  ['from another site', {}, { origin: 'https://elsewhere.example' }],
  ['from a page of another site', {}, { 'sec-fetch-site': 'cross-site' }],
  ['as something other than a form', {}, { 'content-type': 'text/plain' }],
])('a form %s does nothing', async (_, fields, headers) => {
  const before = done.length;
  const visit = await officer.postOnce('/act', { ...(await formOf()), ...fields }, headers);
  expect([visit.status, visit.heading]).toEqual([403, DESK.untrusted]);
  expect(refused.at(-1)).toBe('form-untrusted');
  expect(done).toHaveLength(before);
});

test('a form with a repeated field does nothing', async () => {
  const before = done.length;
  const { form, token } = await formOf();
  const visit = await officer.ask('/act', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: baseUrl },
    body: `${new URLSearchParams({ form, token }).toString()}&reason=a&reason=b`,
  });
  expect([visit.status, visit.heading]).toEqual([400, DESK.untrusted]);
  expect(done).toHaveLength(before);
});

test('a form from another session, even of the same person, does nothing', async () => {
  const visit = await officer.postOnce('/act', await formOf(await newOfficer()));
  expect(visit.heading).toBe(DESK.untrusted);
});

test.each([
  ['a scope of another desk', { organisation: 'ZZ101', scopes: ['audit', 'operate'] }],
  ['a role whose organisation is not an authority', { organisation: 'zz', scopes: ['upload'] }],
] as const)(
  'somebody who has %s is refused as others are, and is told whom to ask',
  async (_, somebody) => {
    const visitor = await visitorAs({ baseUrl, dataDir }, somebody);
    for (const visit of [await visitor.get('/act'), await visitor.postOnce('/act', {})]) {
      // No token could have this role, so it signs nobody in.
      if (somebody.organisation === 'zz') expect([303, 401]).toContain(visit.status);
      else expect([visit.status, visit.heading]).toEqual([403, DESK.notYours]);
    }
  },
);

test('an ended session can do nothing more, and neither can somebody who never signed in', async () => {
  const leaving = await newOfficer();
  const form = await formOf(leaving);
  const before = done.length;
  ended = true;
  const visit = await leaving.postOnce('/act', form);
  ended = false;
  expect([visit.status, visit.heading]).toEqual([401, DESK.over]);
  expect((await createVisitor(baseUrl).postOnce('/act', form)).status).toBe(401);
  expect(done).toHaveLength(before);
});

test.each([
  ['is blocked', 403, DESK.blocked],
  ['signs out', 401, DESK.over],
])(
  'nothing is done for somebody who %s while the form is on its way',
  async (_, status, heading) => {
    const visitor = await newOfficer();
    const body = new URLSearchParams(await formOf(visitor)).toString();
    const before = done.length;
    const end = await beginForm(baseUrl, visitor, '/act', { body });
    if (heading === DESK.blocked) isBlocked = true;
    else ended = true;
    const answer = await end();
    isBlocked = false;
    ended = false;
    expect([answer.status, answer.page]).toEqual([status, expect.stringContaining(heading)]);
    expect(done).toHaveLength(before);
  },
);

test('too many requests and an internal fault each get a page that says so, and what to do next', async () => {
  limited = true;
  const slow = await officer.ask('/act');
  limited = false;
  expect([slow.status, slow.headers.get('retry-after'), slow.heading]).toEqual([
    429,
    '7',
    DESK.limited,
  ]);
  const tried = /Tried at [0-9]{2}:[0-9]{2}:[0-9]{2} on /;
  expect(wordsOf(slow)).toMatch(tried);
  const form = await formOf();
  failing = true;
  const broken = await officer.postOnce('/act', form);
  failing = false;
  expect([broken.status, broken.heading]).toEqual([503, DESK.unavailable]);
  // The fault may have come after the act.
  expect(wordsOf(broken)).toContain(DESK.unavailableSent);
  expect(wordsOf(broken)).toMatch(tried);
  isUnknown = true;
  const page = await officer.ask('/act');
  isUnknown = false;
  expect([page.status, page.heading]).toEqual([503, DESK.unavailable]);
  expect(wordsOf(page)).not.toContain(DESK.unavailableSent);
});

test('an act that fails while its session ends is not said to have done nothing', async () => {
  const visitor = await newOfficer();
  const answer = await visitor.postOnce('/act', { ...(await formOf(visitor)), reason: 'ended' });
  ended = false;
  expect([answer.status, answer.heading]).toEqual([401, DESK.over]);
  expect(wordsOf(answer)).toContain(DESK.overSent);
  expect(wordsOf(answer)).not.toContain(DESK.overThen);
});

test('an act that did not get its turn is answered with that, and is not recorded as a refusal', async () => {
  const before = refused.length;
  const busy = await officer.postOnce('/act', { ...(await formOf()), reason: 'busy' });
  expect([busy.status, busy.heading]).toEqual([409, DESK.busy]);
  expect(wordsOf(busy)).toContain(STORE.settingsBusy);
  expect(refused).toHaveLength(before);
});
