import { randomUUID } from 'node:crypto';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { DESK } from '#schemas/wording/desk.ts';
import {
  OFFICER,
  OFFICER_DRAFT,
  OFFICER_EVENT,
  OFFICER_REPORTS,
} from '#schemas/wording/officer.ts';
import { FRAME } from '#schemas/wording/pages.ts';
import { numberText } from '#service/pages/look-up/result.ts';
import { createBlocks } from '#store/blocks.ts';
import { visitorAs } from '../../support/desk.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered, untilAskedOnce } from '../../support/until.ts';
import {
  createVisitor,
  hiddenOf,
  locationOf,
  signedIn,
  type Visit,
  type Visitor,
  withoutTokens,
  wordsOf,
} from '../../support/visitor.ts';

const SHARED = testNumber(8101);
const NOBODYS = testNumber(8104);
const OTHERS = testNumber(8102);
const HOSTILE = '"><script>alert(1)</script>';
const REASON = 'complaint 12/2026';
/** A number as it appears in the words of a page. */
const spaced = (number: string): string => numberText(number).replaceAll('\u00a0', ' ');

let service: TestService;
let guardian: Visitor;
let officer: Visitor;
let stranger: Visitor;
let council: Visitor;

async function look(user: string, organisation: string, nhsNumber: string, more = {}) {
  const token = await service.token(claims({ sub: user, organisation, ...more }));
  return service.answered({ nhsNumber, reason: 'attendance' }, { token });
}

const LOOKS = 7;
const BULK = 60;
const PLAN = PLAN_TYPES['child-protection-plan'].label;

/** Starts a service, ends an earlier one, and makes the lookups that the tests find. */
async function startWithLooks(): Promise<void> {
  await service?.stopAndRemove();
  service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: SHARED }, { nhsNumber: OTHERS }] }],
  });
  for (let i = 0; i < 3; i++) await look('nurse-1', 'ZZH01', SHARED);
  await look('nurse-1', 'ZZH01', testNumber(8103));
  await look('other-1', 'ZZH02', SHARED, { name: `Olga ${HOSTILE}` });
  await look('other-1', 'ZZH02', OTHERS);
  await look('gp-1', 'ZZH01', SHARED, { activities: ['B0170'] });
  // More events than fit on a page.
  for (let i = 0; i < BULK; i++) await look('bulk-1', 'ZZH98', OTHERS);
}

beforeAll(async () => {
  // A look that had to be made again may count twice.
  await untilAskedOnce([1, 2, 3], startWithLooks);
  guardian = createVisitor(service.baseUrl);
  expect((await guardian.signIn('caldicottGuardian')).headers.get('location')).toBe('/officer');
  officer = await signedIn(service, 'privacyOfficer');
  stranger = await visitorAs(service, { organisation: 'ZZH99', scopes: ['audit'] });
  council = await visitorAs(service, { organisation: 'ZZ101', scopes: ['audit'] });
  await until(async () => {
    const file = await search(guardian, { type: 'lookup', as: 'csv' });
    return file.status === 200 && rowsOf(file).length === LOOKS + BULK + 1;
  }, 'all lookups in the index');
});
afterAll(() => service?.stopAndRemove());

const search = (visitor: Visitor, typed: Record<string, string> = {}): Promise<Visit> =>
  untilAnswered(() => visitor.send('/officer/search', { reason: REASON, ...typed }, '/officer'));
const report = (visitor: Visitor, typed: Record<string, string>): Promise<Visit> =>
  untilAnswered(() => visitor.send('/officer/reports', { reason: REASON, ...typed }));

const rowsOf = ({ text }: Visit): string[][] =>
  z.array(z.array(z.string())).parse(parse(text, { bom: true }));

async function searches() {
  return (await service.events()).filter((event) => event.type === 'audit-search');
}

/** The entry number of the first event on a page. */
const entryOf = ({ text }: Visit): string => /name="entry" value="([0-9]+)"/.exec(text)?.[1] ?? '';

