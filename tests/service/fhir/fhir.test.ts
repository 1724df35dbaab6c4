import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Bundle } from '@medplum/fhirtypes';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { longDateText } from '#schemas/calendar.ts';
import { readConfiguration } from '#schemas/configuration.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { CHECK_THE_NUMBER, DUE_DATE_PASSED, NOT_FLAGGED } from '#schemas/wording/lookup.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { startService } from '#service/main.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { type Fhir, fhirOf, NHS_NUMBER } from '../../support/fhir.ts';
import { day, testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, testFolder } from '../../support/service.ts';
import { untilAnswered, untilAskedOnce } from '../../support/until.ts';

const CHILD = testNumber(401);
const SEVERAL = testNumber(402);
const ENDED = testNumber(403);
const MOTHER = testNumber(404);
const OVERDUE = testNumber(405);
const SEEN = testNumber(406);
const SEEN_BY_BOTH = Array.from({ length: 5 }, (_, i) => testNumber(420 + i));
const SEEN_OFTEN = testNumber(408);
const UNKNOWN = testNumber(997);

const countOf = (event: { entity?: { detail?: { valueString?: string }[] }[] }) =>
  event.entity?.[0]?.detail?.[0]?.valueString;
const inDays = (days: number) =>
  day(new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10));
const DUE = inDays(20);
const PASSED = inDays(-5);
/** An ended plan is shown for a year. */
const OVER = inDays(-60);

let service: TestService;
let fhir: Fhir;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      {
        code: 'ZZ101',
        name: 'Eastborough Council',
        officeHoursPhone: '02079460100',
        rows: [
          { nhsNumber: CHILD },
          { nhsNumber: SEVERAL, startDate: day('2025-02-01'), endDate: OVER },
          { nhsNumber: SEVERAL, type: 'looked-after-child', startDate: day('2026-06-01') },
          { nhsNumber: ENDED, startDate: day('2025-02-01'), endDate: OVER },
          { nhsNumber: SEEN },
          ...SEEN_BY_BOTH.map((nhsNumber) => ({ nhsNumber })),
          { nhsNumber: SEEN_OFTEN },
        ],
      },
      {
        code: 'ZZ102',
        name: 'Westborough Council',
        rows: [
          { nhsNumber: SEVERAL, startDate: day('2026-03-01') },
          ...[[MOTHER, DUE] as const, [OVERDUE, PASSED] as const].map(([nhsNumber, endDate]) => ({
            nhsNumber,
            type: 'unborn-child-protection-plan' as const,
            dateOfBirth: day('1999-01-01'),
            endDate,
          })),
        ],
      },
    ],
  });
  fhir = fhirOf(service);
});
afterAll(() => service?.stopAndRemove());

const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const texts = (issues: readonly { details?: { text?: string } }[]) =>
  issues.map(({ details }) => details?.text);

