import { hash, randomUUID } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { printedNhsNumber } from '#loaders/answers/notice.ts';
import { discardHeldFile, listHeldFiles, releaseHeldFile } from '#loaders/upkeep/held-files.ts';
import { resetSequence } from '#loaders/upkeep/reset-sequence.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { addDays, londonDate } from '#schemas/calendar.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import {
  COUNCIL,
  HELD,
  HISTORY,
  HOLDINGS,
  OUTCOME,
  RECONCILE,
  UPLOAD,
} from '#schemas/wording/council.ts';
import { FILE_REMARKS } from '#schemas/wording/decisions.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { ROW_HINTS } from '#schemas/wording/records.ts';
import { heldView } from '#service/pages/council/held.ts';
import { progressView } from '#service/pages/council/upload-view.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { visitorAs } from '../../support/desk.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import {
  fileCsv,
  fileXml,
  type ModelRecord,
  person,
  planOf,
  upload,
} from '../../support/upload-model.ts';
import {
  createVisitor,
  hiddenOf,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/** What a council's data officer does in a browser, and what an attacker might try against it. */

const HOSTILE = '"><script>alert(1).xml';
let service: TestService;
let authorities = 500;
let officer: Visitor;

beforeAll(async () => {
  service = await startTestService({ environment: { MAX_UPLOAD_MIB: '1' } });
});
afterAll(() => service?.stopAndRemove());

/** A new council for one test, with plans that it has already sent, and its data officer. */
async function newCouncil(records: readonly ModelRecord[] = []): Promise<string> {
  authorities += 1;
  const code = `ZZ${authorities}`;
  await service.store.setAuthority(
    odsCodeSchema.parse(code),
    { name: 'Northmoor Council', emergencyDutyTeamPhone: '02079460119' },
    'test',
  );
  officer = await visitorAs(service, {
    user: `officer-${code}`,
    organisation: code,
    scopes: ['upload'],
  });
  if (records.length > 0)
    expect((await loaded(fileOf(code, 1, records))).heading).toBe(UPLOAD.answered.CPF02);
  return code;
}

/** A new numbering of a council's files, as an operator starts it. */
async function renumber(code: string): Promise<void> {
  const anchor = Anchor.open(join(service.dataDir, 'anchor'));
  try {
    await resetSequence(service.store, anchor, odsCodeSchema.parse(code), {
      by: 'B. Data',
      reason: 'a new case system',
    });
  } finally {
    anchor.close();
  }
}

const now = (): string =>
  new Date(Date.now() - 60_000).toISOString().replaceAll(/[-:T]/g, '').slice(0, 12);
const fileOf = (authority: string, sequence: number, records: readonly ModelRecord[]): string =>
  fileXml(upload({ authority, sequence, createdAt: `${now()}+0000`, records: [...records] }));

/** Sends the form and a file as a browser does. */
async function choose(
  content: string | Uint8Array<ArrayBuffer>,
  {
    name = 'upload.xml',
    fields = {},
    visitor = officer,
    headers = {},
    action = '/council/upload',
  }: {
    name?: string;
    action?: string;
    fields?: Record<string, string>;
    visitor?: Visitor;
    headers?: Record<string, string>;
  } = {},
): Promise<Visit> {
  return untilAnswered(async () => {
    const { token } = await visitor.form(action);
    const form = new FormData();
    for (const [field, value] of Object.entries({ token, ...fields })) form.append(field, value);
    form.append('file', new File([content], name));
    const body = new Response(form);
    return visitor.ask(action, {
      method: 'POST',
      headers: {
        'content-type': body.headers.get('content-type') ?? '',
        origin: 'null',
        'sec-fetch-site': 'same-origin',
        ...headers,
      },
      body: await body.arrayBuffer(),
    });
  }, 'the form to be taken');
}

/** Follows a redirect until the page no longer reloads itself. */
async function follow(visit: Visit, visitor = officer): Promise<Visit & { path: string }> {
  const path = visit.headers.get('location') ?? '';
  expect([visit.status, path]).toEqual([303, expect.stringMatching(/^\/council\/upload\//)]);
  const reload = `${path}?reloaded=yes`;
  let at = path;
  let page = await visitor.get(at);
  while (page.headers.has('refresh')) {
    expect(page.headers.get('refresh')).toBe(`2; url=${reload}`);
    // The focus goes to the heading once, and again when there is a result.
    expect(page.text.includes(' autofocus')).toBe(at === path);
    // A page that reloads itself must not keep anybody signed in.
    expect(page.headers.getSetCookie()).toEqual([]);
    await delay(20);
    at = reload;
    page = await visitor.get(at);
  }
  return { ...page, path };
}

async function shown(...of: Parameters<typeof choose>): Promise<Visit & { path: string }> {
  return follow(await choose(...of), of[1]?.visitor);
}

const send = (
  page: Visit & { path: string },
  fields: Record<string, string> = {},
  visitor = officer,
) => visitor.post(page.path, { ...hiddenOf(page, page.path), ...fields });

/** Chooses a file, sends it, and returns the page with the result. */
async function loaded(...of: Parameters<typeof choose>): Promise<Visit & { path: string }> {
  return follow(await send(await shown(...of)), of[1]?.visitor);
}

const folder = () => join(service.dataDir, 'previews');

/** The uploads of a council whose file is still there. */
async function waiting(code: string): Promise<string[]> {
  const found: string[] = [];
  for (const id of await readdir(folder()).catch(() => [])) {
    // Files from other tests may be removed meanwhile.
    const names = await readdir(join(folder(), id)).catch((): string[] => []);
    if (!names.includes('file') || !names.includes('state.json')) continue;
    const state = await readFile(join(folder(), id, 'state.json'), 'utf8').catch(() => '{}');
    if ((JSON.parse(state) as { authority?: string }).authority === code) found.push(id);
  }
  return found;
}

const rowsOf = async (code: string): Promise<number> => {
  let count = 0;
  for await (const rows of service.store.rowsOf(odsCodeSchema.parse(code))) count += rows.length;
  return count;
};
const loadEvents = async (code: string) =>
  (await service.events()).filter((event) => event.type === 'load' && event.authority === code);

const yesterday = () => day(addDays(londonDate(Date.now()), -1));

test('a file is previewed first, and nothing changes until it is sent', async () => {
  const code = await newCouncil([planOf(1), planOf(2)]);
  const before = await loadEvents(code);
  const page = await shown(
    fileOf(code, 2, [planOf(3), { ...planOf(4), child: person(4, { nhsNumber: '1' }) }]),
  );
  expect(page.heading).toBe(UPLOAD.shown);
  const words = wordsOf(page);
  for (const said of [
    UPLOAD.notYet,
    'Test Council (',
    'Demo: made-up children',
    UPLOAD.would.added(1),
    UPLOAD.would.refused(1),
    'LA-4',
  ]) {
    expect(words).toContain(said);
  }
  expect(words).not.toContain('stop showing a plan');
  expect(page.text).not.toContain(testNumber(3));
  expect(await rowsOf(code)).toBe(2);
  expect(await loadEvents(code)).toEqual(before);

  const after = await follow(await send(page));
  expect(after.heading).toBe(UPLOAD.answered.CPF03);
  expect(await rowsOf(code)).toBe(3);
  expect(await loadEvents(code)).toContainEqual(
    expect.objectContaining({
      sequence: 2,
      code: 'CPF03',
      by: `Person officer-${code} (officer-${code}, by cp-flags-demo), page`,
    }),
  );
  expect(await waiting(code)).toEqual([]);
});

test('a file is sent once, however often its form is sent', async () => {
  const code = await newCouncil();
  const page = await shown(fileOf(code, 1, [planOf(1)]));
  const answers = await Promise.all([send(page), send(page), send(page)]);
  expect(answers.map(({ status }) => status)).toEqual([303, 303, 303]);
  expect((await follow(answers[0])).heading).toBe(UPLOAD.answered.CPF02);
  expect((await follow(await send(page))).heading).toBe(UPLOAD.answered.CPF02);
  expect(await loadEvents(code)).toHaveLength(1);
});

test('the number of children who would stop showing a plan is shown, and must be typed before sending', async () => {
  const code = await newCouncil([1, 2, 3].map((n) => planOf(n)));
  const ended = [1, 2].map((n) => planOf(n, { endDate: yesterday() }));
  const page = await shown(fileOf(code, 2, ended));
  expect(wordsOf(page)).toContain(UPLOAD.stops(2));
  const before = await loadEvents(code);
  for (const stops of ['', '1', '02x', 'two']) {
    const refused = await send(page, { stops });
    expect(refused.status).toBe(400);
    expect(wordsOf(refused)).toContain(UPLOAD.confirmWrong(2));
    expect(refused.text).toContain('aria-describedby="stops-hint stops-error"');
  }
  expect(await loadEvents(code)).toEqual(before);
  expect((await follow(await send(page, { stops: ' 2 ' }))).heading).toBe(UPLOAD.answered.CPF02);
});

test('a preview lists which plans would end and which rows end them, so that they can be checked before sending', async () => {
  const code = await newCouncil([
    ...[1, 2, 3].map((n) => planOf(n)),
    { ...planOf(4), child: person(4, { localId: '' }) },
  ]);
  const page = await shown(
    fileOf(code, 2, [
      planOf(1, { endDate: yesterday() }),
      planOf(2, { deleteDate: yesterday() }),
      { ...planOf(4, { endDate: yesterday() }), child: person(4, { localId: '' }) },
    ]),
  );
  const words = wordsOf(page);
  expect(words).toContain(UPLOAD.stops(3));
  const label = PLAN_TYPES['child-protection-plan'].label;
  for (const [child, by] of [
    ['LA-1', UPLOAD.stoppedBy.end],
    ['LA-2', UPLOAD.stoppedBy.delete],
    [printedNhsNumber(testNumber(4)), UPLOAD.stoppedBy.end],
  ]) {
    expect(words).toMatch(new RegExp(`${child}${label}\\d+ \\w+ \\d{4}${by}`));
  }
  expect(words).not.toContain('LA-3');
  expect(page.text).not.toContain(printedNhsNumber(testNumber(1)));
  const after = await follow(await send(page, { stops: '3' }));
  expect(wordsOf(after)).not.toContain(printedNhsNumber(testNumber(4)));
  const states = await Promise.all(
    (await readdir(folder())).map((id) => readFile(join(folder(), id, 'state.json'), 'utf8')),
  );
  expect(states.filter((state) => state.includes(code)).join()).not.toContain(testNumber(4));
});

test('a preview of a full refresh lists the plans that the file leaves out', async () => {
  const code = await newCouncil([1, 2, 3].map((n) => planOf(n)));
  const page = await shown(fileCsv({ records: [planOf(1)] }), {
    name: `${code}-2-${now()}-1.csv`,
    fields: { full: 'true' },
  });
  const words = wordsOf(page);
  expect(words).toContain(UPLOAD.stops(2));
  for (const child of ['LA-2', 'LA-3']) {
    expect(words).toMatch(new RegExp(`${child}.{0,60}${UPLOAD.stoppedBy['left-out']}`));
  }
  const discard = `${page.path}/discard`;
  expect((await officer.post(discard, hiddenOf(page, discard))).status).toBe(303);
});

test('a sequence number more than ten ahead is pointed out, and must be typed again before sending', async () => {
  const code = await newCouncil([planOf(1)]);
  const plain = await shown(fileOf(code, 12, [planOf(2)]));
  expect(wordsOf(plain)).not.toContain(UPLOAD.confirmNumber);
  const page = await shown(fileOf(code, 13, [planOf(2)]));
  expect(wordsOf(page)).toContain(FILE_REMARKS.gap(13, 1));
  const before = await loadEvents(code);
  for (const number of ['', '2', '13x']) {
    const refused = await send(page, { number });
    expect(refused.status).toBe(400);
    expect(wordsOf(refused)).toContain(UPLOAD.confirmNumberWrong);
    expect(refused.text).toContain('aria-describedby="number-hint number-error"');
  }
  expect(await loadEvents(code)).toEqual(before);
  const after = await follow(await send(page, { number: ' 13 ' }));
  expect(after.heading).toBe(UPLOAD.answered.CPF02);
  expect(wordsOf(after)).toContain(FILE_REMARKS.gap(13, 1));
});

test('an end that a newer file prevents is named before and after sending, with the local id', async () => {
  const code = await newCouncil([planOf(1)]);
  expect((await loaded(fileOf(code, 5, [planOf(1), planOf(2)]))).heading).toBe(
    UPLOAD.answered.CPF02,
  );
  const late = [planOf(1, { endDate: yesterday() }), planOf(3)];
  const page = await shown(fileOf(code, 4, late));
  const [list = ''] = /<ul class="nhsuk-list nhsuk-list--bullet">[^]*?<\/ul>/.exec(page.text) ?? [];
  expect(list).toContain(UPLOAD.would.superseded(1));
  expect(wordsOf(page)).toContain(UPLOAD.supersededThen);
  expect(wordsOf(page)).toContain(FILE_REMARKS.late(4, 5));
  const after = await follow(await send(page));
  expect(after.heading).toBe(UPLOAD.answeredInPart);
  for (const said of [OUTCOME.superseded(1), FILE_REMARKS.late(4, 5), ROW_HINTS.notDone, 'LA-1']) {
    expect(wordsOf(after)).toContain(said);
  }
  // The same holds if it is the only record in the file.
  const alone = await shown(fileOf(code, 3, late.slice(0, 1)));
  expect(wordsOf(alone)).toContain(UPLOAD.would.superseded(1));
  expect(wordsOf(alone)).not.toContain(UPLOAD.shownNothing);
});

test('the answer to a file can be saved where it is first shown', async () => {
  const code = await newCouncil();
  const page = await loaded(fileOf(code, 4, [planOf(1)]));
  for (const format of ['csv', 'xml', 'txt', 'json']) {
    const path = '/council/history/4';
    expect(page.text).toContain(`name="as" value="${format}"`);
    expect((await officer.post(path, { ...hiddenOf(page, path), as: format })).status).toBe(200);
  }
});

test('form fields supply what a CSV’s name does not say', async () => {
  const code = await newCouncil([planOf(1)]);
  const csv = fileCsv({ records: [planOf(1), planOf(2)] });
  const refused = await shown(csv, { name: 'export.csv' });
  expect([refused.heading, refused.title]).toEqual([
    UPLOAD.keptTitle,
    expect.stringMatching(/^Error: /),
  ]);
  expect(refused.text).toMatch(/id="sequence-error"[^]*id="createdAt-error"/);
  expect(wordsOf(refused)).toContain(`under “${UPLOAD.sequence}”`);
  const fields = { sequence: '2', createdAt: '27/11/2026 21:30', rowCount: '2' };
  expect((await loaded(csv, { name: 'export.csv', fields })).heading).toBe(UPLOAD.answered.CPF02);
  const named = await loaded(csv, { name: `${code}-3-202611272200-2.csv` });
  expect(named.heading).toBe(UPLOAD.answered.CPF02);
  for (const wrong of [
    { sequence: '-1' },
    { sequence: '1'.repeat(16) },
    { rowCount: 'two' },
    { createdAt: 'yesterday' },
    { createdAt: '31/11/2026 21:30' },
  ]) {
    const visit = await choose(csv, { name: 'export.csv', fields: wrong });
    expect([visit.status, visit.heading]).toEqual([400, UPLOAD.title]);
    // A value was typed, so the message says that it cannot be read, with an example.
    expect(wordsOf(visit).includes(UPLOAD.createdAtWrong)).toBe('createdAt' in wrong);
  }
});

describe('a file with wrong form fields', () => {
  const csv = fileCsv({ records: [planOf(1), planOf(2)] });
  const right = { sequence: '2', createdAt: '27/11/2026 21:30', rowCount: '2' };
  /** Sends a page's form again without choosing a file. */
  const again = (page: Visit, fields: Record<string, string>, content = '', visitor = officer) => {
    const { kept = '' } = hiddenOf(page, '/council/upload');
    const name = content === '' ? '' : 'other.csv';
    return choose(content, { name, fields: { kept, ...fields }, visitor });
  };

  test('is kept, so that only the field needs correcting, however often it is wrong', async () => {
    const code = await newCouncil([planOf(1)]);
    const wrong = await choose(csv, { name: 'export.csv', fields: { ...right, sequence: 'two' } });
    expect([wrong.status, wordsOf(wrong).includes('export.csv')]).toEqual([400, true]);
    const still = await again(wrong, { ...right, createdAt: 'yesterday' });
    expect([still.status, wordsOf(still).includes(UPLOAD.createdAtWrong)]).toEqual([400, true]);
    // The file is also kept if only the full check finds the fault.
    const { sequence: _sequence, ...less } = right;
    const checked = await follow(await again(still, less));
    expect(checked.heading).toBe(UPLOAD.keptTitle);
    expect((await readdir(join(folder(), checked.path.slice(-36)))).toSorted()).toContain('file');
    const page = await follow(await again(checked, right));
    expect([page.heading, page.path]).toEqual([UPLOAD.shown, checked.path]);
    expect((await follow(await send(page))).heading).toBe(UPLOAD.answered.CPF02);
    expect(await waiting(code)).toEqual([]);
    // Once the file has been sent, there is nothing left to correct.
    expect(wordsOf(await again(checked, right))).toContain(UPLOAD.keptGone);
    const events = (await service.events()).filter(
      (event) => event.type === 'upload-previewed' && event.authority === code,
    );
    // The first event is for the file that the council was set up with.
    const seen = events.slice(1).map((event) => 'sha256' in event && [event.by, event.sha256]);
    const once = [`Person officer-${code}`, hash('sha256', csv)];
    expect(seen).toEqual([once, once]);
  });

  test('is checked once if the corrected form is sent twice, and both answers lead to its preview', async () => {
    const code = await newCouncil([planOf(1)]);
    const wrong = await choose(csv, { name: 'export.csv', fields: { ...right, sequence: 'two' } });
    const { kept = '' } = hiddenOf(wrong, '/council/upload');
    const before = (await service.events()).length;
    const [first, second] = await Promise.all([again(wrong, right), again(wrong, right)]);
    const third = await again(wrong, right);
    const path = `/council/upload/${kept.slice(0, 36)}`;
    const pages = await Promise.all([first, second, third].map((visit) => follow(visit)));
    for (const page of pages) expect([page.heading, page.path]).toEqual([UPLOAD.shown, path]);
    const previewed = (await service.events())
      .slice(before)
      .filter((event) => event.type === 'upload-previewed' && event.authority === code);
    expect(previewed).toHaveLength(1);
    // Newly typed values never get the answer to values typed before.
    const other = await again(wrong, { ...right, sequence: '3' });
    expect([other.status, wordsOf(other).includes(UPLOAD.keptGone)]).toEqual([400, true]);
    const [page] = pages;
    if (page !== undefined) await follow(await send(page));
    expect(await waiting(code)).toEqual([]);
  });

  test('is kept even if a record in it cannot be used, and the record is named', async () => {
    const code = await newCouncil([planOf(1)]);
    const unusable = { ...planOf(3), child: person(3, { nhsNumber: '9991000012' }) };
    const file = fileCsv({ records: [planOf(2), unusable] });
    const checked = await follow(await choose(file, { name: 'export.csv' }));
    expect(checked.heading).toBe(UPLOAD.keptTitle);
    expect(checked.text).not.toContain('href="#file"');
    expect(wordsOf(checked)).toContain('This is not an NHS number');
    expect(wordsOf(checked)).not.toContain(`${code} (${code})`);
    const page = await follow(await again(checked, right));
    expect([page.heading, page.path]).toEqual([UPLOAD.shown, checked.path]);
    expect((await follow(await send(page))).heading).toBe(UPLOAD.answered.CPF03);
  });

  test('belongs to its sender, and is replaced if another is chosen', async () => {
    const code = await newCouncil([planOf(1)]);
    const wrong = await choose(csv, { name: 'export.csv', fields: { ...right, sequence: 'two' } });
    const colleague = await visitorAs(service, { organisation: code, scopes: ['upload'] });
    const stolen = await again(wrong, right, '', colleague);
    expect([stolen.status, wordsOf(stolen).includes(UPLOAD.keptGone)]).toEqual([400, true]);
    const { kept = '' } = hiddenOf(wrong, '/council/upload');
    for (const other of [kept.replace(/.$/, (last) => (last === '0' ? '1' : '0')), '../..', 'x']) {
      const visit = await again(wrong, { ...right, kept: other });
      expect([visit.status, wordsOf(visit).includes(UPLOAD.keptGone)]).toEqual([400, true]);
    }
    const page = await follow(await again(wrong, right, csv.replace('LA-2', 'LA-9')));
    expect(page.path).not.toContain(kept.slice(0, 36));
    expect(await readdir(folder())).not.toContain(kept.slice(0, 36));
  });

  test('is deleted once its sender signs out', async () => {
    await newCouncil([planOf(1)]);
    const wrong = await choose(csv, { name: 'export.csv', fields: { ...right, sequence: 'two' } });
    const { kept = '' } = hiddenOf(wrong, '/council/upload');
    expect(await readdir(folder())).toContain(kept.slice(0, 36));
    await officer.post('/sign-out', hiddenOf(wrong, '/sign-out'));
    await until(async () => !(await readdir(folder())).includes(kept.slice(0, 36)));
  });
});

describe('nothing is changed, the file is deleted, and a message says why, if it', () => {
  test.each<[string, Parameters<typeof choose>[0], Parameters<typeof choose>[1], number, string]>([
    ['is missing', '', { name: '' }, 400, UPLOAD.choose],
    ['is empty', '', {}, 400, UPLOAD.empty],
    ['is too large', 'x'.repeat(1_048_577), {}, 413, UPLOAD.tooLarge(1)],
    ['is far too large', 'x'.repeat(5_000_000), {}, 413, UPLOAD.tooLarge(1)],
  ])('%s', async (_, content, options, status, sentence) => {
    const code = await newCouncil();
    const visit = await choose(content, options);
    expect([visit.status, visit.heading]).toEqual([status, UPLOAD.title]);
    expect(visit.text).toContain('id="file-error"');
    expect(wordsOf(visit)).toContain(sentence);
    expect(await waiting(code)).toEqual([]);
  });

  test.each<[string, (code: string) => string | Uint8Array<ArrayBuffer>, string]>([
    ['is a spreadsheet', () => new Uint8Array([0x50, 0x4b, 3, 4, 20]), 'spreadsheet'],
    [
      'is a picture',
      () => new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe]),
      'a PDF or a picture',
    ],
    [
      'is XML that ends in the middle',
      (code) => fileOf(code, 1, [planOf(1)]).slice(0, -30),
      'cut short',
    ],
    ['is another council’s', () => fileOf('ZZ101', 1, [planOf(1)]), 'another authority'],
    [
      'has no record that can be used',
      (code) => fileOf(code, 1, [{ ...planOf(1), child: person(1, { nhsNumber: '1' }) }]),
      'NHS number',
    ],
  ])('%s', async (_, contentOf, words) => {
    const code = await newCouncil();
    const page = await shown(contentOf(code), { name: 'upload.xml' });
    expect(page.heading).toBe(UPLOAD.refusedTitle);
    expect(wordsOf(page)).toContain(words);
    // The error summary says what to do and links to the field, which says it again.
    const [, toDo = ''] = /<li><a href="#file">([^<]+)<\/a>/.exec(page.text) ?? [];
    expect(toDo).not.toBe('');
    expect(page.text).toContain(`${toDo}</span>\n<input class="nhsuk-input cpf-file" id="file"`);
    expect(page.text).not.toContain(`action="${page.path}"`);
    expect(await waiting(code)).toEqual([]);
    expect(await loadEvents(code)).toEqual([]);
  });

  test('is cut off while being sent', async () => {
    const code = await newCouncil();
    const { token } = await officer.form('/council/upload');
    const start = `--B\r\nContent-Disposition: form-data; name="token"\r\n\r\n${token}\r\n--B\r\nContent-Disposition: form-data; name="file"; filename="a.xml"\r\n\r\n<File`;
    const sent = request(new URL('/council/upload', service.baseUrl), {
      method: 'POST',
      headers: {
        cookie: [...officer.jar].map(([name, value]) => `${name}=${value}`).join('; '),
        'content-type': 'multipart/form-data; boundary=B',
        'content-length': 10_000,
        'sec-fetch-site': 'same-origin',
      },
    });
    sent.on('error', () => undefined);
    const before = await readdir(folder());
    sent.write(start);
    await until(async () => (await readdir(folder())).length > before.length);
    sent.destroy();
    await until(async () => (await readdir(folder())).length <= before.length);
    expect(await loadEvents(code)).toEqual([]);
  });

  test('was sent by a form on another site, before any of it was kept', async () => {
    const code = await newCouncil();
    const file = fileOf(code, 1, [planOf(1)]);
    const other = await visitorAs(service, { organisation: code, scopes: ['upload'] });
    const { token } = await other.form('/council/upload');
    const before = await readdir(folder());
    for (const options of [
      { fields: { token } },
      { headers: { origin: 'https://elsewhere.example' } },
      { headers: { 'sec-fetch-site': 'cross-site' } },
      { headers: { 'content-type': 'multipart/form-data; boundary=other' } },
    ]) {
      const visit = await choose(file, options);
      expect([visit.status, visit.heading]).toEqual([403, DESK.untrusted]);
    }
    expect(await readdir(folder())).toEqual(before);
  });

  test.each([
    [
      'a repeated field after the file',
      '--B\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--B--',
      400,
    ],
    [
      'a second file',
      '--B\r\nContent-Disposition: form-data; name="b"; filename="b"\r\n\r\nx\r\n--B--',
      403,
    ],
    ['no end', '--B\r\nContent-Disposition: form-data; name="x', 403],
  ])('came in a form that has %s', async (_, rest, status) => {
    const code = await newCouncil();
    const { token } = await officer.form('/council/upload');
    const before = await readdir(folder());
    const visit = await officer.ask('/council/upload', {
      method: 'POST',
      headers: {
        'content-type': 'multipart/form-data; boundary=B',
        'sec-fetch-site': 'same-origin',
      },
      body: `--B\r\nContent-Disposition: form-data; name="token"\r\n\r\n${token}\r\n--B\r\nContent-Disposition: form-data; name="file"; filename="a.xml"\r\n\r\n${fileOf(code, 1, [planOf(1)])}\r\n${rest}`,
    });
    expect([visit.status, visit.heading]).toEqual([status, DESK.untrusted]);
    expect(await readdir(folder())).toEqual(before);
  });

  test('would now do something other than what was shown', async () => {
    const code = await newCouncil([planOf(1)]);
    const one = await shown(fileOf(code, 2, [planOf(1, { endDate: yesterday() })]));
    expect((await loaded(fileOf(code, 3, [planOf(2)]))).heading).toBe(UPLOAD.answered.CPF02);
    const before = await loadEvents(code);
    const after = await follow(await send(one, { stops: '1' }));
    expect(after.heading).toBe(UPLOAD.changed);
    expect(await loadEvents(code)).toEqual(before);
    expect(await waiting(code)).toEqual([]);
  });

  test('is no longer wanted', async () => {
    const code = await newCouncil();
    const page = await shown(fileOf(code, 1, [planOf(1)]));
    expect(await waiting(code)).toHaveLength(1);
    const discard = () =>
      officer.post(`${page.path}/discard`, hiddenOf(page, `${page.path}/discard`));
    const after = await officer.get((await discard()).headers.get('location') ?? '');
    expect([after.heading, after.text.includes(UPLOAD.discarded)]).toEqual([UPLOAD.title, true]);
    expect(await waiting(code)).toEqual([]);
    expect([(await send(page)).heading, (await officer.get(page.path)).status]).toEqual([
      UPLOAD.gone,
      404,
    ]);
    expect(await rowsOf(code)).toBe(0);
  });
});

test('a file that was loaded before gets the same answer as then, and cannot be sent again', async () => {
  const code = await newCouncil();
  const file = fileOf(code, 1, [planOf(1)]);
  await loaded(file);
  const page = await shown(file);
  expect(page.heading).toBe(UPLOAD.repeatTitle);
  expect(await waiting(code)).toEqual([]);
});

test('a file’s name and contents are shown only as text', async () => {
  const code = await newCouncil();
  const records = [
    { ...planOf(1), child: person(1, { nhsNumber: '1', localId: '<b>x</b>' }) },
    planOf(2),
  ];
  const page = await shown(fileOf(code, 1, records), { name: `../../${HOSTILE}` });
  expect(page.text).not.toContain('<script>alert');
  expect(page.text).not.toContain('<b>x</b>');
  expect(wordsOf(page)).toContain(HOSTILE);
  const numbered = await shown(fileOf(code, 1, records), { name: `child ${testNumber(1)}.xml` });
  expect(numbered.text).not.toContain(testNumber(1));
});

test('nobody else sees, sends or deletes a waiting file: neither another council nor a colleague', async () => {
  const code = await newCouncil();
  const page = await shown(fileOf(code, 1, [planOf(1)]));
  for (const organisation of [code, 'ZZ101']) {
    const visitor = await visitorAs(service, { organisation, scopes: ['upload'] });
    const seen = await visitor.get(page.path);
    const absent = await visitor.get('/council/upload/00000000-0000-4000-8000-000000000000');
    expect([seen.status, seen.heading]).toEqual([absent.status, absent.heading]);
    expect((await send(page, {}, visitor)).status).toBe(403);
    const discard = await visitor.post(
      `${page.path}/discard`,
      hiddenOf(page, `${page.path}/discard`),
    );
    expect(discard.status).toBe(403);
  }
  expect(await waiting(code)).toHaveLength(1);
  await officer.post(`${page.path}/discard`, hiddenOf(page, `${page.path}/discard`));
});

test('only its sender finds a waiting file again, from Home and from Send a file', async () => {
  const code = await newCouncil([planOf(1)]);
  const colleague = await visitorAs(service, { organisation: code, scopes: ['upload'] });
  const linksOf = async (visitor: Visitor, path: string) =>
    [
      ...(await visitor.get(path)).text.matchAll(
        /<a class="nhsuk-link" href="(\/council\/upload\/[^"]*)">([^<]*)</g,
      ),
    ].map(([, href = '', text]) => ({ href, text }));
  const page = await shown(fileOf(code, 2, [planOf(2)]));
  const sent = { href: page.path, text: UPLOAD.waitsToBeSent };
  const csv = fileCsv({ records: [planOf(3)] });
  const fields = { sequence: 'three', createdAt: '27/11/2026 21:30', rowCount: '1' };
  const wrong = await choose(csv, { name: `${testNumber(3)}.csv`, fields });
  const id = hiddenOf(wrong, '/council/upload')['kept']?.slice(0, 36);
  const entered = { href: `/council/upload/${id}`, text: UPLOAD.waitsToBeCorrected };
  for (const path of ['/council', '/council/upload']) {
    expect(await linksOf(officer, path)).toEqual([sent, entered]);
    expect((await officer.get(path)).text).not.toContain(testNumber(3));
    expect(await linksOf(colleague, path)).toEqual([]);
  }
  const still = await officer.get(entered.href);
  expect(wordsOf(still)).toContain(UPLOAD.kept);
  expect(hiddenOf(still, '/council/upload')['kept']).toContain(id);
  expect((await colleague.get(entered.href)).heading).toBe(UPLOAD.gone);
  // Form values belong to the session in which the file came; the preview belongs to its sender.
  const later = await visitorAs(service, {
    user: `officer-${code}`,
    organisation: code,
    scopes: ['upload'],
  });
  expect(await linksOf(later, '/council')).toEqual([sent]);
  expect((await later.get(entered.href)).heading).toBe(UPLOAD.gone);
  await officer.post(`${page.path}/discard`, hiddenOf(page, `${page.path}/discard`));
  expect(await linksOf(officer, '/council')).toEqual([entered]);
});