describe('a search', () => {
  test('finds what the API finds, and is recorded with who searched and why before it is shown', async () => {
    const page = await search(guardian, { number: SHARED, outcome: 'flagged' });
    expect([page.status, page.heading]).toEqual([200, OFFICER.results]);
    expect(page.text.split('name="entry"')).toHaveLength(6);
    const last = (await searches()).at(-1);
    expect(last).toMatchObject({
      by: 'Esi Demo',
      account: 'demo-guardian (cp-flags-demo)',
      reason: REASON,
      view: 'all',
      criteria: { nhsNumber: SHARED, outcome: 'flagged' },
      eventsShown: 5,
      caller: { user: 'demo-guardian', organisation: { code: 'ZZX01' } },
    });
    expect(page.text).toContain(last?.auditId);
  });

  test('shows an organisation’s officer its own people, including silent reads, without plans', async () => {
    const page = await search(officer, { number: SHARED, type: 'lookup' });
    expect(page.text.split('name="entry"')).toHaveLength(5);
    expect(page.text).toContain('gp-1');
    for (const hidden of ['other-1', 'ZZH02', PLAN, 'child-protection-plan', 'LA-1', 'ZZ101']) {
      expect(withoutTokens(page.text)).not.toContain(hidden);
    }
    expect((await searches()).at(-1)).toMatchObject({ view: 'organisation' });
    expect(wordsOf(await search(stranger, { number: SHARED }))).toContain(OFFICER.none);
  });

  test('says what was searched for and why, whether or not anything was found', async () => {
    const typed = { number: SHARED, type: 'lookup', outcome: 'flagged', activity: 'silent-read' };
    for (const user of ['gp-1', 'nobody']) {
      const words = wordsOf(await search(officer, { ...typed, user }));
      expect(words).toContain(
        `Searched forNHS number ${spaced(SHARED)}, user ${user}, activity ${OFFICER.activities['silent-read']}, outcome ${OFFICER.outcomes.flagged}, kind of event Lookup`,
      );
      expect(words).toContain(`Reason given${REASON}`);
    }
    const child = wordsOf(await report(officer, { report: 'child', number: SHARED }));
    expect(child).toContain(`Searched forNHS number ${spaced(SHARED)}`);
    expect(child).toContain(OFFICER.confidential);
    const user = wordsOf(await report(officer, { report: 'user', user: 'nurse-1' }));
    expect(user).toContain('Searched foruser nurse-1');
    const patterns = wordsOf(await officer.send('/officer/patterns', { reason: 'monthly review' }));
    expect(patterns).toContain('Reason givenmonthly review');
  });

  test('gives its results and choices in ordinary words', async () => {
    const form = wordsOf(await guardian.get('/officer'));
    expect(form).toContain('Gap in the record accepted (audit-gap-accepted)');
    const page = await search(guardian, { number: SHARED, type: 'lookup' });
    const cells = [...page.text.matchAll(/<bdi>([^<]*)<\/bdi>/g)].map(([, cell]) => cell);
    expect(cells).toEqual(
      expect.arrayContaining(['Lookup', OFFICER.outcomes.flagged, OFFICER.activities.unscheduled]),
    );
    for (const identifier of ['lookup', 'flagged', 'silent-read']) {
      expect(cells).not.toContain(identifier);
    }
  });

  test('shows a council no silent read and no other council’s child', async () => {
    const page = await search(council, { number: SHARED });
    expect(page.text.split('name="entry"')).toHaveLength(5);
    expect(withoutTokens(page.text)).not.toContain('gp-1');
  });

  test('lists mistakes in the order of its fields', async () => {
    const wrong = { number: '9991000012', from: '31/02/2026', to: 'x', reason: '' };
    const { status, text } = await search(guardian, wrong);
    expect(status).toBe(400);
    const listed = [...text.matchAll(/<li><a href="#(\w+)">/g)].map(([, field]) => field);
    expect(listed).toEqual(['number', 'from', 'to', 'reason']);
  });

  test('goes page by page without losing or repeating an event', async () => {
    const seen = new Set<string>();
    let page = await search(guardian, { user: 'bulk-1' });
    let pages = 1;
    for (;;) {
      const entries = [...page.text.matchAll(/name="entry" value="([0-9]+)"/g)].map(([, e]) => e);
      for (const entry of entries) {
        expect(seen.has(entry ?? '')).toBe(false);
        seen.add(entry ?? '');
      }
      const cursor = /type="submit" name="cursor" value="([^"]+)"/.exec(page.text)?.[1];
      if (cursor === undefined) break;
      page = await guardian.post('/officer/search', {
        ...hiddenOf(page, '/officer/search'),
        cursor,
      });
      expect(++pages).toBeLessThan(5);
    }
    expect([pages, seen.size]).toEqual([2, BULK]);
  });

  test('has the same rows as a file, is safe in a spreadsheet, and is recorded as a file', async () => {
    const file = await search(officer, { type: 'lookup', as: 'csv' });
    expect(file.status).toBe(200);
    expect(file.headers.get('content-disposition')).toMatch(/^attachment; filename="audit-search-/);
    expect(file.headers.get('cache-control')).toBe('no-store');
    expect(file.headers.get('x-content-type-options')).toBe('nosniff');
    const [head = [], ...rows] = rowsOf(file);
    expect(head).toContain('nhs number');
    expect(rows).toHaveLength(5);
    expect(file.text).not.toContain('other-1');
    expect((await searches()).at(-1)).toMatchObject({ criteria: { csv: true }, eventsShown: 5 });
  });

  test.for([
    ['no reason', { reason: '' }, 'reason'],
    ['a wrong number', { number: '9990000000' }, 'number'],
    ['an invalid time', { from: 'yesterday' }, 'from'],
    ['an end before the start', { from: '2/1/2026', to: '1/1/2026' }, 'from'],
    ['an unknown outcome', { outcome: 'x' }, 'outcome'],
    ['an unknown kind', { type: 'X!' }, 'type'],
  ] as const)(
    'with %s says so at the field, keeps what was typed and finds nothing',
    async ([, typed, field]) => {
      const before = (await searches()).length;
      const page = await search(guardian, { user: 'kept-user', ...typed });
      expect(page.status).toBe(400);
      expect(page.title).toMatch(/^Error: /);
      expect(page.text).toContain(`href="#${field}"`);
      expect(page.text).toContain('value="kept-user"');
      expect(await searches()).toHaveLength(before);
    },
  );

  test('shows other people’s words as text', async () => {
    const page = await search(guardian, { user: 'other-1' });
    expect(page.text).not.toContain('<script>alert');
    expect(wordsOf(page)).toContain(HOSTILE);
    const again = await search(guardian, { user: HOSTILE, outcome: 'x' });
    expect(again.text).not.toContain('<script>alert');
  });

  test('leaves no NHS number in an address, a title or a log line', async () => {
    const visits = [
      await search(guardian, { number: SHARED }),
      await search(guardian, { number: SHARED, as: 'csv' }),
      await report(guardian, { report: 'child', number: SHARED }),
    ];
    for (const { title, headers } of visits) {
      expect(title).not.toContain(SHARED);
      expect(JSON.stringify([...headers])).not.toContain(SHARED);
    }
    for (const { text } of visits)
      expect(text).not.toMatch(new RegExp(`(?:href|action)="[^"]*${SHARED}`));
    expect(service.lines.join('\n')).not.toContain(SHARED);
  });
});

