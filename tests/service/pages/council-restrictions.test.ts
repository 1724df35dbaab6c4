import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { DESK } from '#schemas/wording/desk.ts';
import { WHERE_NOT_SHOWN } from '#schemas/wording/lookup.ts';
import { NHS_NUMBER } from '#schemas/wording/nhs-number.ts';
import { RESTRICTION, RESTRICTIONS } from '#schemas/wording/restrictions.ts';
import { keys } from '#store/keys.ts';
import { councilPeople } from '../../support/desk.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import { hiddenOf, locationOf, type Visit, type Visitor, wordsOf } from '../../support/visitor.ts';

const PATH = '/council/restrictions';
const BEGIN = '/council/restrict';
const WHY = 'the mother has fled with her';
const [CHILD, OTHER_CHILD, THEIRS] = [testNumber(1), testNumber(2), testNumber(3)];

let service: TestService;
let officer: Visitor;
let colleague: Visitor;
let other: Visitor;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      {
        code: 'ZZ101',
        rows: [
          { nhsNumber: CHILD, localId: '<b>A-1</b>' },
          { nhsNumber: OTHER_CHILD, localId: 'A-2' },
        ],
      },
      { code: 'ZZ102', rows: [{ nhsNumber: THEIRS, localId: 'B-1' }] },
    ],
    environment: { NOTIFICATIONS_WINDOW_MINUTES: '0.005' },
  });
  ({ officer, colleague, other } = await councilPeople(service));
});
afterAll(() => service?.stopAndRemove());

const answerSchema = z.object({ outcome: z.string().optional(), advice: z.array(z.string()) });
async function lookedUp(nhsNumber: string, sub = 'nurse-1', name = 'Nora Nurse') {
  const token = await service.token(claims({ sub, name }));
  return answerSchema.parse(await (await service.answered({ nhsNumber }, { token })).json());
}
/** What is said to somebody barred is what is said to anybody while the check cannot be made. */
async function outcomeOfBarred(sub: string): Promise<string | undefined> {
  const token = await service.token(claims({ sub }));
  return answerSchema.parse(await (await service.lookup({ nhsNumber: CHILD }, { token })).json())
    .outcome;
}
async function find(visitor: Visitor, number: string, again = number): Promise<Visit> {
  return untilAnswered(() => visitor.send(`${BEGIN}/find`, { number, again }, BEGIN));
}
async function set(number: string, typed: Record<string, string>): Promise<Visit> {
  return untilAnswered(async () => {
    const page = await find(officer, number);
    return officer.post(BEGIN, { ...hiddenOf(page, BEGIN), reason: WHY, ...typed });
  });
}
async function end(visitor: Visitor, at: string, reason = 'it is over'): Promise<Visit> {
  return untilAnswered(() => visitor.send(`${at}/end`, { reason }, at));
}
const events = async () =>
  (await service.events()).flatMap((event) => (event.type === 'restriction' ? event : []));

test('a council protects its child’s whereabouts and later ends that, with who, when and why on record', async () => {
  await lookedUp(CHILD, 'nina', 'Nina Nurse');
  const page = await find(officer, ` ${CHILD.slice(0, 3)} ${CHILD.slice(3, 6)} ${CHILD.slice(6)}`);
  expect(page.text).not.toMatch(/name="what"[^>]* checked/);
  const asked = await set(CHILD, { what: 'whereabouts' });
  expect(asked.status).toBe(303);
  const at = locationOf(asked);
  expect(at).toMatch(/^\/council\/restrictions\/[a-z]+$/);
  const { outcome, advice } = await lookedUp(CHILD);
  expect([outcome, advice.includes(WHERE_NOT_SHOWN)]).toEqual(['flagged', true]);
  const detail = await colleague.get(at);
  expect(wordsOf(detail)).toContain(RESTRICTION.set.whereabouts);
  expect(wordsOf(detail)).toContain('<b>A-1</b>');
  expect(detail.text).not.toContain('<b>A-1');
  expect(wordsOf(detail)).toContain('Person officer');
  expect(wordsOf(detail)).toContain(WHY);
  expect(wordsOf(await colleague.get(PATH))).toContain(RESTRICTION.kinds.whereabouts);

  // Another council can neither see nor end it.
  expect((await other.get(at)).status).toBe(404);
  expect(wordsOf(await other.get(PATH))).toContain(RESTRICTIONS.none);
  const mine = await set(OTHER_CHILD, { what: 'whereabouts' });
  const form = await officer.form(locationOf(mine), `${locationOf(mine)}/end`);
  const stolen = await other.post(`${at}/end`, { ...form, reason: 'because' });
  expect(stolen.status).toBe(403);

  expect((await end(colleague, at, '')).status).toBe(400);
  const ended = await end(colleague, at);
  expect([ended.status, locationOf(ended)]).toEqual([303, at]);
  const over = await officer.get(at);
  expect(wordsOf(over)).toContain('Person colleague');
  // Its heading does not say that it is still in force.
  expect(over.heading).not.toMatch(/ (?:is|are) /);
  expect((await lookedUp(CHILD)).advice).not.toContain(WHERE_NOT_SHOWN);
  expect((await events()).filter(({ nhsNumber }) => nhsNumber === CHILD)).toMatchObject([
    { act: 'set', by: 'Person officer', reason: WHY, caller: { user: 'officer' } },
    { act: 'ended', by: 'Person colleague', reason: 'it is over', caller: { user: 'colleague' } },
  ]);
});

