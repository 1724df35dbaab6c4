import { randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { problemSchema } from '#schemas/errors.ts';
import { testNumber } from '../../support/rows.ts';
import {
  claims,
  startTestService,
  type TestService,
  testFolder,
  until,
} from '../../support/service.ts';

/** Who may ask, as set in files that change while the service runs. */

const CHILD = testNumber(601);
const ISSUER = 'https://identity.example';

let service: TestService;
let folder: string;
let first: Awaited<ReturnType<typeof generateKeyPair>>;
let second: Awaited<ReturnType<typeof generateKeyPair>>;

/** Replaces a file in one step, as a deployment does. */
async function put(name: string, content: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(`${path}.new`, typeof content === 'string' ? content : JSON.stringify(content));
  await rename(`${path}.new`, path);
  return path;
}

const HOSPITAL = { code: 'ZZH01', name: 'A hospital', setting: 'emergency-department' };
const SCHOOL = { code: 'ZZS01', name: 'A school', setting: 'education' };

beforeAll(async () => {
  folder = await testFolder();
  await mkdir(join(folder, 'data'));
  first = await generateKeyPair('ES256', { extractable: true });
  second = await generateKeyPair('ES256', { extractable: true });
  await put('jwks.json', { keys: [{ ...(await exportJWK(first.publicKey)), kid: 'one' }] });
  service = await startTestService({
    dataDir: join(folder, 'data'),
    environment: {
      ISSUERS_FILE: await put('issuers.json', [
        { issuer: ISSUER, audience: 'flags', algorithms: ['ES256'], jwksFile: 'jwks.json' },
      ]),
      ORGANISATIONS_FILE: await put('organisations.json', [HOSPITAL, SCHOOL]),
      REVOCATIONS_FILE: await put('revocations.json', []),
      REREAD_SECONDS: '0.02',
    },
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
});
afterAll(() => service?.stopAndRemove());

const sign = (payload: object = claims(), key = first, kid = 'one') =>
  new SignJWT({ ...payload })
    .setProtectedHeader({ alg: 'ES256', kid })
    .setIssuer(ISSUER)
    .setAudience('flags')
    .setExpirationTime('5m')
    .sign(key.privateKey);

async function outcome(token: string, requestId: string = randomUUID()): Promise<string> {
  const headers = { 'x-request-id': requestId };
  const response = await service.answered({ nhsNumber: CHILD }, { token, headers });
  if (response.status === 200) return '200';
  return `${response.status} ${problemSchema.parse(await response.json()).code}`;
}

const textOf = async (url: string): Promise<string> => (await fetch(url)).text();
const logged = (words: string) => service.lines.some((line) => line.includes(words));
const status = async () => JSON.stringify(await (await fetch(`${service.baseUrl}/_status`)).json());

test.for(['education', 'housing', 'police', 'social-care', 'other'])(
  'an organisation listed as %s is refused in every role, and its attempt is audited',
  async (setting) => {
    await put('organisations.json', [HOSPITAL, { ...SCHOOL, setting }]);
    for (const activities of [['B0107'], ['B0170'], ['B0107', 'B0170']]) {
      const token = await sign(claims({ organisation: 'ZZS01', activities }));
      await until(
        async () => (await outcome(token)) === '403 organisation-not-care',
        'the file to be read',
      );
    }
    const token = await sign(claims({ organisation: 'ZZS01', activities: ['B0170'] }));
    const requestId = randomUUID();
    expect(await outcome(token, requestId)).toBe('403 organisation-not-care');
    await until(
      async () =>
        (await service.events()).some(
          (event) =>
            event.type === 'refusal' &&
            event.requestId === requestId &&
            event.code === 'organisation-not-care' &&
            event.caller.organisation?.code === 'ZZS01',
        ),
      'the refusal event',
    );
  },
);

test('a changed list of organisations takes effect without a restart, and the audit names the new list', async () => {
  const token = await sign();
  await put('organisations.json', [HOSPITAL]);
  await until(async () => (await outcome(token)) === '200');
  const configurations = async () =>
    (await service.events()).flatMap((event) =>
      event.type === 'lookup' ? [event.versions.configuration] : [],
    );
  const before = new Set(await configurations());
  await put('organisations.json', [{ ...HOSPITAL, setting: 'police' }]);
  await until(async () => (await outcome(token)) === '403 organisation-not-care');
  await put('organisations.json', [HOSPITAL, { ...SCHOOL, setting: 'dentistry' }]);
  await until(async () => (await outcome(token)) === '200');
  const after = (await configurations()).filter((digest) => !before.has(digest));
  expect(after.length).toBeGreaterThan(0);
  await until(
    async () =>
      (await service.events()).some(
        (event) =>
          event.type === 'configuration-change' && event.detail['configuration'] === after[0],
      ),
    'the configuration-change event',
  );
});

test('a faulty list leaves the last good one in force, and is reported', async () => {
  await put('organisations.json', [{ ...HOSPITAL, setting: 'shop' }]);
  await until(() => logged('0.setting'), 'the bad file to be reported');
  expect(await outcome(await sign())).toBe('200');
  expect(await status()).toContain('0.setting');
  // A faulty list does not make it unready.
  const ready = async () => (await fetch(`${service.baseUrl}/_status`)).status === 200;
  await until(ready, 'the service to be ready');
  await put('organisations.json', [HOSPITAL]);
  await until(async () => !(await status()).includes('0.setting'), 'the good file to be read');
});

test('changes to a keys file are followed: an added key counts and a removed key does not', async () => {
  const old = await sign();
  const renewed = await sign(claims(), second, 'two');
  expect(await outcome(old)).toBe('200');
  expect(await outcome(renewed)).toBe('401 token-untrusted');
  await put('jwks.json', { keys: [{ ...(await exportJWK(second.publicKey)), kid: 'two' }] });
  await until(async () => (await outcome(renewed)) === '200', 'the new key to be read');
  expect(await outcome(old)).toBe('401 token-untrusted');
  await put('jwks.json', { keys: [{ ...(await exportJWK(first.publicKey)), kid: 'one' }] });
  await until(async () => (await outcome(old)) === '200', 'the first key to be read');
});

test.for([
  ['a token by its id', { jti: 'stolen' }],
  ['a user', { user: 'nurse-1' }],
  ['a client', { client: 'test-client' }],
] as const)('a revoked %s is refused from then on, even if verified before', async ([, entry]) => {
  const token = await sign({ ...claims(), jti: 'stolen' });
  const other = await sign({ ...claims({ sub: 'nurse-2', client_id: 'other' }), jti: 'kept' });
  expect(await outcome(token)).toBe('200');
  await put('revocations.json', [{ issuer: 'https://another.example', ...entry }]);
  await put('revocations.json', [{ issuer: ISSUER, ...entry }]);
  await until(async () => (await outcome(token)) === '401 token-revoked', 'the revocation');
  expect(await outcome(other)).toBe('200');
  await put('revocations.json', []);
  await until(async () => (await outcome(token)) === '200', 'the revocation to be lifted');
});

test('an unreadable revocations file leaves earlier revocations in force', async () => {
  const token = await sign();
  await put('revocations.json', [{ issuer: ISSUER, user: 'nurse-1' }]);
  await until(async () => (await outcome(token)) === '401 token-revoked');
  await put('revocations.json', [{ issuer: ISSUER, person: 'nurse-1' }]);
  await until(() => logged('one of jti, user and client'));
  expect(await outcome(token)).toBe('401 token-revoked');
  await put('revocations.json', []);
  await until(async () => (await outcome(token)) === '200');
});

test('a process started before its dataset exists lets nobody into a live one without its files', async () => {
  const early = await startTestService({ kind: 'none' });
  try {
    await early.store.createDataset('live', 'test');
    await until(async () => {
      const response = await fetch(`${early.baseUrl}/_status`);
      return (await response.text()).includes('has become live');
    }, 'the status to say so');
    const response = await early.lookup({ nhsNumber: CHILD });
    expect(problemSchema.parse(await response.json()).code).toBe('token-untrusted');
  } finally {
    await early.stopAndRemove();
  }
});

test('a process started before its dataset exists accepts demo tokens once it is a demo', async () => {
  const early = await startTestService({ kind: 'none' });
  try {
    expect((await early.lookup({ nhsNumber: CHILD })).status).toBe(503);
    await early.store.createDataset('demo', 'test');
    await until(async () => {
      const { code } = problemSchema.parse(await (await early.lookup({ nhsNumber: CHILD })).json());
      // No file has been loaded, so there is no negative, but the token was accepted.
      return (
        code === 'could-not-check' &&
        (await textOf(`${early.baseUrl}/_status`)).includes('no plan is held')
      );
    }, 'the dataset to be seen');
    await until(
      async () => (await early.events()).some((event) => event.type === 'configuration-start'),
      'the start to be recorded',
    );
  } finally {
    await early.stopAndRemove();
  }
});