describe('a report', () => {
  test.for(Object.keys(OFFICER_REPORTS.names))(
    '%s is a page and a file, for one organisation only',
    async (name) => {
      const typed = { report: name, number: SHARED, user: 'nurse-1', least: '1' };
      const narrow =
        name === 'child'
          ? { user: '' }
          : name === 'user'
            ? { number: '' }
            : { number: '', user: '' };
      const own = await report(officer, { ...typed, ...narrow });
      expect([own.status, own.heading]).toEqual([200, OFFICER_REPORTS.names[name as 'child']]);
      const file = await report(officer, { ...typed, ...narrow, as: 'csv' });
      expect(file.headers.get('content-type')).toMatch(/^text\/csv/);
      for (const visit of [own, file]) {
        for (const hidden of ['other-1', 'ZZH02', 'Olga', 'child-protection-plan']) {
          expect(withoutTokens(visit.text)).not.toContain(hidden);
        }
      }
      expect((await searches()).at(-1)).toMatchObject({ report: name, view: 'organisation' });
      const foreign = await report(stranger, { ...typed, ...narrow, as: 'csv' });
      // Their own searches are theirs to see.
      if (name !== 'searches') expect(foreign.text).not.toMatch(new RegExp(`nurse-1|${SHARED}`));
    },
  );

  test('asks to be handled as a patient record if it holds NHS numbers, and only then', async () => {
    const alerts = await report(guardian, { report: 'lookers', least: '1' });
    expect(wordsOf(alerts)).not.toContain(OFFICER.confidential);
    const child = await report(guardian, { report: 'repeats', least: '1' });
    expect(wordsOf(child)).toContain(OFFICER.confidential);
  });

  test('on searches gives what was searched for in words, with the number in groups', async () => {
    await search(guardian, { number: SHARED, as: 'csv' });
    await until(async () => {
      const words = wordsOf(await report(guardian, { report: 'searches' }));
      expect(words).not.toContain('as a file: true');
      return words.includes(`NHS number ${spaced(SHARED)}, as a file`);
    }, 'the search in the index');
  });

  test('names the organisation of a user beside its code', async () => {
    for (const found of [
      await search(guardian, { number: SHARED }),
      await report(guardian, { report: 'lookers' }),
    ]) {
      expect(wordsOf(found)).toContain('Northgate General Hospital (ZZH01)');
    }
  });

  test('says in ordinary words which plans were shown', async () => {
    const words = wordsOf(await report(guardian, { report: 'child', number: SHARED }));
    expect(words).toContain(`${PLAN}, Council ZZ101 (ZZ101), from 5 Jan 2026, in force`);
    expect(words).not.toContain('child-protection-plan');
  });

  test('that needs a child or a user asks for them', async () => {
    for (const [name, field] of [
      ['child', 'number'],
      ['user', 'user'],
      ['site', 'organisation'],
    ] as const) {
      const page = await report(guardian, { report: name });
      expect([page.status, page.text.includes(`href="#${field}"`)]).toEqual([400, true]);
    }
    expect((await report(guardian, { report: 'x' })).status).toBe(400);
    expect((await report(guardian, { report: 'refusals', least: '0' })).status).toBe(400);
  });

  test('with totals gives its figures as a picture and as text', async () => {
    const page = await report(guardian, { report: 'repeats', least: '3' });
    expect(page.text).toContain('<svg class="cpf-chart"');
    expect(wordsOf(page)).toContain('nurse-1');
    expect(page.text).toContain(numberText(SHARED));
  });

  test('is not open to a council, which may open only the search', async () => {
    for (const path of [
      '/officer/reports',
      '/officer/patterns',
      '/officer/child',
      '/officer/blocked',
    ]) {
      const page = await council.get(path);
      expect([page.status, page.heading]).toEqual([404, FRAME.notFound]);
    }
  });
});

