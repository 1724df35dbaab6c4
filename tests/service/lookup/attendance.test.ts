import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attendanceAnswerSchema } from '#schemas/attendance.ts';
import { notificationsPageSchema } from '#schemas/notification.ts';
import { ATTENDANCE } from '#schemas/wording/pages.ts';
import { readAttendance } from '#service/pages/look-up/attendance.ts';
import { officer } from '../../support/authority.ts';
import { longWindowMinutes } from '../../support/notification.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered, untilAskedOnce } from '../../support/until.ts';
import { hiddenOf, signedIn, wordsOf } from '../../support/visitor.ts';

const [HELD, OTHER, NOT_HELD, PAGE, REPEATED] = [
  testNumber(7_301),
  testNumber(7_302),
  testNumber(7_303),
  testNumber(7_304),
  testNumber(7_305),
];
let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    // The window is so long that only what is notified at once is notified during the test.
    environment: { NOTIFICATIONS_WINDOW_MINUTES: longWindowMinutes() },
    authorities: [
      {
        code: 'ZZ101',
        name: 'Northmoor Council',
        rows: [
          { nhsNumber: HELD },
          { nhsNumber: OTHER },
          { nhsNumber: PAGE },
          { nhsNumber: REPEATED },
        ],
      },
      { code: 'ZZ102', name: 'Eastham Council', rows: [{ nhsNumber: OTHER }] },
    ],
  });
});
afterAll(() => service?.stopAndRemove());

async function looked(nhsNumber: string, token?: string): Promise<string> {
  const answer = await service.answered({ nhsNumber }, token === undefined ? {} : { token });
  return ((await answer.json()) as { auditId: string }).auditId;
}

async function say(auditId: string, body: unknown, as?: string): Promise<Response> {
  const token = as ?? (await service.token());
  return untilAnswered(() =>
    fetch(`${service.baseUrl}/lookup/${auditId}/attendance`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-request-id': randomUUID(),
        authorization: `Bearer ${token}`,
      },
      body: JSON.stringify(body),
    }),
  );
}
const codeOf = async (response: Response): Promise<string> =>
  `${response.status} ${((await response.json()) as { code: string }).code}`;

async function told(authority: string) {
  const token = await service.token(officer(authority));
  const response = await untilAnswered(() =>
    fetch(`${service.baseUrl}/notifications`, {
      headers: { 'x-request-id': randomUUID(), authorization: `Bearer ${token}` },
    }),
  );
  const page = notificationsPageSchema.safeParse(await response.json()).data;
  return (page?.notifications ?? []).flatMap(({ entries }) => entries);
}

test('a child who left before being seen is reported to the authority at once, with the access, in JSON and CSV', async () => {
  const auditId = await looked(HELD);
  const said = { nhsNumber: HELD, attended: 'left-before-seen', switchboard: '020 7946 0200' };
  const response = await say(auditId, said);
  expect(response.status).toBe(200);
  const answer = attendanceAnswerSchema.parse(await response.json());
  expect(answer.authorities).toEqual([{ code: 'ZZ101', name: 'Northmoor Council' }]);
  await until(async () => (await told('ZZ101')).length > 0, 'the authority to be told');
  expect(await told('ZZ101')).toMatchObject([
    {
      id: auditId,
      nhsNumber: HELD,
      attendance: { attended: 'left-before-seen', switchboard: '02079460200' },
    },
  ]);
  expect(await told('ZZ102')).toEqual([]);
  const csv = await fetch(`${service.baseUrl}/notifications`, {
    headers: {
      accept: 'text/csv',
      'x-request-id': randomUUID(),
      authorization: `Bearer ${await service.token(officer('ZZ101'))}`,
    },
  });
  const [head = '', line = ''] = (await csv.text()).split('\r\n');
  expect(head).toMatch(/,"attended","attended_at","ward","switchboard","barred"$/);
  expect(line).toMatch(/,"left-before-seen","[^,]+Z","","02079460200",""$/);

  // A correction is another event, and does not take back the access.
  expect((await say(auditId, { ...said, attended: 'admitted', ward: 'Ward 4' })).status).toBe(200);
  const events = (await service.events()).filter((event) => event.type === 'attendance');
  expect(events.map((event) => event.attended)).toEqual(['left-before-seen', 'admitted']);
  expect(events[0]).toMatchObject({
    api: 'plain',
    lookupId: auditId,
    shown: [{ authority: 'ZZ101' }],
  });
  expect('outcome' in (events[0] ?? {})).toBe(false);
});

