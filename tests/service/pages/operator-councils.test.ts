import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NUMBERS } from '#schemas/wording/council-numbers.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { OPERATOR } from '#schemas/wording/operator.ts';
import { COUNCIL_SETTINGS, EXPECTED } from '#schemas/wording/operator-councils.ts';
import { DEMO_ISSUER } from '#service/admission/demo-issuer.ts';
import { coverageChange } from '#service/pages/operator/coverage-change.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { loader, ods } from '../../support/upload-loading.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';
import {
  createVisitor,
  doubledHeadings,
  hiddenOf,
  locationOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/** What an operator does about councils in a browser: sets one up, changes it, and says who is expected. */

const NORTHMOOR = { code: ods('ZZ101'), name: 'Northmoor Council' };
const REASON = 'V146 joins the pilot';
const EXPECTED_PAGE = '/operator/expected';

let service: TestService;
let visitor: Visitor;
let anchor: Anchor;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      { code: 'ZZ101', name: 'Northmoor Council' },
      { code: 'ZZ102', name: 'Eastham Council', hoursOld: 20_000 },
      { code: 'ZZ105', name: 'Southlea Council' },
    ],
  });
  anchor = Anchor.open(join(service.dataDir, 'anchor'));
  visitor = createVisitor(service.baseUrl);
});
afterAll(async () => {
  anchor?.close();
  await service?.stopAndRemove();
});
beforeEach(async () => {
  await visitor.signIn('operations');
});

const pageOf = (code: string): string => `/operator/councils/${code}`;
const eventsOf = async (type: string) =>
  (await service.events()).filter((event) => event.type === type);

/** Sends the form of a council's page, with what differs. */
async function check(code: string, typed: Record<string, string>, who = visitor): Promise<Visit> {
  const action = `${pageOf(code)}/check`;
  return who.post(action, { ...(await who.form(pageOf(code), action)), ...typed });
}
const save = (
  code: string,
  page: Visit,
  typed: Record<string, string>,
  who = visitor,
): Promise<Visit> => who.post(pageOf(code), { ...hiddenOf(page, pageOf(code)), ...typed });
/** What the form of a council's page has in its fields, as a browser would send it. */
async function typedOf(code: string): Promise<Record<string, string>> {
  const { text } = await visitor.get(pageOf(code));
  const [, form = ''] =
    new RegExp(`action="${pageOf(code)}/check"[^>]*>([^]*?)</form>`).exec(text) ?? [];
  const [, name = ''] = /name="name"[^>]* value="([^"]*)"/.exec(form) ?? [];
  const [, columns = ''] = /<textarea[^>]*>\n([^]*?)<\/textarea>/.exec(form) ?? [];
  return { name, columns: columns.replaceAll('&quot;', '"') };
}
const CERTAIN = { rang: 'yes', reason: REASON };

const NEW = { name: 'Westby Council', emergency: '020 7946 0188' };

