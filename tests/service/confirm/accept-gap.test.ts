import { writeFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CONFIRMED } from '#schemas/wording/confirmations.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { STORE } from '#schemas/wording/store.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { LogWriter } from '#service/audit/seal/log-writer.ts';
import { acceptGap } from '#service/confirm/accept-gap.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { AUDIT_LOG_FIELD } from '#store/audit-stream/sealed-size.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { auditPartitions, keys } from '#store/keys.ts';
import { auditFolder, removeAuditFolders, signerOf } from '../../support/audit.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

const NAMED = { by: 'A. Guardian', reason: 'the disk is lost' };

let t: TestStore;
let connection: Redis;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  connection = await t.connect('worker');
});
beforeEach(() => sealBy('lost'));
afterAll(async () => {
  await t.stop();
  removeAuditFolders();
});

const sealBy = (log: string) => connection.hset(keys.dataset, AUDIT_LOG_FIELD, log);

/** A log that has sealed nothing of this store's. */
async function newLog(of = t): Promise<{ folder: string; id: string }> {
  const folder = auditFolder();
  const log = LogWriter.open({
    folder,
    dataset: (await of.store.dataset())?.id ?? '',
    streams: auditPartitions.length,
    signers: () => [signerOf()],
  });
  const { id } = log.committed;
  log.close();
  return { folder, id };
}

/** A connection on which something happens just before a command, and no worker seems to be at work. */
const before = (command: 'hset' | 'hsetnx', happens: () => unknown, of = connection): Redis =>
  new Proxy(of, {
    get(target, name) {
      if (name === 'get') {
        return (key: string) => (key === keys.open ? Promise.resolve(null) : target.get(key));
      }
      if (name !== command) return Reflect.get(target, name, target) as unknown;
      return async (...args: unknown[]) => {
        await happens();
        return Reflect.apply(target[command], target, args) as unknown;
      };
    },
  });
const beforeClaim = (happens: () => Promise<unknown>): Redis => before('hsetnx', happens);

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
  const place = { connection: beforeClaim(() => sealBy('third')), auditFolder: folder };
  const decided = await acceptGap(place, NAMED);
  expect(decided).toEqual({ kind: 'refused', says: SEALING.otherLog });
  expect(await streams.sealedBy()).toBe('third');
  expect(await adoptions()).toEqual(before);
});

test('if a third log begins to seal once a gap is accepted, the answer says what was accepted', async () => {
  const own = await startTestStore({ kind: 'demo' });
  try {
    const { folder } = await newLog(own);
    const worker = await own.connect('worker');
    await own.admin.xtrim(keys.audit('system'), 'MAXLEN', '=', 0);
    const third = before(
      'hsetnx',
      () => worker.hset(keys.dataset, AUDIT_LOG_FIELD, 'third'),
      worker,
    );
    const decided = await acceptGap({ connection: third, auditFolder: folder }, NAMED);
    expect(decided.kind).toBe('unsure');
    expect(decided.says.split('\n')).toEqual([
      expect.stringMatching(/^Accepted: /),
      CONFIRMED.gap.restNotDone,
      SEALING.otherLog,
    ]);
  } finally {
    await own.stop();
  }
});

test('a log that is held up for longer than its lease never takes the place of one that nobody answered for', async () => {
  const { folder, id } = await newLog();
  const held = await t.connect('worker');
  const send = held.sendCommand.bind(held);
  held.sendCommand = (command, stream) => {
    const { name, args } = command as unknown as { name: string; args: unknown[] };
    const adopts = name === 'hset' || (name === 'fcall' && args[0] !== FUNCTIONS.appendEvent);
    return adopts && args.includes(id)
      ? sealBy('third').then(() => send(command, stream))
      : send(command, stream);
  };
  const decided = await acceptGap({ connection: held, auditFolder: folder }, NAMED);
  // Its adoption is on record by then.
  expect(decided).toEqual({
    kind: 'unsure',
    says: `${CONFIRMED.gap.recordedOnly}\n${SEALING.otherLog}`,
  });
  expect(await createAuditStreams(connection).sealedBy()).toBe('third');
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

test('a log is adopted although the settings of an authority are being changed', async () => {
  const { folder } = await newLog();
  await connection.set(keys.settingsLock, 'somebody else');
  try {
    const decided = await acceptGap({ connection, auditFolder: folder }, NAMED);
    expect(decided.kind).toBe('done');
  } finally {
    await connection.del(keys.settingsLock);
  }
});

test('if another process takes over meanwhile, what was accepted by then is said, and that the rest may not be done', async () => {
  const { folder, id } = await newLog();
  // As this log's own worker said it, before another log was adopted.
  await createAuditStreams(connection).acceptSealedSize({ log: id, size: 5 });
  const takenOver = beforeClaim(() => t.admin.set(keys.adoptionLock, 'somebody else'));
  try {
    expect(await acceptGap({ connection: takenOver, auditFolder: folder }, NAMED)).toEqual({
      kind: 'unsure',
      says: `${CONFIRMED.gap.beyond(0, 5)}\n${STORE.adoptionBusy}`,
    });
    expect(await createAuditStreams(connection).sealedBy()).toBe('lost');
  } finally {
    await t.admin.del(keys.adoptionLock);
  }
});

test('if the log’s folder fails at the first gap, the answer says that it is on record and may not be done', async () => {
  const own = await startTestStore({ kind: 'demo' });
  try {
    const { folder } = await newLog(own);
    const worker = await own.connect('worker');
    await own.admin.xtrim(keys.audit('system'), 'MAXLEN', '=', 0);
    const send = worker.sendCommand.bind(worker);
    worker.sendCommand = (command, stream) => {
      const { name, args } = command as unknown as { name: string; args: unknown[] };
      if (name === 'fcall' && args[0] === FUNCTIONS.appendEvent) {
        writeFileSync(CommitFile.pathIn(folder), 'damaged '.repeat(200));
      }
      return send(command, stream);
    };
    expect(await acceptGap({ connection: worker, auditFolder: folder }, NAMED)).toEqual({
      kind: 'unsure',
      says: CONFIRMED.gap.recorded('file is not a database'),
    });
    expect(await own.adminStore.readEvents('system')).toContainEqual(
      expect.objectContaining({ type: 'audit-gap-accepted' }),
    );
  } finally {
    await own.stop();
  }
});

test('if the log’s folder fails meanwhile, what was accepted by then is said, and that the rest may not be done', async () => {
  const own = await startTestStore({ kind: 'demo' });
  try {
    const { folder, id } = await newLog(own);
    const worker = await own.connect('worker');
    await createAuditStreams(worker).noteSealedSize({ log: id, size: 5 });
    await own.admin.xtrim(keys.audit('system'), 'MAXLEN', '=', 0);
    const file = CommitFile.pathIn(folder);
    const fails = before('hset', () => writeFileSync(file, 'damaged '.repeat(200)), worker);
    expect(await acceptGap({ connection: fails, auditFolder: folder }, NAMED)).toEqual({
      kind: 'unsure',
      says: `${CONFIRMED.gap.beyond(0, 5)}\n${CONFIRMED.gap.failed('file is not a database')}`,
    });
  } finally {
    await own.stop();
  }
});
