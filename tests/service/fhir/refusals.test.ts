import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type {
  CapabilityStatement,
  CodeSystem,
  OperationOutcome,
  SearchParameter,
} from '@medplum/fhirtypes';
import { Client } from 'fhir-kit-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { CHECK_THE_NUMBER, COULD_NOT_CHECK, NOT_FLAGGED } from '#schemas/wording/lookup.ts';
import { AUDIT_EVENT_SYSTEM, ERROR_CODE_SYSTEM } from '#service/fhir/vocabulary.ts';
import { keys } from '#store/keys.ts';
import { eventsOf } from '../../support/events-of.ts';
import { type Fhir, fhirOf, NHS_NUMBER } from '../../support/fhir.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, role, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';

const CHILD = testNumber(501);
const OTHER = testNumber(502);
const UNKNOWN = testNumber(996);
const UNKEPT = testNumber(503);
const PATIENT = `patient:identifier=${NHS_NUMBER}|${CHILD}`;

let service: TestService;
let fhir: Fhir;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      { code: 'ZZ101', rows: [{ nhsNumber: CHILD }] },
      { code: 'ZZ102', rows: [{ nhsNumber: UNKEPT }] },
    ],
  });
  fhir = fhirOf(service);
});
afterAll(() => service?.stopAndRemove());

const isErrorCode = (code: string | undefined): code is ErrorCode =>
  code !== undefined && Object.hasOwn(ERRORS, code);

/** The status and codes of a refusal, which must be valid FHIR with one issue and say what to do. */
async function refusal(response: Response): Promise<string> {
  const { issue } = await fhir.sound<OperationOutcome>(response);
  expect(issue).toHaveLength(1);
  const [{ severity, code, details, diagnostics } = {}] = issue;
  const [spine, own] = details?.coding ?? [];
  expect(spine?.system).toBe('https://fhir.nhs.uk/R4/CodeSystem/Spine-ErrorOrWarningCode');
  expect(own?.system).toBe(ERROR_CODE_SYSTEM);
  if (!isErrorCode(own?.code)) throw new Error('a refusal has a code of its own');
  expect(response.status).toBe(ERRORS[own.code].status);
  expect({ severity, code, text: details?.text }).toEqual({
    severity: 'error',
    code: ERRORS[own.code].fhir,
    text: COULD_NOT_CHECK,
  });
  expect(diagnostics).not.toBe('');
  return `${response.status} ${code} ${spine?.code} ${own.code}`;
}

const form = (body: string, headers: Record<string, string> = {}) =>
  fhir.send('/CareTeam/_search', { method: 'POST', headers }, body);

test('the refusals of parameters name every one that some search takes', () => {
  const words = ERRORS['search-parameter-unsupported'].detail.split(/[ ,.]+/);
  const taken = ['patient:identifier', 'patient', 'code', '_include', '_format', '_count'];
  expect(words).toEqual(expect.arrayContaining(taken));
  expect(ERRORS['search-number-required'].detail).toContain('Flag also takes patient=');
});

