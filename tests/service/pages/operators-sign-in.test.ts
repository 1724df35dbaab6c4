import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OPERATOR } from '#schemas/wording/operator.ts';
import { SIGN_IN_REFUSED } from '#schemas/wording/pages.ts';
import {
  type Cis2,
  openFor,
  providerBySecret,
  signInAtCis2,
  startCis2,
} from '../../support/cis2.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';
import {
  createVisitor,
  hiddenOf,
  locationOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/** Signing in by a provider whose people may be operators, and that serves several organisations. */

const OPERATING = 'ZZX09';
const ELSEWHERE = 'ZZX08';

let folder: string;
let cis2: Cis2;
let service: TestService;

beforeAll(async () => {
  folder = await testFolder();
  cis2 = await startCis2();
  const providers = [{ ...providerBySecret(cis2), for: 'officers' }];
  const { environment } = await openFor(cis2, folder, providers);
  service = await startTestService({
    environment: { ...environment, OPERATOR_ODS_CODE: OPERATING },
  });
});
afterAll(async () => {
  await service?.stopAndRemove();
  await cis2?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

function signIn(
  visitor: Visitor,
  sub: string,
  { scope = 'operate', at }: { scope?: string; at: string[] },
): Promise<Visit> {
  const roles = at.map((organisation, i) => ({ id: `${i + 1}`, organisation }));
  return signInAtCis2(cis2, visitor, sub, { scope, roles, selectedRole: undefined });
}

test('an operator in a role at another organisation gets no session, and reads why', async () => {
  const visitor = createVisitor(service.baseUrl);
  const page = await signIn(visitor, '555000050001', { at: [ELSEWHERE] });
  expect([page.status, page.heading]).toEqual([403, SIGN_IN_REFUSED.nothingHere]);
  expect(wordsOf(page)).toContain(SIGN_IN_REFUSED.nothingHereOperate);
  expect(wordsOf(page)).toContain(ELSEWHERE);
  for (const path of ['/operator', '/look-up']) {
    expect([path, locationOf(await visitor.get(path))]).toEqual([path, '/sign-in']);
  }
  await until(
    async () =>
      (await service.events()).some(
        (event) => event.type === 'refusal' && event.caller.user === '555000050001',
      ),
    'the refusal',
  );
});

test('somebody with an officer’s rights as well is taken to the audit, and not led to the operator’s pages', async () => {
  const visitor = createVisitor(service.baseUrl);
  const there = await signIn(visitor, '555000050002', { scope: 'operate audit', at: [ELSEWHERE] });
  expect(locationOf(there)).toBe('/officer');
  expect((await visitor.get('/officer')).text).not.toContain('href="/operator"');
  const page = await visitor.get('/operator');
  expect(page.status).toBe(403);
  // Their own start page would be no way to another role.
  expect(page.text).toContain('class="nhsuk-button" href="/sign-in"');
  expect(wordsOf(page)).toContain('OPERATOR_ODS_CODE');
});

test('an operator with roles at several organisations is let in by those at the operating one', async () => {
  const visitor = createVisitor(service.baseUrl);
  const only = await signIn(visitor, '555000050003', { at: [ELSEWHERE, OPERATING] });
  expect(locationOf(only)).toBe('/operator');
  expect((await visitor.get('/operator')).status).toBe(200);
  const several = await signIn(visitor, '555000050003', { at: [OPERATING, ELSEWHERE, OPERATING] });
  const roles = [...several.text.matchAll(/name="role" type="radio" value="([^"]+)"/g)];
  expect(roles).toHaveLength(2);
  expect(wordsOf(several)).not.toContain(ELSEWHERE);
  const role = roles[1]?.[1] ?? '';
  const chosen = await visitor.post('/role', { ...hiddenOf(several, '/role'), role });
  expect(locationOf(chosen)).toBe('/operator');
  expect(wordsOf(await visitor.get('/operator/files'))).toContain(OPERATOR.files);
});

test('a demo whose operating organisation is another offers nobody whom it would refuse', async () => {
  const page = wordsOf(await createVisitor(service.baseUrl).get('/sign-in'));
  expect(page).toContain('Esi Demo');
  expect(page).not.toContain('Farid Demo');
});
