import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemSchema } from '#schemas/errors.ts';
import { type Acknowledgement, acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import type { InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { openBody } from '#service/uploads/body.ts';
import { writeNotice } from '#service/uploads/notices.ts';
import { allEvents } from '../../support/audit-events.ts';
import { authorityClient, officer } from '../../support/authority.ts';
import { day, testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { startStopwatch } from '../../support/stopwatch.ts';
import { untilAnswered } from '../../support/until.ts';
import { ods } from '../../support/upload-loading.ts';
import { fileCsv, fileXml, person, planOf, upload } from '../../support/upload-model.ts';

let service: TestService;
let request: ReturnType<typeof authorityClient>;
/** Every test uses its own sequence numbers, so that none depends on another. */
let sequence = 0;

beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ101' }, { code: 'ZZ102', rows: [{ nhsNumber: testNumber(9000) }] }],
    environment: { MAX_UPLOAD_MIB: '1' },
  });
  const once = authorityClient(service);
  // What could not be done at the moment is asked for again: the same file gets the same answer.
  request = (path, sent) =>
    sent?.body instanceof ReadableStream ? once(path, sent) : untilAnswered(() => once(path, sent));
});
afterAll(() => service?.stopAndRemove());

const officerCode = ods('ZZ101');
const next = (): number => (sequence += 10);

type Sent = Parameters<ReturnType<typeof authorityClient>>[1];
const sendXml = (body: NonNullable<RequestInit['body']>, sent: Sent = {}): Promise<Response> =>
  request('/uploads', {
    method: 'POST',
    body,
    ...sent,
    headers: { 'content-type': 'application/xml', ...sent.headers },
  });
const sendCsv = (
  body: NonNullable<RequestInit['body']>,
  query = '',
  sent: Sent = {},
): Promise<Response> =>
  request(`/uploads${query}`, {
    method: 'POST',
    body,
    ...sent,
    headers: { 'content-type': 'text/csv', ...sent.headers },
  });
const xml = (number: number, authority = 'ZZ101'): string =>
  fileXml(upload({ authority, sequence: number, records: [planOf(5000 + number)] }));

async function acknowledged(response: Response): Promise<Acknowledgement> {
  expect(response.status).toBe(200);
  return acknowledgementSchema.parse(await response.json());
}
async function refused(response: Response): Promise<string> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = problemSchema.parse(await response.json());
  expect(problem.status).toBe(response.status);
  // No clinician is waiting for this answer.
  expect(problem).not.toHaveProperty('checked');
  return `${response.status} ${problem.code}`;
}
const systemEvents = () => allEvents(service.dataDir, service.store, ['system']);
/** What is on record of the upload with this request id. */
const loadsOf = async (requestId: string) =>
  (await systemEvents()).filter((each) => each.type === 'load' && each.by.endsWith(requestId));

test('one urgent row sent at five in the afternoon is in the next lookup', async () => {
  const number = next();
  const urgent = fileCsv({ records: [planOf(5000 + number, { startDate: day('2026-11-23') })] });
  const query = `?sequence=${number}&createdAt=${new Date().toISOString()}&rowCount=1`;
  const read = startStopwatch();
  expect((await acknowledged(await sendCsv(urgent, query))).code).toBe('CPF02');
  const { nhsNumber } = person(5000 + number);
  const looked = await service.answered({ nhsNumber });
  expect(await looked.json()).toMatchObject({
    outcome: 'flagged',
    flags: [{ startDate: '2026-11-23', authority: { code: 'ZZ101' } }],
  });
  // The promise is "in seconds". This would notice a hang or a cache.
  expect(read()).toBeLessThan(15_000);
});

