import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConfigurationError } from '#schemas/configuration.ts';
import { problemSchema } from '#schemas/errors.ts';
import { readIssuers, readOrganisations } from '#service/access/issuers.ts';
import { testNumber } from '../../support/rows.ts';
import {
  claims,
  startTestService,
  type TestService,
  testFolder,
  until,
} from '../../support/service.ts';

const CHILD = testNumber(401);
const FILES = { rereadMs: 60_000, onProblem: () => undefined };
const ISSUER = 'https://identity.example';

let service: TestService;
let folder: string;
let keys: Awaited<ReturnType<typeof generateKeyPair>>;

const write = async (name: string, content: unknown): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

const issuer = (differing: object = {}) => ({
  issuer: ISSUER,
  audience: 'flags',
  algorithms: ['ES256'],
  jwksFile: 'jwks.json',
  ...differing,
});

beforeAll(async () => {
  folder = await testFolder();
  await mkdir(join(folder, 'data'));
  keys = await generateKeyPair('ES256', { extractable: true });
  await write('jwks.json', { keys: [await exportJWK(keys.publicKey)] });
  service = await startTestService({
    kind: 'live',
    dataDir: join(folder, 'data'),
    environment: {
      ISSUERS_FILE: await write('issuers.json', [issuer()]),
      ORGANISATIONS_FILE: await write('organisations.json', [
        { code: 'RJ1', name: 'A hospital', setting: 'emergency-department' },
        { code: 'A81001', name: 'A practice', setting: 'general-practice' },
      ]),
      TRACING: 'register',
      TRACING_REGISTER_FILE: await write(
        'register.csv',
        `nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n${CHILD},,,2019-03-05,Ada,Example\n`,
      ),
    },
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
});
afterAll(() => service?.stopAndRemove());

const tokenFor = (organisation: string, activities = ['B0107']) =>
  new SignJWT({ ...claims({ organisation, activities }) })
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer(ISSUER)
    .setAudience('flags')
    .setExpirationTime('5m')
    .sign(keys.privateKey);

async function outcome(response: Response): Promise<string> {
  if (response.status === 200) return '200';
  return `${response.status} ${problemSchema.parse(await response.json()).code}`;
}

test('a registered organisation is answered', async () => {
  const token = await tokenFor('RJ1');
  expect(await outcome(await service.lookup({ nhsNumber: CHILD }, { token }))).toBe('200');
});

test('an organisation that is not registered is not', async () => {
  for (const activities of [['B0107'], ['B0170'], ['B0107', 'B0170']]) {
    const token = await tokenFor('RJ2', activities);
    expect(await outcome(await service.lookup({ nhsNumber: CHILD }, { token }))).toBe(
      '403 organisation-not-registered',
    );
  }
});

test('a demo token reads nothing of live data', async () => {
  const token = await service.token(claims({ organisation: 'RJ1' }));
  expect(await outcome(await service.lookup({ nhsNumber: CHILD }, { token }))).toBe(
    '401 token-untrusted',
  );
});

test('a demo token reads nothing even where the process started before the dataset was live', async () => {
  const early = await startTestService({ kind: 'none' });
  try {
    expect(await outcome(await early.lookup({ nhsNumber: CHILD }))).toBe('503 could-not-check');
    await early.store.createDataset('live', 'test');
    await until(async () => (await fetch(`${early.baseUrl}/_status`)).status === 200);
    expect(await outcome(await early.lookup({ nhsNumber: CHILD }))).toBe('401 token-untrusted');
  } finally {
    await early.stopAndRemove();
  }
});

test.for<[string, unknown, string]>([
  ['is not JSON', '{', 'is not JSON'],
  ['names no issuer', [], 'Too small'],
  ['allows alg none', [issuer({ algorithms: ['none'] })], '0.algorithms.0'],
  ['allows a shared secret', [issuer({ algorithms: ['HS256'] })], '0.algorithms.0'],
  ['names an issuer twice', [issuer(), issuer()], 'twice'],
  [
    'names keys that are not there',
    [issuer({ jwksFile: 'none.json' })],
    'none.json cannot be read',
  ],
  ['names private keys', [issuer({ jwksFile: 'private.json' })], 'must not be a private key'],
  ['names a shared key', [issuer({ jwksFile: 'shared.json' })], 'must be a public'],
])('an issuers file that %s is refused by a sentence that says so', async ([, content, words]) => {
  await write('private.json', { keys: [await exportJWK(keys.privateKey)] });
  await write('shared.json', { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] });
  const reading = readIssuers(await write('wrong.json', content), FILES);
  await expect(reading).rejects.toThrow(ConfigurationError);
  await expect(reading).rejects.toThrow(words);
});

test('an organisations file with an unknown setting is refused by a sentence that says so', async () => {
  const path = await write('wrong.json', [{ code: 'RJ1', name: 'A hospital', setting: 'shop' }]);
  await expect(readOrganisations(path)).rejects.toThrow(/ORGANISATIONS_FILE: .*0\.setting/);
});
