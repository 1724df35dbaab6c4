import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigurationError } from '#schemas/configuration.ts';
import { problemSchema } from '#schemas/errors.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { EXPECTED_NOT_SET } from '#schemas/wording/lookup.ts';
import { readIssuers, readOrganisations } from '#service/admission/issuers.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { liveIssuer, liveSettings, settingFiles } from '../../support/live.ts';
import { testNumber } from '../../support/rows.ts';
import {
  claims,
  startTestService,
  type TestService,
  testFolder,
  until,
} from '../../support/service.ts';

const run = commandsInTurn();

const CHILD = testNumber(401);
const UNKNOWN = testNumber(402);
const FILES = { rereadMs: 60_000, onProblem: () => undefined };
const ISSUER = 'https://identity.example';

let service: TestService;
let folder: string;
let keys: Awaited<ReturnType<typeof generateKeyPair>>;

const write = settingFiles(() => folder);
const issuer = (differing: object = {}) =>
  liveIssuer(ISSUER, { jwksFile: 'jwks.json', ...differing });

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
      ...(await liveSettings(write, {
        organisations: [
          { code: 'RJ1', name: 'A hospital', setting: 'emergency-department' },
          { code: 'A81001', name: 'A practice', setting: 'general-practice' },
        ],
        child: CHILD,
      })),
    },
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
});
afterAll(() => service?.stopAndRemove());

/** Each token is for a new user, because tests that poll make many requests and limits are per user. */
const tokenFor = (organisation: string, activities = ['B0107']) =>
  new SignJWT({ ...claims({ organisation, activities, sub: randomUUID() }) })
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer(ISSUER)
    .setAudience('flags')
    .setExpirationTime('5m')
    .sign(keys.privateKey);

const status = async () => (await fetch(`${service.baseUrl}/_status`)).text();

async function outcome(response: Response): Promise<string> {
  if (response.status === 200) return '200';
  return `${response.status} ${problemSchema.parse(await response.json()).code}`;
}

test('a registered organisation is answered', async () => {
  const token = await tokenFor('RJ1');
  expect(await outcome(await service.answered({ nhsNumber: CHILD }, { token }))).toBe('200');
});

describe('live data without a list of expected authorities', () => {
  test('shows flags, says that it is not complete, and gives no negative', async () => {
    const token = await tokenFor('RJ1');
    const flagged = await service.answered({ nhsNumber: CHILD }, { token });
    const { coverage, advice } = lookupAnswerSchema.parse(await flagged.json());
    expect(coverage).toEqual({ expected: 1, upToDate: 1, complete: false, notUpToDate: [] });
    expect(advice).toContain(EXPECTED_NOT_SET);
    expect(await outcome(await service.lookup({ nhsNumber: UNKNOWN }, { token }))).toBe(
      '503 could-not-check',
    );
    await until(
      async () => (await status()).includes('cp-flags authority expect'),
      'the status to say what to do',
    );
  });

  test('says whose plans a negative covers once a named person has set the list, on record', async () => {
    const file = await write('expected.json', {
      area: 'North Yorkshire',
      kind: 'pilot',
      authorities: [
        { code: 'ZZ101', name: 'A Council' },
        { code: 'ZZ102', name: 'B Council' },
      ],
    });
    const set = (path: string) =>
      run(['authority', 'expect', '--file', path, '--by', 'A. Example', '--reason', 'the pilot'], {
        DATA_DIR: service.dataDir,
      });
    expect(
      await set(await write('nobody.json', { area: 'x', kind: 'all', authorities: [] })),
    ).toEqual(
      expect.objectContaining({
        code: 1,
        stderr: expect.stringContaining('at least one authority') as string,
      }),
    );
    expect(await set(file)).toMatchObject({ code: 0, stderr: '' });
    const token = await tokenFor('RJ1');
    const coverageNow = async () => {
      const answer = await service.lookup({ nhsNumber: CHILD }, { token: await tokenFor('RJ1') });
      return lookupAnswerSchema.parse(await answer.json()).coverage;
    };
    // While the command keeps the machine busy, the worker's report may be older than the three seconds for which it
    // counts.
    const coverageWhenTrusted = () => coverageNow().catch(() => undefined);
    let coverage: Awaited<ReturnType<typeof coverageWhenTrusted>>;
    await until(async () => {
      coverage = await coverageWhenTrusted();
      return coverage?.area !== undefined;
    }, 'the list to take effect');
    // One council has never loaded a file, so it is behind, and with MINIMUM_COVERAGE at 1 no negative is given.
    expect(coverage).toMatchObject({
      expected: 2,
      upToDate: 1,
      complete: false,
      notUpToDate: [{ code: 'ZZ102', name: 'B Council' }],
    });
    expect(await outcome(await service.lookup({ nhsNumber: UNKNOWN }, { token }))).toBe(
      '503 could-not-check',
    );

    const smaller = await write('smaller.json', {
      area: 'North Yorkshire',
      kind: 'pilot',
      authorities: [{ code: 'ZZ101', name: 'A Council' }],
    });
    expect((await set(smaller)).stdout).toContain('- ZZ102 B Council');
    await until(
      async () => (await coverageWhenTrusted())?.complete === true,
      'the shorter list to take effect',
    );
    const negative = await service.answered({ nhsNumber: UNKNOWN }, { token });
    expect(lookupAnswerSchema.parse(await negative.json()).advice).toContain(
      'This is a pilot in North Yorkshire. It covers plans of Council ZZ101, and of no other council. If the child may live elsewhere, ring children’s social care there.',
    );
    const events = await service.events();
    const listed = events.flatMap((event) =>
      event.type === 'authorities-expected' ? [[event.by, event.detail]] : [],
    );
    expect(listed).toMatchObject([
      ['A. Example', { authorities: 'ZZ101 ZZ102', expected: 2, reason: 'the pilot' }],
      ['A. Example', { authorities: 'ZZ101', area: 'North Yorkshire', areaKind: 'pilot' }],
    ]);
    await until(
      async () => !(await status()).includes('cp-flags authority expect'),
      'the status to say so no more',
    );
  });

  test('tells an operator which authorities are expected and missing, and which are present but not expected', async () => {
    const cli = (...args: string[]) => run(args, { DATA_DIR: service.dataDir });
    const phone = ['--name', 'C Council', '--emergency', '02079460199'];
    expect((await cli('authority', 'set', 'ZZ103', ...phone)).stdout).toContain(
      'It is not one of the expected authorities',
    );
    const { stdout } = await cli('status');
    expect(stdout).toContain('Expected: 1 (a pilot in North Yorkshire), 1 up to date.');
    expect(stdout).toContain('1 known here and not expected: ZZ103');
    const listed = (await cli('authority', 'list', '--json')).stdout;
    for (const [code, expected] of [
      ['ZZ101', true],
      ['ZZ103', false],
    ]) {
      expect(JSON.parse(listed)).toContainEqual(expect.objectContaining({ code, expected }));
    }
    const who = ['--by', 'A. Example', '--reason', 'mistyped'];
    expect((await cli('authority', 'remove', 'ZZ103', ...who)).stdout).toBe(
      'Authority ZZ103 is removed.\n',
    );
  });
});

