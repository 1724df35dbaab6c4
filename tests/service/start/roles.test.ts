import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { type Service, startService } from '#service/main.ts';
import { PARTS } from '#service/start/roles.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { startTestService, type TestService, testFolder } from '../../support/service.ts';

let worker: TestService;
beforeAll(async () => {
  worker = await startTestService({ environment: { ROLE: 'worker' } });
});
afterAll(() => worker.stopAndRemove());

/** A process with this role, beside the worker and on its Redis. */
async function startBeside(role: 'lookup' | 'all', dataDir: string): Promise<Service> {
  const found = await findEmbeddedRedis(worker.dataDir);
  if (found === undefined) throw new Error('no Redis is running');
  const user = role === 'lookup' ? found.users.lookup : found.users.admin;
  const passwordFile = join(dataDir, 'password');
  await writeFile(passwordFile, user.password);
  return startService(
    readConfiguration({
      ROLE: role,
      PORT: '0',
      DATA_DIR: dataDir,
      REDIS_URL: `unix://${user.username}@socket${found.socketPath}`,
      REDIS_PASSWORD_FILE: passwordFile,
    }),
    { log: createLog('silent') },
  );
}

test.for([
  ['all', ['service', 'lookups', 'pages', 'desks', 'work'], []],
  [
    'lookup',
    ['service', 'lookups', 'pages'],
    ['POST /uploads', 'POST /audit/search', 'GET /council'],
  ],
  [
    'worker',
    ['service', 'desks', 'work'],
    ['POST /lookup', 'GET /FHIR/R4/Flag', 'GET /look-up', 'GET /councils'],
  ],
] as const)(
  'a process with role %s serves its own routes, and no others',
  async ([role, parts, never]) => {
    const dataDir = await testFolder();
    const service = role === 'worker' ? worker : await startBeside(role, dataDir);
    try {
      const served = service.routes.map(({ method, path }) => `${method} ${path}`).toSorted();
      const own = parts
        .flatMap((part) => PARTS[part].routes.map(({ operation }) => operation))
        .flatMap(({ method, path, optionsAt = [] }) => [
          `${method} ${path}`,
          ...optionsAt.map((at) => `OPTIONS ${at}`),
        ]);
      expect(served).toEqual(own.toSorted());
      expect(served.filter((route) => never.some((other) => other === route))).toEqual([]);
    } finally {
      if (role !== 'worker') await service.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);