describe('POST /uploads', () => {
  test('loads Spine XML, answers with its acknowledgement, and records who sent it', async () => {
    const number = next();
    const requestId = randomUUID();
    const response = await sendXml(xml(number), { headers: { 'x-request-id': requestId } });
    expect(response.headers.get('x-request-id')).toBe(requestId);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await acknowledged(response)).toMatchObject({
      code: 'CPF02',
      sequence: number,
      authority: { code: 'ZZ101' },
      counts: { accepted: 1, refused: 0 },
    });
    expect(await loadsOf(requestId)).toMatchObject([
      {
        authority: 'ZZ101',
        // By which the audit finds everything that a user did.
        caller: { user: 'officer-1', organisation: { code: 'ZZ101' } },
        by: `Nora Nurse (officer-1, by test-client), POST /uploads, request ${requestId}`,
      },
    ]);
  });

  test('a sender whose name and ids are as long as they may be loads files, and is on record with the ids', async () => {
    const number = next();
    const requestId = randomUUID();
    const [sub, client] = ['u'.repeat(40), 'c'.repeat(40)];
    const token = await service.token(
      officer('ZZ101', { sub, client_id: client, name: 'N'.repeat(120) }),
    );
    const headers = { 'x-request-id': requestId };
    expect((await acknowledged(await sendXml(xml(number), { headers, token }))).code).toBe('CPF02');
    const [load] = await loadsOf(requestId);
    expect(load?.type === 'load' && load.by).toMatch(
      new RegExp(`^N{10,}.*\\(${sub}, by ${client}\\), POST /uploads, request ${requestId}$`),
    );
  });

  test('tells an HTTP sender how to give what is missing', async () => {
    const { failures } = await acknowledged(await sendCsv(fileCsv({ records: [planOf(1)] })));
    expect(failures.map(({ hint }) => hint).join()).toMatch(/\?sequence=.*\?createdAt=/);
    expect(failures.map(({ hint }) => hint).join()).not.toMatch(/--|NAME|Subject/);
  });

  test.for([
    ['application/xml', 'FileResponse'],
    ['text/csv;q=0.9, application/json;q=0.1', 'file_code'],
    ['text/plain', 'CPF02 Successful'],
    ['image/png', '"code": "CPF02"'],
  ] as const)('answers in the format that Accept: %s asks for', async ([accept, contains]) => {
    const response = await sendXml(xml(next()), { headers: { accept } });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain(contains);
  });

  test('also takes what a CSV does not say from headers', async () => {
    const number = next();
    const headers = {
      'x-upload-sequence': String(number),
      'x-upload-created-at': '202611232130',
      'x-upload-row-count': '1',
    };
    const csv = fileCsv({ records: [planOf(5000 + number)] });
    expect(await acknowledged(await sendCsv(csv, '', { headers }))).toMatchObject({
      code: 'CPF02',
      sequence: number,
      counts: { declared: 1 },
    });
  });

  test('accepts gzip, and answers a repeated file however it was compressed', async () => {
    const text = xml(next());
    const headers = { 'content-encoding': 'gzip' };
    const first = await acknowledged(await sendXml(gzipSync(text), { headers }));
    expect(first.code).toBe('CPF02');
    const again = await sendXml(gzipSync(text, { level: 1 }), { headers });
    const repeated = { ...first, repeated: true };
    expect(await acknowledged(again)).toEqual(repeated);
    expect(await acknowledged(await sendXml(text))).toEqual(repeated);
  });

  test('answers another authority’s file with CPF01, changes nothing and records who tried', async () => {
    const number = next();
    const before = (await service.store.tally()).get('ZZ102')?.digest;
    const requestId = randomUUID();
    const response = await sendXml(xml(number, 'ZZ102'), {
      headers: { 'x-request-id': requestId },
    });
    const acknowledgement = await acknowledged(response);
    expect(acknowledgement).toMatchObject({ code: 'CPF01', counts: { accepted: 0 } });
    expect((await service.store.tally()).get('ZZ102')?.digest).toBe(before);
    const { nhsNumber } = person(5000 + number);
    expect((await service.answered({ nhsNumber })).status).toBe(200);
    expect(await loadsOf(requestId)).toMatchObject([
      {
        code: 'CPF01',
        by: `Nora Nurse (officer-1, by test-client), POST /uploads, request ${requestId}`,
      },
    ]);
  });

  test('never takes the authority from the address or a header', async () => {
    const csv = fileCsv({ records: [planOf(1)] });
    const response = await sendCsv(csv, '?sequence=1&authority=ZZ102');
    expect(await refused(response)).toBe('400 upload-description-invalid');
  });

  test('adds no authority if it is unknown', async () => {
    const response = await sendXml(xml(next(), 'ZZ150'), { as: 'ZZ150' });
    expect(await acknowledged(response)).toMatchObject({ code: 'CPF04' });
    const known = await service.store.authorities();
    expect(known.map(({ code }) => String(code))).toEqual(['ZZ101', 'ZZ102']);
  });

  test.for<[string, string, Sent]>([
    ['a nurse', '403 authority-token-required', {}],
    ['nobody', '401 token-required', { headers: { authorization: '' } }],
    [
      'somebody without a request id',
      '400 request-id-required',
      { headers: { 'x-request-id': '' } },
    ],
  ])('by %s is refused before the body is read', async ([who, expected, sent]) => {
    const token = who === 'a nurse' ? { token: await service.token(claims()) } : {};
    expect(await refused(await sendXml(xml(1), { ...sent, ...token }))).toBe(expected);
  });

  test('by an authority that may not upload is audited', async () => {
    const requestId = randomUUID();
    const token = await service.token(officer('ZZ101', { scope: '' }));
    await sendXml(xml(1), { token, headers: { 'x-request-id': requestId } });
    const event = async () =>
      (await systemEvents()).find((one) => one.type === 'refusal' && one.requestId === requestId);
    await until(async () => (await event()) !== undefined);
    expect(await event()).toMatchObject({ code: 'authority-token-required' });
  });

  test.for<[string, string, Record<string, string>, string]>([
    ['of another type', '', { 'content-type': 'application/json' }, '415 upload-media-type'],
    ['without a type', '', { 'content-type': '' }, '415 upload-media-type'],
    ['in another encoding', '', { 'content-encoding': 'br' }, '415 upload-media-type'],
    ['with an invalid sequence', '?sequence=-1', {}, '400 upload-description-invalid'],
    ['with a sequence twice', '?sequence=1&sequence=2', {}, '400 upload-description-invalid'],
    [
      'with an NHS number in the address',
      '?nhsNumber=9990000018',
      {},
      '400 upload-description-invalid',
    ],
    [
      'with a sequence in the address and a header',
      '?sequence=1',
      { 'x-upload-sequence': '1' },
      '400 upload-description-invalid',
    ],
  ])('%s is refused', async ([, query, headers, expected]) => {
    const csv = fileCsv({ records: [planOf(1)] });
    expect(await refused(await sendCsv(csv, query, { headers }))).toBe(expected);
  });

  test.for<[string, Buffer]>([
    ['that is not gzip', Buffer.from(xml(1))],
    ['that is cut short', gzipSync(xml(1)).subarray(0, 300)],
    ['and followed by something else', Buffer.concat([gzipSync(xml(1)), Buffer.from('and more')])],
  ])('sent as gzip %s is refused and nothing is changed', async ([, body]) => {
    const headers = { 'content-encoding': 'gzip' };
    const response = await sendXml(new Uint8Array(body), { headers });
    expect(await refused(response)).toBe('400 upload-encoding-invalid');
    expect(await service.store.fileOf(officerCode, 1)).toMatchObject({ sha256: '0'.repeat(64) });
  });

  test('that is too large is refused by its length, or by its size once unpacked', async () => {
    const large = ' '.repeat(2_000_000);
    expect(await refused(await sendXml(large))).toBe('413 upload-too-large');
    const packed = await sendXml(gzipSync(large), { headers: { 'content-encoding': 'gzip' } });
    expect(await acknowledged(packed)).toMatchObject({ code: 'CPF01' });
  });

  test('is told to wait while another of the same authority is read, and another authority is not', async () => {
    const mine = next();
    const theirs = next();
    let release = (): void => undefined;
    const text = xml(mine);
    let asked = false;
    const slow = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from(text.slice(0, 100)));
        release = () => {
          controller.enqueue(Buffer.from(text.slice(100)));
          controller.close();
        };
      },
      pull: () => void (asked = true),
    });
    const first = sendXml(slow, { duplex: 'half' });
    await until(() => asked);
    await until(() => readdirSync(join(service.dataDir, 'spool')).length > 0);
    expect(await refused(await sendXml(xml(mine + 1)))).toBe('409 upload-under-way');
    const other = await sendXml(xml(theirs, 'ZZ102'), { as: 'ZZ102' });
    expect((await acknowledged(other)).code).toBe('CPF02');
    release();
    expect((await acknowledged(await first)).code).toBe('CPF02');
    expect((await acknowledged(await sendXml(xml(mine + 1)))).code).toBe('CPF02');
  });

  test('is told to wait while another way in loads a file of the same authority', async () => {
    const mine = next();
    const lock = await service.store.lockAuthority(officerCode);
    expect(await refused(await sendXml(xml(mine)))).toBe('409 upload-under-way');
    await lock?.release();
    expect((await acknowledged(await sendXml(xml(mine)))).code).toBe('CPF02');
  });

  test('broken off by its client changes nothing, and the next is accepted', async () => {
    const number = next();
    const aborter = new AbortController();
    const token = await service.token(officer('ZZ101'));
    const outgoing = httpRequest(`${service.baseUrl}/uploads`, {
      method: 'POST',
      signal: aborter.signal,
      headers: {
        authorization: `Bearer ${token}`,
        'x-request-id': randomUUID(),
        'content-type': 'application/xml',
        'content-length': '5000',
      },
    });
    outgoing.on('error', () => undefined);
    outgoing.write(xml(number).slice(0, 500));
    await until(() => readdirSync(join(service.dataDir, 'spool')).length > 0);
    aborter.abort();
    await until(() => readdirSync(join(service.dataDir, 'spool')).length === 0);
    expect(await service.store.fileOf(officerCode, number)).toBeUndefined();
    expect((await acknowledged(await sendXml(xml(number)))).code).toBe('CPF02');
  });

  test('is read as it arrives, not held in memory', async () => {
    const number = next();
    const [head = '', row = ''] = fileCsv({ records: [planOf(1)] }).split('\n');
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent === 0) controller.enqueue(Buffer.from(`${head}\n`));
        else controller.enqueue(Buffer.from(`${row.padEnd(4000, ' ')}\n`));
        sent += 1;
        if (sent > 2000) controller.error(new Error('the end was never asked for'));
      },
    });
    const response = await sendCsv(body, `?sequence=${number}&createdAt=202611232130`, {
      duplex: 'half',
    });
    // Eight megabytes are offered, and the limit is one.
    expect((await acknowledged(response)).code).toBe('CPF01');
    expect(sent).toBeLessThan(2000);
  });
});

