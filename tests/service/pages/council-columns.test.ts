import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ColumnMapping, columnMappingSchema, NO_MAPPING } from '#schemas/uploads/columns.ts';
import { UPLOAD } from '#schemas/wording/council.ts';
import { COLUMNS } from '#schemas/wording/council-columns.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { STORE } from '#schemas/wording/store.ts';
import { keys } from '#store/keys.ts';
import { visitorAs } from '../../support/desk.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import { ods } from '../../support/upload-loading.ts';
import {
  doubledHeadings,
  hiddenOf,
  locationOf,
  type Visit,
  type Visitor,
  withoutTokens,
  wordsOf,
} from '../../support/visitor.ts';

const PATH = '/council/columns';
const REASON = 'our export has headings of its own';
const EXPORT = [
  'Open plans,,,,,,',
  'Person ID,NHS No.,<b>Surname</b>,DOB,Case class,Date started,Date ended',
  ...[1, 2].map((n) => `P-${n},${testNumber(n)},Examplename,05/03/2019,CLA - s20,14/09/2026,`),
  '',
].join('\n');

let service: TestService;
let ours: Visitor;

beforeAll(async () => {
  service = await startTestService({
    authorities: ['ZZ101', 'ZZ102', 'ZZ103', 'ZZ104'].map((code) => ({ code })),
  });
  ours = await as('ZZ101');
});
afterAll(() => service?.stopAndRemove());

const as = (organisation: string) => visitorAs(service, { organisation, scopes: ['upload'] });

async function choose(
  visitor: Visitor,
  content: string | Uint8Array<ArrayBuffer>,
  name = 'export.csv',
): Promise<Visit> {
  return chooseOn(await visitor.get(PATH), visitor, content, name);
}
/** Chooses a file on a page that was opened before. */
async function chooseOn(
  page: Visit,
  visitor: Visitor,
  content: string | Uint8Array<ArrayBuffer> = EXPORT,
  name = 'export.csv',
): Promise<Visit> {
  const { token, before = '' } = hiddenOf(page, PATH);
  const form = new FormData();
  form.append('token', token);
  form.append('before', before);
  form.append('file', new File([content], name));
  const multipart = new Response(form);
  const body = await multipart.arrayBuffer();
  return untilAnswered(() =>
    visitor.ask(PATH, {
      method: 'POST',
      headers: {
        'content-type': multipart.headers.get('content-type') ?? '',
        origin: 'null',
        'sec-fetch-site': 'same-origin',
      },
      body,
    }),
  );
}
/** The form as the page proposes it, with the values that a browser would send. */
function fieldsOf({ text }: Visit): Record<string, string> {
  const fields: Record<string, string> = { ...hiddenOf({ text } as Visit, `${PATH}/save`) };
  for (const [, name = '', inside = ''] of text.matchAll(
    /<select[^>]*name="([^"]*)"[^>]*>([\s\S]*?)<\/select>/g,
  )) {
    fields[name] = /<option value="([^"]*)" selected/.exec(inside)?.[1] ?? '';
  }
  return fields;
}
const save = (visitor: Visitor, page: Visit, typed: Record<string, string> = {}) =>
  visitor.post(`${PATH}/save`, {
    ...fieldsOf(page),
    'type-0': 'looked-after-child',
    sequence: '7',
    createdAt: '27/11/2026 21:30',
    rowCount: '2',
    reason: REASON,
    ...typed,
  });
const mappingOf = async (authority = 'ZZ101') =>
  (await service.store.intakeState(ods(authority))).columns;

test('columns sent twice at once are stored once, and both answers lead to the preview of the file', async () => {
  const page = await choose(ours, EXPORT);
  const before = (await service.events()).length;
  const pages = await Promise.all(
    [1, 2].map(async () => ours.get(locationOf(await save(ours, page)))),
  );
  // Neither answer is the form again, as if nothing had been sent.
  for (const { status, text } of pages) {
    expect([status, text.includes('name="kept"')]).toEqual([200, false]);
  }
  const types = (await service.events()).slice(before).map(({ type }) => type);
  expect(
    types.filter((type) => type === 'authority-set' || type === 'upload-previewed').toSorted(),
  ).toEqual(['authority-set', 'upload-previewed']);
  await ours.post(`${PATH}/reset`, {
    ...hiddenOf(await ours.get(PATH), `${PATH}/reset`),
    reason: REASON,
  });
});

