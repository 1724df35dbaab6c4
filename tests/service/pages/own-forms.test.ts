import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  ATTENDANCE,
  FRAME,
  LIST,
  LOOK_UP,
  NOT_CHECKED,
  SIGN_IN,
  SIGN_IN_REFUSED,
} from '#schemas/wording/pages.ts';
import { BODY_LIMITS } from '#service/http/body.ts';
import { formRefusedPage } from '#service/pages/look-up/not-checked.ts';
import { readForm } from '#service/pages/session/forms.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import {
  createVisitor,
  hiddenOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/** What people do with their own forms. Nobody is told that a form of theirs was not sent from here. */

const PLAN = testNumber(7_901);
let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    environment: { PASTED_LISTS_A_DAY: '9' },
    authorities: [{ code: 'ZZ101', name: 'Northmoor Council', rows: [{ nhsNumber: PLAN }] }],
  });
});
afterAll(() => service?.stopAndRemove());

async function signedIn(person?: string): Promise<Visitor> {
  const visitor = createVisitor(service.baseUrl);
  await visitor.signIn(person);
  return visitor;
}
const lookups = async (): Promise<number> =>
  (await service.events()).filter(({ type }) => type === 'lookup' || type === 'attendance').length;

test('a person who signs in in three tabs at once ends on the page that each tab asked for', async () => {
  const nurse = createVisitor(service.baseUrl);
  const tabs = await Promise.all([1, 2, 3].map(() => nurse.get('/sign-in')));
  for (const tab of tabs) {
    const fields = { person: 'emergencyDepartment', ...hiddenOf(tab, '/sign-in') };
    let answer = await nurse.post('/sign-in', fields);
    if (answer.status !== 303) {
      expect(answer.heading).toBe(SIGN_IN.title);
      expect(wordsOf(answer)).toContain(SIGN_IN.stale);
      answer = await nurse.post('/sign-in', { ...fields, ...hiddenOf(answer, '/sign-in') });
    }
    expect(answer.headers.get('location')).toBe('/look-up');
  }
});

test('a form opened before its sender signed in again does nothing and says so', async () => {
  const person = 'scheduledCare';
  const practitioner = await signedIn(person);
  const [look, list] = [await practitioner.get('/look-up'), await practitioner.get('/list')];
  await practitioner.signIn(person);
  const before = await lookups();
  for (const [page, path, fields] of [
    [look, '/look-up', { number: PLAN }],
    [list, '/list', { list: PLAN }],
  ] as const) {
    const answer = await practitioner.post(path, { ...hiddenOf(page, path), ...fields });
    expect([path, answer.status, answer.heading]).toEqual([path, 403, NOT_CHECKED.stale]);
    expect(answer.text).not.toContain(PLAN);
    expect(answer.text).toContain(`class="nhsuk-button" href="${path}"`);
  }
  expect(await lookups()).toBe(before);
});

test('somebody who is refused in a session is shown whose session it is, and can sign out', async () => {
  const practitioner = await signedIn('scheduledCare');
  const [look, list] = [await practitioner.form('/look-up'), await practitioner.form('/list')];
  await practitioner.post('/look-up', { ...look, number: PLAN });
  await practitioner.post('/list', { ...list, list: PLAN });
  const used = [
    await practitioner.post('/look-up', { ...look, number: testNumber(7_902) }),
    await practitioner.post('/list', { ...list, list: testNumber(7_902) }),
  ];
  const long = { number: 'x'.repeat(BODY_LIMITS.maxBytes) };
  const answers: [Visit, string][] = [
    ...used.map((visit): [Visit, string] => [visit, NOT_CHECKED.used]),
    [await practitioner.post('/look-up', { number: PLAN }), NOT_CHECKED.stale],
    [await practitioner.post('/list', { list: PLAN }), NOT_CHECKED.stale],
    [await practitioner.post('/look-up', long), NOT_CHECKED.tooMuch],
    [await (await signedIn('authority')).get('/look-up'), SIGN_IN_REFUSED.activity],
  ];
  for (const [{ heading, text }, title] of answers) {
    expect(heading).toBe(title);
    expect(text).toContain(`<div>${LOOK_UP.youAre} <strong>`);
    expect(text).toContain(`${FRAME.signOut}</button>`);
  }
});

