import { createHmac, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemSchema } from '#schemas/errors.ts';
import { COULD_NOT_CHECK } from '#schemas/wording/lookup.ts';
import { eventsOf } from '../../support/events-of.ts';
import { testNumber } from '../../support/rows.ts';
import {
  claims,
  startTestService,
  type TestService,
  testFolder,
  until,
} from '../../support/service.ts';

const CHILD = testNumber(201);
const ISSUER = 'https://identity.example';
const AUDIENCE = 'flags';

let service: TestService;
let keys: Awaited<ReturnType<typeof generateKeyPair>>;

beforeAll(async () => {
  const dataDir = await testFolder();
  keys = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'key-1' };
  await writeFile(join(dataDir, 'jwks.json'), JSON.stringify({ keys: [jwk] }));
  await writeFile(
    join(dataDir, 'issuers.json'),
    JSON.stringify([
      { issuer: ISSUER, audience: AUDIENCE, algorithms: ['RS256'], jwksFile: 'jwks.json' },
    ]),
  );
  service = await startTestService({
    dataDir,
    environment: { ISSUERS_FILE: join(dataDir, 'issuers.json') },
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
});
afterAll(() => service?.stopAndRemove());

/** The status and code of a refusal, which must be a problem with all its words and must not be cached. */
async function refusal(response: Response): Promise<string> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(response.headers.get('cache-control')).toBe('no-store');
  const problem = problemSchema.parse(await response.json());
  expect(problem).toMatchObject({
    status: response.status,
    type: `/problems/${problem.code}`,
    checked: false,
    advice: [COULD_NOT_CHECK],
  });
  return `${response.status} ${problem.code}`;
}

describe('a body', () => {
  test.for<[string, string | Uint8Array<ArrayBuffer>, string]>([
    ['that is not JSON', '{"nhsNumber":', '400 malformed-json'],
    ['that is empty', '', '400 malformed-json'],
    ['of two objects', `{"nhsNumber":"${CHILD}"}{}`, '400 malformed-json'],
    ['that is an array', `[{"nhsNumber":"${CHILD}"}]`, '400 malformed-json'],
    ['that is null', 'null', '400 malformed-json'],
    ['that is not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), '400 malformed-json'],
    [
      'with the number twice',
      `{"nhsNumber":"${testNumber(202)}","nhsNumber":"${CHILD}"}`,
      '400 malformed-json',
    ],
    [
      'with the number twice, once escaped',
      `{"nhsNumbe\\u0072":"${testNumber(202)}","nhsNumber":"${CHILD}"}`,
      '400 malformed-json',
    ],
    ['without a number', '{}', '400 invalid-request'],
    ['with a numeric number', `{"nhsNumber":${CHILD}}`, '400 invalid-request'],
    ['with an unknown field', `{"nhsNumber":"${CHILD}","name":"x"}`, '400 invalid-request'],
    ['with __proto__', `{"nhsNumber":"${CHILD}","__proto__":{}}`, '400 invalid-request'],
    [
      'with a day that does not exist',
      `{"nhsNumber":"${CHILD}","dateOfBirth":"2023-02-29"}`,
      '400 invalid-request',
    ],
    ['with an unknown reason', `{"nhsNumber":"${CHILD}","reason":"audit"}`, '400 invalid-request'],
    ['with a bad check digit', '{"nhsNumber":"9990000019"}', '400 invalid-nhs-number'],
    ['with a spaced number', '{"nhsNumber":"999 000 0018"}', '400 invalid-nhs-number'],
    ['with ten equal digits', '{"nhsNumber":"1111111111"}', '400 invalid-nhs-number'],
    ['over 16 KiB', JSON.stringify({ nhsNumber: 'x'.repeat(16_384) }), '413 body-too-large'],
  ])('%s is refused', async ([, body, expected]) => {
    const response = await service.lookup('', { body });
    expect(await refusal(response)).toBe(expected);
  });

  test('over 16 KiB is also refused in chunks, before all of it has been sent', async () => {
    const sent = { chunks: 0 };
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent.chunks++;
        controller.enqueue(new Uint8Array(1_024).fill(0x20));
        if (sent.chunks === 100_000) controller.close();
      },
    });
    const response = await service.lookup('', { body, duplex: 'half' });
    expect(await refusal(response)).toBe('413 body-too-large');
    expect(sent.chunks).toBeLessThan(100_000);
  });

  test.for([
    ['text/plain', undefined],
    ['application/json; charset=latin1', undefined],
    ['application/fhir+json', undefined],
    ['application/json', 'gzip'],
  ] as const)('of type %s with encoding %s is refused', async ([type, encoding]) => {
    const headers = {
      'content-type': type,
      ...(encoding !== undefined && { 'content-encoding': encoding }),
    };
    const response = await service.lookup({ nhsNumber: CHILD }, { headers });
    expect(await refusal(response)).toBe('415 unsupported-media-type');
  });

  test('may name its charset', async () => {
    const headers = { 'content-type': 'application/json; charset=UTF-8' };
    expect((await service.answered({ nhsNumber: CHILD }, { headers })).status).toBe(200);
  });
});

