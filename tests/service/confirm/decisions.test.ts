import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OwnCheck } from '#schemas/status.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import { createDecisions } from '#service/confirm/decisions.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { orderSingleMode } from '#store/trust/replica-orders.ts';
import { openLog, signerOf } from '../../support/audit.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

/** What a decision depends on beside Redis: the sentinels, and what the checks of this process say. */

const NAMED = { by: 'A. Example', reason: 'the replica is away' };

let store: TestStore;
let place: Omit<Parameters<typeof createDecisions>[0], 'sentinels'>;
const checks: OwnCheck[] = [];
beforeAll(async () => {
  store = await startTestStore();
  await store.adminStore.createDataset('demo', 'test');
  const verifier = await store.keep();
  await until(() => verifier.state.opened, 'the store to open');
  place = {
    connection: await store.connect('worker'),
    alone: await store.connect('worker'),
    anchor: store.anchor,
    auditFolder: join(store.dataDir, 'audit'),
    verifier,
    replicas: 1,
    hasCopy: true,
    storeChecks: () => [],
    own: () => checks,
  };
});
afterAll(() => store?.stop());

test('single mode is not ordered while the sentinels do not confirm that this Redis is the primary', async () => {
  let agreed = false;
  const sentinels = { agree: () => Promise.resolve(agreed) };
  const { decide } = createDecisions({ ...place, sentinels });
  const { order, end } = DECISIONS.replicas;
  expect(await decide('replicas', 'order', NAMED)).toEqual({
    kind: 'refused',
    says: order.notPrimary,
  });
  expect((await store.adminStore.readEvents('system')).map(({ type }) => type)).not.toContain(
    'single-mode-ordered',
  );
  agreed = true;
  expect(await decide('replicas', 'order', NAMED)).toEqual({ kind: 'done', says: order.done });
  agreed = false;
  expect(await decide('replicas', 'end', NAMED)).toEqual({ kind: 'done', says: end.done });
});

test('without sentinels, a named person alone says which Redis is the primary', async () => {
  const { decide } = createDecisions({ ...place, sentinels: undefined });
  expect(await decide('replicas', 'order', NAMED)).toMatchObject({ kind: 'done' });
  expect(await decide('replicas', 'end', NAMED)).toMatchObject({ kind: 'done' });
});

test('single mode is not ordered with an old copy of the audit log, but ended', async () => {
  const auditFolder = join(store.dataDir, 'old-audit');
  mkdirSync(auditFolder);
  const log = openLog(auditFolder, signerOf());
  const { id } = log.committed;
  log.close();
  await createAuditStreams(place.connection).noteSealedSize({ log: id, size: 5 });
  const { decide } = createDecisions({ ...place, auditFolder, sentinels: undefined });
  expect(await decide('replicas', 'order', NAMED)).toEqual({
    kind: 'refused',
    says: SEALING.oldLog({ here: 0, sealed: 5 }),
  });
  await orderSingleMode(place.alone, store.anchor, 1, NAMED);
  expect(await decide('replicas', 'end', NAMED)).toMatchObject({ kind: 'done' });
});

test.each([
  ['the place of the copy', true],
  ['this worker', false],
])(
  'if what a worker needs is not in the copy because of %s (the copy is away: %s), the page says that the copy works only if it is not away',
  async (_, isCopyAway) => {
    checks.splice(
      0,
      Number.POSITIVE_INFINITY,
      { name: 'audit-copy', ok: true, detail: 'The copy has everything.' },
      {
        name: 'worker-state',
        ok: false,
        detail: COPY.stateNotKept(COPY.notTheWorker),
        isCopyAway,
      },
    );
    const { look } = createDecisions({ ...place, sentinels: undefined });
    const matter = await look('copy');
    if (matter.kind === 'nothing') throw new Error('there is something to decide');
    expect(matter.before.includes(DECISIONS.copy.works)).toBe(!isCopyAway);
    expect(matter.happened).toContain(COPY.stateNotKept(COPY.notTheWorker));
  },
);
