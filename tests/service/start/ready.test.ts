import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { liveIssuer, liveSettings, settingFiles } from '../../support/live.ts';
import { freePort } from '../../support/ports.ts';
import { testNumber } from '../../support/rows.ts';
import {
  claims,
  fill,
  startTestService,
  type TestService,
  testFolder,
  until,
} from '../../support/service.ts';

const CHILD = testNumber(431);
const HOSPITAL = { code: 'RJ1', name: 'A hospital', setting: 'emergency-department' };

async function statusOf({ baseUrl }: Pick<TestService, 'baseUrl'>) {
  const response = await fetch(`${baseUrl}/_status`);
  return { http: response.status, text: await response.text() };
}

/** The status codes of `/_status` and of a lookup by somebody who may ask. */
async function both(service: TestService, token?: string): Promise<string> {
  const lookup = await service.lookup({ nhsNumber: CHILD }, token === undefined ? {} : { token });
  return `status ${(await statusOf(service)).http}, lookup ${lookup.status}`;
}
const READY = 'status 200, lookup 200';
const becomesReady = (service: TestService, token?: string): Promise<void> =>
  until(async () => (await both(service, token)) === READY, 'both to say yes');
const NOT_READY = 'status 503, lookup 503';

describe('a live service', () => {
  let service: TestService;
  let folder: string;
  let nowhere: string;
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;

  const write = settingFiles(() => folder);
  const tokenOf = (name: string) =>
    new SignJWT({ ...claims({ organisation: 'RJ1' }) })
      .setProtectedHeader({ alg: 'ES256', kid: 'good' })
      .setIssuer(name)
      .setAudience('flags')
      .setExpirationTime('5m')
      .sign(keys.privateKey);

  async function startLive(name: string, issuers: object[]): Promise<TestService> {
    await mkdir(join(folder, name));
    return startTestService({
      kind: 'live',
      dataDir: join(folder, name),
      environment: {
        METRICS_PORT: '0',
        REREAD_SECONDS: '1',
        ISSUERS_FILE: await write(`${name}.json`, issuers),
        ...(await liveSettings(write, { organisations: [HOSPITAL], child: CHILD })),
      },
      authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
    });
  }

  beforeAll(async () => {
    folder = await testFolder();
    keys = await generateKeyPair('ES256', { extractable: true });
    await write('jwks.json', {
      keys: [
        { kty: 'AKP', alg: 'ML-DSA-65', kid: 'pq-1', use: 'sig', pub: 'AAAA' },
        { ...(await exportJWK(keys.publicKey)), kid: 'good' },
      ],
    });
    nowhere = `https://127.0.0.1:${await freePort()}/jwks`;
    service = await startLive('some', [
      liveIssuer('https://good.example', { jwksFile: 'jwks.json' }),
      liveIssuer('https://silent.example', { jwksUrl: nowhere }),
    ]);
  });
  afterAll(() => service?.stopAndRemove());

  test('without the keys of one of its issuers is ready, warns about that issuer, and answers users of the others', async () => {
    await becomesReady(service, await tokenOf('https://good.example'));
    const { text } = await statusOf(service);
    expect(text).toContain(`https://silent.example: The keys at ${nowhere} have not been fetched`);
    expect(text).toContain('the connection was refused');
    expect(text).toMatch(/"access:issuers":\[\{"status":"warn"/);
    const other = await service.lookup(
      { nhsNumber: CHILD },
      { token: await tokenOf('https://silent.example') },
    );
    expect(other.status).toBe(503);
  });

  test('names the keys that it ignores', async () => {
    expect((await statusOf(service)).text).toContain(
      'Keys of https://good.example that fit none of its algorithms are not used: pq-1 (AKP).',
    );
  });

  test('with no care setting registered is not ready', async () => {
    await write('organisations.json', [{ ...HOSPITAL, setting: 'police' }]);
    await until(async () => {
      const { http, text } = await statusOf(service);
      return http === 503 && text.includes('No care setting is registered');
    }, 'readiness to be withdrawn, and why');
    await write('organisations.json', [HOSPITAL]);
    await until(async () => (await statusOf(service)).http === 200, 'readiness');
  });

  test('without the keys of any issuer is not ready, and counts the refusals as tokens that could not be judged', async () => {
    const silent = await startLive('none', [
      liveIssuer('https://silent.example', { jwksUrl: nowhere }),
    ]);
    try {
      expect(await both(silent, await tokenOf('https://silent.example'))).toBe(NOT_READY);
      const withoutId = await silent.lookup(
        { nhsNumber: CHILD },
        { token: await tokenOf('https://silent.example'), headers: { 'x-request-id': 'none' } },
      );
      expect(withoutId.status).toBe(503);
      const { text } = await statusOf(silent);
      expect(text).toMatch(/"access:issuers":\[\{"status":"fail"/);
      expect(text).toContain('the connection was refused');
      let series: string[] = [];
      const counted = (start: string, ...labels: string[]): number =>
        series
          .filter((line) => line.startsWith(start) && labels.every((label) => line.includes(label)))
          .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
      await until(async () => {
        const page = await fetch(`http://127.0.0.1:${await silent.metricsPort}/metrics`);
        series = (await page.text()).split('\n');
        return counted('cp_flags_store_ready') === 1;
      }, 'the store to be ready');
      expect(counted('cp_flags_refusals_total', 'token="none"')).toBe(0);
      expect(counted('cp_flags_refusals_total', '"could-not-check"', 'token="unknown"')).toBe(2);
      expect(counted('cp_flags_ready')).toBe(0);
      expect(silent.lines.join('')).toContain('A token could not be verified');
      expect(silent.lines.join('')).not.toContain('count until');
    } finally {
      await silent.stopAndRemove();
    }
  });
});

describe('a store', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service?.stopAndRemove());

  test('is not ready until a file has been loaded', async () => {
    expect(await both(service)).toBe(NOT_READY);
    await until(
      async () => (await statusOf(service)).text.includes('no plan is held'),
      'the reason',
    );
    const anchor = Anchor.open(join(service.dataDir, 'anchor'));
    const store = createStore(await service.connect('admin'), anchor);
    await fill(store, anchor, { code: 'ZZ101', rows: [{ nhsNumber: CHILD }] });
    anchor.close();
    await becomesReady(service);
  });

  test.for<[string, string[], string[], string]>([
    [
      'that wants more replicas than it has',
      ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
      ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
      'Too few replicas are connected',
    ],
    [
      'that pauses writes',
      ['CLIENT', 'PAUSE', '60000', 'WRITE'],
      ['CLIENT', 'UNPAUSE'],
      'cannot be reached',
    ],
  ])('%s is not ready', async ([, spoil, mend, words]) => {
    const admin = await service.connect('admin');
    const call = ([name = '', ...args]: string[]) => admin.call(name, ...args);
    await call(spoil);
    await until(async () => {
      const { http, text } = await statusOf(service);
      return http === 503 && text.includes(words);
    }, 'readiness to be withdrawn, and why');
    expect(await both(service)).toBe(NOT_READY);
    await call(mend);
    await becomesReady(service);
  });
});