describe('a search is refused', () => {
  const SEARCH = 'INVALID_SEARCH_DATA';
  const unsupported = `400 not-supported ${SEARCH} search-parameter-unsupported`;
  const several = `400 not-supported ${SEARCH} search-several-values`;
  const system = `400 value ${SEARCH} search-number-system`;
  const count = `400 not-supported ${SEARCH} search-count-unsupported`;
  const required = '400 required MISSING_VALUE search-number-required';
  const include = `400 not-supported ${SEARCH} search-include-unsupported`;
  const code = `400 not-supported ${SEARCH} search-code-unsupported`;

  test.for<[string, string, string, string]>([
    ['without a parameter', 'CareTeam', '', required],
    ['with an empty value', 'CareTeam', 'patient:identifier=', required],
    ['with a system and no number', 'CareTeam', `patient:identifier=${NHS_NUMBER}|`, required],
    ['without a system', 'CareTeam', `patient:identifier=${CHILD}`, system],
    ['with an empty system', 'CareTeam', `patient:identifier=|${CHILD}`, system],
    ['with another system', 'CareTeam', `patient:identifier=https://x.example|${CHILD}`, system],
    [
      'with a bad check digit',
      'CareTeam',
      `patient:identifier=${NHS_NUMBER}|9990000019`,
      `400 value ${SEARCH} invalid-nhs-number`,
    ],
    ['with two numbers in one value', 'CareTeam', `${PATIENT},${NHS_NUMBER}|${OTHER}`, several],
    ['with the number twice', 'CareTeam', `${PATIENT}&${PATIENT}`, several],
    ['with another parameter twice', 'Flag', `${PATIENT}&_format=json&_format=json`, several],
    ['by a reference', 'CareTeam', `patient=Patient/${CHILD}`, unsupported],
    ['by another modifier', 'CareTeam', `patient:exact=${NHS_NUMBER}|${CHILD}`, unsupported],
    ['by subject', 'CareTeam', `subject:identifier=${NHS_NUMBER}|${CHILD}`, unsupported],
    ['with a status', 'CareTeam', `${PATIENT}&status=active`, unsupported],
    ['with a modifier on a control', 'CareTeam', `${PATIENT}&_count:exact=50`, unsupported],
    ['with a summary', 'CareTeam', `${PATIENT}&_summary=count`, unsupported],
    ['with an unusable include', 'CareTeam', `${PATIENT}&_include=CareTeam:subject`, unsupported],
    ['with an unusable code', 'CareTeam', `${PATIENT}&code=x`, unsupported],
    ['with a small page', 'CareTeam', `${PATIENT}&_count=49`, count],
    ['with no page', 'CareTeam', `${PATIENT}&_count=0`, count],
    ['with a page that is not a number', 'CareTeam', `${PATIENT}&_count=all`, count],
    ['with another include', 'AuditEvent', `${PATIENT}&_include=AuditEvent:entity`, include],
    ['with an iterated include', 'AuditEvent', `${PATIENT}&_include:iterate=*`, unsupported],
    ['with another code', 'Flag', `${PATIENT}&code=female-genital-mutilation-flag`, code],
    [
      'with a code from another system',
      'Flag',
      `${PATIENT}&code=http://x.example|child-protection-information-system-flag`,
      code,
    ],
    ['with the patient named twice', 'Flag', `${PATIENT}&patient=${CHILD}`, several],
    ['with a patient from another system', 'Flag', `patient=https://x.example|${CHILD}`, system],
    [
      'with an invalid patient',
      'Flag',
      `patient=Practitioner/${CHILD}`,
      `400 value ${SEARCH} invalid-nhs-number`,
    ],
    ['without a patient', 'PatientFlag', 'code=child-protection-information-system-flag', required],
    ['with another code', 'PatientFlag', `patient=${CHILD}&code=x`, code],
    [
      'with a patient and a bad check digit',
      'PatientFlag',
      'patient=9990000019',
      `400 value ${SEARCH} invalid-nhs-number`,
    ],
    ['by a number alone', 'AuditEvent', `patient=${CHILD}`, unsupported],
    ['with a modifier on the code', 'Flag', `${PATIENT}&code:not=x`, unsupported],
    [
      'in another format',
      'CareTeam',
      `${PATIENT}&_format=xml`,
      '406 not-supported PRECONDITION_FAILED format-unsupported',
    ],
  ])('%s', async ([, type, query, expected]) => {
    expect(await refusal(await fhir.send(`/${type}?${encodeURI(query)}`))).toBe(expected);
    const posted = await fhir.send(`/${type}/_search`, { method: 'POST' }, encodeURI(query));
    expect(await refusal(posted)).toBe(expected);
  });

  test('but never for a byte order mark or a line break around a form', async () => {
    for (const body of [`${PATIENT}\n`, `${PATIENT}\r\n`, `\ufeff${PATIENT}`]) {
      const response = await untilAnswered(() =>
        fhir.send('/CareTeam/_search', { method: 'POST' }, body),
      );
      expect(response.status).toBe(200);
    }
    const inside = await fhir.send('/CareTeam/_search', { method: 'POST' }, `${PATIENT}\n&x=1`);
    expect(inside.status).toBe(400);
  });

  test('for an unknown parameter, even if leniency is preferred', async () => {
    const headers = { prefer: 'handling=lenient' };
    const response = await fhir.send(`/CareTeam?${PATIENT}&name=x`, { headers });
    expect(await refusal(response)).toBe(unsupported);
  });

  test.for([
    'application/fhir+xml',
    'text/html',
    'application/fhir+json; fhirVersion=3.0',
    'application/fhir+json;q=0',
  ])('to Accept: %s', async (accept) => {
    const response = await fhir.send(`/CareTeam?${PATIENT}`, { headers: { accept } });
    expect(await refusal(response)).toBe(
      '406 not-supported PRECONDITION_FAILED format-unsupported',
    );
  });

  test.for<[string, () => Promise<Response>, string]>([
    [
      'as JSON',
      () => form('{}', { 'content-type': 'application/json' }),
      '415 not-supported PRECONDITION_FAILED search-form-required',
    ],
    [
      'compressed',
      () => form(PATIENT, { 'content-encoding': 'gzip' }),
      '415 not-supported PRECONDITION_FAILED search-form-required',
    ],
    [
      'with parameters in the address too',
      () => fhir.send(`/CareTeam/_search?${PATIENT}`, { method: 'POST' }, PATIENT),
      `400 not-supported ${SEARCH} search-parameters-in-url`,
    ],
    [
      'over 16 KiB',
      () => form('x'.repeat(16_385)),
      '413 too-long PRECONDITION_FAILED body-too-large',
    ],
  ])('sent %s', async ([, send, expected]) => {
    expect(await refusal(await send())).toBe(expected);
  });

  test('if its body does not arrive', async () => {
    const { hostname, port } = new URL(service.baseUrl);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.write(
      `POST /FHIR/R4/Flag/_search HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${await service.token()}\r\nX-Request-ID: ${randomUUID()}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 20\r\n\r\n`,
    );
    await until(() => received.includes('UNABLE_TO_CALL_SERVICE'), 'the outcome');
    socket.destroy();
    expect(received).toMatch(/^HTTP\/1.1 408 /);
  });

  test.for<[string, Record<string, string | undefined>, string]>([
    [
      'no request id',
      { 'x-request-id': undefined },
      '400 required PRECONDITION_FAILED request-id-required',
    ],
    ['a bad one', { 'x-request-id': '1' }, '400 value PRECONDITION_FAILED request-id-invalid'],
    [
      'a bad TraceID',
      { 'x-request-id': undefined, traceid: '1' },
      '400 value PRECONDITION_FAILED request-id-invalid',
    ],
    [
      'a bad correlation id',
      { 'x-correlation-id': '1' },
      '400 value PRECONDITION_FAILED correlation-id-invalid',
    ],
    ['no token', { authorization: undefined }, '401 login ACCESS_DENIED token-required'],
    [
      'a token that is malformed',
      { authorization: 'Bearer x' },
      '401 login ACCESS_DENIED token-malformed',
    ],
  ])('with %s', async ([, headers, expected]) => {
    const response = await fhir.send(`/CareTeam?${PATIENT}`, { headers });
    expect(await refusal(response)).toBe(expected);
    expect(response.headers.has('www-authenticate')).toBe(response.status === 401);
  });

  test('with an expired token, and says that it has expired', async () => {
    const token = await service.token(claims(), -60);
    expect(await refusal(await fhir.send(`/CareTeam?${PATIENT}`, { token }))).toBe(
      '401 expired ACCESS_DENIED token-expired',
    );
  });

  test('to people who may not look anybody up', async () => {
    const ask = async (of: Parameters<typeof claims>[0], headers = {}) => {
      const token = await service.token(claims(of));
      return refusal(await fhir.send(`/Flag?${PATIENT}`, { token, headers }));
    };
    expect(await ask({ activities: [] })).toBe('403 forbidden ACCESS_DENIED activity-required');
    expect(await ask({ roles: [role('a', ['B0107']), role('b', ['B0170'])] })).toBe(
      '403 forbidden ACCESS_DENIED role-choice-required',
    );
    expect(
      await ask({ activities: ['B0107', 'B0170'] }, { isunscheduledaccessevent: 'false' }),
    ).toBe('403 forbidden ACCESS_DENIED silent-read-not-allowed');
    const token = await service.token(claims({ activities: ['B0170'], organisation: 'ZZP01' }));
    expect(await refusal(await fhir.send(`/AuditEvent?${PATIENT}`, { token }))).toBe(
      '403 forbidden ACCESS_DENIED accesses-not-shown',
    );
  });

  test('while the store cannot be trusted, with when to try again', async () => {
    await service.admin.config('SET', 'appendfsync', 'everysec');
    try {
      let response = await fhir.search('CareTeam', CHILD);
      await until(async () => {
        response = await fhir.search('CareTeam', CHILD);
        return response.status === 503;
      }, 'a refusal');
      expect(response.headers.get('retry-after')).toBe('5');
      expect(await refusal(response)).toBe('503 transient UNABLE_TO_CALL_SERVICE could-not-check');
    } finally {
      await service.admin.config('SET', 'appendfsync', 'always');
      await until(async () => (await fetch(`${service.baseUrl}/_status`)).status === 200);
    }
  });
});