test('patterns are shown together, each is recorded, and they cover only one’s own organisation', async () => {
  const typed = { reason: REASON, from: '', to: '' };
  const page = await guardian.send('/officer/patterns', typed);
  expect([page.status, page.heading]).toEqual([200, OFFICER.patterns]);
  for (const name of ['out-of-hours', 'repeats', 'refusals', 'alerts'] as const) {
    expect(wordsOf(page)).toContain(OFFICER_REPORTS.names[name]);
  }
  const reports = (await searches()).slice(-4).map((event) => 'report' in event && event.report);
  expect(reports).toEqual(['out-of-hours', 'repeats', 'refusals', 'alerts']);
  const own = await officer.send('/officer/patterns', typed);
  expect(own.text).not.toContain('other-1');
  // A report gives the rest of a pattern, and another everything by a user in it.
  const forms = page.text.split('<form ').filter((each) => each.includes('/officer/reports'));
  const hidden = (found: (form: string) => boolean) =>
    hiddenOf({ ...page, text: `<form ${forms.find(found)}` }, '/officer/reports');
  const whole = hidden((form) => form.includes('value="out-of-hours"'));
  expect((await guardian.post('/officer/reports', whole)).heading).toBe(
    OFFICER_REPORTS.names['out-of-hours'],
  );
  const users = forms.find((form) => form.includes('name="user"')) ?? '';
  const [, user = ''] = /name="user" value="([^"]+)"/.exec(users) ?? [];
  const by = await guardian.post('/officer/reports', {
    ...hidden((form) => form === users),
    user,
  });
  expect([by.status, by.heading]).toEqual([200, OFFICER_REPORTS.names.user]);
  expect((await searches()).at(-1)).toMatchObject({
    report: 'user',
    reason: REASON,
    criteria: { user },
  });
});

