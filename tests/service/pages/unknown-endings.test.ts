import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { ATTENDANCE, LIST, NOT_CHECKED, RESULT, SIGN_IN_REFUSED } from '#schemas/wording/pages.ts';
import { keys } from '#store/keys.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { createVisitor, hiddenOf, signedIn, wordsOf } from '../../support/visitor.ts';

/** While nobody knows which sessions have ended, nothing is shown, and everybody who is refused is recorded. */

const PLAN = testNumber(7_801);
const LISTED = [testNumber(7_802), testNumber(7_803)] as const;
let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    environment: { PASTED_LISTS_A_DAY: '3' },
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: PLAN }] }],
  });
});
afterAll(() => service?.stopAndRemove());
afterEach(async () => {
  await service.admin.del(keys.ended);
  await until(async () => (await sessionsCheck()).status === 'pass', 'endings to be known');
});

const statusSchema = z.looseObject({
  checks: z.record(z.string(), z.array(z.looseObject({ status: z.string(), outcome: z.string() }))),
});
async function sessionsCheck() {
  const response = await fetch(`${service.baseUrl}/_status`);
  const { checks } = statusSchema.parse(await response.json());
  return { http: response.status, ...checks['pages:sessions']?.[0] };
}

async function notCheckedOf(nhsNumber: string): Promise<number> {
  const events = await service.events();
  return events.filter((event) => event.type === 'could-not-check' && event.nhsNumber === nhsNumber)
    .length;
}
/** Who was refused, and why. */
async function refusals(): Promise<string[]> {
  const events = await service.events();
  return events.flatMap((event) =>
    event.type === 'refusal' ? [`${event.caller.user} ${event.code}`] : [],
  );
}

test('unreadable session endings are reported in the status, and lookups through the API are answered', async () => {
  await until(async () => (await sessionsCheck()).status === 'pass', 'endings to be known');
  await service.admin.set(keys.ended, 'damaged');
  // The warning does not make the service unready.
  await until(async () => {
    const { http, status, outcome } = await sessionsCheck();
    return http === 200 && status === 'warn' && outcome?.includes('WRONGTYPE') === true;
  }, 'the warning');
  expect((await service.answered({ nhsNumber: PLAN })).status).toBe(200);
  await service.admin.del(keys.ended);
  await until(async () => (await sessionsCheck()).status === 'pass', 'endings to be known');
});

test('somebody who then asks for anything is refused, and recorded with the number that they asked about', async () => {
  const nurse = await signedIn(service);
  const practitioner = await signedIn(service, 'scheduledCare');
  const look = await nurse.form('/look-up');
  const answer = await nurse.lookUp(PLAN);
  const attendance = hiddenOf(answer, '/look-up/attendance');
  const list = await practitioner.form('/list');
  const stranger = createVisitor(service.baseUrl);
  const signIn = await stranger.form('/sign-in');
  const before = await refusals();
  const numbers = [PLAN, LISTED[1]];
  const notChecked = await Promise.all(numbers.map(notCheckedOf));
  await service.admin.del(keys.ended);
  await service.admin.set(keys.ended, 'damaged');
  await until(async () => (await nurse.ask('/look-up')).status === 503, 'nobody to be believed');

  const looked = await nurse.post('/look-up', { ...look, number: PLAN });
  expect([looked.status, looked.heading]).toEqual([503, NOT_CHECKED.couldNotCheck]);
  const pasted = await practitioner.post('/list', { ...list, list: LISTED.join('\n') });
  expect(pasted.heading).toBe('2 pasted, 0 checked, 2 NOT checked');
  const attended = await nurse.post('/look-up/attendance', { ...attendance, attended: 'seen' });
  expect([attended.status, attended.heading]).toEqual([503, ATTENDANCE.failed]);
  const entered = await stranger.post('/sign-in', { ...signIn, person: 'ambulanceService' });
  expect([entered.status, entered.heading]).toEqual([503, SIGN_IN_REFUSED.unavailable]);

  await until(async () => {
    const now = await Promise.all(numbers.map(notCheckedOf));
    return now.every((count, i) => count === (notChecked[i] ?? 0) + 1);
  }, 'the look and the list');
  await until(async () => (await refusals()).length === before.length + 2, 'the refusals');
  expect((await refusals()).slice(before.length).toSorted()).toEqual([
    'demo-nurse could-not-check',
    'demo-paramedic could-not-check',
  ]);
});

test('a look or list sent while Redis is frozen is answered as not checked, and recorded once Redis is back, when the list can be sent again', async () => {
  const nurse = await signedIn(service);
  const practitioner = await signedIn(service, 'scheduledCare');
  const look = await nurse.form('/look-up');
  const list = await practitioner.form('/list');
  const numbers = [PLAN, ...LISTED];
  const before = await Promise.all(numbers.map(notCheckedOf));
  const pid = Number(/process_id:(\d+)/.exec(await service.admin.info('server'))?.[1]);
  let sent = await practitioner.get('/list');
  process.kill(pid, 'SIGSTOP');
  try {
    await until(async () => (await nurse.ask('/look-up')).status === 503, 'nobody to be believed');
    const [looked, pasted, opened] = await Promise.all([
      nurse.post('/look-up', { ...look, number: PLAN }),
      practitioner.post('/list', { ...list, list: `${LISTED.join('\n')}\n999 000 0000` }),
      practitioner.ask('/list'),
    ]);
    expect([looked.status, looked.heading]).toEqual([503, NOT_CHECKED.couldNotCheck]);
    expect([opened.status, opened.heading]).toEqual([503, NOT_CHECKED.couldNotCheck]);
    expect(pasted.heading).toBe('3 pasted, 0 checked, 3 NOT checked');
    expect(wordsOf(pasted)).toContain(LIST.notCheckedThen);
    expect(wordsOf(pasted)).not.toContain(RESULT.noPlan);
    sent = pasted;
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until(async () => {
    const after = await Promise.all(numbers.map(notCheckedOf));
    return after.every((count, i) => count > (before[i] ?? count));
  }, 'the look and the list');
  await until(async () => (await service.answered({ nhsNumber: PLAN })).status === 200);
  await until(async () => {
    sent = await practitioner.post('/list', hiddenOf(sent, '/list'));
    return sent.heading === '3 pasted, 2 checked, 1 NOT checked';
  }, 'the list to be checked');
});

test('a mistake by somebody signed in is recorded like one through the API', async () => {
  const nurse = await signedIn(service);
  const practitioner = await signedIn(service, 'scheduledCare');
  const attendance = hiddenOf(await nurse.lookUp(PLAN), '/look-up/attendance');
  await nurse.post('/look-up/attendance', { ...attendance, attended: 'seen', ward: '1'.repeat(9) });
  await practitioner.post('/list', {
    ...(await practitioner.form('/list')),
    list: '',
  });
  await nurse.get('/list');
  await until(async () => {
    const found = await refusals();
    return [
      'demo-nurse invalid-attendance',
      'demo-gp invalid-batch',
      'demo-nurse batch-not-allowed',
    ].every((refusal) => found.includes(refusal));
  }, 'the refusals');
});
