import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { assert, asyncProperty, boolean, nat, property, string } from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readControl, writeControl } from '#loaders/inbox/mesh-control.ts';
import { authorization, type MeshConnection, retryAfterMs } from '#service/mesh/exchange.ts';
import {
  type MeshClient,
  type MeshClientOptions,
  openMeshClient,
} from '#service/mesh/mesh-client.ts';
import { meshStatusIn } from '#service/mesh/mesh-status.ts';
import { currentContent } from '#service/notifications/outbox.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';
import { certify } from '../../support/certificates.ts';
import { type MeshServer, startMeshServer } from '../../support/mesh-server.ts';
import { DIRECTORY, NINE, notifiedLog, settle, WINDOW } from '../../support/notification.ts';
import { testNumber } from '../../support/rows.ts';
import { until, WAIT_MS } from '../../support/until.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MAX_BYTES = 100_000;

/** Deadlines so long that an answer on a slow machine is always in time. */
const PATIENT = {
  connectDeadlineMs: WAIT_MS,
  idleDeadlineMs: WAIT_MS,
  requestDeadlineMs: WAIT_MS,
  retryMs: 1,
};
/** For a server whose silence the test waits out. */
const HASTY = { ...PATIENT, idleDeadlineMs: 150, requestDeadlineMs: 600 };

let server: MeshServer;
let folder: string;
let now: number;
let said: string[];
let clients: MeshClient[];

beforeEach(async () => {
  server = await startMeshServer();
  folder = await mkdtemp(join(tmpdir(), 'cpf-mesh-'));
  for (const name of ['mesh', 'inbox', 'outbox', 'notifications']) await mkdir(join(folder, name));
  now = Date.now();
  said = [];
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});
afterAll(removeAuditFolders);

async function open(
  differing: Partial<MeshClientOptions> = {},
  connection: Partial<MeshConnection> = {},
): Promise<MeshClient> {
  const client = await openMeshClient({
    connection: async () => server.connection(connection),
    mailbox: 'X26CPF1',
    folder: join(folder, 'mesh'),
    inbox: join(folder, 'inbox'),
    outboxes: [
      { path: join(folder, 'outbox'), again: false },
      { path: join(folder, 'notifications'), again: true },
    ],
    maxBytes: MAX_BYTES,
    isOurs: ({ workflowId }) => workflowId === 'TEST_WORKFLOW',
    currentContent: () => undefined,
    pollMs: 5 * MINUTE,
    tell: (sentence, level) => void (level === 'info' || said.push(sentence)),
    deadlines: PATIENT,
    settleMs: MINUTE,
    trackMs: 5 * MINUTE,
    record: async () => undefined,
    clock: () => now,
    ...differing,
  });
  clients.push(client);
  return client;
}

/** Makes a step after this much time. */
async function step(client: MeshClient, laterMs = 0): Promise<void> {
  now += laterMs;
  await client.step();
}

const inInbox = (): string[] => readdirSync(join(folder, 'inbox')).toSorted();
const textOf = (id: string): string => readFileSync(join(folder, 'inbox', `${id}.dat`), 'utf8');
function controlOf(id: string) {
  const read = readControl(readFileSync(join(folder, 'inbox', `${id}.ctl`), 'utf8'));
  if (read.kind !== 'control') throw new Error(read.hint);
  return read.control;
}

async function putAnswer(
  name: string,
  text: string,
  { to = 'X26ABC1', from = 'X26CPF1', workflowId = 'TEST_WORKFLOW_ACK', into = 'outbox' } = {},
): Promise<void> {
  const control = { from, to, workflowId, subject: `About ${name}`, localId: '', partnerId: '' };
  await writeFile(join(folder, into, `${name}.dat`), text);
  await writeFile(join(folder, into, `${name}.ctl`), writeControl(control));
}

const callsOf = (method: string, path: RegExp): number =>
  server.calls.filter((call) => call.method === method && path.test(call.path)).length;
const POST_OUTBOX = /\/outbox$/;
const LIST = /\/inbox\?/;