describe('a council', () => {
  test('is set up after its operator has read what that leads to, under the name of the person signed in', async () => {
    const begin = await visitor.get('/operator/set-up?code=zz103');
    expect([begin.status, begin.headers.get('location')]).toEqual([303, pageOf('ZZ103')]);
    const page = await check('ZZ103', { ...NEW, hours: 'Mon-Fri 08:45-17:15' });
    expect([page.status, page.heading]).toEqual([200, COUNCIL_SETTINGS.confirm]);
    expect(doubledHeadings(page)).toEqual([]);
    expect(wordsOf(page)).toContain(EXPECTED.thenNamed(4));
    expect(wordsOf(page)).toContain('2 of the 4 councils covered are not up to date');
    expect(await service.store.authority(ods('ZZ103'))).toBeUndefined();

    const unrung = await save('ZZ103', page, { reason: REASON });
    expect([unrung.status, wordsOf(unrung).includes(NUMBERS.rangWrong)]).toEqual([400, true]);
    const done = await save('ZZ103', unrung, CERTAIN);
    expect([done.status, locationOf(done)]).toEqual([303, `${pageOf('ZZ103')}?done=set`]);
    expect(await service.store.authority(ods('ZZ103'))).toMatchObject({
      name: NEW.name,
      emergencyDutyTeamPhone: '02079460188',
      officeHours: 'Mon-Fri 08:45-17:15',
    });
    expect((await eventsOf('authority-set')).at(-1)).toMatchObject({
      by: 'Farid Demo',
      detail: {
        authority: 'ZZ103',
        nameAfter: NEW.name,
        reason: REASON,
        account: `demo-operations (${DEMO_ISSUER})`,
      },
    });
    const after = wordsOf(await visitor.get(`${pageOf('ZZ103')}?done=set`));
    expect(after).toContain(COUNCIL_SETTINGS.done.set);
    expect(after).toContain('cp-flags authority remove ZZ103 --by NAME --reason TEXT');
    // Sent a second time, it changes nothing more.
    expect((await save('ZZ103', unrung, CERTAIN)).status).toBe(409);
    await until(
      async () => (await visitor.get('/operator/councils')).text.includes(pageOf('ZZ103')),
      'the council in the list',
    );
  });

  test('is changed, with what is unusual in its files and what its CSVs call columns', async () => {
    const columns = { columns: { nhs_number: 'NHS No' } };
    const page = await check('ZZ102', {
      name: 'Eastham City Council',
      removalsStopShare: '0.5',
      columns: JSON.stringify(columns),
    });
    expect(wordsOf(page)).toContain(COUNCIL_SETTINGS.nameThen('Eastham City Council'));
    expect(wordsOf(page)).toContain(COUNCIL_SETTINGS.settingsThen);
    // No number changes, so there is none to ring.
    expect((await save('ZZ102', page, { reason: REASON })).status).toBe(303);
    expect(await service.store.intakeState(ods('ZZ102'))).toMatchObject({
      authority: { name: 'Eastham City Council', emergencyDutyTeamPhone: '02079460199' },
      breakers: { removalsStopShare: 0.5 },
      columns,
    });
    const back = await check('ZZ102', { removalsStopShare: '', columns: '' });
    expect((await save('ZZ102', back, { reason: REASON })).status).toBe(303);
    const { breakers, columns: after } = await service.store.intakeState(ods('ZZ102'));
    expect([breakers, after.columns]).toEqual([{}, {}]);
  });

  test.for([
    ['no name', { name: ' ' }, 'name'],
    ['an NHS number as its name', { name: `Council ${testNumber(1)}` }, 'name'],
    ['words for a number', { office: 'ring the desk' }, 'office'],
    ['the emergency number', { emergency: '999' }, 'emergency'],
    ['no emergency duty team', { emergency: '' }, 'emergency'],
    ['hours that end before they begin', { hours: 'Mon 17:00-09:00' }, 'hours'],
    ['a share over 1', { removalsStopShare: '25' }, 'removalsStopShare'],
    ['a share that is no number', { refusedWarnShare: '-1' }, 'refusedWarnShare'],
    ['columns that are not JSON', { columns: 'NHS No' }, 'columns'],
    ['columns that no file has', { columns: '{"columns":{"colour":"x"}}' }, 'columns'],
    ['no change', {}, 'name'],
  ] as const)('is not changed to %s', async ([, typed, field]) => {
    const before = await service.store.intakeState(ods('ZZ101'));
    const page = await check('ZZ101', typed);
    expect(page.status).toBe(400);
    expect(page.text).toContain(`href="#${field}"`);
    expect(page.text).toContain(`id="${field}"`);
    expect(await service.store.intakeState(ods('ZZ101'))).toEqual(before);
  });

  test('is not changed on a page that a file or somebody else has overtaken, or for no reason', async () => {
    const page = await check('ZZ101', { name: 'Northmoor City Council' });
    const idle = await save('ZZ101', page, { reason: ' ' });
    expect([idle.status, idle.text.includes('href="#reason"')]).toEqual([400, true]);
    await service.store.setAuthority(ods('ZZ101'), { officeHoursPhone: '02079460131' }, 'a file');
    const late = await save('ZZ101', idle, { reason: REASON });
    expect([late.status, wordsOf(late).includes(COUNCIL_SETTINGS.overtaken)]).toEqual([409, true]);
    expect(late.text).toContain('<title>Error: ');
    expect(late.text).toMatch(/role="alert"[\s\S]*href="#change"[\s\S]*id="change"/);
    expect((await service.store.authority(ods('ZZ101')))?.name).toBe('Northmoor Council');
  });

  test('is changed by one of two operators who change it in the same moment', async () => {
    const other = createVisitor(service.baseUrl);
    await other.signIn('operations');
    const setting = { who: visitor, typed: { removalsStopShare: '0.5' } };
    const settings = [setting, { who: other, typed: { refusedWarnShare: '0.2' } }];
    const pages = await Promise.all(settings.map(({ who, typed }) => check('ZZ102', typed, who)));
    const done = await Promise.all(
      settings.map(({ who }, i) => save('ZZ102', pages[i] as Visit, { reason: REASON }, who)),
    );
    expect(new Set(done.map(({ status }) => status))).toEqual(new Set([303, 409]));
    const { breakers } = await service.store.intakeState(ods('ZZ102'));
    expect(Object.keys(breakers)).toHaveLength(1);
  });

  test('keeps a name or a heading with what looks like an NHS number, which no page of it shows', async () => {
    const code = ods('ZZ106');
    const number = testNumber(9);
    const columns = { columns: { nhs_number: `\u202e${number}` }, planTypes: {}, linesAbove: 0 };
    const held = {
      name: `Council \u202e${number}`,
      emergencyDutyTeamPhone: '02079460199',
      columns,
    };
    await service.store.setAuthority(code, held, 'a file');
    const page = await check(code, {
      ...(await typedOf(code)),
      emergency: '02079460177',
    });
    // Part of what is hidden cannot be sent back as though it had been typed.
    for (const field of ['name', 'columns'] as const) {
      const typed = (await typedOf(code))[field]?.replace('[number]', '[number] more');
      const hidden = await check(code, { ...(await typedOf(code)), [field]: typed ?? '' });
      expect([hidden.status, hidden.text.includes(`href="#${field}"`)]).toEqual([400, true]);
    }
    for (const { text } of [await visitor.get(pageOf(code)), page]) {
      expect(text).not.toContain(number);
      expect(text).not.toContain('\u202e');
    }
    expect((await save(code, page, CERTAIN)).status).toBe(303);
    expect(await service.store.intakeState(code)).toMatchObject({
      authority: { name: held.name, emergencyDutyTeamPhone: '02079460177' },
      columns,
    });
    await service.store.removeAuthority((await service.store.lockAuthority(code)) as never, {
      by: 'A. Example',
      reason: 'test',
    });
  });

  test('has no page if its code cannot be one', async () => {
    expect((await visitor.get(pageOf('a-b'))).status).toBe(404);
    const page = await visitor.get('/operator/set-up?code=a-b');
    expect([page.status, page.text.includes('href="#code"')]).toEqual([400, true]);
  });
});