describe('CareTeam', () => {
  test('names the plan, whom to ring by day and by night, and how old the data is', async () => {
    const { matches, issues } = await fhir.found('CareTeam', CHILD);
    const subject = { type: 'Patient', identifier: { system: NHS_NUMBER, value: CHILD } };
    expect(matches).toEqual([
      {
        resourceType: 'CareTeam',
        id: matching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        status: 'active',
        category: [
          {
            coding: [
              {
                system: 'http://snomed.info/sct',
                code: '342191000000101',
                display: 'Subject to child protection plan',
              },
            ],
          },
        ],
        name: 'Eastborough Council',
        subject,
        period: { start: '2026-01-05' },
        managingOrganization: [{ reference: '#la' }],
        telecom: [
          { system: 'phone', value: '02079460100', use: 'work', rank: 1 },
          { system: 'phone', value: '02079460199', use: 'mobile', rank: 2 },
        ],
        contained: [
          {
            resourceType: 'Organization',
            id: 'la',
            identifier: [
              { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'ZZ101' },
            ],
            name: 'Eastborough Council',
            contact: [
              {
                purpose: { text: 'Office hours' },
                telecom: [{ system: 'phone', value: '02079460100' }],
              },
              {
                purpose: { text: 'Emergency duty team (out of hours)' },
                telecom: [{ system: 'phone', value: '02079460199' }],
              },
            ],
          },
        ],
        note: [
          {
            text: matching(
              /^This child is on a child protection plan\. Ring .*02079460100.*02079460199\. Data of Eastborough Council as of [0-9:]{5} (GMT|BST) on /,
            ),
          },
        ],
      },
    ]);
    expect(issues).toMatchObject([{ severity: 'information', code: 'informational' }]);
    expect(texts(issues)[0]).toContain('emergency duty team (out of hours) 02079460199');
  });

  test('is given for each plan and authority, those in force first; one that has ended is inactive', async () => {
    const { matches } = await fhir.found('CareTeam', SEVERAL);
    expect(matches.map(({ name, status, period }) => [name, status, period])).toEqual([
      ['Eastborough Council', 'active', { start: '2026-06-01' }],
      ['Westborough Council', 'active', { start: '2026-03-01' }],
      ['Eastborough Council', 'inactive', { start: '2025-02-01', end: OVER }],
    ]);
    // If other plans are in force, the ended one does not say that there is none.
    expect(matches[2]?.note?.[0]?.text).toMatch(
      new RegExp(`^This plan ended on ${longDateText(OVER)}`),
    );
    expect(matches[1]?.telecom).toEqual([
      { system: 'phone', value: '02079460199', use: 'mobile', rank: 1 },
    ]);
  });

  test('ends on a due date in the future, and after a due date that has passed stays active without an end', async () => {
    const [before] = (await fhir.found('CareTeam', MOTHER)).matches;
    expect(before).toMatchObject({ status: 'active', period: { start: '2026-01-05', end: DUE } });
    expect(before?.note?.[0]?.text).toContain('The due date or end is');
    const { matches, issues } = await fhir.found('CareTeam', OVERDUE);
    expect(matches[0]?.status).toBe('active');
    expect(matches[0]?.period).toEqual({ start: '2026-01-05' });
    expect(matches[0]?.note?.[0]?.text).toContain(DUE_DATE_PASSED);
    expect(texts(issues)[0]).toContain(DUE_DATE_PASSED);
  });
});

describe('Flag', () => {
  test('is given once per child, and none of its references is broken', async () => {
    const { matches, included } = await fhir.found('Flag', SEVERAL);
    expect(matches).toMatchObject([
      {
        status: 'active',
        period: { start: '2026-03-01' },
        code: { coding: [{ code: 'child-protection-information-system-flag' }] },
      },
    ]);
    expect(matches[0]).not.toHaveProperty('extension');
    expect(included).toEqual([]);
  });

  test('is inactive once every plan has ended', async () => {
    const { matches, issues } = await fhir.found('Flag', ENDED);
    expect(matches[0]).toMatchObject({
      status: 'inactive',
      period: { start: '2025-02-01', end: OVER },
    });
    expect(texts(issues)[0]).toMatch(/^No current plan/);
  });

  test.for([
    ['Flag', (number: string) => number],
    ['PatientFlag', (number: string) => number],
    ['PatientFlag', (number: string) => `Patient/${number}`],
    ['PatientFlag', (number: string) => `${NHS_NUMBER}|${number}`],
  ] as const)('is found at %s by patient, with and without its code', async ([path, named]) => {
    const code = 'child-protection-information-system-flag';
    const [expected] = (await fhir.found('Flag', SEVERAL)).matches;
    const patient = named(SEVERAL);
    const query = new URLSearchParams({ patient, code }).toString();
    for (const response of [
      await untilAnswered(() => fhir.send(`/${path}?${query}`)),
      await untilAnswered(() => fhir.send(`/${path}/_search`, { method: 'POST' }, query)),
    ]) {
      expect(response.status).toBe(200);
      const bundle = await fhir.sound<Bundle>(response);
      expect(bundle.link?.[0]?.url).toBe(
        `${service.baseUrl}/FHIR/R4/${path}?${new URLSearchParams({ code }).toString()}`,
      );
      expect(bundle.entry?.[0]?.resource).toMatchObject({
        ...expected,
        extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/flag-detail' }, {}, {}],
      });
    }
    const bundle = await fhir.sound<Bundle>(
      await untilAnswered(() =>
        fhir.send(`/${path}?${new URLSearchParams({ patient }).toString()}`),
      ),
    );
    expect(bundle.entry?.[0]?.resource).toEqual(expected);
  });

  test.for([
    'child-protection-information-system-flag',
    'https://fhir.nhs.uk/England/CodeSystem/England-FlagCategoryPatient|child-protection-information-system-flag',
  ])('requested by code %s brings its plans and whom to ring', async (code) => {
    const { matches, included, bundle } = await fhir.found('Flag', SEVERAL, { code });
    expect(bundle.link?.[0]?.url).toBe(
      `${service.baseUrl}/FHIR/R4/Flag?${new URLSearchParams({ code }).toString()}`,
    );
    const plans = included.filter(({ resourceType }) => resourceType === 'CarePlan');
    expect(matches[0]?.extension).toEqual(
      plans.map(({ id }) => ({
        url: 'http://hl7.org/fhir/StructureDefinition/flag-detail',
        valueReference: { reference: `CarePlan/${id}` },
      })),
    );
    expect(plans).toMatchObject([
      { status: 'active', intent: 'plan', period: { start: '2026-06-01' } },
      { status: 'active', period: { start: '2026-03-01' } },
      { status: 'completed', period: { start: '2025-02-01', end: OVER } },
    ]);
    const teams = included.filter(({ resourceType }) => resourceType === 'CareTeam');
    // These are the same resources that a search for CareTeam finds.
    expect(teams).toEqual((await fhir.found('CareTeam', SEVERAL)).matches);
  });
});