describe('receiving', () => {
  test('a message is acknowledged to MESH only once the second copy has it, and is taken once', async () => {
    const message = server.put({ data: '<File/>' });
    let away = true;
    const client = await open({
      safeguard: async () => (away ? Promise.reject(new Error('the copy is away')) : undefined),
    });
    await step(client).catch(() => undefined);
    expect(message.status).not.toBe('acknowledged');
    expect(inInbox()).toHaveLength(2);
    away = false;
    await step(client, HOUR);
    expect(message.status).toBe('acknowledged');
    expect(inInbox()).toHaveLength(2);
  });

  test('a message is on disk and with the intake before it is acknowledged to MESH', async () => {
    const message = server.put({ data: '<File/>' });
    let there: string[] = [];
    server.fault(({ method }) => {
      if (method === 'PUT') there = inInbox();
      return undefined;
    });
    await step(await open());
    expect(there).toEqual([`${message.id}.ctl`, `${message.id}.dat`]);
    expect(textOf(message.id)).toBe('<File/>');
    expect(controlOf(message.id)).toMatchObject({
      messageType: 'data',
      from: 'X26ABC1',
      to: 'X26CPF1',
      workflowId: 'TEST_WORKFLOW',
      subject: 'upload.xml',
      localId: 'local-1',
      dtsId: message.id,
    });
    expect(message.status).toBe('acknowledged');
    expect(said).toEqual([]);
  });

  test('chunks are joined in order, whether each is compressed or not', async () => {
    const packed = server.put({ data: ['one ', 'two ', 'three'] });
    const plain = server.put({
      data: [Buffer.from('one '), Buffer.from('two')],
      headers: { 'content-encoding': '' },
    });
    const whole = gzipSync('packed once and cut');
    const cut = server.put({ data: [whole.subarray(0, 7), whole.subarray(7)] });
    await step(await open());
    expect(textOf(packed.id)).toBe('one two three');
    expect(textOf(plain.id)).toBe('one two');
    expect(textOf(cut.id)).toBe('packed once and cut');
  });

  test('a message that MESH delivers again goes to the intake once', async () => {
    const message = server.put();
    const client = await open();
    await step(client);
    for (const file of inInbox()) await rm(join(folder, 'inbox', file));
    message.status = 'accepted';
    await step(client, 5 * MINUTE + MINUTE);
    expect(message.status).toBe('acknowledged');
    expect(inInbox()).toEqual([]);
  });

  test('a message that is too large or cannot be unpacked goes unchanged to the intake, which refuses it', async () => {
    const damaged = server.put({ data: [Buffer.from('1f8b no gzip', 'latin1')] });
    const trailing = server.put({ data: [Buffer.concat([gzipSync('data'), Buffer.from('more')])] });
    const cut = server.put({ data: [gzipSync(randomBytes(500)).subarray(0, 300)] });
    const bomb = server.put({ data: [gzipSync(Buffer.alloc(50 * MAX_BYTES))] });
    const large = server.put({
      data: [randomBytes(MAX_BYTES), randomBytes(MAX_BYTES), randomBytes(MAX_BYTES)],
      headers: { 'content-encoding': '' },
    });
    await step(await open());
    for (const { id, chunks } of [damaged, trailing, cut, bomb]) {
      expect(readFileSync(join(folder, 'inbox', `${id}.dat`))).toEqual(chunks[0]);
    }
    const { length } = readFileSync(join(folder, 'inbox', `${large.id}.dat`));
    expect(length).toBeGreaterThan(MAX_BYTES);
    expect(length).toBeLessThan(2 * MAX_BYTES);
    expect(callsOf('GET', new RegExp(`${large.id}/3`))).toBe(0);
    expect([damaged, trailing, cut, bomb, large].map(({ status }) => status)).toEqual(
      Array(5).fill('acknowledged'),
    );
  });

  test('a message for another program stays in the mailbox, and is fetched only once', async () => {
    const other = server.put({ headers: { 'mex-workflowid': 'PATHOLOGY' } });
    const elsewhere = server.put({ headers: { 'mex-to': 'X26CPF9' } });
    const client = await open();
    await step(client);
    await step(client, HOUR);
    expect(inInbox()).toEqual([]);
    expect([other.status, elsewhere.status]).toEqual(['accepted', 'accepted']);
    expect(callsOf('GET', new RegExp(`${other.id}|${elsewhere.id}`))).toBe(2);
    expect(said).toEqual([
      expect.stringMatching(`Message ${other.id}: It belongs to a workflow`),
      expect.stringMatching(`Message ${elsewhere.id}: It is addressed to another mailbox`),
    ]);
  });

  test('a message left there is fetched once the settings say that it is for this service', async () => {
    const message = server.put({ data: '<File/>' });
    const before = await open({ isOurs: () => false });
    await step(before);
    expect(message.status).toBe('accepted');
    expect(before.file.counts()).toMatchObject({ left: 1 });
    before.close();
    clients = [];
    const after = await open();
    await step(after, 6 * MINUTE);
    expect(textOf(message.id)).toBe('<File/>');
    expect(after.file.counts()).toMatchObject({ left: 0 });
  });

  test.each(['the same process', 'another process'])(
    'an upload waits no longer once a clock that was ahead is corrected (%s)',
    async (who) => {
      let client = await open();
      await step(client, DAY);
      if (who === 'another process') {
        client.close();
        clients = [];
        now -= DAY;
        client = await open();
      } else now -= DAY;
      const message = server.put({ data: '<File/>' });
      await step(client);
      await step(client, 6 * MINUTE);
      expect(textOf(message.id)).toBe('<File/>');
    },
  );

  test('a message that failed while the clock was ahead is tried again once the clock is corrected', async () => {
    const client = await open();
    const message = server.put({ data: '<File/>' });
    server.fault(({ path }) =>
      path.endsWith(message.id) ? { kind: 'answer', status: 299 } : undefined,
    );
    await step(client, DAY);
    server.fault(undefined);
    now -= DAY;
    await step(client);
    expect(textOf(message.id)).toBe('<File/>');
  });

  test.each(['the same process', 'another process'])(
    'an answer waits no longer, and a silent client is reported, once a clock that was ahead is corrected (%s)',
    async (who) => {
      let client = await open();
      await putAnswer('A1', 'an answer');
      server.fault(({ method, path }) =>
        method === 'POST' && POST_OUTBOX.test(path) ? { kind: 'cut-before' } : undefined,
      );
      // This is less than the longest wait, so the length of a wait alone does not give it away.
      await step(client, 5 * HOUR);
      expect(client.file.sentIn('asked')).toHaveLength(1);
      server.fault(undefined);
      now -= 5 * HOUR;
      expect(meshStatusIn(client.file, now).detail).toMatch(/^No process/);
      if (who === 'another process') {
        client.close();
        clients = [];
        client = await open();
      }
      await step(client, MINUTE);
      await step(client, 3 * MINUTE);
      await step(client, 3 * MINUTE);
      expect(client.file.sentIn('sent')).toHaveLength(1);
      expect(meshStatusIn(client.file, now).ok).toBe(true);
    },
  );

  test('a message no longer in the mailbox is not counted as left there', async () => {
    const other = server.put({ headers: { 'mex-workflowid': 'PATHOLOGY' } });
    const client = await open();
    await step(client);
    other.status = 'acknowledged';
    await step(client, 6 * MINUTE);
    expect(client.file.counts()).toMatchObject({ left: 0 });
    expect(said).toHaveLength(1);
  });

  test('a malformed message is not taken or acknowledged, and is tried again', async () => {
    const wrongs: Record<string, Record<string, string> | number> = {
      'the range of another part': { 'mex-chunk-range': '2:2' },
      'a range of no parts': { 'mex-chunk-range': '1:0' },
      'a range that is none': { 'mex-chunk-range': '1:x' },
      'a range without end': { 'mex-chunk-range': '1:99999999999' },
      'another number of parts': { 'mex-chunk-range': '1:7' },
      'an unknown packing': { 'content-encoding': 'br' },
      'no sender': { 'mex-from': '../../etc' },
      'another status': 204,
      'a status of its own': 299,
      'a redirect': 302,
    };
    const messages = new Map(Object.keys(wrongs).map((name) => [server.put().id, name]));
    const good = server.put();
    server.fault(({ path, method }) => {
      const wrong = wrongs[messages.get(path.split('/').at(-1) ?? '') ?? ''];
      if (method !== 'GET' || wrong === undefined) return undefined;
      return {
        kind: 'change',
        change: (answer) => ({
          ...answer,
          ...(typeof wrong === 'number'
            ? { status: wrong }
            : { headers: { ...answer.headers, ...wrong } }),
        }),
      };
    });
    const client = await open();
    await step(client);
    expect(inInbox()).toEqual([`${good.id}.ctl`, `${good.id}.dat`]);
    const taken = (): string[] =>
      [...messages].flatMap(([id, name]) =>
        server.messages.get(id)?.status === 'accepted' ? [] : [name],
      );
    expect(taken()).toEqual([]);
    for (const id of messages.keys()) expect(said.join()).toContain(`Message ${id}: `);
    server.fault(undefined);
    await step(client, 5 * MINUTE + MINUTE);
    expect(taken()).toEqual(Object.keys(wrongs));
    expect(inInbox()).toHaveLength(2 * messages.size + 2);
  });

  test.for([404, 410])('a message that is gone (%i) does not delay others', async (status) => {
    const message = server.put();
    const good = server.put();
    server.fault(({ path }) =>
      path.endsWith(message.id) ? { kind: 'answer', status } : undefined,
    );
    await step(await open());
    expect(inInbox()).toEqual([`${good.id}.ctl`, `${good.id}.dat`]);
    expect(said).toEqual([expect.stringMatching(`Message ${message.id}: MESH has removed it`)]);
  });

  test('a truncated chunk is fetched again from its start, wherever it is cut', async () => {
    const data = [randomBytes(2_000), randomBytes(2_000)];
    await assert(
      asyncProperty(nat({ max: 1_999 }), boolean(), async (bytes, second) => {
        const message = server.put({ data, headers: { 'content-encoding': '' } });
        let cut = false;
        server.fault(({ path }) => {
          if (cut || !path.endsWith(second ? `${message.id}/2` : message.id)) return undefined;
          cut = true;
          return { kind: 'cut-body', bytes };
        });
        await step(await open(), HOUR);
        clients.pop()?.close();
        expect(cut).toBe(true);
        expect(readFileSync(join(folder, 'inbox', `${message.id}.dat`))).toEqual(
          Buffer.concat(data),
        );
      }),
      { numRuns: 15 },
    );
  });

  test('an answer without its end mark is not trusted', async () => {
    const message = server.put();
    server.fault(({ path }) =>
      path.endsWith(message.id)
        ? {
            kind: 'change',
            change: ({ headers, ...answer }) => ({
              ...answer,
              headers: { ...headers, connection: 'close', 'content-length': undefined },
            }),
          }
        : undefined,
    );
    await step(await open());
    expect(inInbox()).toEqual([]);
    expect(message.status).toBe('accepted');
  });

  test('a message id that would lead elsewhere is never asked for', async () => {
    for (const id of ['../../outbox', 'a/b', '.', '..', 'x'.repeat(200), 'a?b', 'a\nb'])
      server.put({ id });
    const good = server.put();
    await step(await open());
    expect(inInbox()).toEqual([`${good.id}.ctl`, `${good.id}.dat`]);
    expect(said).toEqual([expect.stringMatching('lists 7 messages under names')]);
  });

  test('hostile text from a sender is treated only as text', async () => {
    const message = server.put({
      headers: {
        'mex-subject': '</Subject><From_DTS>X26EVIL</From_DTS>',
        'mex-filename': '../../../etc/passwd.xml',
        'mex-localid': `&${'x'.repeat(400)}`,
      },
    });
    await step(await open());
    expect(controlOf(message.id)).toMatchObject({
      from: 'X26ABC1',
      subject: '</Subject><From_DTS>X26EVIL</From_DTS>',
    });
    expect(controlOf(message.id).localId).toHaveLength(255);
    expect(readdirSync(folder).toSorted()).toEqual(['inbox', 'mesh', 'notifications', 'outbox']);
  });

  test('every message is found, however many pages the list has', async () => {
    server.pages(3);
    const ids = Array.from({ length: 10 }, () => server.put().id);
    await step(await open());
    expect(inInbox()).toEqual(ids.flatMap((id) => [`${id}.ctl`, `${id}.dat`]).toSorted());
  });

  test('reading a list that repeats itself ends', async () => {
    server.put();
    server.fault(({ path }) =>
      LIST.test(path)
        ? {
            kind: 'change',
            change: (answer) => ({
              ...answer,
              body: Buffer.from(
                JSON.stringify({
                  messages: [...server.messages.keys()],
                  links: { next: `/x/inbox?continue_from=${randomUUID()}` },
                }),
              ),
            }),
          }
        : undefined,
    );
    await step(await open());
    expect(callsOf('GET', LIST)).toBe(2);
  });
});

