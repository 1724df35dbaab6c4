import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { londonDate } from '#schemas/calendar.ts';
import { tidy } from '#schemas/tidy.ts';
import {
  ATTENDANCE,
  HIDDEN,
  LIST,
  LOOK_UP,
  NOT_A_NO,
  NOT_CHECKED,
  RESULT,
  SIGN_IN_REFUSED,
} from '#schemas/wording/pages.ts';
import { DEMO_ISSUER } from '#service/admission/demo-issuer.ts';
import { numberTyped } from '#service/pages/council/looks.ts';
import { readDescription } from '#service/pages/council/upload.ts';
import { readAttendance } from '#service/pages/look-up/attendance.ts';
import { readTyped } from '#service/pages/look-up/form.ts';
import { readList } from '#service/pages/look-up/list.ts';
import { readCriteria } from '#service/pages/officer/criteria.ts';
import { createBlocks } from '#store/blocks.ts';
import { keys } from '#store/keys.ts';
import { HEADINGS } from '../../support/pages.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { hiddenOf, signedIn, type Visit, type Visitor, wordsOf } from '../../support/visitor.ts';

const [PLAN, DIFFERS, NONE] = [testNumber(7_401), testNumber(7_402), testNumber(7_403)];
const UNSEEN = [testNumber(7_404), testNumber(7_405), testNumber(7_406)] as const;
let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    environment: { PASTED_LISTS_A_DAY: '4' },
    authorities: [
      {
        code: 'ZZ101',
        name: 'Northmoor Council',
        rows: [{ nhsNumber: PLAN }, { nhsNumber: DIFFERS }],
      },
      { code: 'ZZ102', name: 'Eastham Council', officeHoursPhone: '02079460122', hoursOld: 400 },
    ],
  });
});
afterAll(() => service?.stopAndRemove());

async function practitioner(): Promise<Visitor> {
  const visitor = await signedIn(service, 'scheduledCare');
  return visitor;
}
/** The days on which lists were taken from the practitioner. At midnight in London, four more are allowed. */
const taken: string[] = [];
async function paste(visitor: Visitor, list: string): Promise<Visit> {
  const day = londonDate(Date.now());
  const answer = await visitor.send('/list', { list });
  if (answer.status === 200 && !answer.heading.includes(', 0 checked')) taken.push(day);
  return answer;
}
const looks = async (): Promise<number> =>
  (await service.events()).filter(({ type }) => type === 'lookup').length;