test('a user has at most three waiting files: a fourth replaces the oldest', async () => {
  const code = await newCouncil();
  const pages: string[] = [];
  for (const n of [1, 2, 3, 4]) pages.push((await shown(fileOf(code, n, [planOf(n)]))).path);
  const statuses: number[] = [];
  for (const path of pages) statuses.push((await officer.get(path)).status);
  expect(statuses).toEqual([404, 200, 200, 200]);
});

test('a file that has waited too long is deleted, with its page', async () => {
  const code = await newCouncil();
  const page = await shown(fileOf(code, 1, [planOf(1)]));
  const state = join(
    service.dataDir,
    'previews',
    page.path.slice('/council/upload/'.length),
    'state.json',
  );
  const saved = JSON.parse(await readFile(state, 'utf8')) as { savedAt: number };
  await writeFile(state, JSON.stringify({ ...saved, savedAt: saved.savedAt - 31 * 60_000 }));
  expect((await officer.get(page.path)).heading).toBe(UPLOAD.gone);
  // The next upload clears it away.
  const path = (await shown(fileOf(code, 1, [planOf(1)]))).path;
  expect(await waiting(code)).not.toContain(page.path.slice('/council/upload/'.length));
  expect((await officer.get(path)).status).toBe(200);
});

test('many unusable records are shown page by page', async () => {
  const code = await newCouncil();
  const records = Array.from({ length: 120 }, (_, n) => ({
    ...planOf(n),
    child: person(n, { nhsNumber: '1' }),
  }));
  const first = await shown(fileOf(code, 1, [...records, planOf(200)]));
  expect(wordsOf(first)).toContain('Page 1 of 3');
  expect(wordsOf(first)).not.toContain('LA-119');
  const last = await officer.get(`${first.path}?page=3`);
  expect(wordsOf(last)).toContain('LA-119');
  expect((await officer.get(`${first.path}?page=99`)).status).toBe(200);
});

