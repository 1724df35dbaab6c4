import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lookupEventSchema } from '#schemas/audit/audit-event.ts';
import { addDays, londonDate } from '#schemas/calendar.ts';
import { problemSchema } from '#schemas/errors.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import {
  CHECK_THE_NUMBER,
  COULD_NOT_CHECK,
  DATE_OF_BIRTH_DIFFERS,
  NOT_FLAGGED,
} from '#schemas/wording/lookup.ts';
import { day, testNumber } from '../../support/rows.ts';
import { claims, role, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAskedOnce } from '../../support/until.ts';

const CHILD = testNumber(101);
const WITHDRAWN = testNumber(102);
const SEVERAL = testNumber(103);
const MOTHER = testNumber(104);
const SILENTLY_READ = testNumber(105);
const SEEN_BY_TWO = Array.from({ length: 5 }, (_, i) => testNumber(110 + i));
const SEEN_ONCE = Array.from({ length: 5 }, (_, i) => testNumber(120 + i));
const UNKNOWN = testNumber(999);
const TODAY = londonDate(Date.now());
/** An ended plan is shown for a year. */
const OVER = addDays(TODAY, -60);

let service: TestService;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      {
        code: 'ZZ101',
        name: 'Eastborough Council',
        officeHoursPhone: '02079460100',
        rows: [
          { nhsNumber: CHILD },
          { nhsNumber: WITHDRAWN, deleteDate: day('2026-01-06') },
          { nhsNumber: SEVERAL, startDate: day('2025-02-01'), endDate: OVER },
          { nhsNumber: SEVERAL, type: 'looked-after-child', startDate: day('2024-06-01') },
          { nhsNumber: SEVERAL, type: 'looked-after-child', startDate: day('2026-06-01') },
          { nhsNumber: SILENTLY_READ },
          ...[...SEEN_BY_TWO, ...SEEN_ONCE].map((nhsNumber) => ({ nhsNumber })),
        ],
      },
      {
        code: 'ZZ102',
        rows: [
          {
            nhsNumber: MOTHER,
            type: 'unborn-child-protection-plan',
            dateOfBirth: day('1999-01-01'),
            endDate: addDays(TODAY, -5),
          },
        ],
      },
    ],
  });
});
afterAll(() => service?.stopAndRemove());

async function answer(response: Response) {
  expect(response.status).toBe(200);
  return lookupAnswerSchema.strict().parse(await response.json());
}

