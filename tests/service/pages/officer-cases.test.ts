import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { OFFICER_CASES, OFFICER_EVENT, OFFICER_REPORTS } from '#schemas/wording/officer.ts';
import { FRAME } from '#schemas/wording/pages.ts';
import { Cases } from '#service/audit/cases/cases.ts';
import { readReason } from '#service/pages/desk/parts.ts';
import { reasonOfCase } from '#service/pages/officer/cases.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { visitorAs } from '../../support/desk.ts';
import { startLookedAt } from '../../support/looked-at.ts';
import { testNumber, writtenAs } from '../../support/rows.ts';
import { type TestService, until } from '../../support/service.ts';
import { untilAnswered, WAIT_MS } from '../../support/until.ts';
import {
  hiddenOf,
  locationOf,
  signedIn,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

const run = commandsInTurn();

const CHILD = testNumber(8301);
const CASES = '/officer/cases';
const NAMED = 'Organisation ZZH01 (ZZH01)';
const MAY_CONFIRM = OFFICER_CASES.mayConfirm(NAMED);
const HOSTILE = 'Said "><script>alert(1)</script> to me';

let service: TestService;
let officer: Visitor;
let second: Visitor;
let guardian: Visitor;
let stranger: Visitor;
/** Also a clinician, with a lookup of their own among the accesses. */
let self: Visitor;

beforeAll(async () => {
  service = await startLookedAt(CHILD);
  officer = await signedIn(service, 'privacyOfficer');
  guardian = await signedIn(service, 'caldicottGuardian');
  const audit = { scopes: ['audit'] } as const;
  second = await visitorAs(service, { user: 'officer-2', organisation: 'ZZH01', ...audit });
  stranger = await visitorAs(service, { organisation: 'ZZH99', ...audit });
  self = await visitorAs(service, { user: 'nurse-1', organisation: 'ZZH01', ...audit });
  await until(
    async () => (await search(officer)).text.split('name="entry"').length === 4,
    'the index',
  );
});
afterAll(() => service?.stopAndRemove());

async function search(visitor: Visitor, user = ''): Promise<Visit> {
  const typed = { type: 'lookup', user, reason: 'review' };
  return untilAnswered(() => visitor.send('/officer/search', typed, '/officer'));
}

const entryIn = ({ text }: Visit): string => /name="entry" value="([0-9]+)"/.exec(text)?.[1] ?? '';

async function openEvent(visitor: Visitor, user: string): Promise<Visit> {
  const found = await search(visitor, user);
  const entry = entryIn(found);
  return visitor.post('/officer/event', { ...hiddenOf(found, '/officer/event'), entry });
}

const open = async (visitor: Visitor, user: string, typed: Record<string, string>) =>
  visitor.post(CASES, { ...hiddenOf(await openEvent(visitor, user), CASES), ...typed });

const steps = async () =>
  (await service.events()).flatMap((event) => (event.type === 'access-case' ? event : []));

let breach: string;

test('a case is opened on an access, with its note beside the log and the digest in it', async () => {
  const opened = await open(officer, 'nurse-1', { step: 'inquire', words: HOSTILE });
  expect(opened.status).toBe(303);
  breach = opened.headers.get('location') ?? '';
  const page = await officer.get(breach);
  expect([page.status, page.heading]).toEqual([200, OFFICER_CASES.case]);
  expect(wordsOf(page)).toContain(HOSTILE);
  expect(page.text).not.toContain('<script>alert');
  // Somebody who can open the case may know which plans were shown.
  expect(page.text).toContain(PLAN_TYPES['child-protection-plan'].label);
  expect(page.title).not.toContain(CHILD);
  const [event] = await steps();
  expect(event).toMatchObject({
    step: 'inquire',
    organisation: 'ZZH01',
    by: 'Dev Demo',
    caller: { user: 'demo-privacy-officer' },
  });
  // The digests and ids in it are hexadecimal: none can hold these words, and hardly one all ten digits.
  expect(JSON.stringify(event)).not.toMatch(/alert|said/i);
  expect(JSON.stringify(event)).not.toMatch(writtenAs(CHILD));
  const file = join(service.dataDir, 'audit-cases', 'cases.sqlite');
  const db = new DatabaseSync(file, { readOnly: true, timeout: WAIT_MS });
  const row = db.prepare('SELECT salt, words FROM step').get() as { salt: string; words: string };
  db.close();
  expect(createHash('sha256').update(`${row.salt} ${row.words}`).digest('hex')).toBe(event?.words);
  expect((await service.events()).findLast(({ type }) => type === 'audit-search')).toMatchObject({
    report: 'case',
    criteria: { nhsNumber: CHILD },
  });
});

/** Presses the only button of a form, with what the form holds. */
async function press(visitor: Visitor, page: Visit, action: string): Promise<Visit> {
  const form = new RegExp(`<form method="post" action="${action}".*?</form>`, 's').exec(page.text);
  const user = /name="user" value="([^"]*)"/.exec(form?.[0] ?? '')?.[1];
  return visitor.post(action, { ...hiddenOf(page, action), ...(user !== undefined && { user }) });
}