test('somebody who is not signed in is refused without waiting for their file to be read', async () => {
  const visit = await createVisitor(service.baseUrl).ask('/council/upload', {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=B' },
    body: '--B--',
  });
  expect([visit.status, visit.heading]).toEqual([401, DESK.over]);
});

describe('the history', () => {
  /** Waits until this many of a council's files have been sealed and indexed. */
  async function historyOf(count: number): Promise<Visit> {
    let page = await officer.get('/council/history');
    await until(async () => {
      page = await officer.get('/council/history');
      return (
        (page.text.match(/<tr class="nhsuk-table__row" role="row">/g) ?? []).length >=
        Math.min(count, 25)
      );
    });
    return page;
  }

  test('lists every file newest first, even refused ones, each with its answer to download', async () => {
    const code = await newCouncil([planOf(1)]);
    await loaded(
      fileOf(code, 2, [planOf(2), { ...planOf(3), child: person(3, { nhsNumber: '1' }) }]),
    );
    const page = await historyOf(2);
    const numbers = [...page.text.matchAll(/href="\/council\/history\/([0-9]+)"/g)];
    expect(numbers.map(([, number]) => number)).toEqual(['2', '1']);
    const file = await officer.get('/council/history/2');
    expect(file.heading).toBe(`${HISTORY.file(2)}: ${UPLOAD.answered.CPF03}`);
    expect(wordsOf(file)).toContain('LA-3');
    for (const [format, type, start] of [
      ['csv', 'text/csv; charset=utf-8', '\u{feff}'],
      ['xml', 'application/xml; charset=utf-8', '<?xml'],
    ] as const) {
      const saved = await officer.send('/council/history/2', { as: format });
      expect(saved.headers.get('content-type')).toBe(type);
      expect(saved.headers.get('content-disposition')).toBe(
        `attachment; filename="${code}-2.ack.${format}"`,
      );
      expect(saved.text.startsWith(start.replace('\u{feff}', ''))).toBe(true);
    }
    expect((await officer.send('/council/history/2', { as: 'exe' })).status).toBe(404);
  });

  test('says that a file is held, or was overruled by a newer file, and links to each answer', async () => {
    const code = await newCouncil(Array.from({ length: 8 }, (_, n) => planOf(n)));
    const ended = Array.from({ length: 6 }, (_, n) => planOf(n, { endDate: yesterday() }));
    for (const [number, records] of [
      [4, ended],
      [5, [...ended, planOf(20)]],
    ] as const) {
      await follow(await send(await shown(fileOf(code, number, records)), { stops: '6' }));
    }
    await loaded(fileOf(code, 7, [planOf(7)]));
    await loaded(fileOf(code, 6, [planOf(7, { endDate: yesterday() })]));
    const page = await historyOf(5);
    const rows = [
      ...page.text.matchAll(/<tr class="nhsuk-table__row" role="row">[^]*?<\/tr>/g),
    ].map(([row]) => [
      /href="([^"]*)"/.exec(row)?.[1],
      [
        UPLOAD.answeredInPart,
        UPLOAD.answered.CPF02,
        UPLOAD.answeredHeld,
        UPLOAD.answeredHeldWhole,
      ].find((text) => row.includes(`${text}<`)),
    ]);
    expect(rows).toEqual([
      ['/council/history/6', UPLOAD.answeredInPart],
      ['/council/history/7', UPLOAD.answered.CPF02],
      ['/council/history/5', UPLOAD.answeredHeld],
      ['/council/history/4', UPLOAD.answeredHeldWhole],
      ['/council/history/1', UPLOAD.answered.CPF02],
    ]);
    for (const [path = '', text] of rows) {
      expect((await officer.get(path)).heading).toMatch(new RegExp(`: ${text}$`));
    }
  });

  test('says what became of a held file once that has been decided', async () => {
    const code = await newCouncil(Array.from({ length: 8 }, (_, n) => planOf(n)));
    const ended = Array.from({ length: 6 }, (_, n) => planOf(n, { endDate: yesterday() }));
    for (const [number, records] of [
      [2, [...ended, planOf(20)]],
      [3, ended],
    ] as const) {
      await follow(await send(await shown(fileOf(code, number, records)), { stops: '6' }));
    }
    expect(wordsOf(await historyOf(3))).toContain(UPLOAD.answeredHeld);
    const anchor = Anchor.open(join(service.dataDir, 'anchor'));
    try {
      for (const { id } of listHeldFiles(anchor).filter((each) => each.authority === code)) {
        await discardHeldFile(service.store, anchor, id, { by: 'B. Data', reason: 'not meant' });
      }
    } finally {
      anchor.close();
    }
    const page = await historyOf(3);
    for (const held of [UPLOAD.answeredHeld, UPLOAD.answeredHeldWhole]) {
      expect(page.text).not.toContain(`${held}<`);
    }
    expect(wordsOf(page)).toContain(UPLOAD.answeredDiscarded);
    expect(wordsOf(page)).not.toContain(UPLOAD.answered.CPF03);
    expect(wordsOf(page)).toContain(HISTORY.wasHeld);
    const file = await officer.get('/council/history/2');
    expect(file.heading).toBe(`${HISTORY.file(2)}: ${UPLOAD.answeredDiscarded}`);
    expect(wordsOf(file)).toContain('discarded it at');
    expect(wordsOf(file)).not.toMatch(/[0-9]T[0-9]{2}:/);
  });

  test('has the result of a file that was held and released, also once a new numbering has begun, and no number of records where it is not known', async () => {
    const code = await newCouncil(Array.from({ length: 8 }, (_, n) => planOf(n)));
    const ended = (days: number) =>
      Array.from({ length: 6 }, (_, n) => planOf(n, { endDate: day(`2026-11-${days}`) }));
    for (const [number, days] of [
      [2, 20],
      [3, 21],
    ] as const) {
      await follow(await send(await shown(fileOf(code, number, ended(days))), { stops: '6' }));
    }
    const anchor = Anchor.open(join(service.dataDir, 'anchor'));
    const who = { by: 'B. Data', reason: 'meant' };
    try {
      for (const { id, number } of listHeldFiles(anchor).filter((e) => e.authority === code)) {
        await (number === 2 ? releaseHeldFile : discardHeldFile)(service.store, anchor, id, who);
      }
    } finally {
      anchor.close();
    }
    await renumber(code);
    const { text } = await historyOf(5);
    const rows = [...text.matchAll(/<tr class="nhsuk-table__row" role="row">[^]*?<\/tr>/g)].map(
      ([row]) => [...row.matchAll(/<span>([^]*?)<\/span>/g)].slice(1).map(([, cell]) => cell),
    );
    expect(rows.slice(2)).toEqual([
      ['3', HISTORY.wasHeld, '', ''],
      ['2', UPLOAD.answered.CPF02, '6', '0'],
      ['1', UPLOAD.answered.CPF02, '8', '0'],
    ]);
  });

  test('says where the numbering began again and by whom, and leads from no earlier file to a later one with its number', async () => {
    const code = await newCouncil([planOf(1)]);
    await loaded(fileOf(code, 2, [planOf(2)]));
    await renumber(code);
    const createdAt = `${new Date().toISOString().replaceAll(/[-:T]/g, '').slice(0, 12)}+0000`;
    await loaded(
      fileXml(upload({ authority: code, sequence: 1, createdAt, records: [planOf(3)] })),
    );
    const { text } = await historyOf(4);
    const rows = [...text.matchAll(/<tr class="nhsuk-table__row" role="row">[^]*?<\/tr>/g)];
    const [first, began = '', ...earlier] = rows.map(([row]) => row);
    expect(first).toContain('href="/council/history/1"');
    expect(wordsOf({ text: began })).toContain(HISTORY.newNumbering('B. Data', 2));
    expect(earlier).toHaveLength(2);
    for (const row of earlier) expect(row).not.toContain('href');
  });

  test('lists a file that was held and released once, with its result and a note that the held part is loaded', async () => {
    const code = await newCouncil(Array.from({ length: 8 }, (_, n) => planOf(n)));
    const ended = Array.from({ length: 6 }, (_, n) => planOf(n, { endDate: yesterday() }));
    const sent = await shown(fileOf(code, 2, [...ended, planOf(20)]));
    await follow(await send(sent, { stops: '6' }));
    const anchor = Anchor.open(join(service.dataDir, 'anchor'));
    try {
      const [held] = listHeldFiles(anchor).filter((each) => each.authority === code);
      await releaseHeldFile(service.store, anchor, held?.id ?? '', { by: 'B. Data', reason: 'ok' });
    } finally {
      anchor.close();
    }
    const page = await historyOf(3);
    const links = [...page.text.matchAll(/href="\/council\/history\/([0-9]+)"/g)];
    expect(links.map(([, number]) => number)).toEqual(['2', '1']);
    expect(wordsOf(page)).toContain(HISTORY.heldPart(true));
    expect(page.text.match(new RegExp(UPLOAD.answered.CPF02, 'g'))).toHaveLength(2);
  });

  test('is shown page by page, and its cursor is useless to another council', async () => {
    const code = await newCouncil();
    for (let n = 0; n < 30; n++) {
      await service.store.appendEvent({
        type: 'load',
        auditId: randomUUID(),
        authority: code,
        sequence: n,
        sha256: '0'.repeat(64),
        code: 'CPF01',
        accepted: 0,
        refused: n,
        by: 'test',
      });
    }
    const first = await historyOf(30);
    const [, older = ''] = /href="([^"]*)" rel="next"/.exec(first.text) ?? [];
    const second = await officer.get(older.replaceAll('&amp;', '&'));
    expect(second.text.match(/<tr class="nhsuk-table__row" role="row">/g)).toHaveLength(5);
    expect(second.text).toContain('href="/council/history" rel="prev"');
    await newCouncil();
    const other = await officer.get(older.replaceAll('&amp;', '&'));
    expect([other.status, wordsOf(other)]).toEqual([200, expect.stringContaining(HISTORY.none)]);
  });

  test('is visible, with its answers, to that council only', async () => {
    await newCouncil([planOf(1)]);
    await newCouncil();
    for (const path of ['/council/history/1', '/council/history/x']) {
      expect((await officer.get(path)).heading).toBe(HISTORY.notKept);
    }
  });
});