describe('ids', () => {
  const UUID = randomUUID();
  test.for([
    ['no request id', { 'x-request-id': '' }, '400 request-id-required'],
    ['an id that is not a UUID', { 'x-request-id': 'abc' }, '400 request-id-invalid'],
    ['two UUIDs', { 'x-request-id': `${UUID}, ${UUID}` }, '400 request-id-invalid'],
    ['a UUID with an extra digit', { 'x-request-id': `${UUID}0` }, '400 request-id-invalid'],
    ['a bad correlation id', { 'x-correlation-id': CHILD }, '400 correlation-id-invalid'],
  ] as const)('%s is refused', async ([, headers, expected]) => {
    const response = await service.lookup({ nhsNumber: CHILD }, { headers });
    expect(await refusal(response)).toBe(expected);
  });

  test('are returned in a refusal, but only if they are valid', async () => {
    const headers = { 'x-request-id': UUID, 'x-correlation-id': 'not-one' };
    const response = await service.lookup({ nhsNumber: CHILD }, { headers });
    expect(response.headers.get('x-request-id')).toBe(UUID);
    expect(response.headers.has('x-correlation-id')).toBe(false);
    expect(await response.json()).toHaveProperty('requestId', UUID);
  });
});

describe('a token', () => {
  const now = () => Math.floor(Date.now() / 1000);
  const base = () => ({ ...claims(), iss: ISSUER, aud: AUDIENCE, exp: now() + 600 });
  const header = { alg: 'RS256', kid: 'key-1' };
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sign = (
    payload: Record<string, unknown>,
    protectedHeader = header,
    key = keys.privateKey,
  ) => new SignJWT(payload).setProtectedHeader(protectedHeader).sign(key);

  test('from a configured issuer is accepted', async () => {
    const token = await sign(base());
    expect((await service.answered({ nhsNumber: CHILD }, { token })).status).toBe(200);
  });

  const cases: [string, () => string | Promise<string>, string][] = [
    ['that is none', () => 'hello', '401 token-malformed'],
    ['of three parts that are no JSON', () => 'a.b.c', '401 token-malformed'],
    ['that expired', () => sign({ ...base(), exp: now() - 60 }), '401 token-expired'],
    ['not yet in force', () => sign({ ...base(), nbf: now() + 60 }), '401 token-expired'],
    ['for another audience', () => sign({ ...base(), aud: 'other' }), '401 token-audience'],
    ['without an audience', () => sign({ ...base(), aud: undefined }), '401 token-audience'],
    ['of an unknown issuer', () => sign({ ...base(), iss: 'other' }), '401 token-untrusted'],
    ['of an unknown key', () => sign(base(), { ...header, kid: 'key-2' }), '401 token-untrusted'],
    ['without an expiry', () => sign({ ...base(), exp: undefined }), '401 token-claims'],
    ['without roles', () => sign({ ...base(), roles: [] }), '401 token-claims'],
    ['without a user', () => sign({ ...base(), sub: undefined }), '401 token-claims'],
    [
      'with a line break in the name',
      () => sign({ ...base(), name: 'Nora\nNurse' }),
      '401 token-claims',
    ],
    [
      'signed by another key',
      async () => sign(base(), header, (await generateKeyPair('RS256')).privateKey),
      '401 token-untrusted',
    ],
    [
      'whose claims were changed',
      async () => {
        const [head, , signature] = (await sign(base())).split('.');
        return `${head}.${encode({ ...base(), sub: 'somebody-else' })}.${signature}`;
      },
      '401 token-untrusted',
    ],
    ['of alg none', () => `${encode({ alg: 'none' })}.${encode(base())}.`, '401 token-unsigned'],
    [
      'of HS256 keyed with the public key',
      async () => {
        const text = `${encode({ ...header, alg: 'HS256' })}.${encode(base())}`;
        const secret = await exportSPKI(keys.publicKey);
        return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
      },
      '401 token-untrusted',
    ],
    [
      'of an algorithm not allowed to the issuer',
      async () => {
        const key = await importJWK(await exportJWK(keys.privateKey), 'PS256');
        return new SignJWT(base()).setProtectedHeader({ ...header, alg: 'PS256' }).sign(key);
      },
      '401 token-untrusted',
    ],
    [
      'that claims the demo issuer',
      () => sign({ ...base(), iss: 'cp-flags-demo', aud: 'cp-flags' }),
      '401 token-untrusted',
    ],
    ['of over 8 KiB', () => sign({ ...base(), more: 'x'.repeat(8_192) }), '401 token-malformed'],
    [
      'of over 16 KiB',
      () => sign({ ...base(), more: 'x'.repeat(16_384) }),
      '431 headers-too-large',
    ],
  ];
  test.for(cases)('%s is refused for its own reason', async ([, make, expected]) => {
    const response = await service.lookup({ nhsNumber: CHILD }, { token: await make() });
    expect(await refusal(response)).toBe(expected);
    expect(response.headers.get('www-authenticate')).toBe(
      response.status === 401 ? 'Bearer error="invalid_token"' : null,
    );
  });

  test.for([
    ['no header', undefined],
    ['another scheme', 'Basic abc'],
  ] as const)('is required: %s', async ([, authorization]) => {
    const response = await fetch(`${service.baseUrl}/lookup`, {
      method: 'POST',
      headers: {
        'x-request-id': randomUUID(),
        'content-type': 'application/json',
        ...(authorization !== undefined && { authorization }),
      },
      body: '{}',
    });
    expect(await refusal(response)).toBe('401 token-required');
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
  });

  test('that was verified does not outlive its expiry', async () => {
    let token = '';
    await until(async () => {
      // With the five seconds of tolerance, this one has one to two seconds left. On a busy machine they may be over.
      token = await sign({ ...base(), exp: now() - 3 });
      return (await service.lookup({ nhsNumber: CHILD }, { token })).status === 200;
    }, 'a token in its last second to be accepted');
    await until(async () => (await service.lookup({ nhsNumber: CHILD }, { token })).status === 401);
  });
});

