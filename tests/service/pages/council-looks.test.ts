import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LookColumn, lookColumns } from '#loaders/answers/notification.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { type Notification, notificationIdSchema } from '#schemas/notification.ts';
import { NOTIFICATION } from '#schemas/wording/answers.ts';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { RESEND } from '#schemas/wording/operator.ts';
import { NotificationFile } from '#service/notifications/notification-file.ts';
import { SHOWN_COLUMNS } from '#service/pages/council/looks-table.ts';
import { visitorAs } from '../../support/desk.ts';
import { testNumber, writtenAs } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { createVisitor, type Visitor, wordsOf } from '../../support/visitor.ts';

const [CHILD, SHARED, OTHERS] = [testNumber(1), testNumber(2), testNumber(3)];
/** A council's own id for a child, which looks like an NHS number but is nobody's. */
const LIKE_A_NUMBER = testNumber(4);
const HOSTILE = '<script>"&\u202e';
/** Columns in the CSV for which the page has no room. */
const FOR_SYSTEMS: LookColumn[] = [
  'entry',
  'again',
  'file_sequence',
  'user_id',
  'role_code',
  'organisation_code',
];

let service: TestService;
let ours: Visitor;
let theirs: Visitor;
/** How often nurse two has looked: a look answered 503 may count, and is then made again. */
let looksOfTwo: number;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      { code: 'ZZ101', rows: [{ nhsNumber: CHILD }, { nhsNumber: SHARED, localId: HOSTILE }] },
      {
        code: 'ZZ102',
        rows: [
          { nhsNumber: SHARED, localId: 'B-2' },
          { nhsNumber: OTHERS, localId: LIKE_A_NUMBER },
        ],
      },
    ],
    environment: { NOTIFICATIONS_WINDOW_MINUTES: '0.005' },
  });
  [ours, theirs] = (await Promise.all(
    ['ZZ101', 'ZZ102'].map((organisation) =>
      visitorAs(service, { organisation, scopes: ['upload'] }),
    ),
  )) as [Visitor, Visitor];
  const silent = await service.token(
    claims({ sub: 'gp', name: 'Silent Reader', activities: ['B0170'], organisation: 'ZZP01' }),
  );
  expect((await service.answered({ nhsNumber: CHILD }, { token: silent })).status).toBe(200);
  for (const [sub, nhsNumber] of [
    ['one', CHILD],
    ['two', SHARED],
    ['three', OTHERS],
  ] as const) {
    const token = await service.token(claims({ sub, name: `Nurse ${sub}` }));
    const answer = await service.answered({ nhsNumber }, { token });
    const { auditId, accesses = [] } = lookupAnswerSchema.parse(await answer.json());
    if (sub === 'two') looksOfTwo = accesses.find(({ own }) => own)?.count ?? 0;
    if (sub !== 'one') continue;
    await fetch(`${service.baseUrl}/lookup/${auditId}/attendance`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'x-request-id': randomUUID(),
        'content-type': 'application/json',
      },
      body: JSON.stringify({ nhsNumber, attended: 'left-before-seen', ward: 'Ward 4' }),
    });
  }
  await until(async () => {
    const [one, two] = [await ours.get('/council/looks'), await theirs.get('/council/looks')];
    return (
      wordsOf(one).includes('Nurse two') &&
      wordsOf(one).includes(LOOKS.cameOf['left-before-seen']) &&
      wordsOf(two).includes('Nurse three')
    );
  }, 'both councils to be told');
});
afterAll(() => service?.stopAndRemove());