describe('a draft of one child’s accesses', () => {
  const OPEN = { requester: 'child', protectedFrom: 'no', harm: 'no', abuse: 'no' };
  const draft = (visitor: Visitor, typed: Record<string, string>): Promise<Visit> =>
    untilAnswered(() =>
      visitor.send('/officer/child', { number: SHARED, reason: REASON, ...typed }),
    );

  test('is made only once the exemptions have been asked about', async () => {
    const page = await draft(guardian, { protectedFrom: 'no' });
    expect(page.status).toBe(400);
    for (const field of ['requester', 'harm', 'abuse'])
      expect(page.text).toContain(`href="#${field}"`);
  });

  test('shows no names, places or silent reads unless asked, and never whether a plan was found', async () => {
    const page = await draft(guardian, OPEN);
    expect([page.status, page.heading]).toEqual([200, OFFICER_DRAFT.draft]);
    const said = wordsOf(page);
    for (const hidden of [
      'Nora Nurse',
      'Olga',
      'ZZH01',
      'emergency-department',
      OFFICER.settings['emergency-department'],
      'flagged',
      'child-protection-plan',
      'nurse-1',
    ]) {
      expect(said).not.toContain(hidden);
    }
    expect(page.text.split('name="line-')).toHaveLength(5);
    const full = await draft(guardian, {
      ...OPEN,
      names: 'yes',
      places: 'yes',
      silentReads: 'yes',
    });
    expect(wordsOf(full)).toContain('Nora Nurse');
    expect(wordsOf(full)).toContain('Organisation ZZH01');
    expect(wordsOf(full)).toContain(OFFICER.settings['emergency-department']);
    expect(wordsOf(full)).not.toContain('emergency-department');
    expect(countOf(full, 'looked up')).toBe(5);
    expect(countOf(page, 'looked up')).toBe(4);
  });

  test('includes the reviews of the accesses only if asked, and then separately', async () => {
    const found = await search(guardian, { number: SHARED, type: 'lookup' });
    await guardian.post('/officer/event', {
      ...hiddenOf(found, '/officer/event'),
      entry: entryOf(found),
    });
    const narrow = { ...OPEN, to: new Date().toISOString() };
    await until(async () => {
      // As a file and about no child, so that polling adds no lines to the draft.
      const asked = { report: 'user', user: 'demo-guardian', as: 'csv' };
      return (await report(guardian, asked)).text.includes('audit report: event');
    }, 'the opened event in the index');
    const page = await draft(guardian, narrow);
    expect(countOf(page, 'looked up')).toBe(4);
    expect(page.text).not.toContain('record of looks searched');
    expect(page.text).not.toContain('audit-search');

    const full = await draft(guardian, { ...narrow, searches: 'yes' });
    const [accesses = '', searched = ''] = full.text.split(
      `<caption class="nhsuk-table__caption nhsuk-table__caption--s">${OFFICER_DRAFT.searched}</caption>`,
    );
    expect(accesses.split('<bdi>looked up</bdi>')).toHaveLength(5);
    expect(accesses).not.toContain('record of looks searched');
    expect(searched).toContain('record of looks searched');
    expect(searched).not.toContain('<bdi>looked up</bdi>');

    const fields = hiddenOf(full, '/officer/child/copy');
    const lines = [...full.text.matchAll(/name="(line-[0-9]+)"/g)].map(([, name = '']) => name);
    const both = { [lines[0] ?? '']: 'yes', [lines.at(-1) ?? '']: 'yes' };
    const copy = await guardian.post('/officer/child/copy', { ...fields, ...both });
    expect(copy.text).toContain(`>${OFFICER_DRAFT.searched}</caption>`);
    expect((await searches()).at(-1)).toMatchObject({
      report: 'child-copy',
      criteria: { searches: true },
    });
  });

  test.for([
    ['an unknown requester', { requester: 'other' }],
    ['somebody who may be the person the child is protected from', { protectedFrom: 'unknown' }],
    ['serious harm', { harm: 'yes' }],
    ['child abuse data', { abuse: 'unknown' }],
  ] as const)(
    'for a request with %s can be reviewed, but none of it released',
    async ([, answer]) => {
      const page = await draft(guardian, { ...OPEN, ...answer });
      expect(wordsOf(page)).toContain(OFFICER_DRAFT.closed);
      expect(page.text).not.toContain('name="line-');
      const fields = hiddenOf(page, '/officer/child/copy');
      const copy = await guardian.post('/officer/child/copy', { ...fields, 'line-1': 'yes' });
      expect(copy.status).toBe(404);
    },
  );

  test('gives a copy with only the released lines, which is recorded', async () => {
    const page = await draft(guardian, OPEN);
    const fields = hiddenOf(page, '/officer/child/copy');
    const names = [...page.text.matchAll(/name="(line-[0-9]+)"/g)].map(([, name = '']) => name);
    const last = names.at(-1) ?? '';
    const labels = [...page.text.matchAll(/>(Release line [^<]*)<\/span>/g)].map(
      ([, text]) => text,
    );
    expect([labels.length, new Set(labels).size]).toEqual([names.length, names.length]);
    const copy = await guardian.post('/officer/child/copy', { ...fields, [last]: 'yes' });
    // The copy mentions nothing that was left out, and does not read as if the family had searched.
    expect(wordsOf(copy)).not.toMatch(/Page \d|Your search/);
    expect(wordsOf(copy)).toMatch(/Reference: [0-9a-f-]{36}\./);
    expect([copy.status, copy.heading]).toEqual([200, OFFICER_DRAFT.copyTitle]);
    expect(copy.text.split('<tr class="nhsuk-table__row" role="row">')).toHaveLength(2);
    expect(copy.text).toContain('cpf-printable');
    // The paper itself says when and by which organisation it was released, and which period it covers.
    const said = wordsOf(copy);
    expect(said).toMatch(
      /Released by .+ \(ZZX01\) at [0-9]{2}:[0-9]{2}( BST| GMT)? on [0-9]{1,2} [A-Z][a-z]+ [0-9]{4}/,
    );
    expect(said).toMatch(
      /From the beginning to [0-9:]{5}( BST| GMT)? on [0-9]{1,2} [A-Z][a-z]+ [0-9]{4}/,
    );
    expect((await searches()).at(-1)).toMatchObject({
      report: 'child-copy',
      eventsShown: 1,
      criteria: { nhsNumber: SHARED, requester: 'child', harm: 'no', names: false },
    });
    const none = await guardian.post('/officer/child/copy', fields);
    expect([none.status, wordsOf(none).includes(OFFICER_DRAFT.copyNone)]).toEqual([400, true]);
    const foreign = await guardian.post('/officer/child/copy', { ...fields, 'line-999999': 'yes' });
    expect(foreign.status).toBe(409);
  });

  test('keeps what was released on hundreds of pages: the form is not too large to be read', async () => {
    const fields = hiddenOf(await draft(guardian, OPEN), '/officer/child/copy');
    const released = Array.from({ length: 10_000 }, (_, i) => 1_000_000_000 + i).join(',');
    const copy = await guardian.post('/officer/child/copy', { ...fields, released });
    expect([copy.status, wordsOf(copy).includes(OFFICER_DRAFT.lineGone)]).toEqual([409, true]);
  });

  test('has full pages whatever is left out, and the released copy has the lines of all pages', async () => {
    const children = [8104, 8114, 8124].map((n) => testNumber(n));
    const child = await untilAskedOnce(children, async (looked) => {
      for (let i = 0; i < 30; i++) {
        await look('paged-1', 'ZZH01', looked);
        await look('paged-2', 'ZZH01', looked, { activities: ['B0170'] });
      }
      return looked;
    });
    const typed = { ...OPEN, number: child };
    await until(
      async () =>
        countOf(await draft(guardian, { ...typed, silentReads: 'yes' }), 'looked up') === 25 &&
        (await search(guardian, { user: 'paged-2', number: child })).text.split('name="entry"')
          .length === 31,
      'the looks in the index',
    );
    const first = await draft(guardian, typed);
    const linesOf = ({ text }: Visit) =>
      [...text.matchAll(/name="(line-[0-9]+)" type="checkbox" value="yes"( checked)?/g)].map(
        ([, name = '', checked]) => ({ name, isChecked: checked !== undefined }),
      );
    expect(linesOf(first)).toHaveLength(25);
    const one = linesOf(first)[3]?.name ?? '';
    const go = (page: Visit, fields: Record<string, string>, action = '/officer/child') =>
      guardian.post(action, { ...hiddenOf(page, '/officer/child/copy'), ...fields });
    const second = await go(first, { go: 'next', [one]: 'yes' });
    expect(linesOf(second)).toHaveLength(5);
    expect(wordsOf(second)).toContain(OFFICER_DRAFT.page(2));
    expect(wordsOf(second)).toContain(OFFICER_DRAFT.elsewhere(1));
    const other = linesOf(second)[1]?.name ?? '';
    const copy = await go(second, { [other]: 'yes' }, '/officer/child/copy');
    expect([copy.status, copy.heading]).toEqual([200, OFFICER_DRAFT.copyTitle]);
    expect(countOf(copy, 'looked up')).toBe(2);
    // Each printed sheet says which copy it belongs to.
    const { auditId } = (await searches()).at(-1) ?? { auditId: '' };
    expect(copy.text).toContain(
      `<tfoot class="cpf-print-only"><tr><td colspan="3">${OFFICER_DRAFT.copyReference(auditId)}</td></tr></tfoot>`,
    );
    expect((await searches()).at(-1)).toMatchObject({ report: 'child-copy', eventsShown: 2 });
    // Going back keeps the chosen lines of both pages, and a line on the first page can be unticked.
    const back = await guardian.post('/officer/child', hiddenOf(copy, '/officer/child'));
    expect(linesOf(back).map(({ isChecked }) => isChecked)).toEqual([
      false,
      true,
      false,
      false,
      false,
    ]);
    const again = await go(back, { go: 'first', [other]: 'yes' });
    expect(
      linesOf(again)
        .filter(({ isChecked }) => isChecked)
        .map(({ name }) => name),
    ).toEqual([one]);
    const rest = await go(again, {}, '/officer/child/copy');
    expect([rest.status, countOf(rest, 'looked up')]).toEqual([200, 1]);
    // Lines from somebody else's draft are not accepted.
    const foreign = await go(again, { released: '1,99999' }, '/officer/child/copy');
    expect(foreign.status).toBe(409);
  });

  test('by an organisation’s officer contains only lookups by its own people', async () => {
    const all = { ...OPEN, names: 'yes', places: 'yes', silentReads: 'yes' };
    expect(countOf(await draft(officer, all), 'looked up')).toBe(4);
    expect(wordsOf(await draft(officer, all))).not.toContain('Olga');
    expect(countOf(await draft(stranger, all), 'looked up')).toBe(0);
  });
});

