import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { Anchor } from '#store/trust/anchor.ts';
import { startServing } from '../../support/processes.ts';
import { testFolder } from '../../support/service.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';
import { loader, ods } from '../../support/upload-loading.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

/** The store stays open, since another worker keeps it open or did so before: `/_status` must not hide what is wrong. */

let t: TestStore;
let copy: string;

function startWorker(anchorDir: string) {
  const { username, password } = t.server.users.admin;
  return startServing([], {
    ROLE: 'worker',
    DATA_DIR: t.dataDir,
    ANCHOR_DIR: anchorDir,
    REDIS_URL: `unix://${username}:${password}@localhost${t.server.socketPath}`,
  });
}

const verified = async (baseUrl: string): Promise<string> => {
  const status = await (await fetch(`${baseUrl}/_status`)).text();
  return /"store:verified":\[(\{.*?\})\]/.exec(status)?.[1] ?? status;
};

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  copy = await testFolder();
  await loader(t).load(fileXml(upload({ authority: ods('ZZ101'), records: [planOf(1)] })));
  cpSync(join(t.dataDir, 'anchor'), copy, { recursive: true });
  const anchor = Anchor.open(copy);
  const state = { sequence: 1, rows: 1, digest: '0' };
  const load = { authority: 'ZZ102', sha256: '', journal: '/nowhere', ...state };
  await anchor.beginLoad(load, undefined);
  await anchor.commitLoad(load, state);
  anchor.close();
});
afterAll(async () => {
  await t?.stop();
  rmSync(copy, { recursive: true, force: true, maxRetries: 5 });
});

test('the status of a worker with another folder than the one in use says so, although another worker keeps the store open', async () => {
  const worker = await startWorker(copy);
  try {
    await until(async () => {
      const now = await verified(worker.baseUrl);
      return now.includes('"status":"warn"') && now.includes('is an old copy or another folder');
    }, 'the reason');
  } finally {
    await worker.stop('SIGTERM');
  }
});

test('the status of a worker whose anchor cannot be written says so, and no longer once it can', async () => {
  const worker = await startWorker(join(t.dataDir, 'anchor'));
  const journal = join(t.dataDir, 'anchor', 'anchor.sqlite-journal');
  try {
    await until(
      async () => (await verified(worker.baseUrl)).includes('"status":"pass"'),
      'the worker to watch over the store',
    );
    // The worker may make its journal again at any moment.
    await until(() => {
      rmSync(journal, { recursive: true, force: true });
      try {
        mkdirSync(journal);
        return true;
      } catch {
        return false;
      }
    }, 'a folder where the journal belongs');
    // The anchor has to take the number of each event.
    await t.adminStore.setExpected(
      { area: 'England', kind: 'pilot', authorities: [{ code: ods('ZZ101'), name: 'Test' }] },
      { by: 'A. Example', reason: 'a test' },
    );
    await until(async () => {
      const now = await verified(worker.baseUrl);
      return now.includes('"status":"warn"') && now.includes('could not be verified');
    }, 'the reason');
    rmSync(journal, { recursive: true });
    await until(
      async () => (await verified(worker.baseUrl)).includes('"status":"pass"'),
      'the end of the warning',
    );
  } finally {
    rmSync(journal, { recursive: true, force: true });
    await worker.stop('SIGTERM');
  }
});