test('the outcome of a look made before its sender signed in again is not recorded, and the page says what to do', async () => {
  const nurse = await signedIn();
  const answer = await nurse.lookUp(PLAN);
  await nurse.signIn();
  const before = await lookups();
  const fields = { ...hiddenOf(answer, '/look-up/attendance'), attended: 'seen' };
  const said = await nurse.post('/look-up/attendance', fields);
  expect([said.status, said.heading]).toEqual([403, ATTENDANCE.failed]);
  expect(await lookups()).toBe(before);
});

test('somebody who signs out from a page older than their session is told that they are still signed in, and can then sign out', async () => {
  const nurse = await signedIn();
  const old = await nurse.get('/look-up');
  await nurse.signIn();
  const answer = await nurse.post('/sign-out', hiddenOf(old, '/sign-out'));
  expect([answer.status, answer.heading]).toEqual([403, SIGN_IN.stillSignedIn]);
  const out = await nurse.post('/sign-out', hiddenOf(answer, '/sign-out'));
  expect(out.heading).toBe(SIGN_IN.signedOut);
  expect((await nurse.get('/look-up')).headers.get('location')).toBe('/sign-in');
});

test('a list that is too long stays on its form, with the limit; one that is far too long is reported as not kept', async () => {
  const practitioner = await signedIn('scheduledCare');
  const paste = async (list: string): Promise<Visit> =>
    practitioner.post('/list', { ...(await practitioner.form('/list')), list });
  const long = await paste(`${PLAN}, 5/3/2019\n`.repeat(1_000));
  expect([long.status, long.heading]).toEqual([400, LIST.title]);
  expect(wordsOf(long)).toContain(LIST.tooMany(50, 1_000));
  expect(long.text).toContain(PLAN);
  const longer = await paste(`${PLAN}, 5/3/2019\n`.repeat(4_000));
  expect([longer.status, longer.heading]).toEqual([413, LIST.title]);
  expect(wordsOf(longer)).toContain(LIST.tooLong(50));
  expect(longer.text).not.toContain(PLAN);
  const again = { ...hiddenOf(longer, '/list'), list: PLAN };
  expect((await practitioner.post('/list', again)).heading).toBe('1 pasted, 1 checked');
});

test.each([
  ['/look-up', 'number', NOT_CHECKED.tooMuch],
  ['/look-up/attendance', 'ward', ATTENDANCE.failed],
  ['/sign-out', 'token', NOT_CHECKED.tooMuch],
  ['/sign-in', 'person', NOT_CHECKED.tooMuch],
])('a form to %s that is too large is reported as such', async (path, field, says) => {
  const nurse = await signedIn();
  const answer = await nurse.post(path, { [field]: 'x'.repeat(BODY_LIMITS.maxBytes) });
  expect([answer.status, answer.heading]).toEqual([413, says]);
  expect(wordsOf(answer)).toContain('oo much was typed');
});

test('a form that does not arrive completely is reported as late, not as somebody else’s', async () => {
  const read: Promise<Awaited<ReturnType<typeof readForm>>>[] = [];
  const listener = getRequestListener((_, env) => {
    read.push(readForm(env as HttpBindings, { deadlineMs: 20 }));
    return Promise.all(read).then(() => new Response());
  });
  const server = createServer((...of) => void listener(...of)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const asked = request({
    port,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': 20 },
  });
  asked.write('number=999');
  await once(asked, 'response');
  expect(await Promise.all(read)).toEqual(['request-timeout']);
  expect(String(formRefusedPage('request-timeout', '/look-up').content)).toContain(
    NOT_CHECKED.late,
  );
  asked.destroy();
  server.close();
});