const countOf = (page: Visit, text: string): number =>
  page.text.split(`<bdi>${text}</bdi>`).length - 1;

describe('one event', () => {
  const open = async (visitor: Visitor, page: Visit, entry = entryOf(page)): Promise<Visit> =>
    visitor.post('/officer/event', { ...hiddenOf(page, '/officer/event'), entry });

  test('is shown to those who may see it, with its plans only to the operating organisation, and is recorded', async () => {
    const page = await search(guardian, { user: 'nurse-1', type: 'lookup', number: SHARED });
    const event = await open(guardian, page);
    expect([event.status, event.heading]).toEqual([200, OFFICER_EVENT.title]);
    expect(event.text).toContain(PLAN);
    expect(wordsOf(event)).toContain('Lookup (lookup)');
    expect((await searches()).at(-1)).toMatchObject({
      report: 'event',
      reason: REASON,
      criteria: { nhsNumber: SHARED },
    });
    const own = await search(officer, { user: 'nurse-1', type: 'lookup', number: SHARED });
    const seen = await open(officer, own);
    expect(seen.status).toBe(200);
    expect(seen.text).not.toMatch(/child[- ]protection[- ]plan/i);
  });

  test('that somebody may not see looks like one that does not exist', async () => {
    const page = await search(guardian, { user: 'other-1', type: 'lookup' });
    const own = await search(officer, { type: 'lookup' });
    const before = (await searches()).length;
    for (const entry of [entryOf(page), '99999999', 'x', '']) {
      const event = await open(officer, own, entry);
      expect([event.status, event.heading]).toEqual([404, FRAME.notFound]);
    }
    expect(await searches()).toHaveLength(before);
  });
});