test('a file’s own headings are proposed, chosen and stored, and the file is previewed', async () => {
  const page = await choose(ours, EXPORT);
  expect([page.status, page.heading]).toEqual([200, COLUMNS.choose]);
  // Values are masked, and the headings are shown as text.
  expect(withoutTokens(page.text)).not.toMatch(/999000|Examplename|<b>Surname/);
  expect(wordsOf(page)).toContain('##########');
  expect(wordsOf(page)).toContain('CLA - s20');
  expect(await mappingOf()).toEqual({ columns: {}, planTypes: {}, linesAbove: 0 });

  const kept = await save(ours, page);
  expect(kept.status).toBe(303);
  const mapping = await mappingOf();
  expect(mapping).toEqual({
    columns: {
      nhs_number: 'NHS No.',
      date_of_birth: 'DOB',
      plan_type: 'Case class',
      start_date: 'Date started',
      end_date: 'Date ended',
      delete_date: null,
      local_id: 'Person ID',
    },
    planTypes: { 'CLA - s20': 'looked-after-child' },
    linesAbove: 1,
  });
  const at = kept.headers.get('location') ?? '';
  expect(at).toMatch(/^\/council\/upload\//);
  await until(
    async () => wordsOf(await ours.get(at)).includes('add 2 plans'),
    'what the file would do',
  );
  expect((await service.events()).findLast(({ type }) => type === 'authority-set')).toMatchObject({
    detail: { authority: 'ZZ101', fields: 'columns', reason: REASON },
  });
  // Sent a second time, it leads to the same page and does nothing more.
  const again = await save(ours, page, { 'type-0': 'child-protection-plan' });
  expect(again.headers.get('location')).toBe(at);
  expect(await mappingOf()).toEqual(mapping);

  const first = await ours.get(PATH);
  expect(doubledHeadings(first)).toEqual([]);
  expect(wordsOf(first)).toContain('NHS No.');
  const reset = await ours.post(`${PATH}/reset`, {
    ...hiddenOf(first, `${PATH}/reset`),
    reason: REASON,
  });
  expect(reset.status).toBe(303);
  expect(await mappingOf()).toEqual({ columns: {}, planTypes: {}, linesAbove: 0 });
});

test('the page asks for what the file does not say, so that its data never looks newer than it is', async () => {
  const code = 'ZZ103';
  const visitor = await as(code);
  const page = await choose(visitor, EXPORT);
  for (const said of [UPLOAD.createdAt, UPLOAD.createdAtHint, UPLOAD.rowCount, UPLOAD.sequence]) {
    expect(wordsOf(page)).toContain(said);
  }
  const preview = async (typed: Record<string, string>, choice = page) => {
    const at = (await save(visitor, choice, typed)).headers.get('location') ?? '';
    let shown = await visitor.get(at);
    await until(async () => !(shown = await visitor.get(at)).headers.has('refresh'));
    return shown;
  };
  const made = await preview({ createdAt: '26/11/2026 21:30' });
  expect(wordsOf(made)).toContain('Made26 Nov 2026, 21:30');
  const cutShort = await preview({ rowCount: '3' }, await choose(visitor, EXPORT));
  expect(cutShort.heading).toBe(UPLOAD.refusedTitle);
  // If the file name says it, the page does not ask again.
  const named = await choose(visitor, EXPORT, `${code}-8-202611262130-2.csv`);
  expect(wordsOf(named)).not.toContain(UPLOAD.createdAt);
  const shown = await preview({ sequence: '', createdAt: '', rowCount: '' }, named);
  expect(wordsOf(shown)).toContain('Made26 Nov 2026, 21:30');
});

test('a known kind of plan is proposed from its name, and rows of any other kind are refused until one is chosen', async () => {
  const rows = ['Child Protection', 'LAC - s20', 'CIN'].map(
    (kind, n) => `P-${n},${testNumber(n + 1)},A,05/03/2019,${kind},14/09/2026,`,
  );
  const [, header = ''] = EXPORT.split('\n');
  const fields = fieldsOf(await choose(ours, `${[header, ...rows].join('\n')}\n`));
  expect([fields['type-0'], fields['type-1'], fields['type-2']]).toEqual([
    'child-protection-plan',
    'looked-after-child',
    '',
  ]);
});

test('a wrong choice is reported at its field, and nothing is stored', async () => {
  const visitor = await as('ZZ102');
  const page = await choose(visitor, EXPORT);
  const faults: [Record<string, string>, string][] = [
    [{ 'column-nhs_number': '' }, 'column-nhs_number'],
    [{ 'column-nhs_number': '99' }, 'column-nhs_number'],
    [{ 'column-start_date': '1' }, 'column-start_date'],
    [{ 'column-plan_type': '0' }, 'type-0'],
    [{ sequence: 'seven' }, 'sequence'],
    [{ sequence: '' }, 'sequence'],
    [{ createdAt: '' }, 'createdAt'],
    [{ rowCount: 'two' }, 'rowCount'],
    [{ reason: ' ' }, 'reason'],
  ];
  for (const [typed, field] of faults) {
    const wrong = await save(visitor, page, typed);
    expect([wrong.status, wrong.text.includes(`href="#${field}"`)], field).toEqual([400, true]);
  }
  expect(await mappingOf('ZZ102')).toEqual({ columns: {}, planTypes: {}, linesAbove: 0 });
});

test.each([
  ['an empty file', ''],
  ['XML', '<File/>'],
  ['a compressed file', new Uint8Array([0x1f, 0x8b, 8, 0])],
  ['a workbook', new Uint8Array([0x50, 0x4b, 3, 4, 0, 0, 0])],
  ['no headings', 'a;b;c;d;e\n1;2;3;4;5\n'],
])('%s is reported at the field, and no file is left behind', async (_what, content) => {
  const page = await choose(ours, content, '../../etc/passwd');
  expect(page.status).toBe(400);
  expect(page.text).toContain('href="#file"');
});

test('nobody sets columns with somebody else’s file or form', async () => {
  const page = await choose(ours, EXPORT);
  const other = await as('ZZ102');
  const stolen = await save(other, page);
  expect([stolen.status, stolen.heading]).toEqual([403, DESK.untrusted]);
  const forged = await save(ours, page, { file: '../../../etc/passwd' });
  expect(forged.status).toBe(403);
});

describe('columns that somebody else has changed since the page showed them are not overwritten unseen', () => {
  const CODE = 'ZZ104';
  const THEIRS = columnMappingSchema.parse({ columns: { nhs_number: 'Theirs' } });
  let visitor: Visitor;
  beforeAll(async () => {
    visitor = await as(CODE);
  });
  beforeEach(() => set(NO_MAPPING));
  const set = (columns: ColumnMapping) =>
    service.store.setAuthority(ods(CODE), { columns }, 'somebody else');
  async function expectRefused(late: Visit): Promise<void> {
    expect([late.status, wordsOf(late).includes(COLUMNS.overtaken)]).toEqual([409, true]);
    // A refusal of the form, and not a note as of something that was done.
    expect(late.text).toContain(`<title>Error: ${COLUMNS.title}`);
    expect(late.text).toMatch(/role="alert"[\s\S]*href="#file"/);
    expect(late.text).not.toContain('nhsuk-notification-banner');
    // What counts now, and not what the page showed before.
    expect(wordsOf(late)).toContain('Theirs');
    expect(await mappingOf(CODE)).toEqual(THEIRS);
  }
  const previewed = async () =>
    (await service.events()).filter(({ type }) => type === 'upload-previewed').length;

  test('by a choice of columns: its file is neither read nor kept', async () => {
    const page = await choose(visitor, EXPORT);
    const before = await previewed();
    await set(THEIRS);
    await expectRefused(await save(visitor, page));
    expect(await previewed()).toBe(before);
    expect((await save(visitor, page)).heading).toBe(COLUMNS.gone);
    expect((await save(visitor, await choose(visitor, EXPORT))).status).toBe(303);
  });

  test('by a file that was chosen on a page from before', async () => {
    const first = await visitor.get(PATH);
    await set(THEIRS);
    const page = await chooseOn(first, visitor);
    // A fault in the form does not make it newer.
    const wrong = await save(visitor, page, { reason: ' ' });
    expect(wrong.status).toBe(400);
    await expectRefused(await save(visitor, wrong));
  });

  test('by going back to the service’s own headings', async () => {
    await set(columnMappingSchema.parse({ columns: { nhs_number: 'Ours' } }));
    const page = await visitor.get(PATH);
    await set(THEIRS);
    await expectRefused(
      await visitor.post(`${PATH}/reset`, { ...hiddenOf(page, `${PATH}/reset`), reason: REASON }),
    );
  });

  test('by one of two officers who choose columns at the same moment', async () => {
    const colleague = await as(CODE);
    const pages = await Promise.all([visitor, colleague].map((who) => choose(who, EXPORT)));
    const done = await Promise.all([
      save(visitor, pages[0] as Visit),
      save(colleague, pages[1] as Visit, { 'type-0': 'child-protection-plan' }),
    ]);
    expect(new Set(done.map(({ status }) => status))).toEqual(new Set([303, 409]));
    const chosen = done[0]?.status === 303 ? 'looked-after-child' : 'child-protection-plan';
    expect((await mappingOf(CODE)).planTypes).toEqual({ 'CLA - s20': chosen });
  });
});

test('while another process changes settings, the page says so, and not that the service cannot be reached', async () => {
  const code = 'ZZ103';
  const visitor = await as(code);
  const held = columnMappingSchema.parse({ columns: { nhs_number: 'Ours' } });
  await service.store.setAuthority(ods(code), { columns: held }, 'test');
  const first = await visitor.get(PATH);
  const choice = await choose(visitor, EXPORT);
  await service.admin.set(keys.settingsLock, 'somebody else');
  try {
    const busy = await Promise.all([
      save(visitor, choice),
      visitor.post(`${PATH}/reset`, { ...hiddenOf(first, `${PATH}/reset`), reason: REASON }),
    ]);
    for (const page of busy) {
      expect([page.status, page.heading]).toEqual([409, DESK.busy]);
      expect(wordsOf(page)).toContain(STORE.settingsBusy);
    }
    expect(await mappingOf(code)).toEqual(held);
  } finally {
    await service.admin.del(keys.settingsLock);
  }
  // The same file can be sent again.
  expect((await save(visitor, choice)).status).toBe(303);
});