test('the operator has a council’s notifications written again, once and with a reason, as by command', async () => {
  const operator = createVisitor(service.baseUrl);
  await operator.signIn('operations');
  const path = '/operator/notifications';
  const sent = async (fields: Record<string, string>) =>
    operator.post(path, { ...(await operator.form(path)), ...fields });
  const resent = async () =>
    (await service.events()).filter(({ type }) => type === 'notifications-resent');
  const reason = 'lost in their system';
  for (const [wrong, field] of [
    [{ council: '', reason }, 'council-error'],
    [{ council: 'ZZ999', reason }, 'council-error'],
    [{ council: 'ZZ101', after: 'x', reason }, 'after-error'],
    [{ council: 'ZZ101', after: '999999999999.0000', reason }, 'after-error'],
    [{ council: 'ZZ101', reason: '' }, 'reason-error'],
  ] as const) {
    const visit = await sent(wrong);
    expect([visit.status, visit.text.includes(`id="${field}"`)]).toEqual([400, true]);
  }
  expect(await resent()).toEqual([]);
  const kept = NotificationFile.read(join(service.dataDir, 'audit'), (file) => file.list());
  const ofCouncil = kept?.find(({ code }) => code === 'ZZ101')?.kept ?? 0;
  const form = await operator.form(path);
  const done = await operator.post(path, { ...form, council: 'ZZ101', reason });
  expect(done.status).toBe(303);
  const page = await operator.get(done.headers.get('location') ?? '');
  expect(wordsOf(page)).toContain(RESEND.done(ofCouncil));
  expect((await operator.post(path, { ...form, council: 'ZZ101', reason })).status).toBe(409);
  expect(await resent()).toMatchObject([{ detail: { authority: 'ZZ101', reason } }]);
});

const readings = async (authority: string) =>
  (await service.events()).filter(
    (event) => event.type === 'notifications-read' && event.authority === authority,
  );
const ofChild = async (visitor: Visitor, fields: Record<string, string>) =>
  visitor.post('/council/looks', {
    token: (await visitor.form('/council/looks')).token,
    ...fields,
  });

