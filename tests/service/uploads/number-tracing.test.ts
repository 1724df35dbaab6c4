import { generateKeyPairSync } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Configuration,
  ConfigurationError,
  readConfiguration,
} from '#schemas/configuration.ts';
import { isPds, openNumberTracer } from '#service/uploads/number-tracing.ts';
import { testNumber } from '../../support/rows.ts';
import { testFolder } from '../../support/service.ts';

let folder: string;
beforeAll(async () => {
  folder = await testFolder();
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

const refusal = (opening: Promise<unknown>): Promise<unknown> =>
  opening.then(
    () => 'opened',
    (error: unknown) => (error instanceof ConfigurationError ? error.message : error),
  );

async function register(text: string): Promise<Configuration> {
  const path = join(folder, 'register.csv');
  await writeFile(path, text);
  return readConfiguration({ TRACING: 'register', TRACING_REGISTER_FILE: path });
}

describe('tracing', () => {
  test('may be left out for a demo, but never for a live dataset', async () => {
    const none = readConfiguration({});
    expect(await openNumberTracer(none, 'demo')).toBeUndefined();
    expect(await refusal(openNumberTracer(none, 'live'))).toMatch(
      /^TRACING: must be register or pds, .*\.$/,
    );
  });

  test('stops if the register is unusable, with a message that names the setting and the line', async () => {
    const bad = await register('nhs_number\n');
    for (const kind of ['demo', 'live'] as const) {
      expect(await refusal(openNumberTracer(bad, kind))).toMatch(
        /^TRACING_REGISTER_FILE: The register .*register\.csv cannot be used: line 1: .*\.$/,
      );
    }
  });

  test('works for both with a sound register', async () => {
    const good = await register(
      `nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n${testNumber(1)},,,2019-03-05,Ada,Example\n`,
    );
    for (const kind of ['demo', 'live'] as const) {
      expect(await openNumberTracer(good, kind)).toBeDefined();
    }
  });
});

describe('tracing by PDS', () => {
  const of = (key: string): Configuration =>
    readConfiguration({
      TRACING: 'pds',
      PDS_URL: 'https://pds.example/FHIR/R4/',
      PDS_API_KEY: 'a',
      PDS_KEY_ID: 'k',
      PDS_KEY_FILE: key,
      DATA_DIR: folder,
    });

  test('works with an RSA key, and for any other key a message says what it must be', async () => {
    const path = (name: string) => join(folder, name);
    const rsa = (modulusLength: number) =>
      generateKeyPairSync('rsa', { modulusLength }).privateKey.export({
        type: 'pkcs8',
        format: 'pem',
      });
    await writeFile(path('good.pem'), rsa(2_048));
    const tracer = await openNumberTracer(of(path('good.pem')), 'live');
    expect(isPds(tracer)).toBe(true);
    if (isPds(tracer)) tracer.memory.close();
    await writeFile(path('short.pem'), rsa(1_024));
    await writeFile(
      path('ec.pem'),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
        type: 'pkcs8',
        format: 'pem',
      }),
    );
    await writeFile(path('none.pem'), 'no key');
    for (const name of ['short.pem', 'ec.pem', 'none.pem']) {
      expect(await refusal(openNumberTracer(of(path(name)), 'live'))).toMatch(
        /^PDS_KEY_FILE: must be an RSA private key of 2048 bits or more/,
      );
    }
    expect(await refusal(openNumberTracer(of(path('gone.pem')), 'live'))).toBe(
      `PDS_KEY_FILE: ${path('gone.pem')} cannot be read (ENOENT).`,
    );
  });
});

describe('settings', () => {
  test.each([
    [{ TRACING: 'register' }, /^TRACING_REGISTER_FILE: required, because TRACING is register\.$/],
    [{ TRACING_REGISTER_FILE: 'x.csv' }, /^TRACING: must be register, /],
    [
      { TRACING: 'pds', PDS_URL: 'https://pds.example', PDS_API_KEY: 'a' },
      /^PDS_KEY_ID: required, because TRACING is pds\. PDS_KEY_FILE: required/,
    ],
    [{ PDS_URL: 'http://pds.example/FHIR' }, /^PDS_URL: must be an https address/],
    [{ PDS_URL: 'https://a:b@pds.example/FHIR' }, /^PDS_URL: must be an https address/],
    [{ PDS_TOKEN_URL: 'https://pds.example/token?x=1' }, /^PDS_TOKEN_URL: must be an https/],
    [{ PDS_PER_SECOND: '0' }, /^PDS_PER_SECOND: must be at least 0.1/],
    [{ TRACING: 'no' }, /^TRACING: /],
    [{ ACK_ECHO: 'V145;V146' }, /^ACK_ECHO: must be ODS codes separated by commas\.$/],
  ])('%j is refused with a message', (environment, says) => {
    expect(() => readConfiguration(environment)).toThrow(says);
  });

  test('ACK_ECHO lists authorities', () => {
    expect(readConfiguration({ ACK_ECHO: 'V145, V146' }).ACK_ECHO).toEqual(['V145', 'V146']);
    expect(readConfiguration({}).ACK_ECHO).toEqual([]);
  });
});
