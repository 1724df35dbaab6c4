import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { odsCodeSchema } from '#schemas/authority.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { Cases } from '#service/audit/cases/cases.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { createHolds } from '#service/audit/seal/holds.ts';
import { createDecisions } from '#service/confirm/decisions.ts';
import { decideMessage, messageToDecide } from '#service/mesh/decide-message.ts';
import { localIdOf, MeshFile } from '#service/mesh/mesh-file.ts';
import { createBlocks } from '#store/blocks.ts';
import { LeaseLost } from '#store/errors.ts';
import { keys } from '#store/keys.ts';
import { beginWork, isReplaced, takeWorkerLease } from '#store/locks/worker-lease.ts';
import { createStore } from '#store/store.ts';
import { openLog, signerOf } from '../../support/audit.ts';
import { ACCESS, OFFICER } from '../../support/case-access.ts';
import { FAILED_MESSAGE } from '../../support/mesh-work.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

const NAMED = { by: 'A. Example', reason: 'a test' };
const CODE = odsCodeSchema.parse('ZZ101');
const NUMBER = { name: 'A Council', emergencyDutyTeamPhone: '02079460119' };

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore();
  await t.adminStore.createDataset('demo', 'test');
});
afterAll(() => t.stop());

/** Whoever has the lease now has lost it, as a process does that stood still for long, and another works. */
async function replace(redis: Awaited<ReturnType<TestStore['connect']>>) {
  await t.admin.del(keys.workerLock);
  const lease = await takeWorkerLease(redis, new Set());
  if (lease === undefined || !(await beginWork(redis, lease))) throw new Error('no lease');
  return lease;
}

test('a worker that another has replaced records nothing and does nothing, whatever is asked of it', async () => {
  const worker = await t.connect('worker');
  const lease = await replace(worker);
  const own = { isReplaced: () => isReplaced(worker, lease) };
  const store = createStore(await t.connect('loader'), t.anchor, own);
  const verifier = await t.keep();
  await until(() => verifier.state.opened, 'the store to open');
  const auditFolder = join(t.dataDir, 'audit');
  mkdirSync(auditFolder);
  openLog(auditFolder, signerOf()).close();
  const mesh = join(t.dataDir, 'mesh');
  mkdirSync(mesh);
  const messages = MeshFile.open(mesh);
  messages.addSent(FAILED_MESSAGE);
  const localId = localIdOf(FAILED_MESSAGE);
  const cases = Cases.open(join(t.dataDir, 'cases.sqlite'), (event) => store.appendEvent(event));
  const holds = createHolds(auditFolder, (event) => store.appendEvent(event));
  const blocks = createBlocks(await t.connect('loader'), store);
  const user = { issuer: 'https://id.example', user: 'nurse' };
  const decisions = createDecisions({
    ...own,
    connection: worker,
    alone: worker,
    anchor: t.anchor,
    auditFolder,
    verifier,
    replicas: 1,
    sentinels: undefined,
    hasCopy: true,
    storeChecks: () => [],
    own: () => [],
  });
  const events = () => t.adminStore.readEvents('system');
  await store.setAuthority(CODE, NUMBER, NAMED);

  await replace(await t.connect('worker'));
  const before = await events();
  const acts: Record<string, () => Promise<unknown>> = {
    case: () => cases.open(ACCESS, 'inquire', OFFICER, 'a note'),
    hold: () => holds.begin(NAMED),
    message: () => decideMessage(store, mesh, { localId, what: 'drop', named: NAMED }),
    block: () => blocks.block({ ...NAMED, ...user }),
    number: () => store.setAuthority(CODE, { ...NUMBER, name: 'Another name' }, NAMED),
    expected: () => store.setExpected({ area: 'X', kind: 'pilot', authorities: [] }, NAMED),
  };
  for (const [name, act] of Object.entries(acts)) {
    await expect(act(), name).rejects.toThrow(LeaseLost);
  }
  for (const [name, subject] of [
    ['replicas', 'order'],
    ['replicas', 'end'],
    ['copy', 'order'],
    ['gap', ''],
  ] as const) {
    expect(await decisions.decide(name, subject, NAMED), name).toEqual({
      kind: 'refused',
      says: COPY.notTheWorker,
    });
  }
  expect(await events()).toEqual(before);
  expect(cases.list(undefined, 10).cases).toEqual([]);
  expect(await holds.list()).toEqual([]);
  expect(messageToDecide(messages, localId)).toBeDefined();
  expect(await blocks.list()).toEqual([]);
  expect((await store.authority(CODE))?.name).toBe(NUMBER.name);
  expect(CommitFile.lookIfThere(auditFolder, (commits) => commits.retentionHolds())).toEqual([]);
  messages.close();
  cases.close();
});
