import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandsBesideDemo } from '../../support/council-command.ts';
import { day } from '../../support/rows.ts';
import { fileXml, type ModelRecord, planOf, upload } from '../../support/upload-model.ts';

const demo = commandsBesideDemo();
const { run } = demo;

const cpFlags = (...args: string[]) => run(args, demo.environment);

async function file(authority: string, sequence: number, records: ModelRecord[]): Promise<string> {
  const path = join(demo.files, `${authority}-${sequence}.xml`);
  await writeFile(path, fileXml(upload({ authority, sequence, records })));
  return path;
}

const children = (count: number, differing = {}): ModelRecord[] =>
  Array.from({ length: count }, (_, i) => planOf(i + 1, differing));
const END = { endDate: day('2026-11-20') };

describe('a held file', () => {
  test('is listed, and released or discarded by somebody who gives a reason', async () => {
    const first = await file('ZZ301', 1, children(10));
    const second = await file('ZZ301', 2, children(6, END));
    const third = await file('ZZ302', 1, children(2));
    const loaded = await cpFlags('load', first, third, second);
    expect(loaded.code).toBe(4);
    expect(loaded.stdout).toContain('cp-flags release ZZ301-2');

    const list = await cpFlags('release', '--list');
    expect(list.stdout).toMatch(/^ZZ301-2 {2}[a-p]{8}/);
    expect(list.stdout).toContain(': 6 rows are held. Nothing in the file is applied yet.');
    expect(list.stdout).toContain('6 of 10 (60 %) plans in force');
    expect(await cpFlags('release', 'ZZ301-2')).toMatchObject({ code: 2 });
    expect((await cpFlags('release', 'ZZ301-3', '--by', 'A', '--reason', 'b')).stderr).toContain(
      'Nothing is held as ZZ301-3',
    );
    const released = await cpFlags(
      'release',
      'ZZ301-2',
      '--by',
      'A. Example',
      '--reason',
      'meant',
      '--confirmed-by',
      'B. Council',
    );
    expect(released).toMatchObject({ code: 0, stderr: '' });
    expect(released.stdout).toContain('6 accepted');
    expect((await cpFlags('release', '--list')).stdout).toBe('Nothing is held.\n');
  });

  test('depends on the authority’s own settings, if it has any', async () => {
    await cpFlags('load', await file('ZZ303', 1, children(10)));
    expect(await cpFlags('authority', 'set', 'ZZ303', '--removals-stop-share', '2')).toMatchObject({
      code: 2,
    });
    const set = await cpFlags('authority', 'set', 'ZZ303', '--removals-stop-share', '0.9');
    expect(set.stdout).toContain('{"removalsStopShare":0.9}');
    expect(await cpFlags('load', await file('ZZ303', 2, children(6, END)))).toMatchObject({
      code: 0,
    });
    const back = await cpFlags('authority', 'set', 'ZZ303', '--removals-stop-share', 'default');
    expect(back.stdout).toContain('own settings: {}');
  });
});

describe('a dry run', () => {
  test('checks a file with and without the store', async () => {
    const path = await file('ZZ304', 1, children(3));
    const dry = await cpFlags('load', '--dry-run', path);
    expect(dry).toMatchObject({ code: 0, stderr: '' });
    expect(dry.stdout).toContain('+3 -0 ~0  NOTHING WAS CHANGED');
    expect((await cpFlags('status', '--json')).stdout).not.toContain('ZZ304');

    const nowhere = { DATA_DIR: join(demo.files, 'nowhere') };
    const alone = await run(['validate', path], nowhere);
    expect(alone).toMatchObject({ code: 0, stderr: '' });
    expect(alone.stdout).toContain('3 with no fault, 0 with faults');
    // Nothing was done, so nothing may be reported as done.
    const [, ...said] = alone.stdout.split('\n');
    expect(said.join('\n')).not.toMatch(/loaded|accepted|added/);
    expect(dry.stdout).toContain('would be CPF02');
    await cpFlags('load', path);
    expect((await cpFlags('load', path)).stdout).toContain('This file was loaded before');
    expect((await cpFlags('authority', 'list')).stdout).toMatch(
      /^ZZ304 {2}.*emergency duty team \d+, given on \d+ \w+ 20\d\d.*data as of/m,
    );
    // A demo expects every authority, and nobody has said yet which others are expected.
    expect((await cpFlags('authority', 'list')).stdout).not.toContain('not expected');
    const expected = join(demo.files, 'expected.json');
    await writeFile(
      expected,
      JSON.stringify({
        area: 'a pilot',
        kind: 'pilot',
        authorities: [{ code: 'ZZ399', name: 'Later Council' }],
      }),
    );
    await cpFlags('authority', 'expect', '--file', expected, '--by', 'A', '--reason', 'b');
    const listed = (await cpFlags('authority', 'list')).stdout;
    expect(listed).toMatch(/^ZZ399 {2}Later Council; not known yet$/m);
    expect(listed).toMatch(/^ZZ304 .*; not expected$/m);
    await writeFile(path, 'not a file of ours');
    expect(await run(['validate', path], nowhere)).toMatchObject({ code: 4 });
    expect(await cpFlags('purge', '--dry-run')).toMatchObject({
      code: 0,
      stdout: 'No row would be removed.\n',
    });
  });
});

test('a numbering is restarted by somebody who gives a reason', async () => {
  await cpFlags('load', await file('ZZ305', 41, children(1)));
  expect(await cpFlags('authority', 'reset-sequence', 'ZZ305')).toMatchObject({ code: 2 });
  const who = ['--by', 'A. Example', '--reason', 'new system'];
  const reset = await cpFlags('authority', 'reset-sequence', 'ZZ305', ...who);
  expect(reset.stdout).toContain('the old one ended with 41');
  const status = JSON.parse((await cpFlags('status', '--json')).stdout) as {
    authorities: { code: string; lastSequence: number | null }[];
  };
  expect(status.authorities.find(({ code }) => code === 'ZZ305')?.lastSequence).toBeNull();
});
