import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addDays, londonDate, longDateText } from '#schemas/calendar.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { NOT_COVERED } from '#schemas/wording/lookup.ts';
import { NHS_NUMBER } from '#schemas/wording/nhs-number.ts';
import {
  ATTENDANCE,
  COUNCILS,
  FRAME,
  HIDDEN,
  LOOK_UP,
  NOT_A_NO,
  NOT_CHECKED,
  RESULT,
  SIGN_IN,
} from '#schemas/wording/pages.ts';
import { readTyped } from '#service/pages/look-up/form.ts';
import { keys } from '#store/keys.ts';
import { createSessionEndings } from '#store/session-endings.ts';
import { HEADINGS } from '../../support/pages.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import { createVisitor, hiddenOf, signedIn, type Visitor, wordsOf } from '../../support/visitor.ts';

const today = londonDate(Date.now());
const ENDED = addDays(today, -30);
const DUE = addDays(today, 30);
const OVERDUE = addDays(today, -10);

const PLAN = testNumber(7101);
const CARE = testNumber(7102);
const BOTH = testNumber(7103);
const UNBORN = testNumber(7104);
const LATE = testNumber(7105);
const OVER = testNumber(7106);
const TWO = testNumber(7107);
const NOBODY = testNumber(7108);
const AGAIN = testNumber(7109);

const unborn = 'unborn-child-protection-plan' as const;
const care = 'looked-after-child' as const;

let service: TestService;
let nurse: Visitor;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      {
        code: 'ZZ101',
        name: 'Northmoor Council',
        officeHoursPhone: '02079460110',
        rows: [
          { nhsNumber: PLAN },
          { nhsNumber: CARE, type: care },
          { nhsNumber: BOTH },
          { nhsNumber: BOTH, type: care },
          { nhsNumber: UNBORN, type: unborn, endDate: DUE },
          { nhsNumber: LATE, type: unborn, endDate: OVERDUE },
          { nhsNumber: OVER, endDate: ENDED },
          { nhsNumber: TWO },
          { nhsNumber: AGAIN },
        ],
      },
      { code: 'ZZ102', name: 'Eastham Council', rows: [{ nhsNumber: TWO }] },
    ],
  });
  nurse = await signedIn(service);
});
afterAll(() => service?.stopAndRemove());

test('at the root, a browser is sent to sign in and a program still gets JSON', async () => {
  const visitor = createVisitor(service.baseUrl);
  const root = await visitor.get('/');
  expect([root.status, root.headers.get('location')]).toEqual([303, '/look-up']);
  const lookUp = await visitor.get('/look-up');
  expect([lookUp.status, lookUp.headers.get('location')]).toEqual([303, '/sign-in']);
  expect((await visitor.get('/sign-in')).status).toBe(200);
  const program = await fetch(service.baseUrl);
  expect(program.status).toBe(404);
  expect(program.headers.get('content-type')).toBe('application/problem+json');
});

test('each button of a page says what it does when a screen reader reads it by itself', async () => {
  const page = await nurse.get('/look-up');
  const buttons = page.text.match(/<button[^]*?<\/button>/g) ?? [];
  const change = `${LOOK_UP.change} ${LOOK_UP.changeWho}`;
  const names = buttons.map((button) => wordsOf({ text: button }));
  expect(names).toEqual([change, LOOK_UP.submit, FRAME.signOut]);
});

