import { afterAll, beforeAll, expect, test } from 'vitest';
import { HIDDEN, LIST, NOT_CHECKED, RESULT } from '#schemas/wording/pages.ts';
import { keys } from '#store/keys.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import {
  createVisitor,
  hiddenOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

const [PLAN, DIFFERS, NONE] = [testNumber(7_401), testNumber(7_402), testNumber(7_403)];
const UNSEEN = [testNumber(7_404), testNumber(7_405), testNumber(7_406)] as const;
let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    environment: { PASTED_LISTS_A_DAY: '3' },
    authorities: [
      {
        code: 'ZZ101',
        name: 'Northmoor Council',
        rows: [{ nhsNumber: PLAN }, { nhsNumber: DIFFERS }],
      },
    ],
  });
});
afterAll(() => service?.stopAndRemove());

async function practitioner(): Promise<Visitor> {
  const visitor = createVisitor(service.baseUrl);
  await visitor.signIn('scheduledCare');
  return visitor;
}
async function paste(visitor: Visitor, list: string): Promise<Visit> {
  return visitor.post('/list', { ...hiddenOf(await visitor.get('/list'), '/list'), list });
}
const looks = async (): Promise<number> =>
  (await service.events()).filter(({ type }) => type === 'lookup').length;

test('a pasted list keeps its order, says first what was not checked and what is flagged, and never that all is clear', async () => {
  const visitor = await practitioner();
  expect(wordsOf(await visitor.get('/look-up'))).toContain(LIST.link);
  const before = await looks();
  const answer = await paste(
    visitor,
    `${NONE}\r\n${PLAN}, 5/3/2019\r\n\r\n  999 000 0000\n${DIFFERS}\t2018-01-01\n<b>Ann</b> ${PLAN}`,
  );
  expect(answer.heading).toBe('5 pasted, 3 checked, 2 NOT checked');
  expect(answer.title).toMatch(/^Result - /);
  const said = wordsOf(answer);
  const places = [LIST.notCheckedThen, 'Line 4: 999 000 0000', LIST.flaggedThen, LIST.all].map(
    (text) => said.indexOf(text),
  );
  expect(places.every((place) => place > 0)).toBe(true);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(said).toContain(LIST.outcomes.differs);
  expect(said).toContain(LIST.notSafe);
  expect(said).not.toMatch(/all clear/i);
  expect(answer.text).toContain('&lt;b&gt;Ann&lt;/b&gt;');
  expect(answer.headers.get('refresh')).toMatch(/^120; /);
  const table = said.slice(said.indexOf(LIST.all));
  const order = [NONE, PLAN, DIFFERS].map((number) =>
    table.indexOf(number.replace(/^(...)(...)(....)$/, '$1 $2 $3')),
  );
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(await looks()).toBe(before + 3);
  const events = (await service.events()).filter((event) => event.type === 'lookup');
  expect(new Set(events.map(({ access, api }) => `${access} ${api}`))).toEqual(
    new Set(['silent-read pages']),
  );
});

test('nobody in unscheduled care is offered a list, or can send one', async () => {
  const nurse = createVisitor(service.baseUrl);
  await nurse.signIn();
  const form = await nurse.get('/look-up');
  expect(wordsOf(form)).not.toContain(LIST.link);
  expect((await nurse.get('/list')).status).toBe(404);
  const sent = await nurse.post('/list', { ...hiddenOf(form, '/look-up'), list: PLAN });
  expect(sent.status).toBe(404);
});

test('too many lines, none, or one list more than a day has are refused, and what was typed stays', async () => {
  const visitor = await practitioner();
  const many = Array.from({ length: 51 }, () => NONE).join('\n');
  const tooMany = await paste(visitor, many);
  expect([tooMany.status, tooMany.text.includes(`${NONE}\n${NONE}`)]).toEqual([400, true]);
  expect((await paste(visitor, ' \n ')).status).toBe(400);
  expect((await paste(visitor, NONE)).heading).toBe('1 pasted, 1 checked');
  expect((await paste(visitor, NONE)).heading).toBe('1 pasted, 1 checked');
  const before = await looks();
  const used = await paste(visitor, NONE);
  expect([used.status, wordsOf(used).includes(LIST.usedUp(3))]).toEqual([400, true]);
  expect(await looks()).toBe(before);
});

test('a list counts for the whole day that it was pasted on, also one of 25 hours', async () => {
  const once = await service.admin.keys(keys.once('*'));
  const lives = await Promise.all(once.map((key) => service.admin.pttl(key)));
  expect(lives.filter((life) => life > 25 * 3_600_000)).toHaveLength(3);
});

test('a form sent again as other care shows no answer that was made for the first', async () => {
  const visitor = await practitioner();
  const fields = hiddenOf(await visitor.get('/look-up'), '/look-up');
  const planned = await visitor.post('/look-up', { ...fields, number: PLAN, care: 'planned' });
  expect(wordsOf(planned)).toContain(RESULT.silentWho);
  const before = await looks();
  const urgent = await visitor.post('/look-up', { ...fields, number: PLAN, care: 'unscheduled' });
  expect(urgent.heading).toBe(HIDDEN.heading);
  expect(await looks()).toBe(before);
});

test('a list sent again from another tab shows nothing and looks nothing up', async () => {
  const visitor = await practitioner();
  const page = await visitor.get('/list');
  const fields = hiddenOf(page, '/list');
  const single = await visitor.post('/look-up', { ...fields, number: PLAN });
  expect(single.heading).toBe(RESULT.onPlan);
  const again = await visitor.post('/list', { ...fields, list: PLAN });
  expect([RESULT.onPlan, HIDDEN.heading]).toContain(again.heading);
});

test('a look and a list while Redis writes nothing are on record, each number as not checked', async () => {
  const visitor = await practitioner();
  const list = hiddenOf(await visitor.get('/list'), '/list');
  const look = hiddenOf(await visitor.get('/look-up'), '/look-up');
  await service.admin.call('CLIENT', 'PAUSE', '60000', 'WRITE');
  const [pasted, looked] = await Promise.all([
    visitor.post('/list', { ...list, list: `${UNSEEN[0]}\n${UNSEEN[1]}` }),
    visitor.post('/look-up', { ...look, number: UNSEEN[2] }),
  ]).finally(() => void service.admin.call('CLIENT', 'UNPAUSE'));
  expect(pasted.heading).toBe('2 pasted, 0 checked, 2 NOT checked');
  expect(looked.heading).toBe(NOT_CHECKED.couldNotCheck);
  await until(async () => {
    const events = await service.events();
    return UNSEEN.every((nhsNumber) =>
      events.some((event) => event.type === 'could-not-check' && event.nhsNumber === nhsNumber),
    );
  });
});