test('a council bars somebody who looked, or anybody by their id', async () => {
  await lookedUp(CHILD, 'parent-1', 'Pat <i>Parent</i>');
  await until(
    async () => wordsOf(await officer.get('/council/looks')).includes('Pat <i>Parent</i>'),
    'the council to be told',
  );
  const page = await find(officer, CHILD);
  expect(wordsOf(page)).toContain('User id parent-1');
  expect(page.text).not.toContain('<i>Parent');
  const at = locationOf(await set(CHILD, { what: 'user parent-1' }));
  expect(await outcomeOfBarred('parent-1')).toBeUndefined();
  expect((await lookedUp(CHILD)).outcome).toBe('flagged');
  expect(wordsOf(await officer.get(at))).toContain('Pat <i>Parent</i> parent-1');
  const second = locationOf(await set(CHILD, { what: 'other', user: ' parent-2 ' }));
  expect(await outcomeOfBarred('parent-2')).toBeUndefined();
  await end(officer, second);
  expect((await lookedUp(CHILD, 'parent-2')).outcome).toBe('flagged');
});

test('nothing is set if the number is wrong or typed once, the child is another council’s, or a choice or reason is missing', async () => {
  const before = (await events()).length;
  const refused = async (visit: Visit, words: string): Promise<void> => {
    expect([visit.status, wordsOf(visit).includes(words)]).toEqual([400, true]);
  };
  await refused(await find(officer, '9990000000'), NHS_NUMBER.digit);
  await refused(await find(officer, '999000000'), NHS_NUMBER.length(9));
  await refused(await find(officer, CHILD, OTHER_CHILD), RESTRICTIONS.againWrong);
  await refused(await find(officer, CHILD, ''), RESTRICTIONS.againWrong);
  await refused(await find(officer, THEIRS), RESTRICTIONS.noneFound);
  await refused(await set(CHILD, {}), RESTRICTIONS.whatWrong);
  await refused(await set(CHILD, { what: 'user nobody' }), RESTRICTIONS.whatWrong);
  await refused(await set(CHILD, { what: 'other', user: ' ' }), RESTRICTIONS.userWrong);
  await refused(await set(CHILD, { what: 'other', user: CHILD }), RESTRICTIONS.userLikeNumber);
  await refused(await set(CHILD, { what: 'whereabouts', reason: CHILD }), DESK.numberInText);
  // A forged form that names another council's child.
  const page = await find(officer, CHILD);
  const forged = await officer.post(BEGIN, {
    ...hiddenOf(page, BEGIN),
    number: THEIRS,
    what: 'whereabouts',
    reason: WHY,
  });
  expect([forged.status, wordsOf(forged).includes(RESTRICTION.refused['no-such-child'])]).toEqual([
    409,
    true,
  ]);
  expect((await events()).length).toBe(before);
});

test('an id of ten digits is barred, and one that could be an NHS number is barred only when sent a second time', async () => {
  const typed = { what: 'other', user: '5551234567', reason: WHY };
  expect((await set(CHILD, typed)).status).toBe(303);
  // The list says who is barred.
  expect(wordsOf(await officer.get(PATH))).toMatch(/Bar on a user: 5551234567/);
  const page = await set(CHILD, { ...typed, user: '9990000018' });
  expect([page.status, wordsOf(page).includes(RESTRICTIONS.userLikeNumber)]).toEqual([400, true]);
  const again = { ...hiddenOf(page, BEGIN), ...typed, user: '9990000018' };
  expect((await officer.post(BEGIN, again)).status).toBe(303);
});

test('a long list is shown page by page', async () => {
  const at = new Date().toISOString();
  const { restriction: form } = {
    restriction: {
      kind: 'whereabouts' as const,
      nhsNumber: THEIRS,
      localId: 'B-1',
      set: { name: 'A', at, reason: 'r' },
      ended: { name: 'A', at, reason: 'r' },
    },
  };
  for (let i = 0; i < 60; i++) {
    const ended = JSON.stringify({ ...form, id: `b${i}` });
    await service.admin.hset(keys.restrictions('ZZ102'), `b${i}`, ended);
  }
  const pages = await Promise.all(
    ['', '?page=2', '?page=3', '?page=99'].map((p) => other.get(`${PATH}${p}`)),
  );
  expect(pages.map(({ text }) => text.split('href="/council/restrictions/b').length - 1)).toEqual([
    25, 25, 10, 10,
  ]);
  expect(wordsOf(pages[0] as Visit)).toContain('Page 1 of 3');
});
