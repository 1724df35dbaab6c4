import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import { timeText } from '#schemas/wording/times.ts';
import { WITHDRAWAL, WITHDRAWALS } from '#schemas/wording/withdrawals.ts';
import { missingLooks } from '#service/pages/council/looks-table.ts';
import { councilPeople, visitorAs } from '../../support/desk.ts';
import { longWindowMinutes } from '../../support/notification.ts';
import { TIME_ON } from '../../support/pages.ts';
import { ANY_TEST_NUMBER, day, testNumber, writtenAs } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import {
  doubledHeadings,
  hiddenOf,
  locationOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

const PATH = '/council/withdrawals';
const BEGIN = '/council/withdraw';
const WHY = 'typed under the number of a twin';
const WRONG = testNumber(1);
const TWO_PLANS = testNumber(2);
const URGENT = testNumber(3);
const SHARED = testNumber(4);
const KEPT = testNumber(5);
const THEIRS = testNumber(6);
const REPEATED = testNumber(7);
/** It has a wrong check digit. */
const INVALID = '9990000000';

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
          { nhsNumber: WRONG, localId: '<b>A-1</b>' },
          { nhsNumber: TWO_PLANS, localId: 'A-2' },
          { nhsNumber: TWO_PLANS, localId: 'A-2', startDate: day('2026-02-02') },
          { nhsNumber: URGENT, localId: 'A-3' },
          { nhsNumber: SHARED, localId: 'A-4' },
          { nhsNumber: KEPT, localId: 'A-5' },
          { nhsNumber: REPEATED, localId: 'A-7' },
        ],
      },
      { code: 'ZZ102', rows: [{ nhsNumber: SHARED, localId: 'B-4' }, { nhsNumber: THEIRS }] },
    ],
    environment: { NOTIFICATIONS_WINDOW_MINUTES: '0.005' },
  });
  ({ officer, colleague, other } = await councilPeople(service));
});
afterAll(() => service?.stopAndRemove());

/** What a clinician is told about a number. */
async function lookedUp(nhsNumber: string, sub = 'nurse-1', name = 'Nora Nurse') {
  const token = await service.token(claims({ sub, name }));
  const answer = await service.answered({ nhsNumber }, { token });
  return z
    .object({ outcome: z.string(), flags: z.array(z.unknown()).default([]) })
    .parse(await answer.json());
}
async function find(visitor: Visitor, number: string): Promise<Visit> {
  return untilAnswered(() => visitor.send(`${BEGIN}/find`, { number }, BEGIN));
}
async function ask(
  visitor: Visitor,
  number: string,
  typed: Record<string, string> = {},
): Promise<Visit> {
  return untilAnswered(async () => {
    const page = await find(visitor, number);
    return visitor.post(BEGIN, {
      ...hiddenOf(page, BEGIN),
      plan: 'child-protection-plan 2026-01-05',
      again: number,
      reason: WHY,
      ...typed,
    });
  });
}
async function act(
  visitor: Visitor,
  at: string,
  what: 'confirm' | 'decline' | 'undo',
  typed: Record<string, string>,
): Promise<Visit> {
  return untilAnswered(() => visitor.send(`${at}/${what}`, typed, at));
}
const events = async () =>
  (await service.events()).flatMap((event) => (event.type === 'withdrawal' ? event : []));

test.for([
  [`${BEGIN}/find`, BEGIN, { number: KEPT }],
  ['/council/restrict/find', '/council/restrict', { number: KEPT, again: KEPT }],
  [
    '/council/numbers/check',
    '/council/numbers',
    { emergency: '02079460188', hours: '', reason: WHY },
  ],
] as const)(
  'what %s shows is shown again to somebody who goes back and sends it again',
  async ([action, from, typed]) => {
    const fields = { ...(await officer.form(from, action)), ...typed };
    const first = await officer.post(action, fields);
    // With a space more, since the same form twice in a moment is a double click.
    const spaced = Object.fromEntries(
      Object.entries(fields).map(([name, text]) => [
        name,
        name === 'form' || name === 'token' ? text : `${text} `,
      ]),
    );
    const again = await officer.post(action, spaced);
    expect([first.status, again.status, again.heading]).toEqual([200, 200, first.heading]);
  },
);