describe('AuditEvent', () => {
  const ALIAS =
    'AuditEvent:entity-type=http://terminology.hl7.org/CodeSystem/v3-RoleClass|ASSIGNED';

  test.for(['AuditEvent:agent', ALIAS])('with _include=%s brings who looked', async (_include) => {
    const { matches, included } = await fhir.found('AuditEvent', CHILD, { _include });
    expect(matches).toHaveLength(1);
    expect(matches[0]).toMatchObject({
      action: 'R',
      outcome: '0',
      agent: [
        { who: { identifier: { value: CHILD } }, requestor: false },
        { who: { reference: `PractitionerRole/${included[0]?.id}` }, requestor: true },
      ],
    });
    expect(included).toMatchObject([
      {
        resourceType: 'PractitionerRole',
        practitioner: { display: 'Nora Nurse' },
        organization: {
          identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'ZZH01' },
          display: 'Organisation ZZH01',
        },
        code: [
          {
            coding: [
              {
                system: 'https://fhir.hl7.org.uk/STU3/CodeSystem/CareConnect-SDSJobRoleName-1',
                code: 'R8000',
                display: 'Clinical Practitioner',
              },
            ],
          },
        ],
      },
    ]);
  });

  test('without an _include names who looked and refers to nothing', async () => {
    const { matches, included } = await fhir.found('AuditEvent', CHILD);
    expect(included).toEqual([]);
    expect(matches[0]?.agent[1]?.who).toEqual({
      type: 'PractitionerRole',
      display: 'Nora Nurse, Clinical Practitioner, Organisation ZZH01',
    });
  });

  test('is given for each of the latest 25 looks, latest first', async () => {
    for (let user = 1; user <= 26; user++) {
      const token = await service.token(claims({ sub: `user-${user}`, name: `User ${user}` }));
      await fhir.found('Flag', SEEN_OFTEN, {}, { token });
    }
    const token = await service.token(claims({ sub: 'user-26', name: 'User 26' }));
    const { matches } = await fhir.found('AuditEvent', SEEN_OFTEN, {}, { token });
    const names = matches.map(({ agent }) => agent[1]?.who?.display?.split(',')[0]);
    expect(names).toEqual(Array.from({ length: 25 }, (_, i) => `User ${26 - i}`));
  });

  test('is refused to a silent read, which then does not count as a look', async () => {
    const token = await service.token(claims({ activities: ['B0170'], organisation: 'ZZP01' }));
    const requestId = randomUUID();
    const headers = { 'x-request-id': requestId };
    const response = await fhir.search('AuditEvent', CHILD, {}, { token, headers });
    expect(response.status).toBe(403);
    await expect
      .poll(async () =>
        (await service.events()).filter(
          (event) => 'requestId' in event && event.requestId === requestId,
        ),
      )
      .toMatchObject([
        { type: 'refusal', code: 'accesses-not-shown', api: 'fhir', nhsNumber: CHILD },
      ]);
  });
});