test('any of the last five looks of a day can be named, and a made-up id cannot', async () => {
  const seen = { nhsNumber: REPEATED, attended: 'seen' };
  // A look that had to be made again may count twice, and is then followed by fewer others.
  const { token, at, later, oldest } = await untilAskedOnce(
    ['nurse-3', 'nurse-4', 'nurse-5'],
    async (sub) => {
      const own = await service.token(claims({ sub }));
      const statusOf = async (id: string) => (await say(id, seen, own)).status;
      const ids: string[] = [];
      const answers: [number, string][] = [];
      for (let i = 0; i < 6; i++) {
        const id = await looked(REPEATED, own);
        ids.push(id);
        answers.push([await statusOf(id), await codeOf(await say(randomUUID(), seen, own))]);
      }
      const statuses: number[] = [];
      for (const id of ids.slice(1)) statuses.push(await statusOf(id));
      const ofOldest = await codeOf(await say(ids[0] ?? '', seen, own));
      return { token: own, at: answers, later: statuses, oldest: ofOldest };
    },
  );
  expect(at).toEqual(Array.from({ length: 6 }, () => [200, '404 look-not-found']));
  expect(later).toEqual(Array(5).fill(200));
  expect(oldest).toBe('404 look-not-found');
  // The id of a look at another child, or of another user's look at this child.
  const other = await looked(OTHER, token);
  expect(await codeOf(await say(other, seen, token))).toBe('404 look-not-found');
  expect(await codeOf(await say(await looked(REPEATED), seen, token))).toBe('404 look-not-found');
});

describe('nothing is recorded for', () => {
  test.for<[string, () => Promise<Response>, string]>([
    [
      'somebody else’s look',
      async () =>
        say(
          await looked(OTHER),
          { nhsNumber: OTHER, attended: 'seen' },
          await service.token(claims({ sub: 'nurse-2' })),
        ),
      '404 look-not-found',
    ],
    [
      'a child about whom nothing was shown',
      async () => say(await looked(NOT_HELD), { nhsNumber: NOT_HELD, attended: 'seen' }),
      '404 look-not-found',
    ],
    [
      'a silent read',
      async () => {
        const silent = claims({ sub: 'gp-1', activities: ['B0170'], organisation: 'ZZP01' });
        const token = await service.token(silent);
        return say(await looked(OTHER, token), { nhsNumber: OTHER, attended: 'seen' }, token);
      },
      '404 look-not-found',
    ],
    [
      'a look that was never made',
      async () => say(randomUUID(), { nhsNumber: PAGE, attended: 'seen' }),
      '404 look-not-found',
    ],
    [
      'an unknown outcome',
      async () => say(randomUUID(), { nhsNumber: HELD, attended: 'fine' }),
      '400 invalid-attendance',
    ],
    [
      'a ward that is a sentence',
      async () =>
        say(randomUUID(), { nhsNumber: HELD, attended: 'seen', ward: 'He said: "help me"' }),
      '400 invalid-attendance',
    ],
    [
      'an extra member',
      async () => say(randomUUID(), { nhsNumber: HELD, attended: 'seen', note: 'x' }),
      '400 invalid-attendance',
    ],
    [
      'a look without an id',
      async () => say('x', { nhsNumber: HELD, attended: 'seen' }),
      '400 invalid-attendance',
    ],
  ])('%s', async ([, ask, code]) => {
    expect(await codeOf(await ask())).toBe(code);
  });
});

