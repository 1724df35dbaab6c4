import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readDemo, root, startServing } from '../support/processes.ts';
import { drawnSeed } from '../support/seed.ts';
import { testFolder } from '../support/service.ts';
import { bucket } from './bucket.ts';
import { mesh } from './mesh.ts';
import { asked } from './resources.ts';
import { type Finding, fuzz, generators, hapi, linters } from './tools.ts';
import { witness } from './witness.ts';

/** `npm run test:strangers` tests this service with other people's tools. */

const HELP = `npm run test:strangers -- [options]

  --seed N       the same requests again (default: FAULT_SEED, or others each time; printed)
  --examples 10  how many requests of each kind the fuzz test makes of a route
  --only NAME    one of hapi, linters, generators, fuzz, mesh, bucket, witness

Tools are installed in .strangers, from the package registries; one that cannot be is named and left out.`;

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: drawnSeed() },
    examples: { type: 'string', default: '10' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function runAll(): Promise<void> {
  const seed = Number(options.seed);
  say(`seed ${seed}`);
  const cache = join(root, '.strangers');
  const work = await testFolder();
  const dataDir = join(work, 'data');
  await mkdir(cache, { recursive: true });
  // A few people make many requests a second here; other tests cover the limits.
  const limits = {
    USER_LIMIT: '0',
    CLIENT_LIMIT: '0',
    ORGANISATION_LIMIT: '0',
  };
  const service = await startServing(['--demo'], {
    DATA_DIR: dataDir,
    LOG_LEVEL: 'warn',
    ...limits,
  });
  const findings: Finding[] = [];
  try {
    const demo = await readDemo(dataDir);
    const openapi = join(work, 'openapi.json');
    await writeFile(openapi, await (await fetch(`${demo.baseUrl}/openapi.json`)).text());
    const tools = {
      hapi: async () => hapi(cache, await asked(demo, join(work, 'resources'))),
      linters: () => linters(cache, openapi),
      generators: () => generators(cache, openapi, join(work, 'generated')),
      fuzz: () => fuzz(cache, openapi, demo, { seed, examples: Number(options.examples) }),
      mesh: () => mesh(cache),
      bucket: () => bucket(cache, seed),
      witness: () => witness(cache),
    };
    for (const [name, tool] of Object.entries(tools)) {
      if (options.only !== undefined && options.only !== name) continue;
      for (const finding of await tool()) {
        findings.push(finding);
        say(`${finding.kind.padEnd(6)} ${finding.tool}: ${finding.text}`);
      }
    }
  } finally {
    await service.stop();
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
  const count = (kind: Finding['kind']) =>
    findings.filter((finding) => finding.kind === kind).length;
  say(
    `${count('passed')} passed, ${count('failed')} failed, ${count('absent')} absent (seed ${seed})`,
  );
  process.exitCode = count('failed') === 0 ? 0 : 1;
}

if (options.help) say(HELP);
else await runAll();
