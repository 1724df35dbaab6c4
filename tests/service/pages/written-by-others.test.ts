import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addDays, londonDate } from '#schemas/calendar.ts';
import { RESULT, SIGN_IN_REFUSED } from '#schemas/wording/pages.ts';
import {
  type Cis2,
  type Cis2Person,
  openFor,
  providerBySecret,
  signInAtCis2,
  startCis2,
} from '../../support/cis2.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, testFolder } from '../../support/service.ts';
import {
  createVisitor,
  hiddenOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/**
 * Puts a script in each field that somebody else writes: councils, providers, colleagues and people who paste a list.
 */

const markupIn = (where: string): string =>
  `${where}"><script>alert(1)</script><img src=x onerror=alert(2)>`;
const PLAN = testNumber(7_701);
const TWO = testNumber(7_702);
const ENDED = testNumber(7_703);
const NOBODY = testNumber(7_704);

let service: TestService;
let cis2: Cis2;
let dataDir: string;

beforeAll(async () => {
  dataDir = await testFolder();
  cis2 = await startCis2();
  const { environment } = await openFor(cis2, dataDir, [
    { ...providerBySecret(cis2), name: markupIn('provider') },
  ]);
  service = await startTestService({
    dataDir,
    environment: {
      ...environment,
      PASTED_LISTS_A_DAY: '5',
    },
    authorities: [
      {
        code: 'ZZ101',
        name: markupIn('first'),
        rows: [
          { nhsNumber: PLAN },
          { nhsNumber: TWO },
          { nhsNumber: ENDED, endDate: addDays(londonDate(Date.now()), -9) },
        ],
      },
      { code: 'ZZ102', name: markupIn('second'), hoursOld: 999, rows: [{ nhsNumber: TWO }] },
    ],
  });
});
afterAll(async () => {
  await service?.stopAndRemove();
  await cis2?.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

function expectText({ text }: Visit, ...said: string[]): void {
  expect(text).not.toMatch(/<script>alert|<img src/);
  for (const each of said) expect(text).toContain(`${each}&quot;&gt;&lt;script&gt;`);
}

const signIn = (visitor: Visitor, sub: string, person: Cis2Person): Promise<Visit> =>
  signInAtCis2(cis2, visitor, sub, person);

const role = (activities: string[], id = '1') => ({
  id,
  role: markupIn('role'),
  activities,
});

test('other people’s words are shown as text in every kind of answer', async () => {
  const colleague = createVisitor(service.baseUrl);
  await signIn(colleague, '555000000031', {
    name: markupIn('colleague'),
    roles: [role(['B0107'])],
  });
  await colleague.lookUp(PLAN);
  const nurse = createVisitor(service.baseUrl);
  await signIn(nurse, '555000000032', { name: markupIn('nurse'), roles: [role(['B0107'])] });
  expectText(await nurse.get('/look-up'), 'nurse', 'role');
  const plan = await nurse.lookUp(PLAN, { day: '1', month: '1', year: '2018' });
  expectText(plan, 'first', 'colleague', 'role', 'nurse', 'second');
  expect(wordsOf(plan)).toContain(RESULT.whoIsThis);
  expectText(await nurse.lookUp(TWO), 'first', 'second');
  expectText(await nurse.lookUp(ENDED), 'first');
  expectText(await nurse.lookUp(NOBODY), 'second');
  expectText(await nurse.get('/councils'), 'first', 'second');
});

test('other people’s words are shown as text where somebody chooses a role or is refused', async () => {
  const visitor = createVisitor(service.baseUrl);
  expectText(await visitor.get('/sign-in'), 'provider');
  const several = await signIn(visitor, '555000000033', {
    roles: [role(['B0107']), role(['B0107'], '2')],
    selectedRole: undefined,
  });
  expectText(several, 'role');
  const refused = await signIn(visitor, '555000000034', {
    name: markupIn('refused'),
    roles: [role([])],
  });
  expect(refused.heading).toBe(SIGN_IN_REFUSED.activity);
  expectText(refused, 'refused', 'role', 'provider');
  const weak = await signIn(visitor, '555000000035', {
    name: markupIn('weak'),
    identityAssurance: markupIn('level'),
  });
  expectText(weak, 'weak', 'level');
});

test('other people’s words are shown as text where a list was pasted', async () => {
  const reader = createVisitor(service.baseUrl);
  await signIn(reader, '555000000036', { roles: [role(['B0170'])] });
  const page = await reader.get('/list');
  const hidden = hiddenOf(page, '/list');
  expectText(
    await reader.post('/list', { ...hidden, list: `${PLAN}\n${markupIn('line')}` }),
    'line',
  );
});