test('a plan from an unnamed authority is not shown, and the audit says so', async () => {
  const children = keys.children(partitionOf(UNKEPT));
  const held = (await service.admin.hget(children, UNKEPT)) ?? '';
  await service.admin.hset(children, UNKEPT, held.replace('ZZ102', 'ZZ199'));
  // On a busy machine a search may be refused for another reason, without such an event.
  await until(async () => {
    expect((await fhir.search('Flag', UNKEPT)).status).toBe(503);
    return (await service.events()).some(
      (event) => event.type === 'not-delivered' && event.nhsNumber === UNKEPT,
    );
  }, 'the not-delivered event');
  await service.admin.hset(children, UNKEPT, held);
  await fhir.found('Flag', UNKEPT);
});

test('an answer whose client has gone is followed by a not-delivered event with the same id', async () => {
  const { hostname, port } = new URL(service.baseUrl);
  const token = await service.token();
  const running = await readFile(join(service.dataDir, 'redis', 'running.json'), 'utf8');
  const { pid } = JSON.parse(running) as { pid: number };
  const ping = () => fetch(`${service.baseUrl}/_ping`);
  // On a busy machine readiness may be lost meanwhile. Then there is no lookup, and this tries again.
  await until(async () => {
    await until(async () => (await fhir.search('Flag', CHILD)).status === 200);
    const requestId = randomUUID();
    // Redis is paused, so the client is certain to have gone before there is an answer. A request sent before a ping is
    // being worked on by the time the ping is answered.
    process.kill(pid, 'SIGSTOP');
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(
      `GET /FHIR/R4/CareTeam?${PATIENT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nX-Request-ID: ${requestId}\r\n\r\n`,
    );
    for (let i = 0; i < 3; i++) await ping();
    socket.destroy();
    await ping();
    process.kill(pid, 'SIGCONT');
    await until(async () => (await fhir.search('Flag', CHILD)).status === 200);
    const events = await service.events();
    const lookup = events.find((event) => event.type === 'lookup' && event.requestId === requestId);
    return events.some(
      (event) => event.type === 'not-delivered' && event.auditId === lookup?.auditId,
    );
  });
});