describe('a new numbering', () => {
  const NUMBERING = `${pageOf('ZZ102')}/numbering`;
  const begin = (): ReturnType<Visitor['form']> => visitor.form(pageOf('ZZ102'), NUMBERING);
  let minute = 30;
  const load = (sequence: number) => {
    minute += 1;
    const createdAt = `2026112321${minute}+0000`;
    const of = { authority: 'ZZ102', authorityName: 'Eastham City Council', sequence, createdAt };
    return loader({ ...service, anchor }).load(fileXml(upload({ ...of, records: [planOf(1)] })), {
      lockWaitMs: 10_000,
    });
  };

  test('starts with a reason, is on record, and lets a file with a low number in', async () => {
    await load(500);
    expect(wordsOf(await visitor.get(pageOf('ZZ102')))).toContain(
      'The old numbering ends with 500.',
    );
    const form = await begin();
    const idle = await visitor.post(NUMBERING, { ...form, reason: '' });
    expect([idle.status, doubledHeadings(idle)]).toEqual([400, []]);
    const done = await visitor.send(NUMBERING, { reason: 'new case system' }, pageOf('ZZ102'));
    expect([done.status, locationOf(done)]).toEqual([303, `${pageOf('ZZ102')}?done=numbering`]);
    expect(await eventsOf('sequence-reset')).toMatchObject([
      {
        by: 'Farid Demo',
        detail: { authority: 'ZZ102', highest: 500, reason: 'new case system' },
      },
    ]);
    const begun = wordsOf(await visitor.get(pageOf('ZZ102')));
    expect(begun).toContain(COUNCIL_SETTINGS.numberingBegun);
    expect(begun).not.toContain('The old numbering ends');
    expect((await load(1)).code).toBe('CPF02');
  });

  test('does not start if a file was loaded since the page was opened', async () => {
    const form = await begin();
    await load(2);
    const late = await visitor.post(NUMBERING, { ...form, reason: REASON });
    expect([late.status, late.text.includes('href="#numbering"')]).toEqual([409, true]);
    expect(wordsOf(late)).toContain(COUNCIL_SETTINGS.numberingOvertaken);
    expect(doubledHeadings(late)).toEqual([]);
    expect(await eventsOf('sequence-reset')).toHaveLength(1);
  });

  test('does not start while a file is missing, unless a full refresh will follow, and the page says so', async () => {
    anchor.changeMissingFiles('ZZ102', anchor.authority('ZZ102'), () => [
      { sequence: 900, number: 399 },
    ]);
    const page = await visitor.get(pageOf('ZZ102'));
    expect(wordsOf(page)).toContain(COUNCIL_SETTINGS.numberingMissing([399]));
    const refused = await visitor.send(NUMBERING, { reason: REASON }, pageOf('ZZ102'));
    expect([refused.status, refused.text.includes('href="#refresh"')]).toEqual([400, true]);
    expect(await eventsOf('sequence-reset')).toHaveLength(1);
    const accepted = { reason: REASON, refresh: 'yes' };
    expect((await visitor.send(NUMBERING, accepted, pageOf('ZZ102'))).status).toBe(303);
    expect((await eventsOf('sequence-reset')).at(-1)).toMatchObject({ detail: { missing: '399' } });
    anchor.changeMissingFiles('ZZ102', anchor.authority('ZZ102'), () => []);
  });

  test('cannot start for a council that has loaded nothing, and none waits for a council that is busy', async () => {
    expect(wordsOf(await visitor.get(pageOf('ZZ103')))).toContain(COUNCIL_SETTINGS.numberingNone);
    await load(1);
    const lock = await service.store.lockAuthority(ods('ZZ102'));
    const busy = await visitor.send(NUMBERING, { reason: REASON }, pageOf('ZZ102'));
    await lock?.release();
    expect([busy.status, busy.heading]).toEqual([409, COUNCIL_SETTINGS.busy]);
  });
});

