import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { readConfiguration } from '#schemas/configuration.ts';
import { isPds, openNumberTracer } from '#service/uploads/number-tracing.ts';
import { cpFlags, root, run } from '../../support/processes.ts';
import { day, testNumber } from '../../support/rows.ts';
import { START_MS, until } from '../../support/until.ts';
import { ods } from '../../support/upload-loading.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-made-up-'));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

const REGISTER = [
  'nhs_number,status,replaced_by,date_of_birth,given_name,family_name',
  `${testNumber(1)},,,2019-03-05,Ada Mary,Example`,
  `${testNumber(2)},superseded,${testNumber(3)},2019-03-05,Ada Mary,Example`,
  `${testNumber(4)},inactive,,2019-03-05,Ada Mary,Example`,
  `${testNumber(5)},sensitive,,,,`,
  '',
].join('\n');

test('a rehearsal knows the people in its register, and its settings trace numbers with it', async () => {
  const register = join(folder, 'register.csv');
  await writeFile(register, REGISTER);
  const out = join(folder, 'pds');
  const start = async () => {
    const args = ['made-up-pds', '--register', register, '--out', out, '--port', '0'];
    const served = cpFlags(args, {});
    const serves = () => served.stdout().includes('Ctrl-C') || served.gone();
    await until(serves, 'the made-up PDS', START_MS);
    return served;
  };
  const first = await start();
  const key = await readFile(join(out, 'key.pem'), 'utf8');
  first.kill('SIGTERM');
  await first.ended;
  // A running service can continue with its key once the made-up PDS is back.
  const served = await start();
  expect(await readFile(join(out, 'key.pem'), 'utf8')).toBe(key);
  expect(served.stdout()).toContain('knows 4 numbers');
  const lines = (await readFile(join(out, 'pds.env'), 'utf8')).trim().split('\n');
  const settings = Object.fromEntries(
    lines.map((line): [string, string] => {
      const [name = '', value = ''] = line.split('=');
      return [name, value];
    }),
  );
  const tracer = await openNumberTracer(
    readConfiguration({ ...settings, DATA_DIR: folder, PDS_PER_SECOND: '1000' }),
    'live',
  );
  const person = (n: number) => ({
    nhsNumber: testNumber(n),
    dateOfBirth: day('2019-03-05'),
    givenName: 'Ada',
    familyName: 'Example',
  });
  const people = [1, 2, 4, 5, 6].map(person);
  expect(await tracer?.trace(people, new AbortController().signal, ods('ZZ101'))).toEqual([
    { kind: 'verified' },
    { kind: 'inactive', replacedBy: testNumber(3) },
    { kind: 'inactive' },
    { kind: 'sensitive' },
    { kind: 'no-match' },
  ]);
  if (isPds(tracer)) tracer.memory.close();
  served.kill('SIGTERM');
  expect(await served.ended).toMatchObject({ code: 0, stderr: '' });
});

test('the documented rehearsal has a second day, with every kind of person', async () => {
  const text = await readFile(join(root, 'docs', 'tracing.md'), 'utf8');
  const command = /npx cp-flags (generate --out small .*)/.exec(text)?.[1] ?? '';
  const out = join(folder, 'small');
  const args = command.replace('--out small', `--out ${out}`).split(' ');
  // The result must not depend on the day of the rehearsal.
  expect(await run([...args, '--date', '2027-03-01'], {})).toMatchObject({ code: 0 });
  const manifest = z
    .object({
      files: z.array(
        z.object({ sequence: z.number(), wrong: z.array(z.object({ kind: z.string() })) }),
      ),
    })
    .parse(JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8')));
  expect(manifest.files.filter(({ sequence }) => sequence === 2)).toHaveLength(3);
  const kinds = manifest.files.flatMap(({ wrong }) => wrong.map(({ kind }) => kind));
  expect(kinds).toEqual(
    expect.arrayContaining([
      'superseded',
      'inactive',
      'sensitive',
      'unknown',
      'another-given-name',
    ]),
  );
});

test.each([
  ['gone.csv', undefined, 'cannot be read'],
  ['none.csv', 'a,"b\n', 'is not a register'],
])('it says what is wrong with %s', async (name, text, says) => {
  const register = join(folder, name);
  if (text !== undefined) await writeFile(register, text);
  const ended = await run(['made-up-pds', '--register', register, '--out', folder], {});
  expect(ended.code).toBe(1);
  expect(ended.stderr).toContain(says);
});