test('from an event and from a case it is one step to everything that its user did', async () => {
  for (const page of [await openEvent(officer, 'nurse-1'), await officer.get(breach)]) {
    expect(page.text).toContain(`aria-label="${OFFICER_REPORTS.opensUser('nurse-1')}"`);
    const report = await press(officer, page, '/officer/reports');
    expect([report.status, report.heading]).toEqual([200, OFFICER_REPORTS.names.user]);
    expect(wordsOf(report)).toContain('nurse-1');
    expect(wordsOf(report)).not.toContain('nurse-2');
  }
});

test('the reason that a case gives for further looks never reads as an NHS number', () => {
  const id = 'ba720890-1835-4127-aafd-c48d12d9bb4e';
  expect(readReason(`case ${id}`).kind).toBe('wrong');
  expect(readReason(reasonOfCase(id))).toEqual({ kind: 'read', reason: 'case ba720890' });
});

test('a case leads to the event that it is about, and the event back to cases', async () => {
  const event = await press(officer, await officer.get(breach), '/officer/event');
  expect([event.status, event.heading]).toEqual([200, OFFICER_EVENT.title]);
  expect(wordsOf(event)).toContain('nurse-1');
  expect(event.text).toContain(`href="${breach}"`);
  expect(event.text).toContain(`href="${CASES}"`);
  expect((await service.events()).findLast(({ type }) => type === 'audit-search')).toMatchObject({
    report: 'event',
    reason: reasonOfCase(breach.split('/').at(-1) ?? ''),
  });
});

test('an access has one open case, and its event then shows that case instead of a form', async () => {
  const event = await openEvent(second, 'nurse-1');
  expect(event.text).toContain(`href="${breach}"`);
  expect(wordsOf(event)).toContain(OFFICER_CASES.states['under-inquiry']);
  expect(event.text).not.toContain(`action="${CASES}"`);
});

test('if a case has been opened meanwhile, the page says so, and the typed text is kept but not recorded', async () => {
  const before = await steps();
  const entry = entryIn(await search(second, 'nurse-1'));
  const form = hiddenOf(await openEvent(second, 'nurse-2'), CASES);
  const typed = { step: 'explain', words: 'On shift that day' };
  const page = await second.post(CASES, { ...form, ...typed, entry });
  expect([page.status, page.heading]).toEqual([409, OFFICER_CASES.case]);
  expect(wordsOf(page)).toContain(OFFICER_CASES.alreadyOpen);
  expect(page.text).toContain(`action="${breach}"`);
  expect(page.text).toContain('value="On shift that day"');
  expect(await steps()).toEqual(before);
});

/** The row for a case in the list. */
async function rowOf(visitor: Visitor): Promise<Visit> {
  const page = await visitor.get(CASES);
  const row = page.text
    .split('<tr class="nhsuk-table__row" role="row">')
    .find((each) => each.includes(breach));
  return { ...page, text: row ?? '' };
}

const listed = async (visitor: Visitor): Promise<string> => wordsOf(await rowOf(visitor));