describe('a flag on the wrong child', () => {
  test('is on record as shown, even if another number is put into the form', async () => {
    const reads = async (): Promise<number> =>
      (await service.events()).filter(({ type }) => type === 'holdings-read').length;
    const form = hiddenOf(await find(officer, KEPT), BEGIN);
    const before = await reads();
    const page = await officer.post(BEGIN, { ...form, number: SHARED, reason: WHY });
    expect([page.status, wordsOf(page).includes('A-4')]).toEqual([400, true]);
    expect(await reads()).toBe(before + 1);
  });

  test('is withdrawn by two people of the council, and lookups then show no plan', async () => {
    expect((await lookedUp(WRONG)).outcome).toBe('flagged');
    const page = await find(
      officer,
      ` ${WRONG.slice(0, 3)} ${WRONG.slice(3, 6)} ${WRONG.slice(6)}`,
    );
    expect(wordsOf(page)).toContain(WITHDRAWALS.thenNone);
    expect(wordsOf(page)).toContain('<b>A-1</b>');
    expect(page.text).not.toContain('<b>A-1');
    const asked = await ask(officer, WRONG);
    expect(asked.status).toBe(303);
    const at = locationOf(asked);
    expect(at).toMatch(/^\/council\/withdrawals\/[a-z]+$/);
    expect((await lookedUp(WRONG)).outcome).toBe('flagged');

    // The person who asked is not offered the form to confirm, and is refused if they send it all the same.
    const own = await officer.get(at);
    expect(wordsOf(own)).toContain(WITHDRAWALS.waiting);
    expect(own.text).not.toContain(`${at}/confirm`);
    const form = await colleague.get(at);
    // The page does not show the number, because the second person must look it up for themselves.
    expect(form.text).not.toMatch(writtenAs(WRONG));
    expect(wordsOf(form)).not.toContain(WRONG.slice(6));
    const wrong = await act(colleague, at, 'confirm', { number: KEPT });
    expect(wrong.text).toContain(`value="${KEPT}"`);
    expect([wrong.status, wordsOf(wrong).includes(WITHDRAWAL.refused['other-number'])]).toEqual([
      400,
      true,
    ]);
    const done = await act(colleague, at, 'confirm', { number: WRONG });
    expect([done.status, locationOf(done)]).toEqual([303, at]);
    expect((await lookedUp(WRONG)).outcome).toBe('not-flagged');
    const after = wordsOf(await officer.get(at));
    expect(after).toContain(WITHDRAWAL.standing['in-force']);
    expect(after).toContain('Person colleague');
    expect((await events()).filter(({ nhsNumber }) => nhsNumber === WRONG)).toMatchObject([
      { act: 'asked', by: 'Person officer', reason: WHY, caller: { user: 'officer' } },
      { act: 'confirmed', by: 'Person colleague', caller: { user: 'colleague' } },
    ]);
  });

  test('leaves its council’s other plans in place, and says so beforehand', async () => {
    expect(wordsOf(await find(officer, TWO_PLANS))).toContain(WITHDRAWALS.thenOthers(1));
    const at = locationOf(await ask(officer, TWO_PLANS));
    await act(colleague, at, 'confirm', { number: TWO_PLANS });
    const { outcome, flags } = await lookedUp(TWO_PLANS);
    expect([outcome, flags]).toMatchObject(['flagged', [{ startDate: '2026-02-02' }]]);
  });

  test('is withdrawn at once by one person who says that it is urgent, and the audit records that', async () => {
    const at = locationOf(await ask(officer, URGENT, { urgent: 'yes' }));
    expect((await lookedUp(URGENT)).outcome).toBe('not-flagged');
    expect(wordsOf(await colleague.get(at))).toContain(WITHDRAWALS.decided.urgent);
    expect(service.lines.join('\n')).toContain('withdrawn a flag urgently');
    expect((await events()).filter(({ nhsNumber }) => nhsNumber === URGENT)).toMatchObject([
      { act: 'urgent', by: 'Person officer' },
    ]);
    const undone = await act(colleague, at, 'undo', { reason: 'it is this child' });
    expect(undone.status).toBe(303);
    expect((await lookedUp(URGENT)).outcome).toBe('flagged');
  });

  test('is withdrawn urgently once, on record and in the log, and the same person who does it again is shown when', async () => {
    const logged = (): number =>
      service.lines.filter((line) => line.includes('withdrawn a flag urgently')).length;
    const before = logged();
    const typed = { plan: 'child-protection-plan 2026-01-05', again: REPEATED, reason: WHY };
    const urgently = { ...typed, urgent: 'yes' };
    const form = async (visitor: Visitor) => hiddenOf(await find(visitor, REPEATED), BEGIN);
    const forms = [await form(officer), await form(officer), await form(officer)];
    const theirs = await form(colleague);
    const [one, two] = await Promise.all(
      forms.slice(0, 2).map((each) => officer.post(BEGIN, { ...each, ...urgently })),
    );
    const three = await officer.post(BEGIN, { ...forms[2], ...urgently });
    const at = locationOf(one as Visit);
    expect([one?.status, two?.status, three.status]).toEqual([303, 303, 303]);
    expect([locationOf(two as Visit), locationOf(three)]).toEqual([at, at]);
    expect(wordsOf(await officer.get(at))).toMatch(
      new RegExp(`${WITHDRAWALS.decided.urgent}.*Person officer, ${TIME_ON}`),
    );
    expect(logged() - before).toBe(1);
    expect((await events()).filter(({ nhsNumber }) => nhsNumber === REPEATED)).toMatchObject([
      { act: 'urgent', by: 'Person officer' },
    ]);
    const another = await colleague.post(BEGIN, { ...theirs, ...urgently });
    expect([another.status, wordsOf(another).includes(WITHDRAWALS.noneFound)]).toEqual([400, true]);
  });

  test('leaves another council’s plan in place, and shows its own council who looked, but no silent read', async () => {
    await lookedUp(SHARED, 'seen', 'Seen Nurse');
    const silent = await service.token(
      claims({ sub: 'gp', name: 'Silent Reader', activities: ['B0170'], organisation: 'ZZP01' }),
    );
    await service.answered({ nhsNumber: SHARED }, { token: silent });
    const at = locationOf(await ask(officer, SHARED));
    await act(colleague, at, 'confirm', { number: SHARED });
    const { outcome, flags } = await lookedUp(SHARED, 'later', 'Later Nurse');
    expect([outcome, flags]).toMatchObject(['flagged', [{ authority: { code: 'ZZ102' } }]]);
    await until(async () => wordsOf(await officer.get(at)).includes('Seen Nurse'), 'the look');
    const words = wordsOf(await officer.get(at));
    expect(words).not.toMatch(/Silent Reader|Later Nurse|B-4/);
  });

  test('stays if the form is wrong, and each mistake is shown at its field', async () => {
    const faults: [Record<string, string>, string][] = [
      [{ again: WRONG }, 'again'],
      [{ again: '' }, 'again'],
      [{ plan: 'child-protection-plan 2020-01-01' }, 'plan'],
      [{ plan: 'constructor' }, 'plan'],
      [{ reason: '' }, 'reason'],
      [{ reason: 'a\u202eb' }, 'reason'],
      [{ reason: 'x'.repeat(121) }, 'reason'],
    ];
    for (const [typed, field] of faults) {
      const page = await ask(officer, KEPT, typed);
      expect(page.title).toMatch(/^Error: /);
      expect([page.status, page.text.includes(`href="#${field}"`)], field).toEqual([400, true]);
    }
    for (const number of ['', '999', INVALID, `${KEPT}0`, '<script>', 'constructor']) {
      const page = await find(officer, number);
      expect(page.status, number).toBe(400);
      expect(page.text).not.toContain('<script>');
    }
    expect((await lookedUp(KEPT)).outcome).toBe('flagged');
  });

  test('of another council cannot be found, opened, confirmed, declined or undone', async () => {
    expect(wordsOf(await find(officer, THEIRS))).toContain(WITHDRAWALS.noneFound);
    const stolen = await find(officer, KEPT);
    const forged = await officer.post(BEGIN, {
      ...hiddenOf(stolen, BEGIN),
      number: THEIRS,
      again: THEIRS,
      plan: 'child-protection-plan 2026-01-05',
      reason: WHY,
      authority: 'ZZ102',
    });
    expect(forged.status).toBe(400);
    const at = locationOf(await ask(officer, KEPT));
    const missing = await other.get(`${PATH}/bcdfghjk`);
    const theirs = await other.get(at);
    expect([theirs.status, theirs.heading]).toEqual([404, missing.heading]);
    expect((await other.get(PATH)).text).not.toContain(at);
    // They use their own token, taken from one of their own pages.
    const token = await colleague.form(at, `${at}/confirm`);
    expect((await other.post(`${at}/confirm`, { ...token, number: KEPT })).status).toBe(403);
    expect((await lookedUp(KEPT)).outcome).toBe('flagged');
    const declined = await act(colleague, at, 'decline', { reason: 'it is this child' });
    expect(declined.status).toBe(303);
    const list = await officer.get(PATH);
    expect(wordsOf(list)).toContain(WITHDRAWAL.standing.declined);
    expect(doubledHeadings(list)).toEqual([]);
    expect((await lookedUp(THEIRS)).outcome).toBe('flagged');
  });

  test('never appears in an address by its number, and a form sent twice acts once', async () => {
    const page = await find(officer, KEPT);
    expect(page.text).not.toMatch(new RegExp(`(?:href|action)="[^"]*${KEPT}`));
    const fields = {
      ...hiddenOf(page, BEGIN),
      plan: 'child-protection-plan 2026-01-05',
      again: KEPT,
      reason: WHY,
    };
    const [one, two] = [await officer.post(BEGIN, fields), await officer.post(BEGIN, fields)];
    expect([one.status, two.status]).toEqual([303, 409]);
    // A line has the ids of its request, which are hexadecimal.
    const log = service.lines.join('\n');
    expect(log).not.toMatch(ANY_TEST_NUMBER);
    for (const number of [WRONG, TWO_PLANS, URGENT, SHARED, KEPT, THEIRS, REPEATED, INVALID]) {
      expect(log).not.toMatch(writtenAs(number));
    }
  });
});