describe('a negative', () => {
  test.for(['CareTeam', 'Flag', 'AuditEvent'] as const)(
    'of %s is a total of 0 and an outcome that says what it does not mean',
    async (type) => {
      const { bundle, issues } = await fhir.found(type, UNKNOWN);
      expect(bundle.total).toBe(0);
      expect(bundle.entry).toHaveLength(1);
      expect(texts(issues).slice(0, 2)).toEqual([NOT_FLAGGED, CHECK_THE_NUMBER]);
      expect(texts(issues)[2]).toMatch(/^This is a sample of [0-9]+ councils? /);
      for (const { severity, code } of issues) {
        expect([severity, code]).toEqual(['information', 'informational']);
      }
    },
  );

  test('is a warning that names the missing authorities if data from any authority is out of date', async () => {
    const behind = await startTestService({
      authorities: [{ code: 'ZZ101' }, { code: 'ZZ102', name: 'Slow Council', hoursOld: 200 }],
    });
    try {
      const { issues } = await fhirOf(behind).found('CareTeam', UNKNOWN);
      for (const { severity, code } of issues) {
        expect([severity, code]).toEqual(['warning', 'incomplete']);
      }
      expect(texts(issues)).toContain(
        '1 of the 2 councils covered is not up to date: Slow Council.',
      );
    } finally {
      await behind.stopAndRemove();
    }
  });
});

