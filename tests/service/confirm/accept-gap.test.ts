import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { SEALING } from '#schemas/wording/operations.ts';
import { LogWriter } from '#service/audit/seal/log-writer.ts';
import { acceptGap } from '#service/confirm/accept-gap.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { auditPartitions } from '#store/keys.ts';
import { auditFolder, removeAuditFolders, signerOf } from '../../support/audit.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

const NAMED = { by: 'A. Guardian', reason: 'the disk is lost' };

let t: TestStore;
let connection: Redis;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  connection = await t.connect('worker');
});
beforeEach(() => createAuditStreams(connection).adopt('lost'));
afterAll(async () => {
  await t.stop();
  removeAuditFolders();
});

/** A log that has sealed nothing of this store's. */
async function newLog(): Promise<{ folder: string; id: string }> {
  const folder = auditFolder();
  const log = LogWriter.open({
    folder,
    dataset: (await t.store.dataset())?.id ?? '',
    streams: auditPartitions.length,
    signers: () => [signerOf()],
  });
  const { id } = log.committed;
  log.close();
  return { folder, id };
}

/** A connection on which something happens just before a log is claimed. */
const beforeClaim = (happens: () => Promise<unknown>): Redis =>
  new Proxy(connection, {
    get(target, name) {
      if (name !== 'hsetnx') return Reflect.get(target, name, target) as unknown;
      return async (...args: Parameters<Redis['hsetnx']>) => {
        await happens();
        return target.hsetnx(...args);
      };
    },
  });

const adoptions = async () =>
  (await t.adminStore.readEvents('system')).flatMap((event) =>
    event.type === 'audit-gap-accepted' && 'before' in event.detail ? [event.detail['log']] : [],
  );

test('a log takes the place of the one that the person saw', async () => {
  const { folder, id } = await newLog();
  expect(await acceptGap({ connection, auditFolder: folder }, NAMED)).toMatchObject({
    kind: 'done',
  });
  expect(await createAuditStreams(connection).sealedBy()).toBe(id);
  expect(await adoptions()).toEqual([id]);
});

test('if a third log begins to seal while a gap is accepted, it stays, and nobody is recorded as answering for it', async () => {
  const before = await adoptions();
  const { folder } = await newLog();
  const streams = createAuditStreams(connection);
  const place = { connection: beforeClaim(() => streams.adopt('third')), auditFolder: folder };
  const decided = await acceptGap(place, NAMED);
  expect(decided).toEqual({ kind: 'refused', says: SEALING.otherLog });
  expect(await streams.sealedBy()).toBe('third');
  expect(await adoptions()).toEqual(before);
});

test('of two logs that are to take the place of the same one at once, one does', async () => {
  const before = await adoptions();
  const logs = [await newLog(), await newLog(), await newLog()];
  const decided = await Promise.all(
    logs.map(({ folder }) => acceptGap({ connection, auditFolder: folder }, NAMED)),
  );
  expect(decided.map(({ kind }) => kind).toSorted()).toEqual(['done', 'refused', 'refused']);
  const { id } = logs[decided.findIndex(({ kind }) => kind === 'done')] ?? { id: '' };
  expect(await createAuditStreams(connection).sealedBy()).toBe(id);
  expect(await adoptions()).toEqual([...before, id]);
});