test('a refusal is audited as a FHIR request, and an invalid number appears only as a hash', async () => {
  const ask = async (query: string) => {
    const requestId = randomUUID();
    await fhir.send(`/CareTeam?${query}`, { headers: { 'x-request-id': requestId } });
    const recorded = async () =>
      (await service.events()).find(
        (event) => event.type === 'refusal' && event.requestId === requestId,
      );
    await until(async () => (await recorded()) !== undefined, 'the refusal event');
    return recorded();
  };
  expect(await ask(`${PATIENT}&name=x`)).toMatchObject({
    api: 'fhir',
    code: 'search-parameter-unsupported',
    nhsNumber: CHILD,
  });
  const invalid = await ask(`patient:identifier=${NHS_NUMBER}|9990000019`);
  expect(invalid).toMatchObject({ api: 'fhir', code: 'invalid-nhs-number' });
  expect(invalid).toHaveProperty('nhsNumberHash');
  expect(JSON.stringify(invalid)).not.toContain('9990000019');
});

describe('other requests', () => {
  test.for<[string, string, string, string | null]>([
    ['HEAD', `/CareTeam?${PATIENT}`, '405', 'GET'],
    [
      'GET',
      '/CareTeam/_search',
      '405 not-supported UNSUPPORTED_SERVICE method-not-allowed',
      'POST',
    ],
    ['POST', '/CareTeam', '405 not-supported UNSUPPORTED_SERVICE method-not-allowed', 'GET'],
    ['DELETE', '/Flag', '405 not-supported UNSUPPORTED_SERVICE method-not-allowed', 'GET'],
    ['PUT', '/metadata', '405 not-supported UNSUPPORTED_SERVICE method-not-allowed', 'GET, HEAD'],
    ['GET', '/Patient', '404 not-found RESOURCE_NOT_FOUND not-found', null],
    ['GET', `/CareTeam/${randomUUID()}`, '404 not-found RESOURCE_NOT_FOUND not-found', null],
    ['GET', '', '404 not-found RESOURCE_NOT_FOUND not-found', null],
  ])('%s %s is refused and not recorded', async ([method, path, expected, allow]) => {
    const left = await eventsOf(
      service,
      (token, requestId) =>
        fhir.send(`/CareTeam?${PATIENT}&name=x`, { token, headers: { 'x-request-id': requestId } }),
      async () => {
        const headers = {
          authorization: `Bearer ${await service.token()}`,
          'x-request-id': randomUUID(),
        };
        const response = await fetch(`${service.baseUrl}/FHIR/R4${path}`, { method, headers });
        expect(response.headers.get('allow')).toBe(allow);
        const refused = method === 'HEAD' ? String(response.status) : await refusal(response);
        expect(refused).toBe(expected);
      },
    );
    expect(left).toEqual([]);
  });
});