describe('a search', () => {
  test('finds the same by GET and by POST', async () => {
    const posted = await fhir.found('CareTeam', CHILD);
    const got = await fhir.found('CareTeam', CHILD, {}, { method: 'GET' });
    expect(got.bundle.entry).toEqual(posted.bundle.entry);
  });

  test('repeats no number except for the subjects, and no address that contains one', async () => {
    const { bundle } = await fhir.found('CareTeam', CHILD, { _count: '50' }, { method: 'GET' });
    const { entry, ...rest } = bundle;
    expect(rest.link).toEqual([{ relation: 'self', url: `${service.baseUrl}/FHIR/R4/CareTeam` }]);
    expect(JSON.stringify(rest)).not.toContain(CHILD);
    const urls = entry?.flatMap(({ fullUrl, resource }) => [fullUrl, resource?.id]);
    expect(JSON.stringify(urls)).not.toContain(CHILD);
  });

  test('returns the ids of the request, and is dated', async () => {
    const ids = { 'x-request-id': randomUUID(), 'x-correlation-id': randomUUID() };
    const { response } = await fhir.found('CareTeam', CHILD, {}, { headers: ids });
    for (const [name, id] of Object.entries(ids)) expect(response.headers.get(name)).toBe(id);
    expect(Date.parse(response.headers.get('date') ?? '')).toBeGreaterThan(Date.now() - 60_000);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('uses X-Request-ID, or a TraceID if there is none', async () => {
    const [traceId, requestId] = [randomUUID(), randomUUID()];
    const traced = { traceid: traceId, 'x-request-id': undefined };
    const { response } = await fhir.found('CareTeam', CHILD, {}, { headers: traced });
    expect(response.headers.get('x-request-id')).toBe(traceId);
    const both = { traceid: traceId, 'x-request-id': requestId };
    const other = await fhir.found('CareTeam', CHILD, {}, { headers: both });
    expect(other.response.headers.get('x-request-id')).toBe(requestId);
  });

  test.for<[string, Record<string, string>, Record<string, string>]>([
    ['Accept: application/fhir+json', { accept: 'application/fhir+json' }, {}],
    ['Accept with a version', { accept: 'application/fhir+json; fhirVersion=4.0' }, {}],
    ['Accept: application/json', { accept: 'text/html, application/json;q=0.9' }, {}],
    ['Accept: */*', { accept: '*/*' }, {}],
    ['_format, whatever the Accept', { accept: 'text/html' }, { _format: 'json' }],
    ['_format by its name', {}, { _format: 'application/fhir+json' }],
    ['_format by its short name', {}, { _format: 'application/json' }],
  ])('is answered to %s', async ([, headers, more]) => {
    await fhir.found('CareTeam', CHILD, more, { headers });
  });

  test('is recorded like any other lookup, under the id of its Bundle', async () => {
    const { bundle } = await fhir.found('Flag', CHILD);
    const event = (await service.events()).find(({ auditId }) => auditId === bundle.id);
    expect(event).toMatchObject({
      type: 'lookup',
      api: 'fhir',
      access: 'unscheduled',
      setting: 'emergency-department',
      nhsNumber: CHILD,
      outcome: 'flagged',
      at: Date.parse(bundle.timestamp ?? ''),
    });
  });

  test('is recorded with what was searched for, and with accesses only if it shows them', async () => {
    const lookups = async (auditId: string | undefined) => {
      const event = (await service.events()).find((each) => each.auditId === auditId);
      if (event?.type !== 'lookup') throw new Error('no lookup was recorded');
      const { search, shown, accessesShown } = event;
      return { search, plans: shown?.length, accesses: accessesShown?.length };
    };
    for (const [type, accesses] of [
      ['CareTeam', 0],
      ['Flag', 0],
      ['AuditEvent', 1],
    ] as const) {
      const { bundle } = await fhir.found(type, CHILD);
      expect(await lookups(bundle.id)).toEqual({ search: type, plans: 1, accesses });
    }
    const plain = await service.answered({ nhsNumber: CHILD });
    const { auditId, accesses } = lookupAnswerSchema.parse(await plain.json());
    expect(accesses).toHaveLength(1);
    expect(await lookups(auditId)).toEqual({ search: undefined, plans: 1, accesses: 1 });
  });

  test('is listed for others once a day, together with plain lookups', async () => {
    const doctor = await service.token(claims({ sub: 'doctor-2', name: 'Dan Doctor' }));
    const { accesses, matches, again } = await untilAskedOnce(SEEN_BY_BOTH, async (child) => {
      await service.answered({ nhsNumber: child });
      await fhir.found('CareTeam', child);
      await fhir.found('Flag', child, {}, { token: doctor });
      await fhir.found('CareTeam', child, {}, { token: doctor });
      const plain = await service.answered({ nhsNumber: child });
      return {
        ...lookupAnswerSchema.parse(await plain.json()),
        matches: (await fhir.found('AuditEvent', child)).matches,
        again: (await fhir.found('AuditEvent', child)).matches,
      };
    });
    const seen = accesses?.map(({ name, count }) => [name, count]);
    expect(seen).toEqual([
      ['Nora Nurse', 3],
      ['Dan Doctor', 2],
    ]);
    expect(matches.map(countOf)).toEqual(['4', '2']);
    expect(matches[1]?.recorded).toBe(accesses?.[1]?.at);
    expect(again.map(countOf)).toEqual(['5', '2']);
    expect(again.map(({ id }) => id)).toEqual(matches.map(({ id }) => id));
    expect(Date.parse(again[0]?.recorded ?? '')).toBeGreaterThan(
      Date.parse(matches[0]?.recorded ?? ''),
    );
  });

  test('that is a silent read is not listed, and still shows plans', async () => {
    const both = claims({ sub: 'gp-9', activities: ['B0107', 'B0170'], organisation: 'ZZP01' });
    const token = await service.token(both);
    const headers = { isunscheduledaccessevent: 'false' };
    const { matches, bundle } = await fhir.found('CareTeam', SEEN, {}, { token, headers });
    expect(matches).toHaveLength(1);
    const event = (await service.events()).find(({ auditId }) => auditId === bundle.id);
    expect(event).toMatchObject({ access: 'silent-read', decidedBy: 'header' });
    const seen = await fhir.found('AuditEvent', SEEN);
    expect(seen.matches).toHaveLength(1);
  });

  test('gives the same ids from every process, and different ids for different children', async () => {
    const found = await findEmbeddedRedis(service.dataDir);
    const dataDir = await testFolder();
    const passwordFile = join(dataDir, 'password');
    await writeFile(passwordFile, found?.users.lookup.password ?? '');
    const second = await startService(
      readConfiguration({
        ROLE: 'lookup',
        PORT: '0',
        DATA_DIR: dataDir,
        REDIS_URL: `unix://cpf-lookup@socket${found?.socketPath}`,
        REDIS_PASSWORD_FILE: passwordFile,
        PUBLIC_URL: 'https://flags.example/',
      }),
      { log: createLog('silent') },
    );
    try {
      const issuer = await openDemoIssuer(dataDir);
      const there = fhirOf({
        ...service,
        ...second,
        token: () => issuer.sign(claims(), 600),
      });
      const here = await fhir.found('CareTeam', SEVERAL);
      const elsewhere = await there.found('CareTeam', SEVERAL);
      expect(elsewhere.matches).toEqual(here.matches);
      expect(elsewhere.bundle.entry?.[0]?.fullUrl).toBe(
        `https://flags.example/FHIR/R4/CareTeam/${here.matches[0]?.id}`,
      );
      const other = await fhir.found('CareTeam', CHILD);
      const ids = [...here.matches, ...other.matches].map(({ id }) => id);
      expect(new Set(ids).size).toBe(4);
    } finally {
      await second.stop();
    }
  });
});

test('no address or number from a search is logged', async () => {
  await fhir.search('CareTeam', CHILD, {}, { method: 'GET' });
  await fhir.search('CareTeam', CHILD, { name: 'x' }, { method: 'GET' });
  await fhir.search('CareTeam', CHILD, {}, { method: 'GET', token: 'x' });
  await fhir.send(`/Patient?identifier=${CHILD}`);
  expect(service.lines.filter((line) => line.includes('refused'))).not.toEqual([]);
  for (const line of service.lines) {
    expect(line).not.toContain(CHILD);
    expect(line).not.toMatch(/FHIR|patient/i);
  }
});

describe('links', () => {
  /** The Bundle's own address, as given to a client that calls this host. */
  async function selfLink(
    method: 'GET' | 'POST',
    host: string,
  ): Promise<{ status: number; link: string }> {
    const { hostname, port } = new URL(service.baseUrl);
    const parameters = `patient:identifier=${encodeURIComponent(`${NHS_NUMBER}|${CHILD}`)}`;
    const isGet = method === 'GET';
    const outgoing = request({
      host: hostname,
      port,
      method,
      path: `/FHIR/R4/CareTeam${isGet ? `?${parameters}` : '/_search'}`,
      headers: {
        host,
        authorization: `Bearer ${await service.token()}`,
        'x-request-id': randomUUID(),
        ...(!isGet && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
    });
    outgoing.end(isGet ? undefined : parameters);
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    const { statusCode: status = 0 } = incoming;
    const bundle = JSON.parse(await text(incoming)) as { link?: { url: string }[] };
    return { status, link: bundle.link?.[0]?.url.split('/FHIR/')[0] ?? '' };
  }

  test.each([
    'flags.example:8443',
    'flags.example',
    'Flags.EXAMPLE:80',
    '[::1]:8080',
    'a:99999',
    '[::::]',
  ])('of a search by POST begin like those of a GET, for host %s', async (host) => {
    const [posted, got] = [
      await untilAnswered(() => selfLink('POST', host)),
      await untilAnswered(() => selfLink('GET', host)),
    ];
    expect(posted).toEqual(got);
  });
});