describe('without a valid token', () => {
  test('the body is not waited for, and the connection is closed', async () => {
    const { hostname, port } = new URL(service.baseUrl);
    const socket = connect(Number(port), hostname);
    let received = '';
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    socket.write(
      `POST /lookup HTTP/1.1\r\nHost: x\r\nX-Request-ID: ${randomUUID()}\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n{`,
    );
    await until(() => received.includes('token-required'));
    await closed;
    expect(received).toMatch(/^HTTP\/1.1 401 /);
  });

  test('a client that asks first is not told to send its body', async () => {
    const { hostname, port } = new URL(service.baseUrl);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.write(
      `POST /lookup HTTP/1.1\r\nHost: x\r\nX-Request-ID: ${randomUUID()}\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n`,
    );
    await until(() => received.includes('token-required'));
    expect(received).not.toContain('100 Continue');
    socket.destroy();
  });

  test('nothing is audited, however often it happens', async () => {
    const left = await eventsOf(
      service,
      (token, requestId) =>
        service.lookup(
          { nhsNumber: '9990000019' },
          { token, headers: { 'x-request-id': requestId } },
        ),
      () =>
        Promise.all(
          Array.from({ length: 20 }, () => service.lookup({ nhsNumber: CHILD }, { token: 'x' })),
        ),
    );
    expect(left).toEqual([]);
  });
});