describe('the FHIR metadata', () => {
  const get = (path: string, headers = {}) =>
    fhir.send(path, {
      headers: { authorization: undefined, 'x-request-id': undefined, ...headers },
    });

  test('is read without a token', async () => {
    const statement = await fhir.sound<CapabilityStatement>(await get('/metadata?_format=json'));
    const resources = statement.rest?.[0]?.resource ?? [];
    expect(resources.map(({ type, interaction }) => [type, interaction?.[0]?.code])).toEqual([
      ['CareTeam', 'search-type'],
      ['AuditEvent', 'search-type'],
      ['Flag', 'search-type'],
      ['SearchParameter', 'read'],
      ['CodeSystem', 'read'],
    ]);
    const code = resources
      .find(({ type }) => type === 'Flag')
      ?.searchParam?.find(({ name }) => name === 'code');
    const parameter = await fhir.sound<SearchParameter>(await get('/SearchParameter/flag-code'));
    expect(parameter).toMatchObject({ url: code?.definition, base: ['Flag'], code: 'code' });
    const codes = await fhir.sound<CodeSystem>(await get('/CodeSystem/error-code'));
    expect(codes.concept?.map((concept) => concept.code)).toEqual(Object.keys(ERRORS));
    const kinds = await fhir.sound<CodeSystem>(await get('/CodeSystem/audit-event'));
    expect(kinds.url).toBe(AUDIT_EVENT_SYSTEM);
    expect(kinds.concept?.map((concept) => concept.code)).toEqual(
      expect.arrayContaining(['lookup', 'refusal', 'dataset-created', 'unreadable']),
    );
  });

  test('gives local definitions the same name at every address', async () => {
    const { hostname, port } = new URL(service.baseUrl);
    const other = `http://${hostname === 'localhost' ? '127.0.0.1' : 'localhost'}:${port}`;
    for (const path of [
      'SearchParameter/flag-code',
      'CodeSystem/error-code',
      'CodeSystem/audit-event',
    ]) {
      const texts = await Promise.all(
        [service.baseUrl, other].map(async (base) =>
          (await fetch(`${base}/FHIR/R4/${path}`)).text(),
        ),
      );
      expect(texts[1]).toBe(texts[0]);
      expect(texts[0]).not.toContain(`:${port}`);
    }
  });

  test('is refused in another format', async () => {
    expect(await refusal(await get('/metadata', { accept: 'application/fhir+xml' }))).toBe(
      '406 not-supported PRECONDITION_FAILED format-unsupported',
    );
  });
});