describe('what a clinician reads first', () => {
  test.for([
    ['a plan', () => PLAN, 'This child is on a child protection plan'],
    ['a child in care', () => CARE, 'This child is in care (looked after)'],
    ['a plan and care', () => BOTH, HEADINGS.both],
    ['an unborn child', () => UNBORN, 'Her unborn baby is on a child protection plan'],
    ['a due date that has passed', () => LATE, 'Her baby’s plan still counts'],
    ['an ended plan', () => OVER, `No plan now. One ended on ${longDateText(ENDED)}`],
    ['plans of two councils', () => TWO, '2 councils have plans: ring both'],
    ['no plan', () => NOBODY, 'No plan found'],
  ] as const)(
    'for %s is the finding, under the same title every time',
    async ([, number, heading]) => {
      const answer = await nurse.lookUp(number());
      expect(answer.heading).toBe(heading);
      expect(answer.title).toMatch(/^Result - /);
      expect(answer.status).toBe(200);
    },
  );

  test('names both of the council’s numbers, as links that dial them', async () => {
    const { text } = await nurse.lookUp(PLAN);
    expect(text).toContain('href="tel:02079460110"');
    expect(text).toContain('href="tel:02079460199"');
    expect(text).toContain('020\u00a07946\u00a00110');
  });

  test('is the plan if the date of birth differs, and then that they should check who this is', async () => {
    const answer = await nurse.lookUp(PLAN, { day: '1', month: '1', year: '2018' });
    expect(answer.heading).toBe(HEADINGS.onPlan);
    expect(wordsOf(answer)).toContain('Northmoor Council sent a different date of birth');
    const same = await nurse.lookUp(PLAN, { day: '5', month: '3', year: '2019' });
    expect(wordsOf(same)).not.toContain(RESULT.whoIsThis);
  });

  test('never says that all is clear for a negative, and is never green', async () => {
    const answer = await nurse.lookUp(NOBODY);
    const said = wordsOf(answer);
    expect(said).toContain(RESULT.notSafe);
    expect(said).toContain(RESULT.checkTheNumber);
    for (const each of NOT_COVERED) expect(said).toContain(each);
    expect(answer.text).not.toMatch(/nhsuk-card--care--non-urgent|nhsuk-tag--green|nhsuk-panel/);
  });

  test('says so if who looked cannot be shown, and still shows the flag', async () => {
    await service.admin.hset(keys.accessLists(partitionOf(AGAIN)), AGAIN, 'damaged');
    const answer = await nurse.lookUp(AGAIN);
    expect(answer.heading).toBe(HEADINGS.onPlan);
    expect(wordsOf(answer)).toContain(RESULT.notShownWho);
  });
});

test('a look in a browser is audited like one through the API, and recorded as made on a page', async () => {
  const answer = await nurse.lookUp(PLAN, { reason: 'attendance' });
  const auditId = /[0-9a-f-]{36}(?=<\/span><\/p>)/.exec(answer.text)?.[0];
  const event = (await service.events()).find(
    (each) => 'auditId' in each && each.auditId === auditId,
  );
  expect(event).toMatchObject({
    type: 'lookup',
    api: 'pages',
    access: 'unscheduled',
    outcome: 'flagged',
    reason: 'attendance',
    caller: { user: 'demo-nurse', role: { code: 'R8000' }, organisation: { code: 'ZZH01' } },
  });
});

test('a silent reader is not shown who looked, and learns that the council is not told', async () => {
  const practitioner = await signedIn(service, 'scheduledCare');
  expect(wordsOf(await practitioner.get('/look-up'))).toContain(LOOK_UP.recorded);
  const answer = await practitioner.lookUp(PLAN);
  expect(answer.heading).toBe(HEADINGS.onPlan);
  expect(wordsOf(answer)).toContain(RESULT.silentWho);
  expect(wordsOf(answer)).not.toContain('Amina Demo');
});