test('waiting files are shown with why they wait and what to do, to their council only', async () => {
  const code = await newCouncil(Array.from({ length: 8 }, (_, n) => planOf(n)));
  expect((await officer.get('/council/held')).heading).toBe(HELD.none);
  const ended = Array.from({ length: 6 }, (_, n) => planOf(n, { endDate: yesterday() }));
  const page = await shown(fileOf(code, 2, ended));
  expect(wordsOf(page)).toContain(UPLOAD.wouldWait);
  expect(wordsOf(page).match(/6 of 8/g)).toHaveLength(1);
  const after = await follow(await send(page, { stops: '6' }));
  expect(after.heading).toBe(UPLOAD.answeredHeldWhole);
  const held = await officer.get('/council/held');
  // The result of the file gives the same reason and advice as the list of waiting files, and links to it.
  for (const visit of [held, after, await officer.get('/council/history/2')]) {
    const main = visit.text.slice(visit.text.indexOf('<h1'));
    expect(wordsOf({ ...visit, text: main })).toContain(HELD.ask(`${code}-2`));
    expect(wordsOf({ ...visit, text: main }).match(/6 of 8/g)).toHaveLength(1);
    expect(main.includes('href="/council/held"')).toBe(visit !== held);
  }
  expect(wordsOf(held)).toContain(HELD.nothingIsLoaded);
  expect(wordsOf(held)).not.toContain(HELD.restIsLoaded);
  // None of its records is loaded, so its number is still free.
  expect(wordsOf(held)).toContain(HELD.corrected(false));
  const anchor = Anchor.open(join(service.dataDir, 'anchor'));
  try {
    const [file] = listHeldFiles(anchor).filter((each) => each.authority === code);
    if (file === undefined) throw new Error('no file is held');
    const last = londonDate(Date.parse(file.at) + 30 * 86_400_000);
    expect(wordsOf(held)).toContain(HELD.expires(last));
    // What waits to be traced is discarded then, too.
    const untraced = { ...held, text: String(heldView({ ...file, untraced: 1 }, 30)) };
    expect(wordsOf(untraced)).toContain(HELD.untracedExpires(last));
  } finally {
    anchor.close();
  }
  await newCouncil();
  expect((await officer.get('/council/held')).heading).toBe(HELD.none);
});

