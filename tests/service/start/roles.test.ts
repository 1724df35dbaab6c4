import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { type Service, startService } from '#service/main.ts';
import { createLog } from '#service/telemetry/log.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { startTestService, type TestService, testFolder } from '../../support/service.ts';

const EVERY = [
  'GET /_ping',
  'GET /_status',
  'GET /problems/:code',
  'GET /openapi.json',
  'GET /docs',
];
const LOOKUPS = [
  'POST /lookup',
  'POST /lookup/batch',
  ...['Flag', 'CareTeam', 'AuditEvent'].flatMap((type) => [
    `GET /FHIR/R4/${type}`,
    `POST /FHIR/R4/${type}/_search`,
  ]),
  'GET /FHIR/R4/metadata',
  'GET /FHIR/R4/CodeSystem/error-code',
  'GET /FHIR/R4/SearchParameter/flag-code',
];
const WORK = [
  'POST /uploads',
  'GET /uploads/:sequence',
  'GET /uploads/:sequence/notice',
  'GET /holdings',
  'POST /audit/search',
  'GET /notifications',
];

let worker: TestService;
beforeAll(async () => {
  worker = await startTestService({ environment: { ROLE: 'worker' } });
});
afterAll(() => worker.stopAndRemove());

/** A process of this role beside the worker, on its Redis. */
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
  ['all', [...EVERY, ...LOOKUPS, ...WORK]],
  ['lookup', [...EVERY, ...LOOKUPS]],
  ['worker', [...EVERY, ...WORK]],
] as const)('a process of role %s serves its own routes, and no others', async ([role, routes]) => {
  const dataDir = await testFolder();
  const service = role === 'worker' ? worker : await startBeside(role, dataDir);
  try {
    expect(service.routes.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual(
      routes.toSorted(),
    );
  } finally {
    if (role !== 'worker') await service.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});