describe('with a valid token', () => {
  const refusals = async (requestId: string) =>
    (await service.events()).filter(
      (event) => event.type === 'refusal' && event.requestId === requestId,
    );

  test('a refusal is audited, and an invalid number appears only as a hash', async () => {
    const requestId = randomUUID();
    const headers = { 'x-request-id': requestId };
    await service.lookup({ nhsNumber: '9990000019' }, { headers });
    await until(async () => (await refusals(requestId)).length === 1, 'the refusal event');
    const [event] = await refusals(requestId);
    expect(event).toMatchObject({ code: 'invalid-nhs-number', partition: 'system' });
    expect(JSON.stringify(event)).not.toContain('9990000019');
    expect(event).toHaveProperty('nhsNumberHash', expect.stringMatching(/^[0-9a-f]{64}$/));
  });

  test('a refusal with a valid number is audited with that number', async () => {
    const requestId = randomUUID();
    const headers = { 'x-request-id': requestId };
    await service.lookup({ nhsNumber: CHILD, name: 'x' }, { headers });
    await until(async () => (await refusals(requestId)).length === 1, 'the refusal event');
    expect((await refusals(requestId))[0]).toMatchObject({
      code: 'invalid-request',
      nhsNumber: CHILD,
    });
  });
});

describe('any other request', () => {
  test.for([
    ['GET', '/lookup', '405 method-not-allowed'],
    ['PUT', '/lookup', '405 method-not-allowed'],
    ['POST', '/lookup/', '404 not-found'],
    ['POST', '/Lookup', '404 not-found'],
    ['POST', '/_status', '405 method-not-allowed'],
    ['GET', '/', '404 not-found'],
    ['GET', '/problems/nonsense', '404 not-found'],
  ] as const)('%s %s is refused', async ([method, path, expected]) => {
    const response = await fetch(service.baseUrl + path, { method });
    expect(await refusal(response)).toBe(expected);
    const methods = path === '/lookup' ? 'POST' : 'GET, HEAD, OPTIONS';
    expect(response.headers.get('allow')).toBe(response.status === 405 ? methods : null);
  });

  test.for([
    ['anything but HTTP', 'hello\r\n\r\n', '400 malformed-request'],
    ['an invalid host', 'POST /lookup HTTP/1.1\r\nHost: a b\r\n\r\n', '400 malformed-request'],
    [
      'two lengths',
      'POST /lookup HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      '400 malformed-request',
    ],
    [
      'length and chunks',
      'POST /lookup HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      '400 malformed-request',
    ],
  ] as const)('%s is refused in the same form', async ([, text, expected]) => {
    const { hostname, port } = new URL(service.baseUrl);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    socket.write(text);
    await until(() => received.includes('\r\n\r\n') && received.endsWith('}'), 'a whole answer');
    socket.destroy();
    const [head = '', body = ''] = received.split('\r\n\r\n');
    const [start = '', ...lines] = head.split('\r\n');
    const headers = lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]);
    const status = Number(start.split(' ')[1]);
    expect(await refusal(new Response(body, { status, headers }))).toBe(expected);
  });

  test('a problem is explained at the address in its type', async () => {
    const response = await fetch(`${service.baseUrl}/problems/invalid-nhs-number`);
    expect(await response.json()).toMatchObject({ code: 'invalid-nhs-number', status: 400 });
  });
});
