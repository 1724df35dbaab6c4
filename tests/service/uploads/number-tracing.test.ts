import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Configuration,
  ConfigurationError,
  readConfiguration,
} from '#schemas/configuration.ts';
import { openNumberTracer } from '#service/uploads/number-tracing.ts';
import { testNumber } from '../../support/rows.ts';
import { testFolder } from '../../support/service.ts';

let folder: string;
beforeAll(async () => {
  folder = await testFolder();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

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
  test('may be left out for a demo and never for a live dataset', async () => {
    const none = readConfiguration({});
    expect(await openNumberTracer(none, 'demo')).toBeUndefined();
    expect(await refusal(openNumberTracer(none, 'live'))).toMatch(
      /^TRACING: must be register, .*\.$/,
    );
  });

  test('by a register that cannot be used is a sentence that names the setting and the line', async () => {
    const bad = await register('nhs_number\n');
    for (const kind of ['demo', 'live'] as const) {
      expect(await refusal(openNumberTracer(bad, kind))).toMatch(
        /^TRACING_REGISTER_FILE: The register .*register\.csv cannot be used: line 1: .*\.$/,
      );
    }
  });

  test('by a sound one is had for either', async () => {
    const good = await register(
      `nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n${testNumber(1)},,,2019-03-05,Ada,Example\n`,
    );
    for (const kind of ['demo', 'live'] as const) {
      expect(await openNumberTracer(good, kind)).toBeDefined();
    }
  });
});

describe('settings', () => {
  test.each([
    [{ TRACING: 'register' }, /^TRACING_REGISTER_FILE: required, because TRACING is register\.$/],
    [{ TRACING_REGISTER_FILE: 'x.csv' }, /^TRACING: must be register, /],
    [{ TRACING: 'pds' }, /^TRACING: /],
    [{ ACK_ECHO: 'V145;V146' }, /^ACK_ECHO: must be ODS codes separated by commas\.$/],
  ])('%j are refused in a sentence', (environment, says) => {
    expect(() => readConfiguration(environment)).toThrow(says);
  });

  test('ACK_ECHO lists authorities', () => {
    expect(readConfiguration({ ACK_ECHO: 'V145, V146' }).ACK_ECHO).toEqual(['V145', 'V146']);
    expect(readConfiguration({}).ACK_ECHO).toEqual([]);
  });
});
