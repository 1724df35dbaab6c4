import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { CLI } from '../support/processes.ts';
import { testNumber } from '../support/rows.ts';
import { startTestService, type TestService, testFolder, until } from '../support/service.ts';
import { START_MS } from '../support/until.ts';

const HELD = testNumber(1);

let service: TestService;

beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ1', rows: [{ nhsNumber: HELD }] }],
  });
});

afterAll(() => service.stopAndRemove());

test('a process whose clock is an hour ahead answers nothing, and says what to do', async ({
  skip,
}) => {
  if (spawnSync('faketime', ['--version']).error !== undefined) skip('faketime is not installed');
  const found = await findEmbeddedRedis(service.dataDir);
  if (found === undefined) throw new Error('no Redis is running');
  const { username, password } = found.users.lookup;
  const dataDir = await testFolder();
  await copyFile(join(service.dataDir, 'demo-issuer.json'), join(dataDir, 'demo-issuer.json'));
  const ahead = spawn('faketime', ['-f', '+1h', process.execPath, CLI, 'serve'], {
    env: {
      ...process.env,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      REDIS_URL: `unix://${username}:${password}@localhost${found.socketPath}`,
      ROLE: 'lookup',
      PORT: '0',
      DATA_DIR: dataDir,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    // `faketime` runs the program as a child, so both are ended as a group.
    detached: true,
  });
  let said = '';
  ahead.stdout.on('data', (text: Buffer) => (said += text.toString()));
  try {
    await until(() => /http:\/\/\S+/.test(said), 'the process to listen', START_MS);
    const baseUrl = /http:\/\/\S+/.exec(said)?.[0] ?? '';
    await until(async () => {
      const status = await fetch(`${baseUrl}/_status`);
      expect(status.status).toBe(503);
      return (await status.text()).includes('Set both by a time server');
    }, 'the status to say what to do');
    for (const nhsNumber of [HELD, testNumber(2)]) {
      const response = await fetch(`${baseUrl}/lookup`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await service.token(undefined, 7_200)}`,
          'x-request-id': '60e0b220-8136-4ca5-ae46-1d97ef59d068',
          'content-type': 'application/json',
        },
        body: JSON.stringify({ nhsNumber }),
      });
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ checked: false, code: 'could-not-check' });
    }
  } finally {
    process.kill(-(ahead.pid ?? 0), 'SIGTERM');
    // The output closes only when the program has ended. `faketime` may end earlier, while the program still writes
    // files.
    await once(ahead, 'close');
    await rm(dataDir, { recursive: true, maxRetries: 5 });
  }
});
