import { execFileSync } from 'node:child_process';
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { sampleUploads } from '#loaders/synthetic/sample.ts';
import { configurationSchema } from '#schemas/configuration.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { commandsBesideDemo } from '../../support/council-command.ts';
import { root } from '../../support/processes.ts';
import { until } from '../../support/service.ts';

const demo = commandsBesideDemo();
const { run } = demo;

const COLUMNS =
  'nhs_number,local_id,date_of_birth,given_name,family_name,plan_type,start_date,end_date,delete_date';

async function file(name: string, text: string): Promise<string> {
  const path = join(demo.files, name);
  await writeFile(path, text);
  return path;
}

const csv = (name: string, ...rows: string[]) => file(name, `${[COLUMNS, ...rows].join('\n')}\n`);
const acknowledgement = async (path: string) =>
  acknowledgementSchema.parse(JSON.parse(await readFile(path, 'utf8')));

const SOUND = '9990000018,L1,2019-03-05,Given,Family,child-protection-plan,2026-01-05,,';
const BAD_NUMBER = '9990000019,L2,2019-03-05,Given,Family,child-protection-plan,2026-01-05,,';

describe('authority set', () => {
  test('adds an authority only with a name and an emergency number, and changes it later', async () => {
    const set = (...args: string[]) =>
      run(['authority', 'set', 'ZZ201', ...args], demo.environment);
    const without = await set('--name', 'Somewhere Council');
    expect(without).toMatchObject({ code: 1, stdout: '' });
    expect(without.stderr).toContain('--emergency');
    const added = await set('--name', 'Somewhere Council', '--emergency', '020 7946 0199');
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(added.stdout).toContain('02079460199');
    expect((await set('--office', '02079460100')).stdout).toContain('changed');
    expect(await set('--office', 'by post')).toMatchObject({ code: 2 });
    for (const option of ['--office', '--emergency']) {
      const refused = await set(option, '999');
      expect([refused.code, refused.stderr], option).toEqual([
        2,
        expect.stringContaining('the council’s own'),
      ]);
    }
    expect((await set('--office', '02079460199')).stdout).toContain('The same number');
    expect(await set()).toMatchObject({ code: 2 });
  });
});