describe('who looked at a council’s children', () => {
  test('lists the child, who looked and the outcome, but never a silent read or another council’s child', async () => {
    const page = await ours.get('/council/looks');
    const words = wordsOf(page);
    expect(page.status).toBe(200);
    for (const part of [
      'Nurse one',
      'Nurse two',
      'LA-1',
      'Organisation ZZH01',
      'Ward 4',
      LOOKS.cameOf['left-before-seen'],
    ]) {
      expect(words).toContain(part);
    }
    expect(words).toContain(`${CHILD.slice(0, 3)} ${CHILD.slice(3, 6)} ${CHILD.slice(6)}`);
    expect(words).not.toMatch(/Silent Reader|Nurse three|B-2/);
    // Text sent by the council is never treated as markup.
    expect(page.text).not.toContain('<script>"');
    expect(words).toContain('<script>"&');
    const other = wordsOf(await theirs.get('/council/looks'));
    expect(other).toContain('B-2');
    expect(other).not.toMatch(/Nurse one|LA-1 99/);
  });

  test('has a column for the reason only if somebody gave one', async () => {
    expect((await ours.get('/council/looks')).text).not.toContain('>Why<');
    const token = await service.token(claims({ sub: 'three', name: 'Nurse three' }));
    await service.answered({ nhsNumber: OTHERS, reason: 'enquiry' }, { token });
    await until(async () => {
      const { text } = await theirs.get('/council/looks');
      return text.includes('>Why<') && text.includes('enquiry');
    }, 'the repeat with its reason');
  });

  test('is recorded as read, as by GET /notifications', async () => {
    const before = (await readings('ZZ101')).length;
    await ours.get('/council/looks');
    const after = await readings('ZZ101');
    expect(after.length).toBe(before + 1);
    expect(after.at(-1)).toMatchObject({
      caller: { organisation: { code: 'ZZ101' } },
      authority: 'ZZ101',
    });
  });

  test('can be searched by a child’s number or local id, neither of which ever appears in an address', async () => {
    for (const child of [
      CHILD,
      ` ${CHILD.slice(0, 3)} ${CHILD.slice(3, 6)} ${CHILD.slice(6)} `,
      ...['.', '-', '\u2013', ' - '].map((by) =>
        [CHILD.slice(0, 3), CHILD.slice(3, 6), CHILD.slice(6)].join(by),
      ),
      'LA-1',
    ]) {
      const page = await ofChild(ours, { child });
      expect(page.status).toBe(200);
      expect(wordsOf(page)).toContain('Nurse one');
      expect(wordsOf(page)).not.toContain('Nurse two');
      expect(page.text).not.toMatch(new RegExp(`(?:href|action)="[^"]*${writtenAs(CHILD).source}`));
    }
    // Another council's child is shown like a child whom nobody looked up.
    expect(wordsOf(await ofChild(ours, { child: OTHERS }))).toContain(LOOKS.noneOfChild);
    expect(wordsOf(await ofChild(ours, { child: testNumber(77) }))).toContain(LOOKS.noneOfChild);
    const missing = await ofChild(ours, { child: ' ' });
    expect([missing.status, wordsOf(missing).includes(LOOKS.childMissing)]).toEqual([400, true]);
  });

  test('can be searched by a local id of ten digits that could be an NHS number', async () => {
    const page = await ofChild(theirs, { child: LIKE_A_NUMBER });
    expect(wordsOf(page)).toContain('Nurse three');
    expect(wordsOf(page)).not.toContain('Nurse two');
  });

  test('can be downloaded with the columns of GET /notifications, in full or for one child', async () => {
    const all = await ofChild(ours, { child: '', as: 'csv' });
    expect(all.headers.get('content-disposition')).toBe('attachment; filename="looks-ZZ101.csv"');
    expect(all.headers.get('x-content-type-options')).toBe('nosniff');
    for (const nurse of ['Nurse one', 'Nurse two']) expect(all.text).toContain(nurse);
    expect(all.text).not.toMatch(/Silent Reader|Nurse three/);
    expect(all.text.match(/"notification"/g)).toHaveLength(1);
    const one = await ofChild(ours, { child: CHILD, as: 'csv' });
    expect(one.text).toContain('Nurse one');
    expect(one.text).not.toContain('Nurse two');
    const old = createVisitor(service.baseUrl, true);
    for (const [name, value] of ours.jar) old.jar.set(name, value);
    expect((await ofChild(old, { child: CHILD, as: 'csv' })).text).toBe(one.text);
  });

  test('can be downloaded with everything on the page, including looks repeated since they were notified', async () => {
    const shown = SHOWN_COLUMNS.flatMap(({ of }) => of);
    expect([...shown, ...FOR_SYSTEMS].toSorted()).toEqual(lookColumns.toSorted());
    const token = await service.token(claims({ sub: 'two', name: 'Nurse two' }));
    const answer = await service.answered({ nhsNumber: SHARED }, { token });
    const { accesses = [] } = lookupAnswerSchema.parse(await answer.json());
    const looks = accesses.find(({ own }) => own)?.count ?? 0;
    expect(looks).toBeGreaterThan(looksOfTwo);
    await until(
      async () => wordsOf(await ours.get('/council/looks')).includes(`${looks} times since`),
      'the repeat on the page',
    );
    for (const download of [
      await ofChild(ours, { child: '', as: 'csv' }),
      await ofChild(ours, { child: SHARED, as: 'csv' }),
    ]) {
      const rows: Record<string, string>[] = parse(download.text, { columns: true, bom: true });
      const ofNurse = rows.filter((row) => row['user_name'] === 'Nurse two');
      expect(ofNurse.map(({ count, again, remark }) => [count, again, remark])).toEqual([
        [`${looksOfTwo}`, '', ''],
        [`${looks}`, 'yes', NOTIFICATION.notYet],
      ]);
      expect(new Set(ofNurse.map(({ entry }) => entry)).size).toBe(1);
    }
    const one = await ofChild(ours, { child: CHILD, as: 'csv' });
    expect(one.text).not.toContain('Nurse two');
    expect(one.text).toContain('left-before-seen');
  });

  test.each(['x', '000000000001', "1' OR 1=1", '000000000001.0000&before=000000000002.0000'])(
    'an invalid place in the list is not found: %s',
    async (before) => {
      const page = await ours.get(`/council/looks?before=${before}`);
      expect(page.status).toBe(before.includes('&') ? 200 : 404);
    },
  );

  test('gives nothing in return for a form without its token', async () => {
    const page = await ours.post('/council/looks', { child: CHILD });
    expect([page.status, page.heading]).toEqual([403, DESK.untrusted]);
    const stolen = (await theirs.form('/council/looks')).token;
    expect((await ours.post('/council/looks', { child: CHILD, token: stolen })).status).toBe(403);
  });
});

