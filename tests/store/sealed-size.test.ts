import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { startTestStore, type TestStore } from '../support/test-store.ts';

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore();
  await t.adminStore.createDataset('demo', 'test');
});
afterAll(() => t.stop());

/** A worker's streams, which are held up just before they write how far a log is sealed, while others work. */
function heldUp(redis: Redis, others: () => Promise<unknown>) {
  const send = redis.sendCommand.bind(redis);
  let isHeld = true;
  redis.sendCommand = (command, stream) => {
    const { name, args } = command as unknown as { name: string; args: unknown[] };
    const writes = name === 'hset' || name === 'hsetnx' || name === 'fcall';
    if (!isHeld || !writes || !JSON.stringify(args).includes('auditSealed')) {
      return send(command, stream);
    }
    isHeld = false;
    return others().then(() => send(command, stream));
  };
  return createAuditStreams(redis);
}

test('a worker that is held up while it says how far the log is sealed takes nothing back that its successor has said', async () => {
  const successor = createAuditStreams(await t.connect('worker'));
  const beyond = (log: string, size: number) => successor.sealedBeyond(() => ({ log, size }));
  for (const before of [undefined, 50]) {
    const log = `log-${before}`;
    await successor.claim(log);
    if (before !== undefined) await successor.noteSealedSize({ log, size: before });
    const late = heldUp(await t.connect('worker'), () =>
      successor.noteSealedSize({ log, size: 200 }),
    );
    await late.noteSealedSize({ log, size: 100 });
    expect(await beyond(log, 150), log).toEqual({ here: 150, sealed: 200 });
    await t.admin.hdel('cpf:dataset', 'auditLog', 'auditSealed');
  }
});

test('a worker whose log another has replaced says nothing any more about how far its own is sealed', async () => {
  const successor = createAuditStreams(await t.connect('worker'));
  await successor.claim('former');
  await successor.noteSealedSize({ log: 'former', size: 100 });
  const late = heldUp(await t.connect('worker'), async () => {
    await successor.adopt('present', 'former');
    await successor.noteSealedSize({ log: 'present', size: 10 });
  });
  await late.noteSealedSize({ log: 'former', size: 101 });
  expect(await successor.sealedBeyond(() => ({ log: 'present', size: 5 }))).toEqual({
    here: 5,
    sealed: 10,
  });
});

test('a named person who continues with an older copy is believed', async () => {
  const streams = createAuditStreams(await t.connect('worker'));
  await t.admin.hdel('cpf:dataset', 'auditLog', 'auditSealed');
  await streams.claim('log');
  await streams.noteSealedSize({ log: 'log', size: 100 });
  await streams.acceptSealedSize({ log: 'log', size: 40 });
  await streams.noteSealedSize({ log: 'log', size: 41 });
  expect(await streams.sealedBeyond(() => ({ log: 'log', size: 40 }))).toEqual({
    here: 40,
    sealed: 41,
  });
});