describe('load', () => {
  beforeAll(() =>
    run(
      ['authority', 'set', 'ZZ202', '--name', 'Elsewhere', '--emergency', '02079460199'],
      demo.environment,
    ),
  );
  const describedAs = (sequence: number) => [
    '--authority',
    'ZZ202',
    '--sequence',
    String(sequence),
    '--created',
    new Date().toISOString(),
  ];

  test('that accepts every record exits 0 and writes the acknowledgement', async () => {
    const ack = join(demo.files, 'whole.json');
    const { code, stdout, stderr } = await run(
      ['load', await csv('whole.csv', SOUND), '--ack', ack, '--rows', '1', ...describedAs(1)],
      demo.environment,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('CPF02');
    expect(stdout).toContain('1 record: 1 accepted, 0 refused');
    expect(await acknowledgement(ack)).toMatchObject({ code: 'CPF02', sequence: 1 });
  });

  test('that refuses some records exits 3 and says which, where, and what to do', async () => {
    const ack = join(demo.files, 'partly.json');
    const { code, stdout } = await run(
      ['load', await csv('partly.csv', SOUND, BAD_NUMBER), '--ack', ack, ...describedAs(2)],
      demo.environment,
    );
    expect(code).toBe(3);
    const { failures } = await acknowledgement(ack);
    expect(failures).toHaveLength(1);
    expect(stdout).toContain(failures[0]?.place);
    expect(stdout).toContain(failures[0]?.hint);
    expect(stdout).toContain('local id L2');
    expect(stdout).not.toContain('Given');
  });

  test('that accepts nothing exits 4', async () => {
    const refused = ['load', await csv('refused.csv', BAD_NUMBER), ...describedAs(3)];
    expect(await run(refused, demo.environment)).toMatchObject({ code: 4 });
    const cut = ['load', await file('cut.xml', '<File')];
    expect(await run(cut, demo.environment)).toMatchObject({ code: 4 });
  });

  test.each(['json', 'csv', 'xml', 'txt'])(
    'writes the acknowledgement as %s if the path ends so',
    async (format) => {
      const ack = join(demo.files, `one.${format}`);
      const refused = await csv('format.csv', BAD_NUMBER);
      await run(['load', refused, '--ack', ack, ...describedAs(4)], demo.environment);
      const text = await readFile(ack, 'utf8');
      expect(text).toContain('CPF04');
      expect(text).toContain('CPR04');
      expect(text).not.toContain('9990000019');
    },
  );

  test('writes every applicable format into a folder, which it creates', async () => {
    const acks = join(demo.files, 'new-folder');
    const refused = await csv('folder.csv', BAD_NUMBER);
    await run(['load', refused, '--ack', acks, ...describedAs(4)], demo.environment);
    expect((await readdir(acks)).toSorted()).toEqual([
      'folder.csv.ack.csv',
      'folder.csv.ack.json',
      'folder.csv.ack.txt',
    ]);
  });

  test('traces numbers if a register is given, and writes the notice beside the acknowledgement', async () => {
    const registered = await file(
      'register.csv',
      'nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n9990000018,superseded,9990000026,2019-03-05,Given,Family\n',
    );
    const tracing = { TRACING: 'register', TRACING_REGISTER_FILE: registered, ACK_ECHO: 'ZZ202' };
    const acks = join(demo.files, 'traced');
    const { code, stdout } = await run(
      ['load', await csv('traced.csv', SOUND), '--ack', acks, ...describedAs(5)],
      { ...demo.environment, ...tracing },
    );
    expect(code).toBe(4);
    expect(stdout).toContain('CPR05');
    expect(stdout).not.toMatch(/999000/);
    const { echo } = await acknowledgement(join(acks, 'traced.csv.ack.json'));
    expect(echo).toMatchObject([{ people: [{ nhsNumber: '9990000018' }] }]);
    expect((await readdir(acks)).filter((name) => name.startsWith('inactive'))).toEqual([
      'inactive-numbers-ZZ202-5.csv',
      'inactive-numbers-ZZ202-5.json',
      'inactive-numbers-ZZ202-5.xml',
    ]);
    expect(await readFile(join(acks, 'inactive-numbers-ZZ202-5.xml'), 'utf8')).toContain(
      '<newVersion><id extension="9990000026"/>',
    );
  });

  test('of several files writes each acknowledgement into a folder, and exits with the worst code', async () => {
    const [xml] = sampleUploads({ sequence: 1, now: Date.now() });
    const acks = join(demo.files, 'acks');
    await mkdir(acks);
    const { code } = await run(
      ['load', await file('sound.xml', xml?.text ?? ''), await file('bad.xml', 'x'), '--ack', acks],
      demo.environment,
    );
    expect(code).toBe(4);
    expect(await acknowledgement(join(acks, 'sound.xml.ack.json'))).toMatchObject({
      code: 'CPF02',
      authorityAdded: true,
    });
    expect(await acknowledgement(join(acks, 'bad.xml.ack.json'))).toMatchObject({ code: 'CPF01' });
  });

  test.for<[string, string[], number]>([
    ['without a file', ['load'], 2],
    [
      'with an acknowledgement of an unknown kind',
      ['load', process.execPath, '--ack', process.execPath],
      2,
    ],
    ['into a folder that cannot exist', ['load', process.execPath, '--ack', '/dev/null/acks'], 1],
    ['of a file that is not there', ['load', '/nonexistent.csv'], 1],
    ['of a JSON file that only describes a CSV', ['load', join(root, 'package.json')], 1],
    ['of two files under one number', ['load', 'a.csv', 'b.csv', '--sequence', '1'], 2],
    ['with an invalid number', ['load', 'a.csv', '--rows', 'many'], 2],
  ])('%s is refused with a message', async ([, args, expected]) => {
    const { code, stderr } = await run(args, demo.environment);
    expect(code).toBe(expected);
    expect(stderr).toMatch(/^cp-flags: .*\n$/);
  });
});

describe('a destination', () => {
  let folder: string;
  let source: string;
  beforeAll(async () => {
    folder = join(demo.files, 'destinations');
    await mkdir(folder);
    await symlink(join(demo.files, 'elsewhere'), join(folder, 'link.json'));
    await symlink(join(demo.files, 'elsewhere'), join(folder, 'link'));
    await run(
      ['authority', 'set', 'ZZ203', '--name', 'N', '--emergency', '02079460199'],
      demo.environment,
    );
    source = await csv('ZZ203-1-202611242130.csv', SOUND);
    await symlink(join(demo.files, 'elsewhere'), join(folder, 'ZZ203-1-202611242130.csv.ack.json'));
    execFileSync('mkfifo', [join(folder, 'pipe.json')]);
  });

  test('for an acknowledgement is refused before anything is loaded if it is not a file', async () => {
    const before = await readdir(folder);
    const refused = async (name: string, hint: string) => {
      const ack = name === '-' ? name : join(folder, name);
      const { code, stdout, stderr } = await run(['load', source, '--ack', ack], demo.environment);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(hint);
    };
    await Promise.all([
      refused('link.json', '--ack: '),
      refused('link', '--ack: '),
      refused('pipe.json', 'is a named pipe'),
      refused('', '.csv.ack.json is a link'),
      refused('ack.pdf', 'end it with /'),
      refused('-', 'without --ack'),
    ]);
    expect(await readdir(folder)).toEqual(before);
  });

  test('for an acknowledgement is never the file being loaded', async () => {
    const whole = await file('own.xml', 'not XML');
    expect(await run(['load', whole, '--ack', whole], demo.environment)).toMatchObject({ code: 2 });
    expect(await readFile(whole, 'utf8')).toBe('not XML');
  });

  test('for holdings is refused before anything is read if it is a link or a pipe; - is standard output', async () => {
    const outs = ['link', 'pipe.json'].map((name) =>
      run(['holdings', 'ZZ203', '--reason', 'test', '--out', join(folder, name)], demo.environment),
    );
    for (const { code, stderr } of await Promise.all(outs)) {
      expect(code).toBe(2);
      expect(stderr).toContain('--out: ');
    }
    expect((await lstat(join(folder, 'pipe.json'))).isFIFO()).toBe(true);
    const printed = await run(
      ['holdings', 'ZZ203', '--reason', 'test', '--csv', '--out', '-'],
      demo.environment,
    );
    expect(printed.stdout).toContain('nhs_number');
  });

  test('is accepted if its name is new and in capitals, or if it is a folder named like a file', async () => {
    const ack = join(folder, 'ACK.JSON');
    await run(['load', source, '--ack', ack], demo.environment);
    expect(await acknowledgement(ack)).toMatchObject({ code: 'CPF02' });
    const acks = join(folder, 'acks.2026');
    await run(['load', source, '--ack', `${acks}/`], demo.environment);
    expect(await readdir(acks)).toContain('ZZ203-1-202611242130.csv.ack.json');
  });
});

test('characters that a terminal would act on are escaped, wherever they came from', async () => {
  const evil = join(demo.files, 'a\u001b[31m\u202eb\n.csv');
  const missing = await run(['load', evil], demo.environment);
  expect(missing.stderr).toMatch(
    /^cp-flags: .*a\\u001b\[31m\\u202eb\\u000a\.csv is not a file.*\n$/,
  );
  const unknown = await run(['load', 'x', '--\u001b[31m'], demo.environment);
  expect(unknown.stderr).not.toContain('\u001b');
  const by = await run(['audit', 'hold', '--by', 'A\u001b[31m', '--reason', 'r'], demo.environment);
  expect(by.code).toBe(2);
  expect(by.stderr).toContain('--by must have no control');
});

describe('status', () => {
  test('has a line for each authority, and the same content as JSON', async () => {
    /** What the command prints once it finds that the store is ready for lookups. */
    async function status(...args: string[]): Promise<string> {
      let ended = await run(['status', ...args], demo.environment);
      await until(async () => {
        if (ended.code !== 0) ended = await run(['status', ...args], demo.environment);
        return ended.code === 0;
      }, 'the store to be ready');
      return ended.stdout;
    }
    const text = await status();
    // The command does not see issuers' keys, for instance, without which a process answers nothing.
    expect(text).not.toContain('ookups are answered');
    expect(text).toMatch(/^Store: .* It is ready for lookups\. GET \/_status of a process says/);
    expect(text).toMatch(/^ZZ202 .*up to date$/m);
    expect(text).toMatch(/^ZZ201 .*NOT UP TO DATE: never loaded$/m);
    expect(JSON.parse(await status('--json'))).toMatchObject({
      ready: true,
      dataset: { kind: 'demo' },
    });
  });

  test('says how to start a service if there is none', async () => {
    const { code, stderr } = await run(['status'], { DATA_DIR: join(demo.files, 'nothing') });
    expect(code).toBe(1);
    expect(stderr).toContain('npm start');
  });
});

test('init never replaces a dataset', async () => {
  const { code, stderr } = await run(['init', '--live'], demo.environment);
  expect(code).toBe(1);
  expect(stderr).toContain('exists already');
});

test('init in a start script accepts the dataset that it would make, and no other', async () => {
  const again = await run(['init', '--demo', '--unless-there'], demo.environment);
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect((await run(['init', '--live', '--unless-there'], demo.environment)).code).toBe(1);
});

test('serve --help explains each setting and its default', async () => {
  const { stdout } = await run(['serve', '--help'], demo.environment);
  for (const name of configurationSchema.keyof().options) {
    expect(stdout).toMatch(new RegExp(`^  ${name}(?: \\(.+\\))?\n      [A-Z]`, 'm'));
  }
  expect(stdout).toContain('  DATA_DIR (.data)\n');
  expect(stdout).toContain('  UP_TO_DATE_HOURS (72)\n');
});

test.for([['init'], ['serve'], ['load'], ['authority', 'set'], ['status']])(
  '%s has help with an example',
  async (command) => {
    const { code, stdout } = await run([...command, '--help'], demo.environment);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Examples?:\n/);
  },
);
