import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { CLI } from '../../support/processes.ts';

/** Reports, at the end, whether the TypeScript compiler was loaded and where threads look for compiled code. */
const REPORT = `process.on('exit', () => process.stderr.write(JSON.stringify({
  compiled: process.moduleLoadList.some((name) => name.includes('amaro')),
  threadsFind: process.env.NODE_COMPILE_CACHE ?? null,
})))`;

const reportSchema = z.object({ compiled: z.boolean(), threadsFind: z.string().nullable() });

/** Runs a command whose source files do not change during the test. */
async function start(environment: Record<string, string> = {}) {
  const { stderr } = await promisify(execFile)(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(REPORT)}`, CLI, 'generate', '--help'],
    { env: { PATH: process.env['PATH'], ...environment } },
  );
  return reportSchema.parse(JSON.parse(stderr));
}

test('a command and its threads do not compile again what the last command compiled', async () => {
  await start();
  const { compiled, threadsFind } = await start();
  expect(compiled).toBe(false);
  expect(threadsFind).toMatch(/node_modules\/\.cache\/cp-flags$/);
});

test('compiled code is kept where NODE_COMPILE_CACHE says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cpf-compiled-'));
  try {
    const at = { NODE_COMPILE_CACHE: folder };
    expect(await start(at)).toEqual({ compiled: true, threadsFind: folder });
    expect(await start(at)).toEqual({ compiled: false, threadsFind: folder });
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});