test('if part of a file is held, only that part is shown as waiting', async () => {
  const code = await newCouncil(Array.from({ length: 8 }, (_, n) => planOf(n)));
  const ended = Array.from({ length: 6 }, (_, n) => planOf(n, { endDate: yesterday() }));
  const page = await shown(fileOf(code, 2, [...ended, planOf(20)]));
  const after = await follow(await send(page, { stops: '6' }));
  expect(after.heading).toBe(UPLOAD.answeredHeld);
  const held = wordsOf(await officer.get('/council/held'));
  expect(held).toContain(HELD.restIsLoaded);
  expect(held).toContain(HELD.which);
  expect(held).not.toMatch(/\b0 (records|plans)\b/);
  expect(held).toContain(HELD.corrected(true));
  expect(held).not.toContain(HELD.nothingIsLoaded);
});

test('the first page says what of the council’s is waiting, with a link', async () => {
  const code = await newCouncil(Array.from({ length: 8 }, (_, n) => planOf(n)));
  const links = async () =>
    [
      ...(await officer.get('/council')).text
        .replace(/^[^]*<h1/, '')
        .matchAll(/<li><a class="nhsuk-link" href="([^"]*)">([^<]*)</g),
    ]
      .map(([, href, text]) => [href, text])
      .filter(([href]) => href === '/council/held' || href === '/council/withdrawals');
  expect(await links()).toEqual([]);
  const ended = Array.from({ length: 6 }, (_, n) => planOf(n, { endDate: yesterday() }));
  await follow(await send(await shown(fileOf(code, 2, ended)), { stops: '6' }));
  expect(await links()).toEqual([['/council/held', COUNCIL.heldFiles(1)]]);
  const begin = '/council/withdraw';
  const form = await officer.get(begin);
  const number = testNumber(7);
  const plan = await officer.post(`${begin}/find`, { ...hiddenOf(form, `${begin}/find`), number });
  const asked = await officer.post(begin, {
    ...hiddenOf(plan, begin),
    plan: /name="plan"[^>]* value="([^"]*)"/.exec(plan.text)?.[1] ?? '',
    again: number,
    reason: 'typed under the number of a twin',
  });
  expect(asked.status).toBe(303);
  expect(await links()).toEqual([
    ['/council/held', COUNCIL.heldFiles(1)],
    ['/council/withdrawals', COUNCIL.withdrawals(1)],
  ]);
});