describe('typed text', () => {
  test('that is wrong is shown again, with what to do both at the field and in the summary', async () => {
    const answer = await nurse.lookUp('999 000 0000', { day: '31', month: '2', year: '2019' });
    expect(answer.status).toBe(400);
    expect(answer.title).toMatch(/^Error: /);
    expect(answer.text).toContain('value="999 000 0000"');
    expect(answer.text).toContain('value="31"');
    expect(answer.text.split(NHS_NUMBER.digit)).toHaveLength(3);
    expect(answer.text).toContain('href="#number"');
    expect(answer.text).toContain('href="#day"');
  });

  test.for([
    ['nothing', {}, {}, 'number', 'Enter the NHS number'],
    ['a digit too few', { number: '999 100 001' }, {}, 'number', 'This has 9 digits'],
    ['a digit too many', { number: `${PLAN}1` }, {}, 'number', 'This has 11 digits'],
    ['a letter', { number: '999 1OO 0011' }, {}, 'number', 'with digits only'],
    ['a wrong digit', { number: '999 100 0012' }, {}, 'number', 'Check each digit'],
    ['no month', {}, { day: '5', year: '2019' }, 'month', 'must include a month'],
    ['only a day', {}, { day: '5' }, 'month', 'must include a month and a year'],
    ['a month in words', {}, { day: '5', month: 'May', year: '2019' }, 'month', 'digits only'],
    ['half a year', {}, { day: '5', month: '3', year: '19' }, 'year', 'must have 4 digits'],
    ['no such day', {}, { day: '31', month: '2', year: '2019' }, 'day', 'must be a real date'],
    ['a day to come', {}, { day: '1', month: '1', year: '2190' }, 'day', 'today or in the past'],
  ] as const)(
    'with %s is refused in words of its own, which lead to that field and repeat no number',
    async ([what, number, date, field, words]) => {
      const typed: Record<string, string> = {
        ...(what !== 'nothing' && { number: PLAN }),
        ...number,
      };
      const answer = await nurse.lookUp(typed['number'] ?? '', date);
      expect(answer.status).toBe(400);
      const link = new RegExp(`<a href="#${field}">([^<]*)</a>`).exec(answer.text)?.[1] ?? '';
      expect(link).toContain(words);
      expect(answer.text.split(link)).toHaveLength(3);
      expect(answer.text.match(/<a href="#(?!main)/g)).toHaveLength(1);
      expect(link.replaceAll(/999 123 4567|2019/g, '')).not.toMatch(/[0-9]{3}/);
    },
  );

  test('is always escaped', async () => {
    const script = '"><script>alert(1)</script>';
    const fields = { day: script, month: script, year: script, reason: script, care: script };
    const answer = await nurse.lookUp(script, fields);
    expect(answer.text).not.toContain('<script>alert');
    expect(answer.text).toContain('&lt;script&gt;alert');
  });

  test('is accepted with spaces and hyphens, as on printed numbers', async () => {
    const printed = `${PLAN.slice(0, 3)}-${PLAN.slice(3, 6)}${PLAN.slice(6)}`;
    expect((await nurse.lookUp(`  ${printed} `)).heading).toBe(HEADINGS.onPlan);
  });

  test('is accepted with invisible characters in a pasted date', () => {
    const born = { day: '5\u00a0', month: '\u200b3', year: ' 2019\u202c' };
    expect(readTyped({ number: PLAN, ...born }, Date.now())).toEqual({
      kind: 'read',
      request: { nhsNumber: PLAN, dateOfBirth: '2019-03-05' },
    });
  });

  test('is accepted with spaces, dashes and dots anywhere, and with nothing else between digits', () => {
    const between = fc.array(
      fc.constantFrom(' ', '\u00a0', '-', '\u2010', '\u2011', '\u2013', '\u2014', '.'),
      {
        maxLength: 3,
      },
    );
    const read = (gaps: readonly string[]): unknown => {
      const number = PLAN.split('')
        .map((digit, i) => `${digit}${gaps[i] ?? ''}`)
        .join('');
      const found = readTyped({ number }, Date.now());
      if (found.kind === 'read') return found.request.nhsNumber;
      return found.errors.map((error) => `${error.field}: ${error.text}`);
    };
    const gaps = fc.array(
      between.map((all) => all.join('')),
      { minLength: 9, maxLength: 9 },
    );
    fc.assert(fc.property(gaps, (all) => read(all) === PLAN));
    const other = fc
      .string({ minLength: 1 })
      .filter((text) => /[^\s.\p{Pd}\p{Cf}\p{M}]/u.test(text));
    fc.assert(
      fc.property(gaps, other, fc.nat(8), (all, odd, at) => {
        expect(String(read(all.with(at, odd)))).toMatch(
          /^number: [^,]*10 digits|^number: [^,]*digits only/,
        );
      }),
    );
  });
});

describe('nothing that was sent is silently ignored:', () => {
  test.for([
    ['a number with more after a hundred characters', `${PLAN}${' '.repeat(100)}${CARE}`, {}],
    ['an unknown reason', PLAN, { reason: 'curiosity' }],
    ['an unknown kind of care', PLAN, { care: 'urgent' }],
    ['a part of a date after a hundred characters', PLAN, { day: `${' '.repeat(100)}x` }],
  ] as const)('%s is refused, and nothing is looked up', async ([, number, more]) => {
    const before = (await service.events()).filter(({ type }) => type === 'lookup').length;
    const answer = await nurse.lookUp(number, more);
    expect([answer.status, answer.title.startsWith('Error: ')]).toEqual([400, true]);
    const after = (await service.events()).filter(({ type }) => type === 'lookup').length;
    expect(after).toBe(before);
  });

  test.for([
    ['content-type', ['application/x-www-form-urlencoded', 'application/json']],
    ['x-request-id', [randomUUID(), randomUUID()]],
    ['authorization', ['Bearer a', 'Bearer b']],
  ] as const)('a repeated %s header is refused, as by the API', async ([name, twice]) => {
    const form = await nurse.form('/look-up');
    const asked = request(new URL('/look-up', service.baseUrl), {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'sec-fetch-site': 'same-origin',
        cookie: [...nurse.jar].map(([key, value]) => `${key}=${value}`).join('; '),
        [name]: [...twice],
      },
    });
    asked.end(new URLSearchParams({ ...form, number: PLAN }).toString());
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    expect([response.statusCode, await text(response)]).toEqual([
      400,
      expect.stringContaining(NOT_CHECKED.couldNotCheck),
    ]);
    await until(
      async () =>
        (await service.events()).some(
          (event) => event.type === 'refusal' && event.code === 'header-repeated',
        ),
      'the refusal',
    );
  });
});

test.each([
  ['/look-up', '/look-up', ['number', 'day', 'month', 'year', 'reason', 'form', 'token']],
  [
    '/look-up/attendance',
    '/look-up/attendance',
    ['attended', 'ward', 'switchboard', 'of', 'token'],
  ],
  ['/sign-out', '/sign-out', ['token']],
])(
  'a form to %s with a repeated field is refused, and nothing is done',
  async (path, action, names) => {
    const visitor = await signedIn(service);
    const answer = await visitor.lookUp(PLAN);
    const page = path === '/look-up' ? await visitor.get('/look-up') : answer;
    const fields = { number: PLAN, attended: 'seen', ...hiddenOf(page, action) };
    const before = await recorded();
    for (const name of names) {
      // Whether the value is repeated or another, nobody could know which one counts.
      for (const value of [new Map(Object.entries(fields)).get(name) ?? '', CARE]) {
        const twice = await visitor.post(path, [
          ...Object.entries(fields),
          [name, value],
          [name, value],
        ]);
        const says = path === '/look-up/attendance' ? ATTENDANCE.failed : NOT_CHECKED.repeated;
        expect([name, twice.status, twice.heading]).toEqual([name, 400, says]);
      }
    }
    expect(await recorded()).toBe(before);
    expect((await visitor.get('/look-up')).status).toBe(200);
  },
);

test('the outcome on a form leaves the screen when the session ends', async () => {
  const visitor = await signedIn(service);
  const fields = hiddenOf(await visitor.lookUp(PLAN), '/look-up/attendance');
  const ward = `Ward 4 Ann ${PLAN}`;
  const wrong = await visitor.post('/look-up/attendance', { ...fields, attended: 'seen', ward });
  expect([wrong.status, wrong.text.includes(ward)]).toEqual([400, true]);
  expect(wrong.text).toContain(`data-says="${SIGN_IN.signedOut}. ${SIGN_IN.signedOutThen}"`);
  const hides = wrong.text.indexOf('<div class="cpf-hides__content">');
  expect(hides).toBeGreaterThan(0);
  expect(hides).toBeLessThan(wrong.text.indexOf(ward));
});

test('what was recorded about a look is shown in its form, and is corrected there without another look', async () => {
  const visitor = await signedIn(service);
  const answer = await visitor.lookUp(PLAN);
  const sent = { attended: 'admitted', ward: 'Ward 4', switchboard: '02079460200' };
  const fields = hiddenOf(answer, '/look-up/attendance');
  const said = await visitor.post('/look-up/attendance', { ...fields, ...sent });
  expect(said.heading).toBe(ATTENDANCE.recorded);
  expect(said.text).toMatch(/value="admitted" checked/);
  expect(said.text).toContain('value="Ward 4"');
  expect(said.text).toContain('value="02079460200"');
  expect(said.text).not.toMatch(new RegExp(PLAN.replace(/^(...)(...)/, '$1\\s?$2\\s?')));
  const before = await recorded();
  const again = await visitor.post('/look-up/attendance', {
    ...hiddenOf(said, '/look-up/attendance'),
    ...sent,
    attended: 'transferred',
  });
  expect(again.heading).toBe(ATTENDANCE.recorded);
  expect(again.text).toMatch(/value="transferred" checked/);
  expect(await recorded()).toBe(before + 1);
  // It leaves with the session.
  expect(again.text).toContain(`data-says="${SIGN_IN.signedOut}. ${SIGN_IN.signedOutThen}"`);
});

test('the last answer about an outcome counts, even if it was also given before', async () => {
  const visitor = await signedIn(service);
  const fields = hiddenOf(await visitor.lookUp(PLAN), '/look-up/attendance');
  const said = async (): Promise<string[]> =>
    (await service.events()).flatMap((event) =>
      event.type === 'attendance' ? [event.attended] : [],
    );
  const before = await said();
  const words = ['seen', 'left-before-seen', 'left-before-seen', 'seen'];
  for (const attended of words) {
    expect((await visitor.post('/look-up/attendance', { ...fields, attended })).status).toBe(200);
  }
  expect((await said()).slice(before.length)).toEqual(['seen', 'left-before-seen', 'seen']);
});

const recorded = async (): Promise<number> =>
  (await service.events()).filter(({ type }) => type === 'lookup' || type === 'attendance').length;

test.each([
  ['/look-up', { number: PLAN }, NOT_CHECKED.over],
  ['/look-up/attendance', { attended: 'seen' }, ATTENDANCE.failed],
])(
  '%s shows and records nothing for somebody who signs out while the form is on its way',
  async (path, fields, says) => {
    const visitor = await signedIn(service);
    const page = await visitor.get('/look-up');
    const body = new URLSearchParams({ ...hiddenOf(page, '/look-up'), ...fields }).toString();
    const asked = request(new URL(path, service.baseUrl), {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': body.length,
        'sec-fetch-site': 'same-origin',
        cookie: [...visitor.jar].map(([key, value]) => `${key}=${value}`).join('; '),
      },
    });
    // The response may come before the rest of the body is sent.
    const answered = once(asked, 'response');
    asked.write(body.slice(0, 5));
    await visitor.post('/sign-out', hiddenOf(page, '/sign-out'));
    asked.end(body.slice(5));
    const [response] = (await answered) as [IncomingMessage];
    expect(await text(response)).toContain(says);
  },
);