test('a hundred thousand looks are shown page by page, each page as quickly as the first', async () => {
  const visitor = await visitorAs(service, { organisation: 'ZZ105', scopes: ['upload'] });
  const file = NotificationFile.open(join(service.dataDir, 'audit'));
  const at = Date.now();
  file.transaction(() => {
    for (let n = 1; n <= 1_000; n++) file.tell(manyLooks(n, at), n, []);
  });
  // The processor time of this thread does not grow on a busy machine.
  const readingBegan = process.threadCpuUsage();
  expect(file.newest('ZZ105', undefined, 1_000)).toHaveLength(1_000);
  const readingAll = process.threadCpuUsage(readingBegan).user;
  file.close();
  await until(async () => (await visitor.get('/council/looks')).status === 200);
  let path: string | undefined = '/council/looks';
  const seen: number[] = [];
  const began = process.threadCpuUsage();
  for (let pages = 0; path !== undefined && pages < 3; pages++) {
    const page = await visitor.get(path);
    seen.push(...[...page.text.matchAll(/Nurse ([0-9]+)/g)].map(([, n]) => Number(n)));
    path = /rel="next" href="([^"]+)"/.exec(page.text)?.[1];
  }
  const took = process.threadCpuUsage(began).user;
  expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => 100_000 - i));
  const deep = await visitor.get('/council/looks?before=000000000002.0000');
  expect(wordsOf(deep)).toContain('Nurse 100');
  // The three pages together take less than twice one reading of the file; reading all of it for each would take
  // longer.
  expect(took).toBeLessThan(2 * readingAll);
});

test('a look that was notified again is listed once, in its latest state, however far back somebody pages', async () => {
  const visitor = await visitorAs(service, { organisation: 'ZZ106', scopes: ['upload'] });
  const at = Date.now() - 40 * 3_600_000;
  const [first, second] = [
    manyLooks(1, at, 'ZZ106'),
    manyLooks(2, at + 25 * 3_600_000, 'ZZ106'),
  ] as const;
  const [once] = first.entries;
  const [late] = second.entries;
  if (once === undefined || late === undefined) throw new Error('there are no looks');
  second.entries.push({ ...once, again: true, count: 2, last: late.last });
  const file = NotificationFile.open(join(service.dataDir, 'audit'));
  file.transaction(() => [first, second].forEach((each, i) => file.tell(each, i + 1, [])));
  file.close();
  const newest = await visitor.get('/council/looks');
  expect(newest.text).toMatch(/2 times since[^]{0,500}Nurse 1</);
  const older = await visitor.get(/rel="next" href="([^"]+)"/.exec(newest.text)?.[1] ?? '');
  const nurses = [...older.text.matchAll(/Nurse ([0-9]+)/g)].map(([, n]) => Number(n));
  expect(nurses).toEqual(Array.from({ length: 99 }, (_, i) => 100 - i));
});

function manyLooks(n: number, at: number, code = 'ZZ105'): Notification {
  return {
    id: notificationIdSchema.parse(`${String(n).padStart(12, '0')}.0000`),
    uuid: randomUUID(),
    createdAt: new Date(at).toISOString(),
    authority: { code, name: `Council ${code}` },
    entries: Array.from({ length: 100 }, (_, i) => {
      const look = (n - 1) * 100 + i + 1;
      const time = new Date(at + look).toISOString();
      return {
        id: randomUUID(),
        again: false,
        nhsNumber: CHILD,
        plans: [
          {
            type: 'child-protection-plan',
            startDate: '2026-01-05',
            status: 'current',
            localId: 'LA-1',
            sequence: 1,
          },
        ],
        user: { id: `n${look}`, name: `Nurse ${look}` },
        role: { code: 'R8000', name: 'Clinical Practitioner' },
        organisation: { code: 'ZZH01', name: 'Hospital' },
        setting: 'emergency-department',
        count: 1,
        first: time,
        last: time,
        lastId: randomUUID(),
      };
    }),
    unreadableEvents: 0,
    checkpoint: '',
  };
}