describe('the ward and its telephone number cannot carry a patient’s details:', () => {
  test.for<[string, Record<string, string>]>([
    ['an NHS number', { ward: 'Ward 999 000 0018' }],
    ['an NHS number alone', { ward: '9990000018' }],
    ['an NHS number with dots', { ward: '999.000.0018' }],
    ['an NHS number with letters between', { ward: '999 a 000 b 0018' }],
    ['an NHS number in other digits', { ward: '٩٩٩٠٠٠٠٠١٨' }],
    ['an invisible name', { ward: '\u{3164}' }],
    ['a date of birth', { ward: 'Ann 05-03-19' }],
    ['more than a name', { ward: 'Ann Example is in bed by the door' }],
    ['a comma', { ward: 'Ward 4, Ann' }],
    ['an NHS number as the telephone number', { switchboard: '999 000 0018' }],
  ])('%s is refused, by the API and by the page', async ([, where]) => {
    const said = { nhsNumber: HELD, attended: 'admitted', ...where };
    expect(await codeOf(await say(randomUUID(), said))).toBe('400 invalid-attendance');
    const read = readAttendance({ attended: 'admitted', ...where }, HELD);
    expect(read).toEqual({
      errors: [
        {
          field: Object.keys(where)[0],
          text: 'ward' in where ? ATTENDANCE.wardWrong : ATTENDANCE.switchboardWrong,
        },
      ],
    });
  });

  test.for([
    'Ward 4',
    'Níall Ó’Brien Ward',
    'St. Mary’s A&E',
    '4B-North 12',
    'Children’s Ward 1234',
  ])('%s is accepted', (ward) => {
    const read = readAttendance({ attended: 'admitted', ward }, HELD);
    expect(read).toMatchObject({ request: { ward } });
  });
});

test('on the page, an outcome can be recorded only for one’s own look, also after a mistake in its form', async () => {
  const nurse = await signedIn(service);
  const answer = await nurse.lookUp(PAGE);
  const form = hiddenOf(answer, '/look-up/attendance');
  expect(answer.text).not.toMatch(/name="attended"[^>]* checked/);
  expect(wordsOf(answer)).toContain('Ward name only. No patient details.');
  const nothing = await nurse.post('/look-up/attendance', form);
  expect([nothing.status, wordsOf(nothing).includes(ATTENDANCE.pick)]).toEqual([400, true]);
  const wrong = await nurse.post('/look-up/attendance', {
    ...form,
    attended: 'admitted',
    ward: '<b>"4"</b>',
    switchboard: 'ask me',
  });
  expect(wrong.status).toBe(400);
  expect(wrong.text).toContain('value="&lt;b&gt;&quot;4&quot;&lt;/b&gt;"');
  const done = await nurse.post('/look-up/attendance', {
    ...hiddenOf(wrong, '/look-up/attendance'),
    attended: 'admitted',
    ward: 'Ward 4',
  });
  expect([done.status, done.heading]).toEqual([200, ATTENDANCE.recorded]);
  expect(wordsOf(done)).toContain('Northmoor Council is told.');
  expect(wordsOf(done)).toContain(ATTENDANCE.what(ATTENDANCE.options.admitted));
  expect(wordsOf(done)).not.toContain(ATTENDANCE.wrongPatient);
  const mistaken = await nurse.post('/look-up/attendance', { ...form, attended: 'wrong-patient' });
  expect(wordsOf(mistaken)).toContain(ATTENDANCE.wrongPatient);

  // Two or three clicks make one event, and each gets an answer.
  const attendances = async (): Promise<number> =>
    (await service.events()).filter(({ type }) => type === 'attendance').length;
  const before = await attendances();
  const thrice = await Promise.all(
    [1, 2, 3].map(() => nurse.post('/look-up/attendance', { ...form, attended: 'transferred' })),
  );
  expect(thrice.map(({ heading }) => heading)).toEqual(Array(3).fill(ATTENDANCE.recorded));
  expect(await attendances()).toBe(before + 1);

  const other = await signedIn(service, 'ambulanceService');
  const stolen = await other.post('/look-up/attendance', { ...form, attended: 'seen' });
  expect(stolen.status).toBe(403);
  const foreign = {
    ...hiddenOf(await other.lookUp(HELD), '/look-up/attendance'),
    of: form['of'] ?? '',
  };
  expect((await other.post('/look-up/attendance', { ...foreign, attended: 'seen' })).status).toBe(
    403,
  );
});