describe('plans that the store had lost', () => {
  const PLANS = `${pageOf('ZZ105')}/plans`;
  const lost = { sequence: 1, number: 1, fullOnly: 'difference' as const };

  test('cannot be confirmed as present before a full refresh has come', async () => {
    anchor.changeMissingFiles('ZZ105', anchor.authority('ZZ105'), () => [lost]);
    const page = await visitor.get(pageOf('ZZ105'));
    expect(wordsOf(page)).toContain(COUNCIL_SETTINGS.plansWait);
    expect(page.text).not.toContain(PLANS);
  });

  test('are confirmed as present for the council, with a reason and on record', async () => {
    anchor.changeMissingFiles('ZZ105', anchor.authority('ZZ105'), () => [
      { ...lost, refusedIn: 7 },
    ]);
    expect(wordsOf(await visitor.get(pageOf('ZZ105')))).toContain(COUNCIL_SETTINGS.plansThen(7));
    const idle = await visitor.send(PLANS, { why: '' }, pageOf('ZZ105'));
    expect([idle.status, idle.text.includes('href="#why"')]).toEqual([400, true]);
    const form = await visitor.form(pageOf('ZZ105'), PLANS);
    anchor.changeMissingFiles('ZZ105', anchor.authority('ZZ105'), () => [
      { ...lost, refusedIn: 8 },
    ]);
    const late = await visitor.post(PLANS, { ...form, why: REASON });
    expect([late.status, late.text.includes('href="#plans"')]).toEqual([409, true]);
    expect(wordsOf(late)).toContain(COUNCIL_SETTINGS.plansOvertaken);
    expect(await eventsOf('plans-confirmed')).toEqual([]);
    const done = await visitor.send(PLANS, { why: 'B. Council: of an adult' }, pageOf('ZZ105'));
    expect([done.status, locationOf(done)]).toEqual([303, `${pageOf('ZZ105')}?done=plans`]);
    expect(await eventsOf('plans-confirmed')).toMatchObject([
      { by: 'Farid Demo', detail: { authority: 'ZZ105', fullRefresh: 8 } },
    ]);
    expect(anchor.missingFiles('ZZ105')).toEqual([]);
    expect((await visitor.get(pageOf('ZZ105'))).text).not.toContain(PLANS);
  });
});