describe('an answer', () => {
  test('names the plan, whom to ring by day and night, and who looked', async () => {
    const requestId = randomUUID();
    const correlationId = randomUUID();
    const headers = { 'x-request-id': requestId, 'x-correlation-id': correlationId };
    const response = await untilAskedOnce(SEEN_ONCE, (nhsNumber) =>
      service.answered({ nhsNumber }, { headers }),
    );
    const found = await answer(response);

    expect(found).toMatchObject({
      outcome: 'flagged',
      current: true,
      flags: [
        {
          type: 'child-protection-plan',
          status: 'current',
          startDate: '2026-01-05',
          dateOfBirth: 'not-checked',
          authority: {
            code: 'ZZ101',
            name: 'Eastborough Council',
            officeHoursPhone: '02079460100',
            emergencyDutyTeamPhone: '02079460199',
            upToDate: true,
          },
        },
      ],
      accesses: [
        {
          at: found.checkedAt,
          count: 1,
          name: 'Nora Nurse',
          role: 'Clinical Practitioner',
          organisation: { code: 'ZZH01', name: 'Organisation ZZH01' },
          own: true,
        },
      ],
      coverage: { expected: 2, upToDate: 2, complete: true, notUpToDate: [] },
    });
    expect(response.headers.get('x-request-id')).toBe(requestId);
    expect(response.headers.get('x-correlation-id')).toBe(correlationId);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('for a number with no plan is a negative that says what it does not mean', async () => {
    const found = await answer(await service.answered({ nhsNumber: UNKNOWN }));
    expect(found).toMatchObject({ outcome: 'not-flagged', current: false, flags: [] });
    expect(found.advice).toEqual([
      NOT_FLAGGED,
      CHECK_THE_NUMBER,
      'This is a sample of 2 councils that are made up. It says nothing about a real child.',
    ]);
    expect(found.accesses).toEqual([]);
  });

  test('is the same for a body with a byte order mark', async () => {
    const response = await service.answered(`\ufeff${JSON.stringify({ nhsNumber: UNKNOWN })}`);
    expect(await answer(response)).toMatchObject({ checked: true, outcome: 'not-flagged' });
    expect((await service.lookup(`{\ufeff"nhsNumber":"${UNKNOWN}"}`)).status).toBe(400);
  });

  test('for a baby sends the clinician to the mother’s number as well', async () => {
    const dateOfBirth = addDays(TODAY, -30);
    const found = await answer(await service.answered({ nhsNumber: UNKNOWN, dateOfBirth }));
    expect(found.advice).toHaveLength(4);
    expect(found.advice.at(-1)).toContain('mother’s NHS number');
  });

  test('never shows a withdrawn plan', async () => {
    const found = await answer(await service.answered({ nhsNumber: WITHDRAWN }));
    expect(found.outcome).toBe('not-flagged');
  });

  test('shows plans in force first, then the newest', async () => {
    const found = await answer(await service.answered({ nhsNumber: SEVERAL }));
    expect(found.flags.map(({ status, startDate }) => [status, startDate])).toEqual([
      ['current', '2026-06-01'],
      ['current', '2024-06-01'],
      ['ended', '2025-02-01'],
    ]);
    expect(found.flags[2]).toHaveProperty('endDate', OVER);
  });

  test('for an unborn child whose due date has passed counts the plan as in force, and gives that date', async () => {
    const found = await answer(await service.answered({ nhsNumber: MOTHER }));
    expect(found.current).toBe(true);
    expect(found.flags[0]).toMatchObject({ status: 'due-date-passed' });
    expect(found.flags[0]?.dueOrEndDate).toBeDefined();
    expect(found.flags[0]).not.toHaveProperty('endDate');
  });

  test('says whether the date of birth agrees, hides nothing and never reveals the date held', async () => {
    const same = await answer(
      await service.answered({ nhsNumber: CHILD, dateOfBirth: '2019-03-05' }),
    );
    expect(same.flags[0]?.dateOfBirth).toBe('match');
    const response = await service.answered({ nhsNumber: CHILD, dateOfBirth: '2018-03-05' });
    expect(await response.clone().text()).not.toContain('2019-03-05');
    const other = await answer(response);
    expect(other.flags[0]?.dateOfBirth).toBe('mismatch');
    expect(other.advice).toContain(DATE_OF_BIRTH_DIFFERS);
  });
});

describe('accesses', () => {
  test('of two users are both listed, latest first, each once a day with the number of looks', async () => {
    const nurse = await service.token();
    const doctor = await service.token(claims({ sub: 'doctor-2', name: 'Dan Doctor' }));
    const found = await untilAskedOnce(SEEN_BY_TWO, async (nhsNumber) => {
      await service.answered({ nhsNumber }, { token: nurse });
      await service.answered({ nhsNumber }, { token: doctor });
      return answer(await service.answered({ nhsNumber }, { token: nurse }));
    });
    expect(found.accesses?.map(({ name, own, count }) => [name, own, count])).toEqual([
      ['Nora Nurse', true, 2],
      ['Dan Doctor', false, 1],
    ]);
    expect(found.accesses?.[0]?.at).toBe(found.checkedAt);
  });

  test('are not shown to a silent read, which adds none', async () => {
    const gp = await service.token(
      claims({ sub: 'gp-3', activities: ['B0170'], organisation: 'ZZP01' }),
    );
    const silent = await answer(
      await service.answered({ nhsNumber: SILENTLY_READ }, { token: gp }),
    );
    expect(silent.outcome).toBe('flagged');
    expect(silent).not.toHaveProperty('accesses');
    const silentNegative = await answer(
      await service.answered({ nhsNumber: UNKNOWN }, { token: gp }),
    );
    expect(silentNegative).not.toHaveProperty('accesses');
    const loud = await answer(await service.answered({ nhsNumber: SILENTLY_READ }));
    expect(loud.accesses?.map(({ name }) => name)).toEqual(['Nora Nurse']);
  });
});

describe('the audit', () => {
  test('reads back whichever version of UUID a request had', async () => {
    const requestId = '11111111-2222-0333-c444-555555555555';
    const response = await service.answered(
      { nhsNumber: testNumber(990) },
      { headers: { 'x-request-id': requestId } },
    );
    expect(response.status).toBe(200);
    expect(await service.events()).toContainEqual(expect.objectContaining({ requestId }));
  });

  test('has an event for every answer, with who asked, in which role, and what was shown', async () => {
    const requestId = randomUUID();
    const found = await answer(
      await service.answered(
        { nhsNumber: CHILD, reason: 'attendance' },
        { headers: { 'x-request-id': requestId } },
      ),
    );
    const event = (await service.events()).find(({ auditId }) => auditId === found.auditId);
    expect(lookupEventSchema.strict().safeParse(event).error?.issues[0]).toMatchObject({
      // Only what the store adds goes beyond what the service writes.
      keys: ['partition', 'number', 'at', 'outcome', 'shown', 'sources', 'accessesShown'],
    });
    expect(event).toMatchObject({
      type: 'lookup',
      requestId,
      api: 'plain',
      setting: 'emergency-department',
      access: 'unscheduled',
      decidedBy: 'activity',
      nhsNumber: CHILD,
      reason: 'attendance',
      outcome: 'flagged',
      at: Date.parse(found.checkedAt),
      coverage: { expected: 2, upToDate: 2 },
      caller: { user: 'nurse-1', client: 'test-client', organisation: { code: 'ZZH01' } },
    });
  });

  test('describes a scheduled setting only as scheduled', async () => {
    const gp = await service.token(claims({ activities: ['B0170'], organisation: 'ZZP01' }));
    const found = await answer(await service.answered({ nhsNumber: UNKNOWN }, { token: gp }));
    const event = (await service.events()).find(({ auditId }) => auditId === found.auditId);
    expect(event).toMatchObject({ setting: 'scheduled', access: 'silent-read' });
  });

  test('says with which configuration a process started', async () => {
    const startsIn = (events: Awaited<ReturnType<typeof service.events>>) =>
      events.filter((event) => event.type === 'configuration-start');
    await until(async () => startsIn(await service.events()).length > 0, 'the start');
    const events = await service.events();
    const starts = startsIn(events);
    const lookups = events.filter((event) => event.type === 'lookup');
    expect(starts).toHaveLength(1);
    expect(new Set(lookups.map(({ versions }) => versions.configuration))).toEqual(
      new Set(starts.map((start) => 'detail' in start && start.detail['configuration'])),
    );
  });
});

describe('the role and access under which a lookup counts', () => {
  const ask = async (token: string, headers: Record<string, string> = {}) => {
    const response = await service.answered({ nhsNumber: UNKNOWN }, { token, headers });
    const body: unknown = await response.json();
    if (response.status !== 200) return problemSchema.parse(body).code;
    const { auditId } = lookupAnswerSchema.parse(body);
    const event = (await service.events()).find((candidate) => candidate.auditId === auditId);
    if (event?.type !== 'lookup') throw new Error('the lookup has no event');
    return `${event.access} by ${event.decidedBy} as ${event.caller.organisation.code}`;
  };
  const both = ['B0107', 'B0170'];

  test.for<[string, string[], string, string | undefined, string]>([
    ['B0107 alone', ['B0107'], 'ZZH01', undefined, 'unscheduled by activity as ZZH01'],
    ['B0107 alone, header false', ['B0107'], 'ZZP01', 'false', 'unscheduled by activity as ZZP01'],
    ['B0170 alone', ['B0170'], 'ZZP01', undefined, 'silent-read by activity as ZZP01'],
    ['B0170 alone, header true', ['B0170'], 'ZZP01', 'true', 'silent-read by activity as ZZP01'],
    ['both, no header', both, 'ZZP01', undefined, 'unscheduled by default as ZZP01'],
    ['both, header true', both, 'ZZP01', 'true', 'unscheduled by header as ZZP01'],
    ['both, false, scheduled', both, 'ZZP01', 'false', 'silent-read by header as ZZP01'],
    ['both, false, unscheduled', both, 'ZZH01', 'false', 'silent-read-not-allowed'],
    ['both, false, unregistered', both, 'ZZQ99', 'false', 'silent-read-not-allowed'],
    ['neither', ['B0999'], 'ZZH01', undefined, 'activity-required'],
    ['header that is not a boolean', both, 'ZZH01', 'yes', 'access-header-invalid'],
  ])('%s', async ([, activities, organisation, header, expected]) => {
    const token = await service.token(claims({ activities, organisation }));
    const headers = header === undefined ? {} : { isunscheduledaccessevent: header };
    expect(await ask(token, headers)).toBe(expected);
  });

  test('with several roles the named one is used, and none is guessed', async () => {
    const token = await service.token(
      claims({ roles: [role('first', ['B0107']), role('second', ['B0170'], 'ZZP01')] }),
    );
    expect(await ask(token)).toBe('role-choice-required');
    expect(await ask(token, { 'nhsd-session-urid': 'third' })).toBe('role-not-held');
    expect(await ask(token, { 'nhsd-session-urid': 'second' })).toBe(
      'silent-read by activity as ZZP01',
    );
  });
});

test('every answer but a 200 says in words and in data that nothing was checked', async () => {
  const response = await service.lookup({ nhsNumber: '9990000019' });
  expect(problemSchema.parse(await response.json())).toMatchObject({
    checked: false,
    advice: [COULD_NOT_CHECK],
  });
});