describe('a page reached by sending a form has a working way back', () => {
  /** The form of the way back, which comes after that of what the user did. */
  const backOf = (event: Visit, action: string) =>
    hiddenOf(
      { ...event, text: event.text.slice(event.text.lastIndexOf('<form class="cpf-screen-only"')) },
      action,
    );

  test('from an event to the same page of the search or report', async () => {
    const typed = { user: 'bulk-1', from: '1/1/2026' };
    const first = await search(guardian, typed);
    const cursor = /name="cursor" value="([^"]+)"/.exec(first.text)?.[1] ?? '';
    const results = await guardian.post('/officer/search', {
      ...hiddenOf(first, '/officer/search'),
      cursor,
    });
    const own = await report(guardian, { report: 'child', number: SHARED, names: 'yes' });
    for (const [page, action] of [
      [results, '/officer/search'],
      [own, '/officer/reports'],
    ] as const) {
      const event = await guardian.post('/officer/event', {
        ...hiddenOf(page, '/officer/event'),
        entry: entryOf(page),
      });
      expect(wordsOf(event)).toContain(OFFICER.back);
      const back = await guardian.post(action, backOf(event, action));
      expect([back.status, back.heading]).toEqual([200, page.heading]);
      const entriesOf = ({ text }: Visit) => [...text.matchAll(/name="entry" value="([0-9]+)"/g)];
      const had = entriesOf(page).map(([, entry]) => entry);
      expect(entriesOf(back).map(([, entry]) => entry)).toEqual(expect.arrayContaining(had));
    }
  });

  test('from an event to the results as they were, without what its reader has recorded since', async () => {
    const shownBy = async (visitor: Visitor, page: Visit, action: string) => {
      const entriesIn = ({ text }: Visit) =>
        [...text.matchAll(/name="entry" value="([0-9]+)"/g)].map(([, entry]) => entry);
      const entries = entriesIn(page);
      expect(entries.length).toBeGreaterThan(1);
      const event = await visitor.post('/officer/event', {
        ...hiddenOf(page, '/officer/event'),
        entry: entries[1] ?? '',
      });
      const newest = entryOf(page);
      await until(
        async () => entryOf(await search(visitor, { number: SHARED })) !== newest,
        'what its reader did in the index',
      );
      const back = await visitor.post(action, backOf(event, action));
      return [entries, entriesIn(back)];
    };
    const found = await search(officer, { number: SHARED });
    const [before, after] = await shownBy(officer, found, '/officer/search');
    expect(after).toEqual(before);
    const made = await report(officer, { report: 'child', number: SHARED });
    const [lines, linesAfter] = await shownBy(officer, made, '/officer/reports');
    expect(linesAfter).toEqual(lines);
  });

  test('from a copy, or an empty one, to the draft with its answers and lines unchanged', async () => {
    const page = await guardian.send('/officer/child', {
      number: SHARED,
      reason: REASON,
      requester: 'child',
      protectedFrom: 'no',
      harm: 'no',
      abuse: 'no',
      places: 'yes',
    });
    const line = /name="(line-[0-9]+)"/.exec(page.text)?.[1] ?? '';
    for (const ticked of [{}, { [line]: 'yes' }, { [line]: 'yes', 'line-999999': 'yes' }]) {
      const fields = hiddenOf(page, '/officer/child/copy');
      const copy = await guardian.post('/officer/child/copy', { ...fields, ...ticked });
      const draft = await guardian.post('/officer/child', hiddenOf(copy, '/officer/child'));
      expect([draft.status, draft.heading]).toEqual([200, OFFICER_DRAFT.draft]);
      expect(hiddenOf(draft, '/officer/child/copy')).toMatchObject({ places: 'yes', harm: 'no' });
      const checked = draft.text.includes(`name="${line}" type="checkbox" value="yes" checked`);
      expect(checked).toBe(line in ticked);
    }
  });

  test.for([
    ['/officer/search', '/officer', { number: SHARED }],
    ['/officer/reports', '/officer/reports', { report: 'user', user: 'nurse-1' }],
    ['/officer/patterns', '/officer/patterns', {}],
    [
      '/officer/child',
      '/officer/child',
      { number: SHARED, requester: 'child', protectedFrom: 'no', harm: 'no', abuse: 'no' },
    ],
  ] as const)(
    'from %s to the form with what was typed, without another look',
    async ([action, from, typed]) => {
      const page = await guardian.send(action, { ...typed, reason: 'kept reason' }, from);
      expect(page.status).toBe(200);
      const before = (await searches()).length;
      const back = [...page.text.matchAll(/<form[^>]*>[\s\S]*?<\/form>/g)].find(
        ([form]) => form.includes('name="edit"') && form.includes(`action="${action}"`),
      );
      const form = await guardian.post(
        action,
        hiddenOf({ ...page, text: back?.[0] ?? '' }, action),
      );
      expect([form.status, form.text.includes('value="kept reason"')]).toEqual([200, true]);
      if ('number' in typed) expect(form.text).toContain(`value="${SHARED}"`);
      if ('harm' in typed) expect(form.text).toMatch(/name="harm" type="radio" value="no" checked/);
      expect(await searches()).toHaveLength(before);
    },
  );
});

