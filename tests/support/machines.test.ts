import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createProcess } from './machines.ts';
import { until } from './until.ts';

test('a server that refuses to end the first time is asked again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cpf-refuses-'));
  const ready = join(folder, 'ready');
  const refuses = `process.once('SIGTERM', () => undefined);
    require('node:fs').writeFileSync(${JSON.stringify(ready)}, '');
    setInterval(() => undefined, 60_000);`;
  const server = createProcess(process.execPath, ['-e', refuses, '--'], join(folder, 'log'));
  server.start();
  await until(() => existsSync(ready), 'the start');
  await server.kill('SIGTERM');
  expect(server.runs).toBe(false);
  rmSync(folder, { recursive: true });
});