describe('one form makes one look', () => {
  const looks = async (): Promise<number> =>
    (await service.events()).filter(({ type }) => type === 'lookup').length;

  test('and sent twice at once, it shows the same answer twice', async () => {
    const { before, first, second } = await untilAnswered(async () => {
      const fields = { ...(await nurse.form('/look-up')), number: PLAN };
      const before = await looks();
      const [first, second] = await Promise.all([
        nurse.post('/look-up', fields),
        nurse.post('/look-up', fields),
      ]);
      return { before, first, second, status: Math.max(first.status, second.status) };
    });
    expect([first.heading, second.heading]).toEqual([HEADINGS.onPlan, HEADINGS.onPlan]);
    expect(await looks()).toBe(before + 1);
  });

  test('and sent again with another number, it shows neither child, and says that this is no “no”', async () => {
    const fields = await nurse.form('/look-up');
    expect((await nurse.post('/look-up', { ...fields, number: PLAN })).heading).toBe(
      HEADINGS.onPlan,
    );
    const before = await looks();
    for (let again = 0; again < 2; again++) {
      const other = await nurse.post('/look-up', { ...fields, number: CARE });
      expect([other.status, other.heading]).toEqual([409, NOT_CHECKED.used]);
      expect(other.text).toContain('cpf-not-checked');
      expect(wordsOf(other)).toContain(NOT_A_NO);
      for (const number of [PLAN, CARE]) expect(other.text).not.toContain(number);
    }
    expect(await looks()).toBe(before);
  });

  test('and in a browser that never saw its answer, it shows none and looks up nothing', async () => {
    const fields = { ...(await nurse.form('/look-up')), number: PLAN };
    expect(await sentToAnother(fields.form)).toBe(true);
    const before = await looks();
    const answer = await nurse.post('/look-up', fields);
    expect(answer.heading).toBe(NOT_CHECKED.used);
    expect(answer.text.replaceAll(/\s|&nbsp;/g, '')).not.toContain(PLAN);
    expect(await looks()).toBe(before);
  });

  /** Marks a form as used, as another process would that received it earlier. */
  async function sentToAnother(form: string): Promise<boolean> {
    const endings = createSessionEndings(service.admin, { keepMs: 60_000 });
    try {
      return await endings.once(`look ${form}`);
    } finally {
      endings.stop();
    }
  }
});