test('a pasted list keeps its order, starts with what was not checked and what is flagged, and never says that all is clear', async () => {
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
  expect(answer.headers.get('refresh')).toBe('120; url=/list/hidden');
  expect(answer.text).toContain('href="/list/hidden"');
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

test('a list names the councils that are out of date, with their numbers, and says so in each line without a plan', async () => {
  const answer = await paste(await practitioner(), `${NONE}\n${PLAN}`);
  const said = wordsOf(answer);
  expect(said).toContain(
    'Does a child live in Eastham Council? If so, ring it: its plans may be missing here.',
  );
  expect(answer.text).toContain('href="tel:02079460122"');
  expect(answer.text).toContain('href="tel:02079460199"');
  const main = answer.text.slice(0, answer.text.indexOf('<footer'));
  expect(main).toContain('href="/councils"');
  const table = said.slice(said.indexOf(LIST.all));
  expect(table).toContain(`not given${RESULT.noPlanBehind}`);
  expect(table).not.toMatch(/No plan found(?!, but)/);
});

test('nobody in unscheduled care is offered a list or can send one', async () => {
  const nurse = await signedIn(service);
  const form = await nurse.get('/look-up');
  expect(wordsOf(form)).not.toContain(LIST.link);
  expect((await nurse.get('/list')).status).toBe(404);
  const sent = await nurse.post('/list', { ...hiddenOf(form, '/look-up'), list: PLAN });
  expect(sent.status).toBe(404);
});

test('too many lines, none, or one list too many for the day are refused, and the typed text is kept', async () => {
  const visitor = await practitioner();
  const many = Array.from({ length: 51 }, () => NONE).join('\n');
  const tooMany = await paste(visitor, many);
  expect([tooMany.status, tooMany.text.includes(`${NONE}\n${NONE}`)]).toEqual([400, true]);
  expect((await paste(visitor, ' \n ')).status).toBe(400);
  expect((await paste(visitor, 'NHS number\n4009')).heading).toBe(
    '2 pasted, 0 checked, 2 NOT checked',
  );
  let used: Visit;
  let before: number;
  do {
    before = await looks();
    used = await paste(visitor, NONE);
    if (used.status === 200) expect(used.heading).toBe('1 pasted, 1 checked');
  } while (used.status === 200 && taken.length < 20);
  expect([used.status, wordsOf(used).includes(LIST.usedUp(4))]).toEqual([429, true]);
  expect(taken.filter((day) => day === taken.at(-1))).toHaveLength(4);
  expect(used.title).toContain(NOT_CHECKED.title);
  expect(used.text).toContain(`\n${NONE}</textarea>`);
  expect(await looks()).toBe(before);
});

test('a list counts for the whole day when it was pasted, even a day of 25 hours', async () => {
  const once = await service.admin.keys(keys.once('*'));
  const lives = await Promise.all(once.map((key) => service.admin.pttl(key)));
  expect(taken.length).toBeGreaterThanOrEqual(4);
  expect(lives.filter((life) => life > 25 * 3_600_000)).toHaveLength(taken.length);
});

test('a form sent again for another kind of care does not show the answer made for the first', async () => {
  const visitor = await practitioner();
  const fields = await visitor.form('/look-up');
  const planned = await visitor.post('/look-up', { ...fields, number: PLAN, care: 'planned' });
  expect(wordsOf(planned)).toContain(RESULT.silentWho);
  const before = await looks();
  const urgent = await visitor.post('/look-up', { ...fields, number: PLAN, care: 'unscheduled' });
  expect(urgent.heading).toBe(NOT_CHECKED.used);
  expect(await looks()).toBe(before);
});

test('a list leaves the screen for a page of its own, from which another can be pasted', async () => {
  const visitor = await practitioner();
  const form = await visitor.form('/list');
  const used = await visitor.post('/look-up', { ...form, number: PLAN });
  expect(used.headers.get('refresh')).toBe('120; url=/look-up/hidden');
  const again = await visitor.post('/list', { ...form, list: PLAN });
  expect([again.status, again.heading]).toEqual([409, NOT_CHECKED.used]);
  expect(wordsOf(again)).toContain(NOT_CHECKED.usedListThen);
  const hidden = await visitor.get('/list/hidden');
  expect(hidden.heading).toBe(HIDDEN.listHeading);
  expect(wordsOf(hidden)).toContain(NOT_A_NO);
  for (const { text } of [again, hidden]) {
    const main = text.slice(text.indexOf('<main'), text.indexOf('<footer'));
    expect(main).toMatch(/class="nhsuk-button" href="\/list"/);
  }
});

test('a list sent again from another tab shows nothing and looks up nothing', async () => {
  const visitor = await practitioner();
  const page = await visitor.get('/list');
  const fields = hiddenOf(page, '/list');
  const single = await visitor.post('/look-up', { ...fields, number: PLAN });
  expect(single.heading).toBe(HEADINGS.onPlan);
  const again = await visitor.post('/list', { ...fields, list: PLAN });
  expect(again.heading).toBe(NOT_CHECKED.used);
});

test('a look and a list sent while Redis cannot write are recorded, with each number as not checked', async () => {
  const visitor = await practitioner();
  const list = await visitor.form('/list');
  const look = await visitor.form('/look-up');
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

test.each([
  ['999 000 0000', LIST.outcomes.wrongDigit],
  ['999 100 001', LIST.outcomes.wrongLength],
  ['999 100 00111', LIST.outcomes.wrongLength],
  ['999 000 0000, 5/3/2019', LIST.outcomes.wrongDigit],
  [`${NONE} ${PLAN}`, LIST.outcomes.several],
  ['999 000 0000; 999-000-0018', LIST.outcomes.several],
  [`${NONE} 31/2/2019`, LIST.outcomes.wrongDate],
  [`${NONE} 1/1/2999`, LIST.outcomes.wrongDate],
  [`${NONE} 1/1/2190`, LIST.outcomes.futureDate],
  [`${NONE} 31 2 2019`, LIST.outcomes.wrongDate],
  [`${NONE} 5/3/19`, LIST.outcomes.wrongDate],
  [`Ann ${NONE}`, LIST.outcomes.wrong],
  // The number is correct, and the date beside it is in the wrong place or the wrong form.
  [`${NONE} 05032019`, LIST.outcomes.wrong],
  [`${NONE} 5-Mar-2019`, LIST.outcomes.wrong],
  [`5 3 2019 ${NONE}`, LIST.outcomes.wrong],
  [`5-3-2019 ${NONE}`, LIST.outcomes.wrong],
  ['5 3 2019', LIST.outcomes.wrong],
  ['5/3/2019', LIST.outcomes.wrong],
  ['999 000 000 5 3 2019', LIST.outcomes.wrongLength],
  // These have ten digits in all: a number in pairs, or an id and a date.
  ['12 05 03 2019', LIST.outcomes.unclear],
  ['12 31 02 2019', LIST.outcomes.unclear],
  ['05 03 2019 12', LIST.outcomes.unclear],
  ['2019 03 05 12', LIST.outcomes.unclear],
  ['1234 05 03 19', LIST.outcomes.unclear],
  ['12 05-03-2019', LIST.outcomes.unclear],
  ['12 05-03-20\ufeff19', LIST.outcomes.unclear],
  ['12 05 03 2019, 5/3/2019', LIST.outcomes.unclear],
  ['Ann 12 05 03 2019', LIST.outcomes.wrong],
  ['999 000 0000, 31/2/2019', LIST.outcomes.wrongDigit],
])('in a line that reads “%s” the right part is reported as wrong', (text, said) => {
  const [line] = readList(text, Date.now());
  expect(line?.read.kind === 'refused' && LIST.outcomes[line.read.fault]).toBe(said);
});

/** Whether the digits at either end of a line are in groups that could be a date. */
function hasDateGroups(line: string): boolean {
  const groups = line.match(/[0-9]+/g) ?? [];
  return [groups.slice(0, 3), groups.slice(-3)].some((three) =>
    /^(?:[12],[12],[24]|4,[12],[12])$/.test(three.map(({ length }) => length).join()),
  );
}

test('somebody who is blocked is told so before they type anything, and looks up again once they are not', async () => {
  const visitor = await signedIn(service, 'scheduledCare');
  const blocks = createBlocks(service.admin, service.store);
  const order = { by: 'Esi Demo', issuer: DEMO_ISSUER, user: 'demo-gp', reason: 'card stolen' };
  await blocks.block(order);
  for (const path of ['/look-up', '/list']) {
    await until(
      async () => (await visitor.get(path)).heading === SIGN_IN_REFUSED.blocked,
      `${path} to say so`,
    );
    const page = await visitor.get(path);
    expect([page.status, wordsOf(page).includes(NOT_A_NO)]).toEqual([403, true]);
    expect(page.text).not.toContain(`action="${path}"`);
  }
  await blocks.unblock(order);
  await until(async () => (await visitor.get('/list')).heading === LIST.title, 'the form again');
});

test('a list accepts a number in every form in which it is accepted alone', () => {
  const invisible = ['\u202d', '\u202c', '\u200b', '\u00ad', '\ufeff', '\u2060', '\u180e'];
  const gap = fc.array(
    fc.constantFrom(
      ...invisible,
      ' ',
      '\t',
      '\u00a0',
      '\u3000',
      '-',
      '\u2011',
      '\u2013',
      '\u2212',
      '.',
    ),
    { maxLength: 5 },
  );
  const written = fc
    .array(gap, { minLength: 11, maxLength: 11 })
    .map((gaps) => gaps.map((all, i) => `${all.join('')}${PLAN[i] ?? ''}`).join(''))
    // Part of these could be a date.
    .filter((text) => !hasDateGroups(tidy(text)));
  const anything = fc.string({
    unit: fc.constantFrom(...'0123456789 -.,/x'.split(''), ...invisible),
    maxLength: 14,
  });
  const almost = fc
    .tuple(written, fc.nat(20), fc.nat(1), fc.constantFrom(...' -.,/x7'.split(''), ...invisible))
    .map(([text, place, gone, odd]) => text.slice(0, place) + odd + text.slice(place + gone));
  const now = Date.now();
  fc.assert(
    fc.property(written, (number) => {
      const request = { nhsNumber: PLAN };
      expect(readTyped({ number }, now)).toEqual({ kind: 'read', request });
      for (const [more, born] of [
        ['', {}],
        [', 5/3/2019', { dateOfBirth: '2019-03-05' }],
        ['\u202c\t5.3.2019', { dateOfBirth: '2019-03-05' }],
        [' 05 03 2019', { dateOfBirth: '2019-03-05' }],
        ['; 2019 3 5', { dateOfBirth: '2019-03-05' }],
        [', 5 \u2013 3 \u2013 2019', { dateOfBirth: '2019-03-05' }],
      ] as const) {
        const [line] = readList(`${number}${more}`, now);
        expect(line?.read).toEqual({ kind: 'read', request: { ...request, ...born } });
      }
    }),
  );
  let alike = 0;
  fc.assert(
    fc.property(fc.oneof(anything, { weight: 4, arbitrary: almost }), (text) => {
      const alone = readTyped({ number: text }, now);
      if (alone.kind !== 'read' || hasDateGroups(tidy(text))) return;
      alike++;
      expect(readList(text, now)[0]?.read).toEqual(alone);
    }),
  );
  expect(alike).toBeGreaterThan(5);
});

test('a date and too few digits for a number are never read as a number, wherever and however the date is written', () => {
  const one = fc.integer({ min: 1, max: 12 }).map(String);
  const oneOrTwo = fc.oneof(
    one,
    one.map((n) => n.padStart(2, '0')),
  );
  const date = fc
    .record({
      day: oneOrTwo,
      month: oneOrTwo,
      year: fc.integer({ min: 1900, max: 2026 }).map(String),
      by: fc.constantFrom(
        ' ',
        '.',
        '-',
        '/',
        '\u2011',
        '\u2013',
        ' - ',
        ' \u2013 ',
        ' . ',
        ' -',
        '- ',
      ),
      form: fc.constantFrom('d-m-y', 'd-m-yy', 'y-m-d'),
    })
    .map(({ day, month, year, by, form }) =>
      (form === 'y-m-d'
        ? [year, month, day]
        : [day, month, form === 'd-m-yy' ? year.slice(2) : year]
      ).join(by),
    );
  const gap = fc.constantFrom(' ', '\t', '  ', '\u00a0', ' - ', ' \u200b');
  const after = fc.constantFrom('', ' ', ',', '.', '-', ' -', ' \u2013', '. ', '\u200b');
  const line = fc.record({ born: date, gap, after, isFirst: fc.boolean() });
  const digitsOf = (text: string): string => text.replaceAll(/[^0-9]/g, '');
  fc.assert(
    fc.property(line, fc.stringMatching(/^[0-9]{9}$/), ({ born, gap, after, isFirst }, id) => {
      // Together both have ten digits, and usually one of these lines has the right check digit.
      const rest = id.slice(0, Math.max(0, 9 - digitsOf(born).length));
      const lines = '0123456789'
        .split('')
        .map((digit) =>
          isFirst ? `${born}${gap}${digit}${rest}${after}` : `${digit}${rest}${gap}${born}${after}`,
        );
      for (const text of [...lines, `${id}${gap}${born}${after}`]) {
        expect([text, readList(text, Date.now())[0]?.read.kind]).toEqual([text, 'refused']);
      }
    }),
    { numRuns: 1_000 },
  );
  for (const text of ['10 01.06.2019', '10 45.06.2019', '10 - 01-06-2019.']) {
    expect(readList(text, Date.now())[0]?.read.kind).toBe('refused');
  }
});

test('digits in groups that cannot be a date are a number', () => {
  const [, ...pairs] = /^(..)(..)(..)(..)(..)$/.exec(PLAN) ?? [];
  const [first, second, third, ...last] = pairs;
  for (const text of [
    `${first}-${second}-${third}-${last.join('')}`,
    `${first} - ${second} - ${third} - ${last.join('')}`,
    `${first}-${second}-${third} ${last.join('')}`,
    pairs.join('.'),
  ]) {
    const request = { nhsNumber: PLAN };
    expect(readList(text, Date.now())[0]?.read).toEqual({ kind: 'read', request });
  }
});

test('a number whose digits are displayed in another order is not read, alone or in a list', () => {
  // These marks make a browser show what follows, or its groups, from right to left.
  for (const mark of ['\u202e', '\u202b', '\u2067', '\u200f', '\u061c']) {
    const number = `${mark}${PLAN.slice(0, 3)} ${PLAN.slice(3, 6)} ${PLAN.slice(6)}`;
    expect(readTyped({ number }, Date.now()).kind).toBe('refused');
    expect(readList(`${number}, 5/3/2019`, Date.now())[0]?.read.kind).toBe('refused');
  }
});

test('a figure displayed in reverse is not read in any field, and is reported at its own field', () => {
  for (const mark of ['\u202e', '\u202b', '\u2067', '\u200f', '\u061c']) {
    const born = { day: '21', month: '3', year: '2019' };
    for (const field of ['day', 'month', 'year'] as const) {
      expect(
        readTyped({ number: PLAN, ...born, [field]: `${mark}${born[field]}` }, Date.now()),
      ).toEqual({
        kind: 'refused',
        code: 'invalid-request',
        errors: [{ field, text: LOOK_UP.dateNotDigits, others: [] }],
      });
    }
    expect(numberTyped(`${mark}${PLAN}`)).toBeUndefined();
    const described = readDescription(
      new Map(['sequence', 'rowCount', 'createdAt'].map((field) => [field, `${mark}21`])),
    );
    expect(described.kind === 'wrong' && described.errors.map(({ field }) => field)).toEqual([
      'createdAt',
      'sequence',
      'rowCount',
    ]);
    const searched = readCriteria(
      { from: `${mark}2026-11-21`, to: `${mark}21/11/2026`, reason: 'A complaint' },
      ['from', 'to'],
    );
    expect(searched.kind === 'wrong' && searched.errors.map(({ field }) => field)).toEqual([
      'from',
      'to',
    ]);
    const switchboard = `${mark}02079460200`;
    expect(readAttendance({ attended: 'seen', switchboard }, PLAN)).toEqual({
      errors: [{ field: 'switchboard', text: ATTENDANCE.switchboardWrong }],
    });
  }
});

test('a line of any length is read at once', () => {
  for (const part of [' ', '-', ' -', '\t', ', ', '1', '1 ', '1-', '\u200b', '1/1/1 ']) {
    const line = `${PLAN}${part.repeat(65_536 / part.length)}x`;
    // The processor time does not grow on a busy machine.
    const begun = process.threadCpuUsage();
    expect(readList(line, Date.now())[0]?.read.kind).toBe('refused');
    expect(process.threadCpuUsage(begun).user).toBeLessThan(500_000);
  }
});