test('a case is opened by a link that says so, and its organisation is named beside its code', async () => {
  const row = await rowOf(guardian);
  const link = /<a [^>]*>(.*?)<\/a>/s.exec(row.text)?.[1] ?? '';
  expect(wordsOf({ ...row, text: link })).toMatch(/^Open this case, opened [0-9]+ [A-Z][a-z]+ 20/);
  expect(wordsOf(row)).toContain(NAMED);
  expect(wordsOf(await guardian.get(breach))).toContain(NAMED);
});

test('the list of cases says who looked, who proposed a breach, and who must act next', async () => {
  await officer.send(breach, { step: 'propose-breach', words: 'No attendance that day' });
  expect(await listed(officer)).toMatch(/nurse-1.*Dev Demo/);
  expect(await listed(officer)).not.toContain(OFFICER_CASES.waitsForYou);
  expect(await listed(second)).toContain(OFFICER_CASES.waitsForYou);
  expect(await listed(self)).not.toContain(OFFICER_CASES.waitsForYou);
  for (const [visitor, isTold] of [
    [second, true],
    [guardian, true],
    [officer, false],
    [self, false],
    [stranger, false],
  ] as const) {
    const { text } = await visitor.get('/officer');
    expect(text.includes(`href="${breach}">${OFFICER_CASES.waiting(1)}`)).toBe(isTold);
  }
  expect(wordsOf(await officer.get(breach))).toContain(MAY_CONFIRM);
  expect(wordsOf(await second.get(breach))).not.toContain(MAY_CONFIRM);
  // Each question is asked only once.
  expect(wordsOf(await second.get(breach)).split(OFFICER_CASES.what)).toHaveLength(2);
  // People may withdraw their own proposal, and send back another person's.
  expect(wordsOf(await officer.get(breach))).toContain(OFFICER_CASES.acts['withdraw-breach']);
  const judged = wordsOf(await second.get(breach));
  expect(judged).toContain(OFFICER_CASES.sendBack);
  expect(judged).not.toContain(OFFICER_CASES.acts['withdraw-breach']);
  await second.send(breach, { step: 'withdraw-breach', words: 'Ask the ward first' });
  expect(wordsOf(await officer.get(breach))).toContain('Back under inquiry: not confirmed');
});

test('a breach takes two people, and nobody can record it alone', async () => {
  await officer.send(breach, { step: 'propose-breach', words: 'No attendance that day' });
  const page = await officer.get(breach);
  expect(page.text).not.toContain('value="confirm-breach"');
  const alone = await officer.send(breach, { step: 'confirm-breach', words: 'me too' });
  expect([alone.status, alone.heading]).toEqual([409, OFFICER_CASES.secondPerson]);
  // A note in between or another window does not help the same person.
  await officer.send(breach, { step: 'note', words: 'Rang the ward' });
  expect((await officer.send(breach, { step: 'confirm-breach', words: 'x' })).status).toBe(409);
  const form = await guardian.form(breach);
  const wordless = await guardian.form(breach);
  const done = await second.send(breach, { step: 'confirm-breach', words: 'I agree' });
  expect(done.status).toBe(303);
  const ended = wordsOf(await second.get(breach));
  expect(ended).toContain(OFFICER_CASES.ended);
  const late = await guardian.post(breach, { ...form, step: 'explain', words: 'x' });
  for (const page of [late, await guardian.post(breach, { ...wordless, words: '' })]) {
    expect([page.status, page.heading]).toEqual([409, OFFICER_CASES.notNow]);
    expect(wordsOf(page)).toContain(OFFICER_CASES.endedThen);
  }
  expect((await steps()).map((event) => event.step)).toEqual([
    'inquire',
    'propose-breach',
    'withdraw-breach',
    'propose-breach',
    'note',
    'confirm-breach',
  ]);
});

test('nobody can open or end a case about their own access', async () => {
  const event = await openEvent(self, 'nurse-1');
  expect(event.text).not.toContain(`action="${CASES}"`);
  // Their own access, put into the form of another one.
  const other = hiddenOf(await openEvent(self, 'nurse-2'), CASES);
  const own = entryIn(await search(self, 'nurse-1'));
  const tried = await self.post(CASES, {
    ...other,
    entry: own,
    step: 'explain',
    words: 'It was me',
  });
  expect([tried.status, tried.heading]).toEqual([409, OFFICER_CASES.ownAccess]);
});