test('an answer leaves the screen within two minutes even without a script, and cannot be stored', async () => {
  const answer = await nurse.lookUp(PLAN);
  const [seconds, to] = (answer.headers.get('refresh') ?? '').split('; url=');
  expect(Number(seconds)).toBeLessThanOrEqual(120);
  expect(to).toBe('/look-up/hidden');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  const hidden = await nurse.get('/look-up/hidden');
  expect(hidden.heading).toBe(HIDDEN.heading);
  expect(wordsOf(hidden)).toContain(NOT_A_NO);
  expect(hidden.headers.getSetCookie()).toEqual([]);
  expect(wordsOf(hidden).replaceAll(' ', '')).not.toContain(PLAN);
});

describe('a check that cannot be made', () => {
  let other: TestService;
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await testFolder();
    other = await startTestService({
      dataDir,
      environment: { USER_LIMIT: '3' },
      authorities: [{ code: 'ZZ101', name: 'Northmoor Council', rows: [{ nhsNumber: PLAN }] }],
    });
  });
  afterAll(async () => {
    await other?.stopAndRemove();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  });

  test('because of a limit says so, how long to wait, and whom to ring', async () => {
    const visitor = await signedIn(other);
    let answer = await visitor.lookUp(PLAN);
    // More than three are allowed if they take so long that the limit is refilled.
    await until(async () => {
      answer = await visitor.lookUp(PLAN);
      return answer.status === 429;
    }, 'the limit');
    expect(answer.heading).toBe(NOT_CHECKED.limited);
    const seconds = Number(answer.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(0);
    expect(wordsOf(answer)).toContain(NOT_A_NO);
    expect(wordsOf(answer)).toContain(NOT_CHECKED.limitedThen(seconds));
    expect(wordsOf(answer)).toContain(
      `${NOT_CHECKED.limitedCannot} ${NOT_CHECKED.ring} ${FRAME.councils}`,
    );
  });

  test('says what is tried again beside the number', async () => {
    const visitor = await signedIn(other);
    const chosen = { reason: 'enquiry' };
    let answer = await visitor.send('/look-up', { number: PLAN, ...chosen });
    await until(async () => {
      answer = await visitor.send('/look-up', { number: PLAN, ...chosen });
      return answer.status === 429;
    }, 'the limit');
    expect(wordsOf(answer)).toContain(LOOK_UP.reasons.enquiry);
    expect(hiddenOf(answer, '/look-up')['reason']).toBe('enquiry');
  });

  test('because Redis is gone says so, and still gives the councils’ numbers', async () => {
    const visitor = await signedIn(other, 'ambulanceService');
    const form = await visitor.get('/look-up');
    await other.admin.call('SHUTDOWN', 'NOSAVE').catch(() => undefined);
    const answer = await visitor.post('/look-up', {
      ...hiddenOf(form, '/look-up'),
      number: PLAN,
    });
    expect(answer.status).toBe(503);
    expect(answer.heading).toBe(NOT_CHECKED.couldNotCheck);
    expect(wordsOf(answer)).toContain(NOT_A_NO);
    expect(wordsOf(answer)).toContain(
      `${NOT_CHECKED.stillBroken} ${NOT_CHECKED.ring} ${FRAME.councils}`,
    );
    const stranger = createVisitor(other.baseUrl);
    const councils = await stranger.get('/councils');
    expect(councils.heading).toBe(COUNCILS.title);
    expect(wordsOf(councils)).toContain('020 7946 0199');
  });
});

test('no page exceeds 100 kB, including everything it loads', async () => {
  const answer = await nurse.lookUp(TWO);
  const fetched = [...answer.text.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)];
  expect(fetched.length).toBe(3);
  let bytes = answer.text.length;
  const paths = fetched.map(([, path = '']) => path);
  for (let path = paths.shift(); path !== undefined; path = paths.shift()) {
    const response = await fetch(new URL(path, service.baseUrl));
    expect(response.headers.get('cache-control')).toContain('immutable');
    const text = await response.text();
    bytes += gzipSync(text).length;
    for (const [, inner = ''] of text.matchAll(/from *'(\/assets\/[^']+)'/g)) paths.push(inner);
    // Nothing is fetched from another site: no font, picture or script.
    expect(text).not.toMatch(/url\(["']?https?:/);
  }
  expect(bytes).toBeLessThan(100_000);
});

test('in a demo, a lookup without a session says that the person is signed out and that nothing was checked', async () => {
  const stranger = createVisitor(service.baseUrl);
  const answer = await stranger.post('/look-up', { form: randomUUID(), token: 'x', number: PLAN });
  expect(answer.status).toBe(401);
  expect(answer.heading).toBe(NOT_CHECKED.over);
});
