import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OdsCode } from '#schemas/authority.ts';
import { COUNCIL } from '#schemas/wording/council.ts';
import { FRESHNESS, NUMBERS } from '#schemas/wording/council-numbers.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { visitorAs } from '../../support/desk.ts';
import { TIME_ON } from '../../support/pages.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import { ods } from '../../support/upload-loading.ts';
import {
  doubledHeadings,
  hiddenOf,
  locationOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

const OURS: OdsCode = ods('ZZ101');
const REASON = 'the duty desk has moved';
const PATH = '/council/numbers';

let service: TestService;
let ours: Visitor;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      { code: OURS, officeHoursPhone: '02079460110' },
      { code: 'ZZ102', hoursOld: 200 },
      { code: 'ZZ103', officeHoursPhone: '02079460130' },
    ],
  });
  ours = await as(OURS);
});
afterAll(() => service?.stopAndRemove());

const as = (organisation: string) => visitorAs(service, { organisation, scopes: ['upload'] });

async function check(visitor: Visitor, typed: Record<string, string>): Promise<Visit> {
  return untilAnswered(() =>
    visitor.send(`${PATH}/check`, { hours: '', reason: REASON, ...typed }, PATH),
  );
}
const save = (visitor: Visitor, page: Visit, typed: Record<string, string> = { rang: 'yes' }) =>
  visitor.post(PATH, { ...hiddenOf(page, PATH), ...typed });
const events = async (authority: string) =>
  (await service.events()).flatMap((event) =>
    event.type === 'authority-set' && event.detail['authority'] === authority ? event : [],
  );

test('a change is shown for checking, counts once confirmed, and is recorded with the previous value', async () => {
  const before = (await events(OURS)).length;
  const page = await check(ours, { emergency: '020 7946 0188', hours: 'Mon-Fri 08:45-17:15' });
  expect([page.status, page.heading]).toEqual([200, NUMBERS.confirm]);
  expect(doubledHeadings(page)).toEqual([]);
  expect(wordsOf(page)).toContain('020 7946 0199020 7946 0188');
  expect((await service.store.authority(OURS))?.emergencyDutyTeamPhone).toBe('02079460199');
  expect((await events(OURS)).length).toBe(before);

  const unrung = await save(ours, page, {});
  expect([unrung.status, wordsOf(unrung).includes(NUMBERS.rangWrong)]).toEqual([400, true]);
  const done = await save(ours, unrung);
  expect([done.status, locationOf(done)]).toEqual([303, `${PATH}?changed=yes`]);
  expect(await service.store.authority(OURS)).toMatchObject({
    emergencyDutyTeamPhone: '02079460188',
    officeHours: 'Mon-Fri 08:45-17:15',
    officeHoursPhone: '02079460110',
  });
  const after = await ours.get(`${PATH}?changed=yes`);
  expect(wordsOf(after)).toContain(NUMBERS.done);
  expect(wordsOf(after)).toContain('020 7946 0188, given at');
  expect((await events(OURS)).at(-1)).toMatchObject({
    by: expect.stringContaining('Person') as unknown,
    detail: {
      authority: OURS,
      emergencyDutyTeamPhoneBefore: '02079460199',
      emergencyDutyTeamPhoneAfter: '02079460188',
      officeHoursBefore: '',
      officeHoursAfter: 'Mon-Fri 08:45-17:15',
      reason: REASON,
      account: expect.stringContaining('demo') as unknown,
    },
  });
  // Sent a second time, it changes nothing more.
  expect((await save(ours, unrung)).status).toBe(409);
  await until(
    async () => (await ours.get('/councils')).text.includes('8:45am to 5:15pm'),
    'the hours beside the number that everybody finds',
  );
});

