import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { problemSchema } from '#schemas/errors.ts';
import { batchAnswerSchema, lookupAnswerSchema } from '#schemas/lookup.ts';
import { SAMPLE_NUMBERS, SAMPLE_REHEARSALS } from '#schemas/sample.ts';
import { COULD_NOT_CHECK } from '#schemas/wording/lookup.ts';
import { readDemo, root, startServing } from '../../support/processes.ts';
import { testFolder, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';

/** Does what the guide for suppliers and its page of examples say, with the demo that they use. */

let guide: string;
let examples: string;
let page: string;
let folder: string;
let demo: Awaited<ReturnType<typeof readDemo>>;
let service: Awaited<ReturnType<typeof startServing>>;
let environment: Record<string, string>;

beforeAll(async () => {
  guide = await readFile(join(root, 'docs', 'integrating.md'), 'utf8');
  examples = await readFile(join(root, 'docs', 'lookup-examples.md'), 'utf8');
  page = guide + examples;
  folder = await testFolder();
  const dataDir = join(folder, '.data');
  service = await startServing(['--demo'], { DATA_DIR: dataDir });
  await until(() => service.stdout().includes('Ctrl-C'));
  demo = await readDemo(dataDir);
  environment = {
    PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
    BASE: demo.baseUrl,
    TOKEN: demo.tokens['emergencyDepartment'] ?? '',
  };
});
afterAll(async () => {
  await service?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** The PATH that the machine had before set-up, which a supplier would use to run the guide's examples. */
const outer = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((path) => !path.includes('node_modules'))
  .map((path) => join(path, 'node'))
  .find((path) => existsSync(path));
const nodes = [process.execPath, ...(outer === undefined ? [] : [outer])];

const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(
    ([, text = '']) => text,
  );

async function run(command: string, args: readonly string[], env: Record<string, string>) {
  const { stdout } = await promisify(execFile)(command, args, { cwd: folder, env });
  return JSON.parse(stdout) as unknown;
}

/** What a call prints, made again while it could not be checked: on a busy machine Redis may not answer in time. */
async function checked(call: () => Promise<unknown>): Promise<unknown> {
  let printed: unknown;
  await until(async () => {
    printed = await call();
    const { resourceType } = z.looseObject({ resourceType: z.string().optional() }).parse(printed);
    const isProblem = /"checked":false|"could-not-check"/.test(JSON.stringify(printed));
    return !isProblem && resourceType !== 'OperationOutcome';
  }, 'a call that was checked');
  return printed;
}

describe('the calls to paste', () => {
  test('with curl answer as the guide says, run in the demo’s folder', async () => {
    const [first = '', ...others] = blocks('sh');
    const [settings = '', ...calls] = [first, ...others]
      .join('\n')
      .split(/\n\n+(?=curl )|\n(?=curl )/);
    expect(settings).toContain('export BASE TOKEN');
    const { PATH = '' } = environment;
    const answers = await Promise.all(
      calls.map((call) => checked(() => run('sh', ['-c', `${settings}\n${call}`], { PATH }))),
    );
    const [lookup, batch, ...bundles] = answers;
    expect(lookupAnswerSchema.parse(lookup)).toMatchObject({
      outcome: 'flagged',
      flags: [{ dateOfBirth: 'match' }],
    });
    expect(batchAnswerSchema.parse(batch).items).toMatchObject([
      { outcome: 'flagged' },
      { outcome: 'not-flagged' },
    ]);
    expect(bundles).toMatchObject([
      { resourceType: 'Bundle', total: 1 },
      { resourceType: 'Bundle', total: 1 },
      { resourceType: 'Bundle', total: 1 },
    ]);
  });

  test('in JavaScript run on the oldest Node that the README accepts, if this machine has one', async () => {
    const versions = await Promise.all(
      nodes.map((node) => run(node, ['-p', 'process.versions.node.split(".")[0]'], {})),
    );
    expect(versions[0]).toBe(24);
    for (const version of versions) expect(version).toBeGreaterThanOrEqual(20);
  });

  test('in JavaScript and Python distinguish the three outcomes', async () => {
    async function tries(language: string, name: string, command: string): Promise<void> {
      const program =
        blocks(language).find((each) => each.includes('lookUp(') || each.includes('look_up(')) ??
        '';
      const file = join(folder, name);
      await writeFile(file, program);
      const look = (nhsNumber: string, env = environment) => run(command, [file, nhsNumber], env);
      const [flagged, notFlagged, ...others] = await Promise.all([
        checked(() => look('9991000011')),
        checked(() => look('9991000100')),
        look('9991000135'),
        look('9991000143'),
        look('9991000011', { ...environment, TOKEN: 'x' }),
        // Nothing listens at this address.
        look('9991000011', { ...environment, BASE: 'http://127.0.0.1:9' }),
      ]);
      expect(flagged).toMatchObject({ kind: 'flagged', answer: { checked: true } });
      expect(notFlagged).toMatchObject({ kind: 'not-flagged', answer: { checked: true } });
      for (const each of others) {
        expect(each).toEqual({ kind: 'could-not-check', advice: [COULD_NOT_CHECK] });
      }
    }
    await Promise.all([
      ...nodes.map((node) => tries('js', 'lookup.mjs', node)),
      tries('python', 'lookup.py', 'python3'),
    ]);
  });

  test('do not repeat a 503 without Retry-After, and repeat one with it only once', async () => {
    const programs = [
      ...nodes.map((node) => ({ language: 'js', name: 'again.mjs', command: node })),
      { language: 'python', name: 'again.py', command: 'python3' },
    ];
    for (const { language, name } of programs) {
      const program = blocks(language).find((each) => /lookUp\(|look_up\(/.test(each)) ?? '';
      await writeFile(join(folder, name), program);
    }
    const advice = ['Look up the number that the patient has now.'];
    const asked = new Map<string, number>();
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      asked.set(path, (asked.get(path) ?? 0) + 1);
      const headers = path.startsWith('/again') ? { 'retry-after': '0' } : {};
      response.writeHead(503, { 'content-type': 'application/problem+json', ...headers });
      response.end(JSON.stringify({ checked: false, advice }));
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    try {
      await Promise.all(
        programs.flatMap(({ name, command }, i) =>
          ['again', 'not-again'].map(async (path) => {
            const env = { ...environment, BASE: `http://127.0.0.1:${port}/${path}/${i}` };
            expect(await run(command, [join(folder, name), '9991000011'], env)).toEqual({
              kind: 'could-not-check',
              advice,
            });
            const times = path === 'again' ? 2 : 1;
            expect([name, path, asked.get(`/${path}/${i}/lookup`)]).toEqual([name, path, times]);
          }),
        ),
      );
    } finally {
      server.close();
    }
  });

  test('for another demo user make a token that is accepted, and that is listed as somebody else', async () => {
    const program = blocks('js').find((each) => each.includes('SignJWT')) ?? '';
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(elsewhere);
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const cwd of [folder, elsewhere]) await writeFile(join(cwd, 'demo-user.mjs'), program);
    const { PATH = '' } = environment;
    for (const [node, cwd, env] of [
      ...nodes.map((node) => [node, folder, { PATH }] as const),
      [process.execPath, elsewhere, { PATH, DATA_DIR: join(folder, '.data') }] as const,
    ]) {
      const { stdout } = await promisify(execFile)(node, ['demo-user.mjs'], { cwd, env });
      const response = await untilAnswered(() =>
        fetch(`${demo.baseUrl}/lookup`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${stdout.trim()}`,
            'x-request-id': randomUUID(),
            'content-type': 'application/json',
          },
          body: JSON.stringify({ nhsNumber: '9991000011' }),
        }),
      );
      expect(response.status).toBe(200);
      const { accesses } = lookupAnswerSchema.parse(await response.json());
      expect(accesses?.[0]).toMatchObject({ name: 'Iris Example', own: true });
    }
  });

  test('use the service’s own words for could-not-check', () => {
    const plain = page.replaceAll(/"\n +"|\n> ?/g, '');
    expect(plain.split(COULD_NOT_CHECK).length - 1).toBe(4);
  });
});

test('the first upload in docs/authorities.md is accepted, and changes nothing', async () => {
  const councils = await readFile(join(root, 'docs', 'authorities.md'), 'utf8');
  const [, block = ''] = /\n## Try it\n[^]*?```sh\n([^]*?)```/.exec(councils) ?? [];
  const { PATH = '' } = environment;
  let stdout = '';
  // On a busy machine one of the calls may be answered 503, and then all are made again.
  await until(async () => {
    ({ stdout } = await promisify(execFile)('sh', ['-c', block], { cwd: folder, env: { PATH } }));
    return stdout.includes('CPF02 Successful') && stdout.includes('0 only there');
  }, 'the calls to be answered').catch(() => undefined);
  expect(stdout).toMatch(/CPF02 Successful\n[^]* 0 added, 0 changed,/);
  expect(stdout).toMatch(/the same, 0 differ, 0 only here, 0 only there/);
});

test('it is served where the API description says', async () => {
  const about = await (await fetch(`${demo.baseUrl}/docs`)).text();
  expect(about).toContain('/docs/integrating.md');
  expect(await (await fetch(`${demo.baseUrl}/docs/integrating.md`)).text()).toBe(guide);
  const served = await fetch(`${demo.baseUrl}/docs/lookup-examples.md`);
  expect(await served.text()).toBe(examples);
});

describe('the test numbers', () => {
  type Row = { number: string; born: string; status: number; code: string };
  const rows = (): Row[] =>
    [...page.matchAll(/^\| `(\d{10})` \| ([\d-]*) +\| (\d{3}) `([a-z-]+)` \|/gm)].map(
      ([, number = '', born = '', status, code = '']) => ({
        number,
        born,
        status: Number(status),
        code,
      }),
    );
  const ask = (path: string, body: string, type: string, persona = 'emergencyDepartment') =>
    fetch(demo.baseUrl + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${demo.tokens[persona]}`,
        'x-request-id': randomUUID(),
        'content-type': type,
      },
      body,
    });
  const lookup = (nhsNumber: string, dateOfBirth?: string) =>
    ask('/lookup', JSON.stringify({ nhsNumber, dateOfBirth }), 'application/json');

  test('are all in the sample, and each gets the answer in its row', async () => {
    const listed = [...SAMPLE_NUMBERS, ...SAMPLE_REHEARSALS].map(({ nhsNumber }) => nhsNumber);
    expect(
      rows()
        .map(({ number }) => number)
        .toSorted(),
    ).toEqual([...listed, '9991000010'].toSorted());
    for (const { number, born, status, code } of rows()) {
      const look = () => lookup(number, born || undefined);
      const response = await (status === 503 ? look() : untilAnswered(look));
      const answer: unknown = await response.json();
      expect([number, response.status]).toEqual([number, status]);
      if (status !== 200) {
        expect(problemSchema.parse(answer)).toMatchObject({ code, checked: false });
        continue;
      }
      const { outcome, flags } = lookupAnswerSchema.parse(answer);
      expect([number, outcome]).toEqual([number, code]);
      for (const flag of flags) expect([number, flag.dateOfBirth]).toEqual([number, 'match']);
    }
  });

  test('show what they are there to show', async () => {
    const shown = async (number: string, born?: string) =>
      lookupAnswerSchema.parse(await (await untilAnswered(() => lookup(number, born))).json());
    const authorities = (await shown('9991000070')).flags.map(({ authority }) => authority.code);
    expect(new Set(authorities).size).toBe(2);
    expect((await shown('9991000062')).flags).toMatchObject([{ status: 'due-date-passed' }]);
    expect(await shown('9991000046')).toMatchObject({ current: false });
    expect((await shown('9991000011', '2019-03-06')).flags).toMatchObject([
      { dateOfBirth: 'mismatch' },
    ]);
    const baby = new Date(Date.now() - 30 * 86_400_000).toISOString().slice(0, 10);
    expect((await shown('9991000100', baby)).advice.join()).toContain('the mother’s NHS number');

    const behind = await shown('9991000119');
    expect(behind.flags).toMatchObject([{ authority: { code: 'ZZE01', upToDate: false } }]);
    expect(behind.coverage).toMatchObject({ complete: false, notUpToDate: [{ code: 'ZZE01' }] });
    expect(behind.coverage.notUpToDate[0]?.since).toBe(behind.flags[0]?.authority.dataAsOf);
    expect((await shown('9991000127')).advice.join()).toContain(
      '1 of the 3 councils covered is not up to date',
    );
    // For every other number the demo has complete coverage.
    expect((await shown('9991000011')).coverage.complete).toBe(true);

    const limited = await untilAnswered(() => lookup('9991000135'));
    expect(limited.headers.get('retry-after')).toBe('30');
    expect(problemSchema.parse(await limited.json()).detail).toMatch(
      /^The limit of this user is 120 requests in 60 seconds\./,
    );
    expect((await lookup('9991000143')).headers.get('retry-after')).toBe('5');
  });

  test('give the same rehearsals in batches and in FHIR', async () => {
    const batch = (...numbers: string[]) =>
      ask(
        '/lookup/batch',
        JSON.stringify({ items: numbers.map((nhsNumber) => ({ nhsNumber })) }),
        'application/json',
        'scheduledCare',
      );
    const limited = await untilAnswered(() => batch('9991000011', '9991000135'));
    expect(limited.status).toBe(429);
    const askMixed = async () =>
      batchAnswerSchema.parse(await (await batch('9991000011', '9991000143')).json());
    let mixed = await askMixed();
    await until(async () => {
      const { items } = mixed;
      if (items[0] !== undefined && 'outcome' in items[0]) return true;
      mixed = await askMixed();
      return false;
    }, 'the answer to the first item');
    expect(mixed).toMatchObject({
      checked: false,
      items: [{ outcome: 'flagged' }, { code: 'could-not-check' }],
    });
    const search = (number: string) =>
      ask(
        '/FHIR/R4/CareTeam/_search',
        new URLSearchParams({
          'patient:identifier': `https://fhir.nhs.uk/Id/nhs-number|${number}`,
        }).toString(),
        'application/x-www-form-urlencoded',
      );
    const issue = z.object({ issue: z.array(z.object({ code: z.string() })) });
    for (const [number, status, code] of [
      ['9991000135', 429, 'throttled'],
      ['9991000143', 503, 'transient'],
    ] as const) {
      const response = await (status === 503
        ? search(number)
        : untilAnswered(() => search(number)));
      expect(response.status).toBe(status);
      expect(issue.parse(await response.json()).issue[0]?.code).toBe(code);
    }
    const behind = JSON.stringify(await (await untilAnswered(() => search('9991000127'))).json());
    expect(behind).toContain('"severity":"warning","code":"incomplete"');
  });
});