describe('blocking a user from an event', () => {
  async function formOf(visitor: Visitor, user: string): Promise<Record<string, string>> {
    const page = await search(visitor, { user, type: 'lookup' });
    const event = await visitor.post('/officer/event', {
      ...hiddenOf(page, '/officer/event'),
      entry: entryOf(page),
    });
    return hiddenOf(event, '/officer/block');
  }
  const acts = async (type: string) =>
    (await service.events()).filter((event) => event.type === type);

  test('does what the command does, once, and records the reason and who did it', async () => {
    const form = await formOf(officer, 'gp-1');
    const unreasoned = await officer.post('/officer/block', form);
    expect([unreasoned.status, unreasoned.text.includes('href="#reason"')]).toEqual([400, true]);
    // The page names whom the reason is about.
    expect(wordsOf(unreasoned)).toMatch(/User id ?gp-1/);
    const again = { ...hiddenOf(unreasoned, '/officer/block'), reason: 'Card stolen' };
    const done = await officer.post('/officer/block', again);
    expect([done.status, locationOf(done)]).toEqual([303, '/officer/blocked?done=blocked']);
    expect(await acts('user-blocked')).toMatchObject([
      {
        by: 'Dev Demo',
        detail: {
          user: 'gp-1',
          reason: 'Card stolen',
          account: 'demo-privacy-officer (cp-flags-demo)',
        },
      },
    ]);
    expect(await createBlocks(service.admin, service.store).list()).toMatchObject([
      { user: 'gp-1', desk: 'officer' },
    ]);
    expect((await officer.post('/officer/block', again)).heading).toBe(DESK.usedUp);
    expect(await acts('user-blocked')).toHaveLength(1);
    await until(
      async () => (await look('gp-1', 'ZZH01', NOBODYS, { activities: ['B0170'] })).status === 403,
      'the block',
    );
    const found = await search(officer, { user: 'gp-1', type: 'lookup' });
    const event = await officer.post('/officer/event', {
      ...hiddenOf(found, '/officer/event'),
      entry: entryOf(found),
    });
    expect(event.text).not.toContain('action="/officer/block"');
    expect(wordsOf(event)).toContain(OFFICER_EVENT.isBlocked);
    const blocked = await officer.get('/officer/blocked?done=blocked');
    expect(wordsOf(blocked)).toContain(OFFICER_EVENT.blockedDone);
    expect(wordsOf(blocked)).toContain('Card stolen');
  });

  test('is open to those who may see the event, and can be undone by the person who did it or the operating organisation', async () => {
    const form = await formOf(officer, 'nurse-1');
    const foreign = entryOf(await search(guardian, { user: 'other-1', type: 'lookup' }));
    const tried = await officer.post('/officer/block', { ...form, entry: foreign, reason: 'x1' });
    expect(tried.status).toBe(404);
    expect(await acts('user-blocked')).toHaveLength(1);
    expect(withoutTokens((await stranger.get('/officer/blocked')).text)).not.toContain('gp-1');
    const page = await guardian.get('/officer/blocked');
    expect(page.text).toContain('gp-1');
    // Read out by itself, each says whom it unblocks.
    const named = new RegExp(`${OFFICER_EVENT.unblock}<span class="[^"]*"> <bdi>gp-1</bdi>`, 'g');
    expect(page.text.match(named)).toHaveLength(2);
    const empty = { ...hiddenOf(page, '/officer/unblock'), reason: '' };
    const unreasoned = await guardian.post('/officer/unblock', empty);
    expect(wordsOf(unreasoned)).toMatch(/User id ?gp-1/);
    const let_ = { ...hiddenOf(unreasoned, '/officer/unblock'), reason: 'New card' };
    expect(locationOf(await guardian.post('/officer/unblock', let_))).toBe(
      '/officer/blocked?done=unblocked',
    );
    const unblocked = await acts('user-unblocked');
    expect(unblocked).toMatchObject([{ by: 'Esi Demo', detail: { user: 'gp-1' } }]);
    // A search says which block it ended: the one that began.
    const [ended, began] = [unblocked, await acts('user-blocked')].map((events) =>
      events.map((event) => ('detail' in event ? event.detail['blocks'] : undefined)),
    );
    expect(ended).toEqual(began);
    await until(
      async () =>
        wordsOf(await search(guardian, { type: 'user-unblocked' })).includes(`block ${ended?.[0]}`),
      'the search to find it',
    );
  });

  test('is not undone from a page that shows an earlier block', async () => {
    const blocks = createBlocks(service.admin, service.store);
    const order = { issuer: 'cp-flags-demo', user: 'gp-2', by: 'Dev Demo' };
    await blocks.block({ ...order, reason: 'Card stolen' });
    const form = hiddenOf(await guardian.get('/officer/blocked'), '/officer/unblock');
    await blocks.unblock({ ...order, reason: 'New card' });
    await blocks.block({ ...order, reason: 'Inquiry 7' });
    const sent = await guardian.post('/officer/unblock', { ...form, reason: 'New card' });
    const location = sent.headers.get('location') ?? '';
    const page = await guardian.get(location);
    expect(wordsOf(page)).toContain(OFFICER_EVENT.blockedAgain);
    expect(wordsOf(page)).toContain('Inquiry 7');
    expect(await blocks.unblock({ ...order, reason: 'Closed' })).toBe('unblocked');
  });

  test('is not offered on one’s own event', async () => {
    await until(async () => {
      const page = await search(officer, { user: 'demo-privacy-officer' });
      if (entryOf(page) === '') return false;
      const event = await officer.post('/officer/event', {
        ...hiddenOf(page, '/officer/event'),
        entry: entryOf(page),
      });
      expect(event.text).not.toContain('action="/officer/block"');
      return true;
    });
  });
});

test('a form from another session, another site or no session finds nothing', async () => {
  const fields = { ...(await officer.form('/officer', '/officer/search')), reason: REASON };
  const before = (await searches()).length;
  const tries = [
    await guardian.post('/officer/search', fields),
    await officer.post('/officer/search', { ...fields, token: '' }),
    await officer.post('/officer/search', fields, { origin: 'https://elsewhere.example' }),
    await officer.post('/officer/search', { reason: REASON, form: randomUUID() }),
  ];
  for (const visit of tries) expect([visit.status, visit.heading]).toEqual([403, DESK.untrusted]);
  expect(await searches()).toHaveLength(before);
});
