import { type ExecFileException, execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../support/processes.ts';

/** `absent`: the tool is not here and could not be installed, so nothing is known. */
export type Finding = { kind: 'passed' | 'failed' | 'absent'; tool: string; text: string };

export type Ran = { code: number | undefined; output: string };

const DEADLINE_MS = 600_000;

/** @param args in groups that belong together */
export function run(
  program: string,
  args: readonly (string | readonly string[])[],
  cwd = root,
): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      program,
      args.flat(),
      { cwd, timeout: DEADLINE_MS, maxBuffer: 64 * 1_048_576 },
      (error: ExecFileException | null, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined;
        resolve({
          code,
          output: `${stdout}${stderr}${error?.code === 'ENOENT' ? error.message : ''}`,
        });
      },
    );
  });
}

export const lastLines = (text: string, lines = 30): string =>
  text.trim().split('\n').slice(-lines).join('\n');

/** The result of a tool that exits with 0 if it finds nothing wrong. */
export const judged = (tool: string, { code, output }: Ran, passed: string): Finding =>
  code === 0
    ? { kind: 'passed', tool, text: passed }
    : { kind: 'failed', tool, text: lastLines(output, 60) };

export const absent = (tool: string, { output }: Ran): Finding[] => [
  { kind: 'absent', tool, text: `could not be installed: ${lastLines(output, 3)}` },
];

/** HAPI's own validator, run on every resource in a folder. Needs Java 17 and Maven. */
export async function hapi(cache: string, resources: string): Promise<Finding[]> {
  const tool = 'HAPI FHIR validation 8.4.0';
  const library = join(cache, 'hapi-8.4.0');
  if (!existsSync(join(library, 'whole'))) {
    const pom = join(root, 'tests/strangers/pom.xml');
    const installed = await run('mvn', [
      ['-q', '-B', '-f', pom, 'dependency:copy-dependencies'],
      [`-DoutputDirectory=${library}`, '-DincludeScope=runtime'],
    ]);
    if (installed.code !== 0) return absent(tool, installed);
    await writeFile(join(library, 'whole'), '');
  }
  const source = join(root, 'tests/strangers/Validate.java');
  const ran = await run('java', ['-cp', `${library}/*`, source, resources]);
  if (ran.code === undefined) return absent(tool, ran);
  const errors = ran.output.split('\n').filter((line) => /\t(?:ERROR|FATAL)\t/.test(line));
  const count = (await readdir(resources)).length;
  return [
    judged(
      tool,
      { ...ran, output: errors.join('\n') || ran.output },
      `${count} resources, no error`,
    ),
  ];
}

const NPM_TOOLS = {
  '@stoplight/spectral-cli': '6.16.0',
  '@redocly/cli': '2.77.0',
  'openapi-typescript': '7.13.0',
  orval: '7.13.0',
  typescript: '5.9.3',
};

/** Installs npm tools in a folder of their own, so that the dependencies of this service stay unchanged. */
async function npmTools(cache: string): Promise<{ bin: string } | { failed: Ran }> {
  const folder = join(cache, 'npm');
  const bin = join(folder, 'node_modules/.bin');
  if (existsSync(join(folder, 'whole'))) return { bin };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  const packages = Object.entries(NPM_TOOLS).map(([name, version]) => `${name}@${version}`);
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages];
  const failed = await run('npm', args, folder);
  if (failed.code !== 0) return { failed };
  await writeFile(join(folder, 'whole'), '');
  return { bin };
}

/** Whether two linters find nothing wrong with the description, not even a warning. */
export async function linters(cache: string, openapi: string): Promise<Finding[]> {
  const tools = await npmTools(cache);
  if ('failed' in tools) return absent('spectral, redocly', tools.failed);
  const ruleset = join(cache, 'spectral.json');
  await writeFile(ruleset, '{ "extends": ["spectral:oas"] }');
  const spectral = await run(join(tools.bin, 'spectral'), [
    ['lint', openapi, '--ruleset', ruleset, '--fail-severity', 'hint'],
  ]);
  const redocly = await run(join(tools.bin, 'redocly'), [
    'lint',
    openapi,
    '--extends',
    'recommended',
  ]);
  const isClean = redocly.code === 0 && !redocly.output.includes('warning');
  return [
    judged('spectral 6.16.0', spectral, 'clean by spectral:oas'),
    judged('redocly 2.77.0', isClean ? redocly : { ...redocly, code: 1 }, 'clean by recommended'),
  ];
}