describe('the rules of MESH', () => {
  test('a token matches the one that MESH documents', () => {
    const connection = { mailbox: 'X26ABC1', password: 'password', sharedKey: 'TestKey' };
    const at = new Date('2026-11-28T01:02:59.999Z');
    // Made with `AuthTokenGenerator` of mesh-client 5.0.2 at that time.
    expect(authorization(connection, at, 'b6ae8b1f-0b1d-4a3e-9a60-1e31bd3f0e0b')).toBe(
      'NHSMESH X26ABC1:b6ae8b1f-0b1d-4a3e-9a60-1e31bd3f0e0b:0:202611280102:ba90c89f6829f368799296cc84b2ea694bbfab854a7911f008ddcf549be19653',
    );
  });

  test('no two requests share a token, not even when one is repeated', async () => {
    server.put();
    let times = 0;
    server.fault(({ path }) =>
      LIST.test(path) && times++ < 2 ? { kind: 'cut-before' } : undefined,
    );
    await step(await open());
    expect(times).toBeGreaterThan(2);
    expect(server.refusals).toEqual([]);
    const tokens = server.calls.map(({ headers }) => headers.authorization);
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  test('the mailbox is checked at most every five minutes, even by the next process', async () => {
    const client = await open();
    for (let minute = 0; minute < 30; minute++) await step(client, MINUTE);
    expect(callsOf('GET', LIST)).toBeGreaterThanOrEqual(5);
    expect(callsOf('GET', LIST)).toBeLessThanOrEqual(6);
    await step(client, 6 * MINUTE);
    const before = callsOf('GET', LIST);
    await step(await open(), 4 * MINUTE);
    expect(callsOf('GET', LIST)).toBe(before);
    await step(await open(), 2 * MINUTE);
    expect(callsOf('GET', LIST)).toBe(before + 1);
  });

  test('a handshake is made at the start and then once a day', async () => {
    const handshakes = (): number => callsOf('POST', /X26CPF1$/);
    const client = await open();
    for (let time = 0; time < 7; time++) await step(client, 6.5 * HOUR);
    expect(handshakes()).toBe(2);
    await step(await open());
    expect(handshakes()).toBe(3);
  });

  test('a refused handshake is reported and delays no upload', async () => {
    const message = server.put();
    server.fault(({ path, method }) =>
      method === 'POST' && path.endsWith('X26CPF1') ? { kind: 'answer', status: 400 } : undefined,
    );
    const client = await open();
    await step(client);
    expect(message.status).toBe('acknowledged');
    expect(client.file.state()).toMatchObject({ problem: true });
    for (let minute = 0; minute < 30; minute++) await step(client, MINUTE);
    expect(callsOf('POST', /X26CPF1$/)).toBe(1);
  });

  test('an older server gets the handshake that it expects', async () => {
    server.fault(({ path, method }) =>
      path.endsWith('X26CPF1')
        ? { kind: 'answer', status: method === 'GET' ? 200 : 405 }
        : undefined,
    );
    const message = server.put();
    await step(await open());
    expect(message.status).toBe('acknowledged');
  });

  test('it waits when asked to', async () => {
    server.put();
    server.fault(({ path }) =>
      LIST.test(path)
        ? { kind: 'answer', status: 429, headers: { 'retry-after': '1800' } }
        : undefined,
    );
    const client = await open();
    await step(client);
    expect(callsOf('GET', LIST)).toBe(1);
    expect(client.file.state()).toMatchObject({ problem: true });
    server.fault(undefined);
    await step(client, 29 * MINUTE);
    expect(callsOf('GET', LIST)).toBe(1);
    await step(client, 2 * MINUTE);
    expect(inInbox()).toHaveLength(2);
    expect(client.file.state()).toMatchObject({ problem: false });
  });

  test('while MESH is away, it is asked less and less often', async () => {
    server.fault(() => ({ kind: 'answer', status: 503 }));
    const client = await open();
    for (let minute = 0; minute < 120; minute++) await step(client, MINUTE);
    const handshakes = callsOf('POST', /X26CPF1$/);
    // There are four attempts each time.
    expect(handshakes / 4).toBeLessThan(20);
    expect(handshakes / 4).toBeGreaterThan(7);
  });

  test('both forms of Retry-After are read, and no wait is endless', () => {
    expect(retryAfterMs({ 'retry-after': '7' }, 0)).toBe(7_000);
    expect(retryAfterMs({ 'retry-after': 'Thu, 01 Jan 1970 00:00:09 GMT' }, 4_000)).toBe(5_000);
    expect(retryAfterMs({ 'retry-after': 'Thu, 01 Jan 1970 00:00:01 GMT' }, 4_000)).toBe(0);
    assert(
      property(string(), nat(), (text, at) => {
        const ms = retryAfterMs({ 'retry-after': text }, at);
        expect(ms === undefined || (ms >= 0 && ms <= HOUR)).toBe(true);
      }),
    );
  });
});

describe('when MESH refuses', () => {
  test.for<[string, () => Partial<MeshConnection>, RegExp]>([
    ['a wrong password', () => ({ password: 'wrong' }), /does not let this mailbox in/],
    ['a wrong shared key', () => ({ sharedKey: 'wrong' }), /does not let this mailbox in/],
    [
      'no certificate',
      () => ({ tls: { cert: '', key: '', ca: server.authority.cert } }),
      /cannot be reached \(/,
    ],
    [
      'a certificate of another authority',
      () => {
        const { cert, key } = certify('stranger', { issuer: certify('Strangers') });
        return { tls: { cert, key, ca: server.authority.cert } };
      },
      /cannot be reached \(/,
    ],
    [
      'a server of another authority',
      () => ({
        tls: { cert: server.client.cert, key: server.client.key, ca: certify('Strangers').cert },
      }),
      /cannot be reached \((?:UNABLE_TO_VERIFY|SELF_SIGNED|DEPTH|CERT|UNABLE_TO_GET)/,
    ],
    ['nobody there', () => ({ url: 'https://127.0.0.1:9' }), /cannot be reached \(ECONNREFUSED\)/],
  ])('%s is reported, and nothing is lost', async ([, wrong, sentence]) => {
    const message = server.put();
    await putAnswer('answer', 'text');
    let differing = wrong();
    const client = await open({ connection: async () => server.connection(differing) });
    await step(client);
    expect(client.file.state()?.problem).toBe(true);
    expect(client.file.state()?.detail).toMatch(sentence);
    expect(said).toEqual([expect.stringMatching(sentence)]);
    for (const secret of ['ours', 'wrong', 'TestKey'])
      expect(said.join()).not.toContain(` ${secret}`);
    expect(message.status).toBe('accepted');
    differing = {};
    await step(client, HOUR);
    expect(message.status).toBe('acknowledged');
    expect(server.sentTo('X26ABC1')).toHaveLength(1);
  });

  test('a clock that is hours wrong is named as the cause', async () => {
    const client = await open();
    server.clockAhead(3 * HOUR);
    await step(client);
    expect(server.refusals).toEqual(['age']);
    expect(client.file.state()?.detail).toMatch(/Set the clock/);
    server.clockAhead(HOUR);
    await step(client, HOUR);
    expect(client.file.state()?.problem).toBe(false);
  });

  test('an unreadable outbox and a missing inbox lose nothing', async () => {
    const message = server.put({ data: '<File/>' });
    await rm(join(folder, 'outbox'), { recursive: true });
    await writeFile(join(folder, 'outbox'), '');
    await rm(join(folder, 'inbox'), { recursive: true });
    const client = await open();
    await step(client);
    expect(message.status).toBe('accepted');
    expect(client.file.state()?.detail).toMatch(/cannot be worked on \(ENOENT\)/);
    await mkdir(join(folder, 'inbox'));
    await step(client, HOUR);
    expect(textOf(message.id)).toBe('<File/>');
    expect(message.status).toBe('acknowledged');
    expect(client.file.state()?.detail).toMatch(/^What is to be sent cannot be taken out/);
  });

  test.for<[string, (count: number) => ReturnType<Parameters<MeshServer['fault']>[0] & {}>]>([
    ['that says nothing', () => ({ kind: 'mute' })],
    ['that answers endlessly slowly', () => ({ kind: 'drip' })],
    ['that ends every connection', () => ({ kind: 'cut-before' })],
    ['that answers nonsense', () => ({ kind: 'answer', status: 200, body: '<html>' })],
    [
      'that answers with 5 MB of spaces',
      () => ({ kind: 'answer', status: 200, body: Buffer.alloc(5_000_000, 32) }),
    ],
    [
      'that answers with another list',
      () => ({ kind: 'answer', status: 200, body: '{"messages":[1,{}]}' }),
    ],
    [
      'that always fails',
      () => ({ kind: 'answer', status: 500, body: '{"detail":"999 000 0018"}' }),
    ],
    [
      'that redirects us',
      () => ({ kind: 'answer', status: 307, headers: { location: 'https://127.0.0.1:9/' } }),
    ],
  ])('a server %s is reported, and delays nothing for good', async ([, fault]) => {
    const message = server.put();
    await putAnswer('answer', 'text');
    server.fault((_, count) => fault(count));
    const client = await open({ deadlines: HASTY });
    await step(client);
    expect(client.file.state()).toMatchObject({ problem: true });
    expect(said.join()).not.toContain('0018');
    expect(inInbox()).toEqual([]);
    server.fault(undefined);
    // Retried, because a busy machine may miss the deadlines several times.
    await until(async () => {
      await step(client, HOUR);
      return client.file.state()?.problem === false && message.status === 'acknowledged';
    }, 'all to be well again');
    expect(server.sentTo('X26ABC1').map(({ status }) => status)).toEqual(['accepted']);
  });
});

describe('sending', () => {
  test('the content of an outbox is sent, followed until it is fetched, and then removed', async () => {
    await putAnswer('acknowledgement-1', 'the answer');
    const client = await open();
    await step(client);
    expect(readdirSync(join(folder, 'outbox'))).toEqual([]);
    const [sent] = server.sentTo('X26ABC1');
    expect(sent?.headers).toMatchObject({
      'mex-workflowid': 'TEST_WORKFLOW_ACK',
      'mex-subject': 'About acknowledgement-1',
    });
    expect(sent?.headers['mex-localid']).toMatch(/^cpf-[0-9a-f]{32}-1$/);
    expect(client.file.counts()).toMatchObject({ undelivered: 1 });
    expect(readdirSync(join(folder, 'mesh', 'sending'))).toHaveLength(1);
    expect(server.collect('X26ABC1').map(({ text }) => text)).toEqual(['the answer']);
    await step(client, HOUR);
    expect(client.file.counts()).toMatchObject({ undelivered: 0 });
    expect(client.file.sentIn('delivered')).toHaveLength(1);
    expect(readdirSync(join(folder, 'mesh', 'sending'))).toEqual([]);
  });

  test('a long message is sent in chunks, each compressed separately', async () => {
    const text = randomBytes(5_000).toString('hex');
    await putAnswer('long', text);
    await step(await open({ chunkBytes: 3_000 }));
    expect(server.sentTo('X26ABC1')[0]?.total).toBe(4);
    expect(server.collect('X26ABC1').map((each) => each.text)).toEqual([text]);
  });

  test('an answer written again is not sent again; a notification is, if somebody asked for it', async () => {
    const client = await open();
    for (let i = 0; i < 2; i++) {
      await putAnswer('answer', 'the answer');
      await putAnswer('notification', 'the notification', { into: 'notifications' });
      await step(client, MINUTE);
    }
    const texts = server.collect('X26ABC1').map(({ text }) => text);
    expect(texts.toSorted()).toEqual(['the answer', 'the notification', 'the notification']);
  });

  test.for<[string, RegExp, number]>([
    ['waits while MESH is away', /./, 1],
    ['may have been lost on the way', POST_OUTBOX, 2],
  ])(
    'a place in a notification that %s is not sent once another council protects the child',
    async ([, path, posts]) => {
      const t = notifiedLog(auditFolder());
      const preferences = {
        ZZ101: { formats: ['json' as const], mailbox: 'X26ABC1', empty: false },
      };
      const notifier = t.notifier(
        { mesh: { mailbox: 'X26CPF1', workflowId: 'TEST_NOTIFICATIONS' } },
        { ...DIRECTORY, preferences },
      );
      t.look({ at: NINE });
      t.at(NINE + WINDOW);
      await settle(notifier);
      const client = await open({
        outboxes: [{ path: t.outbox, again: true }],
        currentContent: (name) => currentContent(t.folder, name),
        // With this size it would be sent in a different number of chunks.
        chunkBytes: 300,
      });
      server.fault((call) =>
        path.test(call.path) && (path !== POST_OUTBOX || call.method === 'POST')
          ? { kind: 'cut-before' }
          : undefined,
      );
      await step(client);
      expect(readdirSync(t.outbox).filter((name) => name.endsWith('.dat'))).toEqual([]);
      t.append(
        t.source.act({
          type: 'restriction',
          auditId: randomUUID(),
          act: 'set',
          restriction: 'bcdf',
          kind: 'whereabouts',
          authority: 'ZZ102',
          nhsNumber: testNumber(0),
          by: 'Ada Officer',
          reason: 'a test',
          at: NINE + WINDOW,
        }),
      );
      await settle(notifier);
      server.fault(undefined);
      for (let minute = 0; minute < 10; minute++) await step(client, HOUR);
      expect(callsOf('POST', POST_OUTBOX)).toBe(posts);
      const [sent, ...more] = server.collect('X26ABC1');
      expect(more).toEqual([]);
      expect(sent?.text).toContain(testNumber(0));
      expect(sent?.text).not.toMatch(/ZZH01|nurse-1/);
      notifier.close();
      t.log.close();
    },
  );

  test('pairs that are not for this mailbox stay, and are reported once', async () => {
    await putAnswer('other', 'x', { from: 'X26CPF9' });
    await writeFile(join(folder, 'outbox', 'broken.dat'), 'x');
    await writeFile(join(folder, 'outbox', 'broken.ctl'), '<DTSControl>');
    await writeFile(join(folder, 'outbox', 'half.dat'), 'x');
    const client = await open();
    await step(client);
    await step(client, MINUTE);
    expect(server.sentTo('X26ABC1')).toEqual([]);
    expect(readdirSync(join(folder, 'outbox'))).toHaveLength(5);
    expect(said).toHaveLength(2);
  });

  test('a pair that cannot be taken out delays no other, in the same outbox or the next', async () => {
    const nameless = Buffer.from([0x61, 0xff, 0x2e, 0x63, 0x74, 0x6c]);
    await writeFile(Buffer.concat([Buffer.from(`${join(folder, 'outbox')}/`), nameless]), 'x');
    await putAnswer('z-answer', 'the answer');
    await putAnswer('notification', 'the notification', { into: 'notifications' });
    const client = await open();
    await step(client);
    const texts = server.collect('X26ABC1').map(({ text }) => text);
    expect(texts.toSorted()).toEqual(['the answer', 'the notification']);
    expect(said).toContainEqual(expect.stringContaining('cannot be taken out (ENOENT)'));
  });

  test.for<[string, 'cut-before' | 'cut-after', number]>([
    ['and MESH does not have it, it is sent again under the same local id', 'cut-before', 2],
    ['and MESH has it, it is not sent again', 'cut-after', 1],
  ])('if the answer is lost %s', async ([, kind, posts]) => {
    await putAnswer('answer', 'text');
    let cut = false;
    server.fault(({ path }) => {
      if (cut || !POST_OUTBOX.test(path)) return undefined;
      cut = true;
      return { kind };
    });
    const client = await open();
    await step(client);
    expect(client.file.counts()).toMatchObject({ waiting: 1 });
    for (let minute = 0; minute < 10; minute++) await step(client, MINUTE);
    expect(callsOf('POST', POST_OUTBOX)).toBe(posts);
    expect(server.sentTo('X26ABC1')).toHaveLength(1);
    const localIds = server.calls
      .filter(({ path, method }) => method === 'POST' && POST_OUTBOX.test(path))
      .map(({ headers }) => headers['mex-localid']);
    expect(new Set(localIds).size).toBe(1);
    expect(client.file.counts()).toMatchObject({ waiting: 0, undelivered: 1 });
  });

  test('nothing is sent again without asking MESH first, whatever the answer was', async () => {
    const statuses = [408, 425, 429, 500, 502, 503, 504, 302, 418];
    for (const status of statuses) await putAnswer(`answer-${status}`, `text ${status}`);
    const answered = new Set<number>();
    server.fault(({ path, headers }) => {
      const status = Number(/[0-9]+$/.exec(String(headers['mex-subject']))?.[0]);
      if (!POST_OUTBOX.test(path) || answered.has(status)) return undefined;
      answered.add(status);
      return { kind: 'answer', status };
    });
    const client = await open();
    for (let minute = 0; minute < 10; minute++) await step(client, MINUTE);
    expect(answered.size).toBe(statuses.length);
    const orders = Map.groupBy(
      server.calls.flatMap(({ path, headers }) => {
        const localId = headers['mex-localid'] ?? /tracking\/(cpf-.*)/.exec(path)?.[1];
        return localId === undefined
          ? []
          : [{ localId, call: path.includes('track') ? 'ask' : 'post' }];
      }),
      ({ localId }) => localId,
    );
    expect([...orders.values()].map((calls) => calls.map(({ call }) => call))).toEqual(
      statuses.map(() => ['post', 'ask', 'ask', 'post']),
    );
    expect(server.sentTo('X26ABC1')).toHaveLength(statuses.length);
  });

  test('if it stays unclear, a person is asked, and nothing is sent until they decide', async () => {
    await putAnswer('answer', 'text');
    server.fault(({ path }) => {
      if (POST_OUTBOX.test(path)) return { kind: 'cut-after' };
      return path.includes('tracking/') ? { kind: 'answer', status: 300 } : undefined;
    });
    const client = await open();
    for (let minute = 0; minute < 60; minute++) await step(client, MINUTE);
    expect(callsOf('POST', POST_OUTBOX)).toBe(1);
    expect(client.file.counts()).toMatchObject({ unclear: 1 });
    expect(said).toContainEqual(
      expect.stringMatching(/^It is unclear whether MESH has taken About answer/),
    );
    expect(
      existsSync(join(folder, 'mesh', 'sending', client.file.sentIn('unclear')[0]?.key ?? '')),
    ).toBe(true);
  });

  test('chunks that were lost are sent again, and sending one that had arrived is no error', async () => {
    const text = randomBytes(3_000).toString('hex');
    await putAnswer('long', text);
    let lost = 0;
    server.fault(({ path }) =>
      /outbox\/[0-9A-F]+\/[23]$/.test(path) && lost++ % 2 === 0
        ? { kind: path.endsWith('2') ? 'cut-before' : 'cut-after' }
        : undefined,
    );
    const client = await open({ chunkBytes: 2_000 });
    await step(client);
    expect(lost).toBe(4);
    expect(client.file.counts()).toMatchObject({ undelivered: 1 });
    expect(server.collect('X26ABC1').map((each) => each.text)).toEqual([text]);
  });

  test.for<[string, { to?: string; workflowId?: string }, RegExp]>([
    ['to a mailbox that does not exist', { to: 'X26NONE' }, /Code 12.*not registered/],
    ['with an unknown workflow', { workflowId: 'UNREGISTERED' }, /Code 17.*workflow/],
  ])('a message %s is not sent again, and the operator is told why', async ([, differing, why]) => {
    await putAnswer('answer', 'text', differing);
    const client = await open();
    for (let hour = 0; hour < 10; hour++) await step(client, HOUR);
    expect(callsOf('POST', POST_OUTBOX)).toBe(1);
    expect(client.file.sentIn('failed')).toMatchObject([{ name: 'answer', attempt: 1 }]);
    expect(said).toEqual([expect.stringMatching(why)]);
  });

  test('a report is not read as an upload: the message it is about is sent again, and abandoned later, by rule', async () => {
    await putAnswer('answer', 'text');
    const client = await open();
    await step(client);
    const first = server.sentTo('X26ABC1')[0];
    if (first === undefined) throw new Error('nothing was sent');
    const report = server.reportOn(first, '14', 'not collected 999 000 0018');
    await step(client, 5 * MINUTE + MINUTE);
    expect(report.status).toBe('acknowledged');
    expect(inInbox()).toEqual([]);
    await step(client, 2 * HOUR);
    const again = server.sentTo('X26ABC1');
    expect(again.map(({ headers }) => headers['mex-localid']?.slice(-2))).toEqual(['-1', '-2']);
    // Another report about the first message says nothing about the second.
    server.reportOn(first, '14', 'not collected');
    await step(client, 2 * HOUR);
    expect(client.file.counts()).toMatchObject({ failed: 0, undelivered: 1 });
    if (again[1] !== undefined) server.reportOn(again[1], '14', 'not collected');
    await step(client, 2 * HOUR);
    expect(client.file.sentIn('failed')).toMatchObject([
      { name: 'answer', attempt: 2, code: '14' },
    ]);
    for (let day = 0; day < 3; day++) await step(client, DAY);
    expect(server.sentTo('X26ABC1')).toHaveLength(2);
    expect(said[0]).toMatch(
      /About answer was not delivered to X26ABC1 and is sent again. Code 14: .*\[number\]/,
    );
    expect(said.at(-1)).toMatch(/is not sent again automatically. Code 14: /);
  });

  test('a report about a message that this service never sent is reported and kept for the operator', async () => {
    const stranger = server.put({ from: 'X26CPF1', to: 'X26ABC1' });
    server.reportOn(stranger, '12', 'who');
    const client = await open();
    await step(client);
    expect(inInbox()).toEqual([]);
    expect(client.file.reports().map(({ text }) => text.includes(stranger.id))).toEqual([true]);
    expect(said).toHaveLength(1);
  });

  test('a message that MESH cannot take delays no other', async () => {
    for (const name of ['a', 'b', 'c']) await putAnswer(name, `text ${name}`.repeat(500));
    const bad = new Set<string>();
    server.fault(({ path, method }) => {
      if (method !== 'POST' || !/outbox\/[0-9A-F]+\/2$/.test(path)) return undefined;
      if (bad.size === 0) bad.add(path);
      return bad.has(path) ? { kind: 'answer', status: 500 } : undefined;
    });
    const client = await open({ chunkBytes: 2_000 });
    await step(client);
    expect(client.file.counts()).toMatchObject({ undelivered: 2, waiting: 1 });
  });
});