test('the worker, which may load files, answers authorities and no lookups', async () => {
  const worker = await startTestService({
    authorities: [{ code: 'ZZ101' }],
    environment: { ROLE: 'worker', USER_LIMIT: '5' },
  });
  try {
    const sent = { method: 'POST', body: xml(7), headers: { 'content-type': 'application/xml' } };
    const response = await untilAnswered(() => authorityClient(worker)('/uploads', sent));
    expect((await acknowledged(response)).code).toBe('CPF02');
    expect((await worker.lookup({ nhsNumber: testNumber(1) })).status).toBe(404);
    // The limits apply here too.
    let last = response;
    await until(async () => {
      last = await authorityClient(worker)('/uploads/7');
      return last.status === 429;
    }, 'the limit to be reached');
    expect(await refused(last)).toBe('429 too-many-requests');
    expect(last.headers.get('retry-after')).not.toBeNull();
  } finally {
    await worker.stopAndRemove();
  }
});

describe('a body', () => {
  async function cut(
    write: (socket: ReturnType<typeof connect>) => void,
    limits: { idleMs: number; deadlineMs: number },
  ): Promise<string> {
    const server = createServer((incoming, outgoing) => {
      const body = openBody(incoming, outgoing, false, limits);
      body.stream
        .on('data', () => undefined)
        .on('error', () => outgoing.end(body.problem()))
        .on('end', () => outgoing.end('whole'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    // The server may close the connection while more is being written.
    socket.on('error', () => undefined);
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n123');
    write(socket);
    try {
      await until(() => /upload-cut-short|whole/.test(received));
      return received;
    } finally {
      socket.destroy();
      server.close();
    }
  }

  test('that goes silent is abandoned', async () => {
    const limits = { idleMs: 30, deadlineMs: 60_000 };
    expect(await cut(() => undefined, limits)).toContain('upload-cut-short');
  });

  test('that trickles in for ever is abandoned', async () => {
    const limits = { idleMs: 60_000, deadlineMs: 500 };
    let trickle: NodeJS.Timeout | undefined;
    const answer = await cut((socket) => {
      trickle = setInterval(() => socket.write('x'), 5);
    }, limits);
    clearInterval(trickle);
    expect(answer).toContain('upload-cut-short');
  });

  test('that arrives in time is read to its end', async () => {
    const limits = { idleMs: 60_000, deadlineMs: 60_000 };
    expect(await cut((socket) => socket.write('x'.repeat(99_997)), limits)).toContain('whole');
  });
});

describe('GET /uploads/{sequence}/notice', () => {
  const notice: InactiveNumbersNotice = {
    id: randomUUID(),
    createdAt: '2026-11-24T03:00:00Z',
    authority: { code: 'ZZ101' },
    sequence: 7,
    numbers: [{ nhsNumber: testNumber(1), localId: 'L-1', replacedBy: testNumber(2) }],
    omitted: 0,
  };
  beforeAll(() => writeNotice(join(service.dataDir, 'notices'), notice));

  test('gives an authority the numbers in its own file that are no longer in use', async () => {
    const response = await request('/uploads/7/notice');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(notice);
    const xml = await request('/uploads/7/notice', { headers: { accept: 'text/xml' } });
    expect(await xml.text()).toContain(`<newVersion><id extension="${testNumber(2)}"/>`);
    const csv = await request('/uploads/7/notice', { headers: { accept: 'text/csv' } });
    expect(await csv.text()).toContain('999 000 0018');
  });

  test('shows another authority, or a nurse, no more than if there were no notice', async () => {
    const theirs = await request('/uploads/7/notice', { as: 'ZZ102' });
    expect(await refused(theirs)).toBe('404 notice-not-found');
    expect(await refused(await request('/uploads/8/notice'))).toBe('404 notice-not-found');
    // A proxy might read this address in another way, so it reaches no route.
    expect((await request('/uploads/..%2f7/notice')).status).toBe(400);
    const token = await service.token(claims());
    expect(await refused(await request('/uploads/7/notice', { token }))).toBe(
      '403 authority-token-required',
    );
  });
});

describe('GET /uploads/{sequence}', () => {
  test('gives an authority its own file’s acknowledgement again', async () => {
    const number = next();
    const first = await acknowledged(await sendXml(xml(number)));
    expect(await acknowledged(await request(`/uploads/${number}`))).toEqual(first);
    const csv = await request(`/uploads/${number}`, { headers: { accept: 'text/csv' } });
    expect(await csv.text()).toContain('file_code');
  });

  test('shows another authority no more than if there were no file', async () => {
    const number = next();
    await acknowledged(await sendXml(xml(number)));
    const theirs = await request(`/uploads/${number}`, { as: 'ZZ102' });
    expect(await refused(theirs)).toBe('404 acknowledgement-not-found');
    const nobodys = await request('/uploads/999999');
    expect(await refused(nobodys)).toBe('404 acknowledgement-not-found');
    expect(await refused(await request('/uploads/many'))).toBe('404 acknowledgement-not-found');
  });

  test('is not open to a nurse, and accepts no other method', async () => {
    const token = await service.token(claims());
    expect(await refused(await request('/uploads/1', { token }))).toBe(
      '403 authority-token-required',
    );
    const response = await request('/uploads/1', { method: 'DELETE' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
    expect((await request('/uploads')).status).toBe(405);
  });
});