test.each([
  ['an extension', { emergency: '02079460188x5' }, 'emergency'],
  ['words', { office: 'ring the desk' }, 'office'],
  ['two numbers', { office: '02079460110 / 02079460111' }, 'office'],
  ['hours that end before they begin', { hours: 'Mon 17:00-09:00' }, 'hours'],
  ['an invalid time', { hours: '9-5' }, 'hours'],
  ['no change', {}, 'office'],
  ['no reason', { emergency: '02079460177', reason: ' ' }, 'reason'],
  ['the emergency number', { emergency: '999' }, 'emergency'],
  ['the European emergency number', { office: '112' }, 'office'],
  ['the NHS 111 number', { office: '+44 111' }, 'office'],
  ['an NHS number as a reason', { emergency: '02079460177', reason: '999 000 0018' }, 'reason'],
  ['markup', { emergency: '<img src=x>' }, 'emergency'],
])('is refused at its field and changes nothing: %s', async (_what, typed, field) => {
  const visitor = await as('ZZ103');
  const page = await check(visitor, typed);
  expect(page.status).toBe(400);
  expect(page.text).toContain(`href="#${field}"`);
  expect(page.text).not.toContain('<img src=x>');
  expect(await service.store.authority(ods('ZZ103'))).toMatchObject({
    officeHoursPhone: '02079460130',
    emergencyDutyTeamPhone: '02079460199',
  });
});

test('one number for both office hours and nights is shown with what that means', async () => {
  const visitor = await as('ZZ103');
  const both = await check(visitor, { emergency: '020 7946 0130' });
  expect([both.status, wordsOf(both).includes(NUMBERS.same)]).toEqual([200, true]);
  const two = await check(visitor, { emergency: '02079460177' });
  expect(wordsOf(two)).not.toContain(NUMBERS.same);
});

test('a change based on outdated numbers does nothing and says so', async () => {
  const visitor = await as('ZZ103');
  const page = await check(visitor, { emergency: '02079460177' });
  await service.store.setAuthority(ods('ZZ103'), { officeHoursPhone: '02079460131' }, 'a file');
  const late = await save(visitor, page);
  expect([late.status, wordsOf(late).includes(NUMBERS.overtaken)]).toEqual([409, true]);
  expect(late.text).toContain(`<title>Error: ${NUMBERS.title}`);
  expect(late.text).toMatch(/role="alert"[\s\S]*href="#change"[\s\S]*id="change"/);
  expect((await service.store.authority(ods('ZZ103')))?.emergencyDutyTeamPhone).toBe('02079460199');
});

test('nobody changes another council’s numbers, whatever the form says', async () => {
  const page = await check(ours, { emergency: '02079460166' });
  const other = await as('ZZ102');
  const stolen = await other.post(PATH, { ...hiddenOf(page, PATH), rang: 'yes' });
  expect([stolen.status, stolen.heading]).toEqual([403, DESK.untrusted]);
  await ours.post(PATH, { ...hiddenOf(page, PATH), rang: 'yes', authority: 'ZZ102' });
  expect((await service.store.authority(ods('ZZ102')))?.emergencyDutyTeamPhone).toBe('02079460199');
});

test('a council whose data is up to date reads that no lookup is answered, as long as none is', async () => {
  await service.admin.config('SET', 'appendfsync', 'everysec');
  await until(
    async () => wordsOf(await ours.get('/council')).includes(FRESHNESS.notAnswered),
    'the page to say that no lookup is answered',
  );
  expect(wordsOf(await ours.get('/council'))).not.toContain(FRESHNESS.upToDate);
  await service.admin.config('SET', 'appendfsync', 'always');
  await until(
    async () => wordsOf(await ours.get('/council')).includes(FRESHNESS.upToDate),
    'the store to open again',
  );
});

test('a council reads how fresh its data is, when its next data is due and what clinicians are told', async () => {
  const fresh = wordsOf(await ours.get('/council'));
  expect(fresh).toContain(FRESHNESS.upToDate);
  expect(fresh).toMatch(
    new RegExp(`${FRESHNESS.due} ?[0-9]{1,2} [A-Z][a-z]+ 20[0-9]{2}, [0-9]{2}:[0-9]{2}`),
  );
  expect(fresh).not.toContain(COUNCIL.waiting);
  const late = await (await as('ZZ102')).get('/council');
  const behind = wordsOf(late);
  expect(behind).toContain(FRESHNESS.behind);
  expect(behind).toContain('It was due by');
  // It starts with what to do about it.
  expect(behind).toMatch(
    new RegExp(`What is not done yet ?Your data has been out of date since ${TIME_ON}`),
  );
  expect(late.text).toContain(
    `<a class="nhsuk-link" href="/council/upload">${COUNCIL.sendFile}</a>`,
  );
});