describe('if recent looks are not listed yet', () => {
  const LOOKED_AT = testNumber(1);
  let slow: TestService;
  let reader: Visitor;
  beforeAll(async () => {
    slow = await startTestService({
      authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: LOOKED_AT, localId: 'A-1' }] }],
      environment: { NOTIFICATIONS_WINDOW_MINUTES: longWindowMinutes() },
    });
    reader = await visitorAs(slow, { organisation: 'ZZ101', scopes: ['upload'] });
  });
  afterAll(() => slow?.stopAndRemove());
  const NOT_YET = new RegExp(
    `(?:Looks since ${TIME_ON} [^.]* may be missing|No looks are listed yet)[.] Come back at ${TIME_ON} `,
  );

  test('a council is told when to look again, and never that nobody looked', async () => {
    const token = await slow.token(claims({ name: 'Nora Nurse' }));
    expect((await slow.answered({ nhsNumber: LOOKED_AT }, { token })).status).toBe(200);
    const at = locationOf(await ask(reader, LOOKED_AT, { urgent: 'yes' }));
    const { token: form } = await reader.form('/council/looks');
    const pages = [
      await reader.get(at),
      await reader.get('/council/looks'),
      await reader.post('/council/looks', { token: form, child: 'A-1' }),
    ];
    for (const page of pages) {
      expect([page.status, wordsOf(page).includes('Nora Nurse')]).toEqual([200, false]);
      expect(wordsOf(page)).toMatch(NOT_YET);
      expect(wordsOf(page)).not.toMatch(/Nobody/);
    }
    expect(wordsOf(pages[0] as Visit)).toContain(LOOKS.noneOfChild);
  });
});

describe('a period with unlisted looks', () => {
  const windowMs = 300_000;
  const missing = (since: number | undefined, again: number) =>
    LOOKS.missing(since === undefined ? undefined : timeText(since), timeText(again));
  test.each([
    ['soon', 890_000, 890_000, 960_000],
    // A lookup at that time may be sealed in the next window.
    ['a window later, at the end of one', 899_000, 899_000, 1_260_000],
    ['in a minute, where it should have been', 890_000, 2_000_000, 2_060_000],
  ])('is reported with when to look again: %s', (_, until, now, again) => {
    expect(missingLooks(595_000, { until, windowMs, now })).toBe(missing(595_000, again));
    expect(missingLooks(undefined, { until, windowMs, now })).toBe(missing(undefined, again));
  });
  test('is no longer reported once the looks are listed', () => {
    const asked = { until: 890_000, windowMs, now: 960_000 };
    expect(missingLooks(890_000, asked)).toBeUndefined();
    expect(missingLooks(889_999, asked)).toBeDefined();
  });
});
