import { afterAll, beforeAll, expect, test } from 'vitest';
import { ATTENDANCE } from '#schemas/wording/pages.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { hiddenOf, signedIn, type Visit, wordsOf } from '../../support/visitor.ts';

const [PLAN, NONE] = [testNumber(7_401), testNumber(7_403)];
const LEFT = { attended: 'left-before-seen' };
let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    environment: { USER_LIMIT: '4' },
    authorities: [{ code: 'ZZ101', name: 'Northmoor Council', rows: [{ nhsNumber: PLAN }] }],
  });
});
afterAll(() => service?.stopAndRemove());

function expectNotRecorded(said: Visit): void {
  expect(said.heading).toBe(ATTENDANCE.failed);
  expect(said.text).toContain('href="/councils"');
  expect(wordsOf(said)).not.toContain('look-ups');
}

test('if a limit is reached, a page says that a child who left was not recorded, and the choice can be sent again', async () => {
  const nurse = await signedIn(service);
  const fields = hiddenOf(await nurse.lookUp(PLAN), '/look-up/attendance');
  let said = await nurse.lookUp(NONE);
  // The limit is refilled by one request every fifteen seconds.
  await until(async () => {
    said = await nurse.lookUp(NONE);
    if (said.status !== 429) return false;
    said = await nurse.post('/look-up/attendance', { ...fields, ...LEFT });
    return said.status === 429;
  }, 'the limit');
  expectNotRecorded(said);
  const seconds = Number(said.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(0);
  expect(wordsOf(said)).toContain(ATTENDANCE.limitedThen(seconds));
  expect(wordsOf(said)).toMatch(/Tried at [0-9]{2}:[0-9]{2}:[0-9]{2} on /);
  expect(said.text).toMatch(/value="left-before-seen"[^>]* checked/);
  // The page is hidden when the session ends.
  expect(said.text).toContain('cpf-hides__content');
  expect(hiddenOf(said, '/look-up/attendance')['of']).toBeTruthy();
});

test('once the session is over, a page says that a child who left was not recorded', async () => {
  const medic = await signedIn(service, 'ambulanceService');
  const answer = await medic.lookUp(PLAN);
  const jar = new Map(medic.jar);
  await medic.post('/sign-out', hiddenOf(answer, '/sign-out'));
  for (const [name, cookie] of jar) medic.jar.set(name, cookie);
  const fields = hiddenOf(answer, '/look-up/attendance');
  const said = await medic.post('/look-up/attendance', { ...fields, ...LEFT });
  expectNotRecorded(said);
  expect(said.text).toContain('href="/sign-in"');
});

test.each([
  ['that is too large', { ward: 'x'.repeat(20_000) }, {}],
  [
    'with a repeated field',
    [['attended', 'seen'] as [string, string], ['attended', 'seen'] as [string, string]],
    {},
  ],
  ['from another site', LEFT, { 'sec-fetch-site': 'cross-site' }],
])('a form %s is reported as not recorded', async (_, fields, headers) => {
  const medic = await signedIn(service, 'ambulanceService');
  const said = await medic.post('/look-up/attendance', fields, headers);
  expectNotRecorded(said);
});