test('a mistake is reported at its field, and nothing is done', async () => {
  const before = (await steps()).length;
  for (const [typed, field] of [
    [{ words: 'fine' }, 'step'],
    [{ step: 'confirm-breach', words: 'fine' }, 'step'],
    [{ step: 'inquire', words: '' }, 'words'],
    [{ step: 'inquire', words: `child ${CHILD}` }, 'words'],
  ] as const) {
    const page = await open(officer, 'nurse-2', typed);
    expect([page.status, page.text.includes(`href="#${field}"`)]).toEqual([400, true]);
  }
  expect(await steps()).toHaveLength(before);
});

test('a step that another officer made impossible meanwhile is refused on the page of the case, which keeps the note', async () => {
  const opened = await open(officer, 'nurse-2', { step: 'propose-breach', words: 'No attendance' });
  const path = opened.headers.get('location') ?? '';
  const form = await guardian.form(path);
  await officer.send(path, { step: 'withdraw-breach', words: 'It was the right ward' });
  const late = await guardian.post(path, { ...form, step: 'confirm-breach', words: 'I agree too' });
  expect([late.status, late.heading]).toEqual([409, OFFICER_CASES.case]);
  expect(wordsOf(late)).toContain(OFFICER_CASES.changed);
  expect(wordsOf(late)).toContain('It was the right ward');
  expect(late.text).toContain('value="I agree too"');
  expect(late.text).not.toContain('value="confirm-breach"');
});

test('another organisation’s case cannot be found, in the list or by its address', async () => {
  expect((await officer.get(CASES)).text).toContain(breach);
  expect((await guardian.get(CASES)).text).toContain(breach);
  expect((await stranger.get(CASES)).text).not.toContain(breach);
  const foreign = await stranger.get(breach);
  expect([foreign.status, foreign.heading]).toEqual([404, FRAME.notFound]);
  const own = await visitorAs(service, { organisation: 'ZZ101', scopes: ['audit'] });
  expect((await own.get(CASES)).status).toBe(404);
  const form = hiddenOf(await openEvent(officer, 'nurse-3'), CASES);
  const tried = await stranger.post(breach, { ...form, step: 'note', words: 'x' });
  expect(tried.status).toBe(403);
});

test('a case blocks its user in one step, with the case as the reason, and then says that they are blocked', async () => {
  const opened = await open(officer, 'nurse-3', { step: 'inquire', words: 'No attendance' });
  const path = opened.headers.get('location') ?? '';
  const page = await officer.get(path);
  const reason = reasonOfCase(path.split('/').at(-1) ?? '');
  expect(page.text).toMatch(new RegExp(`<input [^>]*id="reason"[^>]* value="${reason}"`));
  const done = await officer.post('/officer/block', {
    ...hiddenOf(page, '/officer/block'),
    reason,
  });
  expect([done.status, locationOf(done)]).toEqual([303, '/officer/blocked?done=blocked']);
  expect((await service.events()).findLast(({ type }) => type === 'user-blocked')).toMatchObject({
    by: 'Dev Demo',
    detail: { user: 'nurse-3', reason },
  });
  const after = await officer.get(path);
  expect(after.text).not.toContain('action="/officer/block"');
  expect(wordsOf(after)).toContain(OFFICER_EVENT.isBlocked);
});

test('a case about the reader’s own access does not offer to block them', async () => {
  const page = await self.get(breach);
  expect([page.status, page.heading]).toEqual([200, OFFICER_CASES.case]);
  expect(page.text).not.toContain('action="/officer/block"');
});