describe('the list of councils expected', () => {
  async function checkList(
    typed: Record<string, string>,
    whole = false,
    who = visitor,
  ): Promise<Visit> {
    const action = `${EXPECTED_PAGE}/check`;
    const page = await who.get(EXPECTED_PAGE);
    // Both forms have the same hidden fields, and each field counts once.
    const form = hiddenOf(page, action);
    return who.post(action, {
      ...form,
      ...(whole ? {} : { add: '', name: '', out: '' }),
      ...typed,
    });
  }
  const set = (page: Visit, typed: Record<string, string>, who = visitor): Promise<Visit> =>
    who.post(EXPECTED_PAGE, { ...hiddenOf(page, EXPECTED_PAGE), reason: REASON, ...typed });

  const WHOLE = {
    area: 'Northmoor and around',
    kind: 'pilot',
    list: 'ZZ101 Northmoor Council\r\nzz102, Eastham Council\r\n\r\nZZ103\tWestby Council\r\nZZ105 Southlea Council',
  };

  test('is set as a whole, and is then shown with who never sent anything and since when', async () => {
    expect(wordsOf(await visitor.get(EXPECTED_PAGE))).toContain(EXPECTED.noneDemo);
    const page = await checkList(WHOLE, true);
    expect([page.status, page.heading]).toEqual([200, EXPECTED.confirm]);
    expect(wordsOf(page)).toContain(
      'This is a pilot in Northmoor and around. It covers plans of Eastham City Council, Northmoor Council, Southlea Council and Westby Council, and of no other council.',
    );
    expect(wordsOf(page)).toContain(EXPECTED.joinsNever('Westby Council'));
    const unsure = await set(page, { count: '3' });
    expect([unsure.status, unsure.text.includes('href="#count"')]).toEqual([400, true]);
    expect(await service.store.expected()).toBeUndefined();
    const done = await set(unsure, { count: '4' });
    expect([done.status, locationOf(done)]).toEqual([303, `${EXPECTED_PAGE}?done=yes`]);
    expect((await eventsOf('authorities-expected')).at(-1)).toMatchObject({
      by: 'Farid Demo',
      detail: {
        area: 'Northmoor and around',
        areaKind: 'pilot',
        authorities: 'ZZ101 ZZ102 ZZ103 ZZ105',
        reason: REASON,
      },
    });
    const after = wordsOf(await visitor.get(EXPECTED_PAGE));
    expect(after).toMatch(/Never sent anything\s*Westby Council ZZ103/);
    expect(after).toMatch(
      new RegExp(`In force since ?[0-9]{1,2} [A-Z][a-z]+ 20[0-9]{2}, [0-9]{2}:[0-9]{2}`),
    );
    await until(
      async () => wordsOf(await visitor.get(pageOf('ZZ103'))).includes(COUNCIL_SETTINGS.isExpected),
      'the council to be expected',
    );
  });

  test('loses a council once its operator has read what answers then say, and that its plans stay', async () => {
    const page = await checkList({ out: 'ZZ105' });
    const words = wordsOf(page);
    expect(words).toContain(EXPECTED.leavesWith('Southlea Council', 0));
    expect(words).toContain(EXPECTED.dropsBelow('50%'));
    expect((await set(page, { count: '3' })).status).toBe(303);
    const { authorities = [] } = (await service.store.expected()) ?? {};
    expect(authorities.map(({ code }) => code)).toEqual(['ZZ101', 'ZZ102', 'ZZ103']);
  });

  test('is not changed from a list that is no longer in force, and one council can replace another at once', async () => {
    await until(() => isCounted(3), 'the list in force');
    const page = await checkList({ out: 'ZZ103' });
    expect(wordsOf(page)).toContain(EXPECTED.risesAbove);
    const both = await checkList({ add: 'zz104', name: 'Uphill Council', out: 'ZZ102' });
    expect(wordsOf(both)).toContain(EXPECTED.joinsNever('Uphill Council'));
    expect((await set(both, { count: '3' })).status).toBe(303);
    const { authorities = [] } = (await service.store.expected()) ?? {};
    expect(authorities.map(({ code }) => code)).toEqual(['ZZ101', 'ZZ103', 'ZZ104']);
    const late = await set(page, { count: '2' });
    expect([late.status, wordsOf(late).includes(EXPECTED.overtaken)]).toEqual([409, true]);
    expect(late.text).toContain(`<title>Error: ${EXPECTED.title}`);
    expect(late.text).toMatch(/role="alert"[\s\S]*href="#change"[\s\S]*id="change"/);
  });

  test('is changed by one of two operators who change it in the same moment, and the other reads that it has changed', async () => {
    const other = createVisitor(service.baseUrl);
    await other.signIn('operations');
    const proposals = [
      { who: visitor, typed: { add: 'ZZ107', name: 'Oakham Council' } },
      { who: other, typed: { add: 'ZZ108', name: 'Ashby Council' } },
    ];
    const pages = await Promise.all(
      proposals.map(({ who, typed }) => checkList(typed, false, who)),
    );
    const done = await Promise.all(
      proposals.map(({ who }, i) => set(pages[i] as Visit, { count: '4' }, who)),
    );
    expect(new Set(done.map(({ status }) => status))).toEqual(new Set([303, 409]));
  });

  test('is not changed beside an area with what looks like an NHS number, nor to a list that no page has checked', async () => {
    const before = await service.store.expected();
    const named = { by: 'A. Example', reason: 'test' };
    const area = `the council of ${testNumber(1)}`;
    await service.store.setExpected({ ...(before as never as object), area } as never, named);
    const page = await checkList({ add: 'ZZ777', name: 'Fairview Council' });
    expect([page.status, wordsOf(page).includes(DESK.numberInText)]).toEqual([400, true]);
    expect(page.text).not.toContain(testNumber(1));
    await service.store.setExpected(before as never, named);
    const good = await checkList({ add: 'ZZ777', name: 'Fairview Council' });
    const { proposed = '' } = hiddenOf(good, EXPECTED_PAGE);
    const changed = proposed.replace('Fairview', testNumber(1));
    expect(changed).not.toBe(proposed);
    const count = String((before?.authorities.length ?? 0) + 1);
    expect((await set(good, { count, proposed: changed })).status).toBe(409);
    expect(await service.store.expected()).toEqual(before);
  });

  test('is shown, for live data that has none yet, with the sentence that lookups will then say that there is no plan', () => {
    const expected = { area: 'A', kind: 'all' as const, authorities: [NORTHMOOR] };
    const now = Date.parse('2026-11-24T12:00:00Z');
    const readiness = {
      authorities: new Map([
        [
          NORTHMOOR.code,
          {
            ...NORTHMOOR,
            emergencyDutyTeamPhone: '02079460199',
            dataAsOf: '2026-11-24T11:00:00Z',
            reconciled: true,
          },
        ],
      ]),
      expected: undefined,
      dataset: { id: '1', kind: 'live' as const, createdAt: '2026-11-01T00:00:00Z' },
    };
    const limits = { upToDateMs: 72 * 3_600_000, minimumShare: { demo: 0.5, live: 0.95 } };
    const page = String(coverageChange({ readiness, limits, now: () => now }, { expected }));
    expect(page).toContain(EXPECTED.begins);
    expect(page).toContain('This covers plans of the 1 council of A');
  });

  const isCounted = async (count: number): Promise<boolean> =>
    wordsOf(await visitor.get('/operator/councils')).includes(`of ${count} councils`);

  test('is said to be too small if it has every council of its area and one leaves', async () => {
    const page = await checkList({ ...WHOLE, kind: 'all', list: 'ZZ101 Northmoor Council' }, true);
    expect(wordsOf(page)).toContain(EXPECTED.allShrinks(WHOLE.area));
  });

  test.for([
    ['nothing', {}, false, 'add', EXPECTED.wrong.nothing],
    ['a code that cannot be one', { add: 'a-b' }, false, 'add', 'The code must be an ODS code'],
    ['a council that is expected already', { add: 'ZZ101' }, false, 'add', EXPECTED.wrong.already],
    ['a council without a name', { add: 'ZZ777' }, false, 'name', EXPECTED.wrong.name],
    ['a council that is not on it', { out: 'ZZ777' }, false, 'out', OPERATOR.choose],
    [
      'an NHS number as a name',
      { add: 'ZZ777', name: testNumber(1) },
      false,
      'name',
      DESK.numberInText,
    ],
    ['no area', { ...WHOLE, area: ' ' }, true, 'area', EXPECTED.wrong.area('must not be empty')],
    [
      'an area with what the form hides',
      { ...WHOLE, area: 'the council of [number]' },
      true,
      'area',
      EXPECTED.wrong.area(EXPECTED.wrong.hidden),
    ],
    [
      'a name with what the form hides',
      { ...WHOLE, list: 'ZZ101 A\n\nZZ102 Council [number]' },
      true,
      'list',
      EXPECTED.wrong.each(3, EXPECTED.wrong.hidden),
    ],
    ['no kind', { ...WHOLE, kind: 'most' }, true, 'kind', OPERATOR.choose],
    ['no council at all', { ...WHOLE, list: '' }, true, 'list', 'must list at least one'],
    ['a line without a name', { ...WHOLE, list: 'ZZ101' }, true, 'list', EXPECTED.wrong.line(1)],
    [
      'a council twice',
      { ...WHOLE, list: 'ZZ101 A\n\nZZ101 B' },
      true,
      'list',
      'The council on line 3 is the code of an earlier',
    ],
  ] as const)('is not changed by %s', async ([, typed, whole, field, says]) => {
    const before = await service.store.expected();
    const page = await checkList(typed, whole);
    expect([page.status, wordsOf(page).includes(says)]).toEqual([400, true]);
    expect(page.text).toContain(`href="#${field}"`);
    expect(page.text).toContain(`id="${field}"`);
    expect(await service.store.expected()).toEqual(before);
  });
});
