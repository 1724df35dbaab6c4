import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { IN_THE_WAY } from '#schemas/wording/store.ts';
import { stateCopyFile } from '#service/files/data-folder.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';

let service: TestService | undefined;
afterAll(() => service?.stopAndRemove());

test('why the state of a worker is not in the second copy is said in sentences', async () => {
  const dataDir = await testFolder();
  const copy = join(dataDir, 'copy');
  await mkdir(copy);
  service = await startTestService({ dataDir, environment: { AUDIT_COPY: copy } });
  const { baseUrl } = service;
  const path = stateCopyFile(readConfiguration({ DATA_DIR: dataDir }));
  let status = '';
  await until(async () => {
    // It is written again at any time.
    await rm(path, { force: true, recursive: true });
    await mkdir(path).catch(() => undefined);
    status = await (await fetch(`${baseUrl}/_status`)).text();
    return status.includes('What a worker needs to take over is not in the second copy.');
  }, 'the copy to fail');
  expect(status).toContain(JSON.stringify(COPY.stateNotKept(IN_THE_WAY.ofFile(path, 'a folder'))));
});