test('Home and the form name the number of the last file, and none between a new numbering and its first file', async () => {
  const code = await newCouncil([planOf(1)]);
  expect(wordsOf(await officer.get('/council'))).toContain(`${COUNCIL.lastFile}1 `);
  await renumber(code);
  expect(wordsOf(await officer.get('/council'))).not.toContain(COUNCIL.lastFile);
  expect(wordsOf(await officer.get('/council/upload'))).toContain(UPLOAD.sequenceHint(undefined));
});

test('every page gives the same answer about who decides on a waiting file', () => {
  const held = { whole: true, records: 1, leftOut: 0 };
  for (const sentence of [
    UPLOAD.wouldWait,
    UPLOAD.wouldWaitWhole,
    OUTCOME.waitsOf(held),
    HELD.ask('V145-2'),
  ]) {
    expect(sentence).not.toMatch(/asked you|unasked/);
    expect(sentence).toMatch(/you have told the team|tell the team/);
  }
});

test('all holdings can be saved as a file, which is recorded each time', async () => {
  const code = await newCouncil([planOf(1), planOf(2)]);
  const page = await officer.get('/council/holdings');
  expect(page.text).not.toContain(testNumber(1));
  for (const _ of [1, 2]) {
    const saved = await officer.post('/council/holdings', hiddenOf(page, '/council/holdings'));
    expect(saved.headers.get('content-disposition')).toMatch(/^attachment; filename="ZZ/);
    expect(saved.text).toContain(testNumber(1));
    expect(saved.text).toContain(testNumber(2));
  }
  const read = (await service.events()).filter(
    (event) => event.type === 'holdings-read' && event.authority === code,
  );
  expect(read).toEqual([
    expect.objectContaining({ by: `Person officer-${code}` }),
    expect.objectContaining({ by: `Person officer-${code}` }),
  ]);
  await newCouncil([planOf(3)]);
  const form = await officer.form('/council/holdings');
  expect((await officer.post('/council/holdings', form)).text).not.toContain(testNumber(1));
  expect((await officer.get('/council/holdings')).heading).toBe(HOLDINGS.title);
});

describe('comparing the case system', () => {
  const action = '/council/reconcile';

  test('shows the differences, page by page and as a file, and keeps nothing of the upload', async () => {
    const code = await newCouncil(Array.from({ length: 60 }, (_, n) => planOf(n)));
    const visit = await choose(fileOf(code, 9, [planOf(1), planOf(100)]), { action });
    const path = visit.headers.get('location') ?? '';
    expect([visit.status, path]).toEqual([
      303,
      expect.stringMatching(/^\/council\/reconcile\/[0-9a-f-]{36}$/),
    ]);
    const page = await officer.get(path);
    expect(page.heading).toBe(RECONCILE.done);
    expect(wordsOf(page)).toContain('59 only here, 1 only in your file');
    expect(wordsOf(page)).toContain('Page 1 of 2');
    const saved = await officer.get(`${path}/csv`);
    expect(saved.headers.get('content-disposition')).toContain('attachment');
    expect(saved.text).toContain('only-there');
    expect(await rowsOf(code)).toBe(60);
    expect(
      (await service.events()).filter(
        (event) => event.type === 'holdings-read' && event.authority === code,
      ),
    ).toEqual([expect.objectContaining({ reason: 'compared with an export of the case system' })]);
    // Nobody else can see it, neither a colleague nor another council.
    for (const organisation of [code, 'ZZ101']) {
      const other = await visitorAs(service, { organisation, scopes: ['upload'] });
      expect((await other.get(path)).status).toBe(404);
      expect((await other.get(`${path}/csv`)).status).toBe(404);
    }
  });

  test('describes the differences in words and dates, and has no empty columns', async () => {
    const code = await newCouncil([planOf(1), planOf(2)]);
    const csv = fileCsv({
      records: [planOf(1, { endDate: day('2026-11-20') }), planOf(3)],
    });
    const visit = await choose(csv, { action, name: 'all.csv' });
    const page = await officer.get(visit.headers.get('location') ?? '');
    expect(await rowsOf(code)).toBe(2);
    const words = wordsOf(page);
    expect(words).toContain(`${RECONCILE.fields.endDate}: 20 November 2026`);
    expect(page.text).not.toMatch(/endDate|>\d{4}-\d{2}-\d{2}</);
    // Numbers are grouped as on every other page, so that they can be compared group by group.
    expect(words).toMatch(/\b999 \d{3} \d{4}/);
    expect(words).not.toMatch(/\b999\d{7}/);
    const headsOf = (caption: string) =>
      new RegExp(`${caption}</caption>([\\s\\S]*?)</thead>`).exec(page.text)?.[1] ?? '';
    expect(headsOf(RECONCILE.results['only-here'])).not.toContain(RECONCILE.columns.there);
    expect(headsOf(RECONCILE.results['only-there'])).not.toContain(RECONCILE.columns.here);
    expect(headsOf(RECONCILE.results['only-there'])).toContain(RECONCILE.columns.place);
  });

  test.each([['no file', '', { name: '' }, UPLOAD.choose]])(
    'with %s says so',
    async (_, content, options, sentence) => {
      await newCouncil([planOf(1)]);
      const visit = await choose(content, { ...options, action });
      expect(visit.status).toBe(400);
      expect(wordsOf(visit)).toContain(sentence);
    },
  );

  test.each<[string, (code: string) => string | Uint8Array<ArrayBuffer>, string]>([
    [
      'a field that is too large',
      () => `${fileCsv({ records: [planOf(1)] })}${'\n'.repeat(1_048_577)}`,
      'larger than',
    ],
    ['a spreadsheet', () => new Uint8Array([0x50, 0x4b, 3, 4, 20]), 'spreadsheet'],
    ['another council’s file', () => fileOf('ZZ101', 1, [planOf(1)]), 'another authority'],
  ])('with %s, says what is wrong and compares nothing', async (_, contentOf, words) => {
    const code = await newCouncil([planOf(1)]);
    const name = words === 'larger than' ? 'all.csv' : 'all.xml';
    const visit = await choose(contentOf(code), { action, name });
    const page = await officer.get(visit.headers.get('location') ?? '');
    expect(page.heading).toBe(RECONCILE.notCompared);
    expect(wordsOf(page)).toContain(words);
    expect(page.text).not.toContain(testNumber(1));
  });
});

test.each([
  ['reading', 0.25, 20_000, 'Reading. 25% done, 1,000 records so far. About 1 minute left.'],
  ['loading', 0.9, 90_000, 'Loading. 90% done, 1,000 records so far. About 10 seconds left.'],
  [
    'checking',
    0.999,
    60_000,
    'Comparing with what is held. 99% done, 1,000 records so far. About 1 second left.',
  ],
  // Nothing can be said about the time left for a file that has only just begun.
  ['reading', 0.01, 1_000, 'Reading. 1% done, 1,000 records so far.'],
])('a file that is %s shows its progress and the time left: %d', (doing, share, took, words) => {
  const state = { kind: 'sending', beganAt: 0, share, records: 1_000, doing } as const;
  const text = String(progressView({ state } as Parameters<typeof progressView>[0], took));
  expect(text).toContain(`value="${Math.floor(share * 100)}"`);
  expect(text.replaceAll(/<[^>]*>/g, '').replaceAll(/\s+/g, ' ')).toContain(words);
});