/** Whether clients can be generated from the description and compiled. */
export async function generators(
  cache: string,
  openapi: string,
  folder: string,
): Promise<Finding[]> {
  const tools = await npmTools(cache);
  if ('failed' in tools) return absent('openapi-typescript, orval', tools.failed);
  await mkdir(folder, { recursive: true });
  const compile = (file: string) =>
    run(join(tools.bin, 'tsc'), [
      ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', 'esnext'],
      ['--moduleResolution', 'bundler', '--lib', 'es2022,dom', file],
    ]);
  const types = join(folder, 'types.ts');
  const client = join(folder, 'client.ts');
  const both = async (tool: string, made: Ran, file: string): Promise<Finding> =>
    judged(tool, made.code === 0 ? await compile(file) : made, 'its output compiles');
  await copyFile(openapi, join(folder, 'openapi.json'));
  return [
    await both(
      'openapi-typescript 7.13.0',
      await run(join(tools.bin, 'openapi-typescript'), [openapi, '-o', types]),
      types,
    ),
    await both(
      'orval 7.13.0',
      await run(join(tools.bin, 'orval'), [
        ['--input', openapi, '--output', client, '--client', 'fetch'],
      ]),
      client,
    ),
  ];
}

/** The caller and role for each request. A route that refuses its caller everything would test nothing. */
const CALLERS = [
  { tag: 'Lookup', persona: 'emergencyDepartment', role: 'demo-nurse-1' },
  { tag: 'Lookup', persona: 'scheduledCare', role: 'demo-gp-1' },
  { tag: 'FHIR R4', persona: 'emergencyDepartment', role: 'demo-nurse-1' },
  { tag: 'Authorities', persona: 'authority', role: 'demo-data-officer-1' },
  { tag: 'Audit', persona: 'caldicottGuardian', role: 'demo-guardian-1' },
  { tag: 'Service', persona: 'emergencyDepartment', role: 'demo-nurse-1' },
] as const;

/**
 * Things that the tool expects and this service does not promise: that it accepts a number with a wrong check digit, a
 * query without a patient or a CSV that is only words, and that it checks a token before the request id under which the
 * refusal is recorded.
 */
const EXCLUDED = ['positive_data_acceptance', 'ignored_auth'];
/**
 * A batch refuses a single item within its 200, and an upload is answered with its acknowledgement, even if that is
 * CPF01.
 */
const EXCLUDED_OF_PARTS = [...EXCLUDED, 'negative_data_rejection'];

/** Makes valid and invalid requests from the description. No answer may be a fault or missing from the description. */
export async function fuzz(
  cache: string,
  openapi: string,
  { baseUrl, tokens }: { baseUrl: string; tokens: Record<string, string> },
  { seed, examples }: { seed: number; examples: number },
): Promise<Finding[]> {
  const tool = 'schemathesis 4.32.0';
  const python = join(cache, 'python');
  const schemathesis = join(python, 'bin/schemathesis');
  if (!existsSync(schemathesis)) {
    const made = await run('python3', ['-m', 'venv', python]);
    if (made.code !== 0) return absent(tool, made);
    const pip = join(python, 'bin/pip');
    const installed = await run(pip, ['install', '-q', 'schemathesis==4.32.0']);
    if (installed.code !== 0) return absent(tool, installed);
  }
  const findings: Finding[] = [];
  for (const { tag, persona, role } of CALLERS) {
    const ran = await run(
      schemathesis,
      [
        ['run', openapi, '--url', baseUrl, '--include-tag', tag, '--no-color'],
        ['-H', `Authorization: Bearer ${tokens[persona]}`, '-H', `NHSD-Session-URID: ${role}`],
        [
          '--exclude-checks',
          (persona === 'authority' || persona === 'scheduledCare'
            ? EXCLUDED_OF_PARTS
            : EXCLUDED
          ).join(','),
        ],
        [
          '--seed',
          String(seed),
          '--max-examples',
          String(examples),
          '--phases',
          'examples,coverage,fuzzing',
        ],
        ['--continue-on-failure', '--suppress-health-check', 'all'],
      ],
      cache,
    );
    findings.push(judged(tool, ran, `${tag}, asked by ${persona}: every answer as described`));
  }
  return findings;
}