test('a command erases the notes, and the steps taken stay on record', async () => {
  const env = { DATA_DIR: service.dataDir };
  const named = ['--by', 'A. Guardian', '--reason', 'retention'];
  const id = breach.slice(CASES.length + 1);
  const wrong = await run(['audit', 'erase-cases', ...named], env);
  expect(wrong.code).toBe(2);
  const listed = await run(['audit', 'cases'], env);
  expect(listed.stdout).toContain(`${id}  breach  ZZH01`);
  expect(listed.stdout).not.toContain('alert');
  const erased = await run(['audit', 'erase-cases', '--ended-before', '1/1/2099', ...named], env);
  expect(erased.stdout).toContain('The notes of 1 case are erased.');
  const page = wordsOf(await officer.get(breach));
  expect(page).not.toContain(HOSTILE);
  expect(page).toContain(OFFICER_CASES.steps['confirm-breach']);
  expect(page).toContain(OFFICER_CASES.erased);
  const file = readFileSync(join(service.dataDir, 'audit-cases', 'cases.sqlite'));
  expect(file.includes('alert(1)')).toBe(false);
  expect((await steps()).at(-1)).toMatchObject({
    step: 'erase',
    case: id,
    by: 'A. Guardian',
    reason: 'retention',
  });
  const gone = await run(['audit', 'erase-cases', '--case', 'x', ...named], env);
  expect(gone.code).toBe(1);
});

test('a command fails, and says so, if a case that changed meanwhile keeps its notes', async () => {
  const path = join(service.dataDir, 'audit-cases', 'cases.sqlite');
  const cases = Cases.open(path, async () => undefined);
  const actor = { key: 'officer', event: { by: 'An Officer' } };
  for (const [entry, words] of [
    [901, 'to be erased'],
    [902, 'to be kept'],
  ] as const) {
    const access = { entry, accessId: randomUUID(), organisation: 'ZZH01', about: 'nurse' };
    expect(await cases.open(access, 'explain', actor, words)).toMatchObject({ kind: 'taken' });
  }
  cases.close();
  const db = new DatabaseSync(path, { timeout: WAIT_MS });
  // As if somebody took a step in the second case while the first was being erased.
  db.exec(`CREATE TRIGGER taken AFTER UPDATE ON step BEGIN
    UPDATE accessCase SET changedAt = '2026-12-01T00:00:00.000Z' WHERE entry = 902; END`);
  db.close();
  const named = ['--by', 'A. Guardian', '--reason', 'retention'];
  const done = await run(['audit', 'erase-cases', '--ended-before', '1/1/2099', ...named], {
    DATA_DIR: service.dataDir,
  });
  expect([done.code, done.stdout]).toEqual([
    1,
    expect.stringContaining('The notes of 1 case are erased.'),
  ]);
  expect(done.stderr).toContain('1 case changed meanwhile and kept its notes.');
  const file = readFileSync(path);
  expect([file.includes('to be erased'), file.includes('to be kept')]).toEqual([false, true]);
});

test('a command that fails halfway says how many cases have lost their notes', async () => {
  const path = join(service.dataDir, 'audit-cases', 'cases.sqlite');
  const cases = Cases.open(path, async () => undefined);
  const actor = { key: 'officer', event: { by: 'An Officer' } };
  for (const entry of [903, 904]) {
    const access = { entry, accessId: randomUUID(), organisation: 'ZZH01', about: 'nurse' };
    expect(await cases.open(access, 'explain', actor, 'a note')).toMatchObject({ kind: 'taken' });
  }
  cases.close();
  const db = new DatabaseSync(path, { timeout: WAIT_MS });
  db.exec(`DROP TRIGGER IF EXISTS taken; CREATE TRIGGER broken BEFORE UPDATE ON step
    WHEN OLD.caseNumber = (SELECT number FROM accessCase WHERE entry = 904)
    BEGIN SELECT RAISE(ABORT, 'the disk is broken'); END`);
  db.close();
  const named = ['--by', 'A. Guardian', '--reason', 'retention'];
  const done = await run(['audit', 'erase-cases', '--ended-before', '1/1/2099', ...named], {
    DATA_DIR: service.dataDir,
  });
  expect([done.code, done.stdout]).toEqual([
    1,
    expect.stringMatching(/^The notes of [1-9] cases? are erased[.]/),
  ]);
  expect(done.stderr).toContain('the disk is broken');
  expect(done.stderr).toContain('it may be on record, and done in part');
});