test('an authority’s holdings are given only to somebody who gives a reason', async () => {
  const { code, stdout, stderr } = await run(['holdings', 'ZZ101'], { DATA_DIR: service.dataDir });
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('--reason');
});

test('the start-up record names who accepted the minimum share of up-to-date authorities', async () => {
  const started = (await service.events()).find(({ type }) => type === 'configuration-start');
  expect(started).toMatchObject({
    detail: { minimumCoverage: 1, minimumCoverageAcceptedBy: 'C. Officer' },
  });
});

test('an organisation that is not registered is refused', async () => {
  for (const activities of [['B0107'], ['B0170'], ['B0107', 'B0170']]) {
    const token = await tokenFor('RJ2', activities);
    expect(await outcome(await service.lookup({ nhsNumber: CHILD }, { token }))).toBe(
      '403 organisation-not-registered',
    );
  }
});

test('a demo token reads nothing from live data', async () => {
  const token = await service.token(claims({ organisation: 'RJ1' }));
  expect(await outcome(await service.lookup({ nhsNumber: CHILD }, { token }))).toBe(
    '401 token-untrusted',
  );
});

test('a demo token reads nothing even if the process started before the dataset was live', async () => {
  const early = await startTestService({ kind: 'none' });
  try {
    expect(await outcome(await early.lookup({ nhsNumber: CHILD }))).toBe('503 could-not-check');
    await early.store.createDataset('live', 'test');
    await until(async () => {
      const response = await fetch(`${early.baseUrl}/_status`);
      return response.status === 503 && (await response.text()).includes('has become live');
    }, 'the status to say that nobody may ask');
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
  ['names private keys', [issuer({ jwksFile: 'private.json' })], 'must not be a private or shared'],
  [
    'names keys that none of its tokens can be signed with',
    [issuer({ algorithms: ['RS256'] })],
    'holds no key for RS256',
  ],
  [
    'names a shared key',
    [issuer({ jwksFile: 'shared.json' })],
    'must not be a private or shared key',
  ],
])('an issuers file that %s is refused by a message that says so', async ([, content, words]) => {
  await write('private.json', { keys: [await exportJWK(keys.privateKey)] });
  await write('shared.json', { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] });
  const reading = readIssuers(await write('wrong.json', content), FILES);
  await expect(reading).rejects.toThrow(ConfigurationError);
  await expect(reading).rejects.toThrow(words);
});

test('an organisations file with an unknown setting is refused by a message that says so', async () => {
  const path = await write('wrong.json', [{ code: 'RJ1', name: 'A hospital', setting: 'shop' }]);
  await expect(readOrganisations(path)).rejects.toThrow(/ORGANISATIONS_FILE: .*0\.setting/);
});