describe("a stranger's FHIR client", () => {
  const client = async (token?: string) =>
    new Client({
      baseUrl: `${service.baseUrl}/FHIR/R4`,
      bearerToken: token ?? (await service.token()),
      customHeaders: { 'X-Request-ID': randomUUID() },
    });
  const searchParams = (number: string) => ({ 'patient:identifier': `${NHS_NUMBER}|${number}` });

  /** Searches, and again if the check could not be made, as the outcome says. The client throws any refusal. */
  async function found<T>(search: (by: Client) => Promise<T>): Promise<T | undefined> {
    const searched = async () =>
      search(await client()).then(
        (bundle) => ({ status: 200, bundle }),
        (error: unknown) => {
          const { response } = error as { response?: { status: number } };
          if (response?.status !== 503) throw error;
          return { status: 503, bundle: undefined };
        },
      );
    return (await untilAnswered(searched)).bundle;
  }

  test.for([true, false])('searches (by POST: %s)', async (postSearch) => {
    const bundle = await found((by) =>
      by.resourceSearch({
        resourceType: 'CareTeam',
        searchParams: searchParams(CHILD),
        options: { postSearch },
      }),
    );
    expect(bundle).toMatchObject({
      resourceType: 'Bundle',
      total: 1,
      entry: [{ resource: { name: 'Council ZZ101' } }, { search: { mode: 'outcome' } }],
    });
  });

  test('reads a negative, and what it does not mean', async () => {
    const bundle = await found((by) =>
      by.search({ resourceType: 'Flag', searchParams: searchParams(UNKNOWN) }),
    );
    expect(bundle).toMatchObject({
      total: 0,
      entry: [
        {
          resource: {
            issue: [
              { details: { text: NOT_FLAGGED } },
              { details: { text: CHECK_THE_NUMBER } },
              { details: {} },
            ],
          },
        },
      ],
    });
  });

  test('reads an error with its code and words', async () => {
    const search = (await client()).search({
      resourceType: 'CareTeam',
      searchParams: searchParams('9990000019'),
    });
    await expect(search).rejects.toMatchObject({
      response: {
        status: 400,
        data: {
          resourceType: 'OperationOutcome',
          issue: [{ code: 'value', details: { text: COULD_NOT_CHECK } }],
        },
      },
    });
  });

  test('reads what the service can do', async () => {
    expect(await (await client('')).capabilityStatement()).toMatchObject({ fhirVersion: '4.0.1' });
  });
});
