import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SEALING } from '#schemas/wording/operations.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { type SealedEvent, sealedEvents } from '#service/audit/log/sealed.ts';
import { beginHold } from '#service/audit/seal/holds.ts';
import { readKeys } from '#service/audit/seal/keys.ts';
import { createSealer, type SealerOptions, type Sealing } from '#service/audit/seal/sealer.ts';
import { tilePath } from '#service/audit/tlog/tiles.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { NotReplicated } from '#store/connection/acknowledged.ts';
import { keys } from '#store/keys.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

let t: TestStore;
let folder: string;
let warnings: string[];
beforeEach(async () => {
  t = await startTestStore({ kind: 'demo' });
  folder = join(t.dataDir, 'audit');
  warnings = [];
});
afterEach(() => t?.stop());

async function sealer(differing: Partial<SealerOptions> = {}) {
  const streams = createAuditStreams(await t.connect('worker'));
  return createSealer({
    folder,
    keyFile: join(t.dataDir, 'audit-key'),
    retentionYears: 26,
    streams,
    dataset: () => t.anchor.dataset()?.id,
    warn: (message, count) => warnings.push(`${message} ${count}`),
    ...differing,
  });
}

/** A step of a sealer that can read its log. */
const step = async (
  one: Awaited<ReturnType<typeof sealer>>,
): Promise<Sealing & { sealed: number }> => {
  const { sealed = Number.NaN, ...sealing } = (await one.step()).sealing;
  return { ...sealing, sealed };
};

const event = (number: number) => ({
  type: 'not-delivered' as const,
  auditId: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
  nhsNumber: '9990000018',
});
/** A bundle and a half of events, three years old. */
async function recordOld(): Promise<void> {
  const old = String(Date.now() - 3 * 366 * 86_400_000);
  for (let i = 0; i < 384; i++) {
    await t.admin.xadd(keys.audit(i % 3), '0-*', 'event', JSON.stringify(event(i)), 'at', old);
  }
}
async function record(count: number, partition: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) => t.adminStore.appendEvent(event(i), partition)),
  );
}
const held = (partition: number): Promise<number> => t.admin.xlen(keys.audit(partition));

async function verification() {
  const signers = await readKeys(join(t.dataDir, 'audit-key'));
  return verifyLog({ folder, keys: signers.map(({ verifierKey }) => verifierKey), waitMs: 0 });
}

test('events of every stream are sealed once, in order, and then leave Redis', async () => {
  for (const partition of [0, 3, 255]) await record(400, partition);
  const one = await sealer();
  const { sealed, unsealed, problem } = await step(one);
  expect([unsealed, problem]).toEqual([0, false]);
  for (const partition of [0, 3, 255]) expect(await held(partition)).toBe(0);
  await record(5, 3);
  expect((await step(one)).sealed).toBe(sealed + 5);
  one.close();

  const { findings, to } = await verification();
  expect([findings, to]).toEqual([[], sealed + 5]);
  const numbers: number[] = [];
  for await (const { event: found } of sealedEvents(folder, 0)) {
    if (found.partition === 3) numbers.push(found.number);
  }
  expect(numbers).toEqual(Array.from({ length: 405 }, (_, i) => i + 1));
});

test('sealed events are passed on exactly as they are in the log', async () => {
  const one = await sealer();
  await step(one);
  const look = (i: number) =>
    `{"type":"lookup","auditId":"${event(i).auditId}","requestId":"${randomUUID()}","caller":{"issuer":"i","client":"c","user":"u","name":"n","role":{"code":"r","name":"r"},"organisation":{"code":"o","name":"o"}},"api":"plain","setting":"s","access":"unscheduled","decidedBy":"activity","nhsNumber":"9990000018","coverage":{"expected":1,"upToDate":1},"versions":{"functions":"f","configuration":"c"}}`;
  const shown = ['shown', 'ZZ101\u001fP\u001f20400\u001fcurrent\u001fmatch', 'accesses', ''];
  const written = [
    [look(1), 'at', '1764000000000', 'outcome', 'not-flagged'],
    [look(2), 'at', '1764000000001', 'outcome', 'not-flagged'],
    [look(3), 'at', '1764000000002', 'outcome', 'flagged', ...shown],
    [look(4).replace('lookup', 'look-up'), 'at', '1764000000003', 'outcome', 'not-flagged'],
    [look(5).replace('"plain"', '7'), 'at', '1764000000004', 'outcome', 'not-flagged'],
    ['{}', 'at', '1764000000005'],
  ];
  for (const [text = '', ...fields] of written) {
    await t.admin.xadd(keys.audit(3), '0-*', 'event', text, ...fields);
  }
  const { sealed } = await step(one);
  const handed = one.lately();
  const read: SealedEvent[] = [];
  for await (const each of sealedEvents(folder, sealed - written.length)) read.push(each);
  expect(read.map(({ index }) => index)).toEqual(handed.map(({ index }) => index));
  const looks = handed.filter((one) => one.event === undefined);
  expect(handed.slice(looks.length)).toEqual(read.slice(looks.length));
  expect(looks).toHaveLength(2);
  for (const [i, { at, child, common }] of looks.entries()) {
    const said = read[i]?.event;
    expect(said).toMatchObject({ ...common, at, outcome: 'not-flagged', nhsNumber: String(child) });
  }
  expect(read).toHaveLength(written.length);
  await step(one);
  expect(one.lately()).toEqual([]);
  one.close();
});

test('events not sealed for a minute are a problem, even if a clock was ahead and has been corrected', async () => {
  await record(1, 3);
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: Date.now() - 3_600_000 });
  try {
    const streams = createAuditStreams(await t.connect('worker'));
    const one = await sealer({
      streams: { ...streams, awaitReplicas: () => Promise.reject(new NotReplicated(0, 1)) },
    });
    expect(await step(one)).toMatchObject({ problem: false });
    vi.advanceTimersByTime(61_000);
    const { problem, detail, oldestUnsealed } = await step(one);
    expect(problem).toBe(true);
    expect(detail).toContain('sealing is falling behind');
    expect(Date.now() - (oldestUnsealed ?? 0)).toBeGreaterThanOrEqual(61_000);
    one.close();
  } finally {
    vi.useRealTimers();
  }
});

test('numbering continues after events have left Redis, and across a restart of Redis', async () => {
  await record(3, 7);
  const one = await sealer();
  await step(one);
  one.close();
  const { dataDir } = t;
  await t.disconnect();
  t = await startTestStore({ dataDir });
  const verifier = await t.keep();
  await until(() => verifier.state.opened, 'the store to open');
  await record(2, 7);
  const two = await sealer();
  await step(two);
  two.close();
  expect((await verification()).findings).toEqual([]);
});

test('committed events still in Redis are not sealed again', async () => {
  await record(10, 1);
  const one = await sealer();
  const { sealed } = await step(one);
  one.close();
  // As if the process had been killed between the commit and the trim.
  await t.admin.del(keys.audit(1));
  for (let i = 1; i <= 10; i++) {
    await t.admin.xadd(keys.audit(1), `0-${i}`, 'event', JSON.stringify(event(i)), 'at', '1');
  }
  const two = await sealer();
  expect((await step(two)).sealed).toBe(sealed);
  expect(await held(1)).toBe(0);
  two.close();
});

describe('sealing stops and says why', () => {
  test('if numbers are missing, and nothing after them is sealed', async () => {
    await record(10, 1);
    const one = await sealer();
    const { sealed } = await step(one);
    await record(5, 1);
    await t.admin.xdel(keys.audit(1), '0-12');
    await record(1, 2);
    const state = await step(one);
    expect(state).toMatchObject({ problem: true, sealed });
    expect(state.detail).toContain('event 12 of partition 1 is missing');
    expect(state.detail).toContain('accept-gap');
    expect(await held(1)).toBe(4);
    one.close();
  });

  test('if Redis has gone back to before the seal, and the store verifier keeps the store closed', async () => {
    await record(10, 1);
    const one = await sealer();
    await step(one);
    await t.admin.del(keys.audit(1));
    await record(3, 1);
    const state = await step(one);
    expect(state.problem).toBe(true);
    expect(state.detail).toContain('partition 1 went back');
    // The command would refuse it.
    expect(state.detail).not.toContain('accept-gap');
    one.close();

    t.anchor.rememberAuditNumbers([]);
    await t.admin.del(keys.open);
    const verifier = await t.keep();
    await until(() => verifier.state.problem, 'the store verifier to notice');
    expect(verifier.state.opened).toBe(false);
    expect(verifier.state.detail).toContain('missing from Redis');
  });

  test('if the log was changed from outside', async () => {
    await record(600, 1);
    const one = await sealer();
    await step(one);
    await step(one);
    one.close();
    const path = join(folder, tilePath('entries', 1));
    const bytes = readFileSync(path);
    bytes[500] = (bytes[500] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    await record(5, 1);
    const two = await sealer();
    const state = await step(two);
    expect(state.problem).toBe(true);
    expect(state.detail).toContain('was changed');
    expect(await held(1)).toBe(5);
    two.close();
  });

  test('if a witness has seen another log of this name', async () => {
    const one = await sealer();
    await step(one);
    const commits = CommitFile.open(folder);
    const at = new Date().toISOString();
    commits.noteContradiction('w', { name: 'witness.test/w', size: 99, ours: 1, at });
    commits.close();
    await record(5, 1);
    const state = await step(one);
    expect(state.problem).toBe(true);
    expect(state.detail).toContain('Nothing is answered or sealed from it');
    expect(await held(1)).toBe(5);
    one.close();
  });

  test('while Redis holds another dataset than the worker’s', async () => {
    await record(5, 1);
    const one = await sealer({ dataset: () => 'another' });
    const state = await one.step();
    expect(state.sealing.detail).toBe(SEALING.otherDataset);
    expect(await held(1)).toBe(5);
    one.close();
  });

  test('if another log already seals this Redis', async () => {
    const one = await sealer();
    await step(one);
    one.close();
    const two = await sealer({ folder: join(t.dataDir, 'another') });
    const state = await step(two);
    expect(state.problem).toBe(true);
    expect(state.detail).toContain('another log');
    two.close();
  });

  test('if the key has gone, rather than making another', async () => {
    const one = await sealer();
    await step(one);
    one.close();
    rmSync(join(t.dataDir, 'audit-key'));
    await record(5, 1);
    const two = await sealer();
    const state = await step(two);
    expect(state.problem).toBe(true);
    expect(state.detail).toContain('audit-key is missing');
    expect(await held(1)).toBe(5);
    two.close();
  });

  test('if the disk is full, and continues once there is room', async () => {
    const one = await sealer();
    await step(one);
    await record(600, 1);
    const obstacle = join(folder, tilePath('entries', 1));
    mkdirSync(obstacle, { recursive: true });
    const full = await step(one);
    expect(full.problem).toBe(true);
    expect(full.detail).toContain('nothing is lost');
    expect(full.unsealed).toBe(600);
    rmSync(obstacle, { recursive: true, force: true });
    await until(async () => (await step(one)).unsealed === 0, 'sealing to continue');
    one.close();
    expect((await verification()).findings).toEqual([]);
  });
});

test('of two sealers, one seals while the other waits, and takes over when the first has gone', async () => {
  const [one, two] = [await sealer(), await sealer()];
  await step(one);
  expect(await step(two)).toMatchObject({ standby: true, problem: false });
  await record(5, 1);
  const { sealed } = await step(one);
  one.close();
  await record(5, 1);
  expect((await step(two)).sealed).toBe(sealed + 5);
  two.close();
  expect((await verification()).findings).toEqual([]);
});

test('a foreign entry in a stream is sealed as foreign, and reported', async () => {
  const odd: string[][] = [
    ['event', '{"type":', 'at', '5'],
    ['anything', 'at all'],
    ['event', '{"partition":9,"number":1,"at":1}', 'at', '5'],
    ['event', '[]', 'at', '5'],
    ['event', JSON.stringify({ type: 'x', long: 'x'.repeat(70_000) }), 'at', '5'],
    ['event', '{"type":"lookup"}', 'at', '5', 'outcome', 'flagged', 'shown', 'nonsense'],
    ['event', '{"1":"an integer comes first in JSON.stringify"}', 'at', '5'],
  ];
  for (const fields of odd) await t.admin.xadd(keys.audit(4), '0-*', ...fields);
  const one = await sealer();
  expect((await step(one)).problem).toBe(false);
  one.close();
  expect(warnings).toEqual([expect.stringMatching(new RegExp(`unreadable.* ${odd.length}$`))]);
  expect((await verification()).findings).toEqual([]);
  const types: string[] = [];
  for await (const { event: found } of sealedEvents(folder, 0)) {
    if (found.partition === 4) types.push(found.type);
  }
  expect(types).toEqual(odd.map(() => 'unreadable'));
});

test('a council’s act with a damaged row in the store is sealed as unreadable, and delays nothing else', async () => {
  const act = {
    type: 'restriction',
    auditId: randomUUID(),
    act: 'set',
    restriction: 'bcdfghjkmnpq',
    kind: 'whereabouts',
    authority: 'ZZ101',
    nhsNumber: testNumber(1),
    by: 'Ada Officer',
    reason: 'a test',
  };
  await t.admin.hset(keys.restrictions(act.authority), act.restriction, '{"kind":');
  await t.admin.xadd(keys.audit(4), '0-*', 'event', JSON.stringify(act), 'at', '5');
  await record(1, 4);
  const one = await sealer();
  expect((await step(one)).problem).toBe(false);
  one.close();
  const types: string[] = [];
  for await (const { event: found } of sealedEvents(folder, 0)) {
    if (found.partition === 4) types.push(found.type);
  }
  expect(types).toEqual(['unreadable', 'not-delivered']);
});

test('an entry longer than a text may be is sealed as it is, and so is what follows', async () => {
  const at = String(Date.now());
  const text = `\ufeff${'a\u0001"\ud83d\ude00é'.repeat(200_000)}`;
  const mixed = Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xe2, 0x82])]);
  await t.admin.xadd(keys.audit(4), '0-*', 'x', mixed, 'at', at);
  // Not through the service's client, which drops a connection that is busy for seconds with one command.
  const attacker = new Redis({ path: t.server.socketPath, ...t.server.users.admin });
  await attacker.xadd(keys.audit(4), '0-*', 'x', Buffer.alloc(95 * 1_048_576, 1));
  attacker.disconnect();
  await record(1, 4);
  const one = await sealer();
  await until(async () => {
    await step(one);
    return (await held(4)) === 0;
  }, 'all of them to be sealed');
  one.close();
  const found: SealedEvent['event'][] = [];
  for await (const { event: each } of sealedEvents(folder, 0)) {
    if (each.partition === 4) found.push(each);
  }
  const whole = JSON.stringify(['x', mixed.toString(), 'at', at]);
  expect(found).toMatchObject([
    {
      type: 'unreadable',
      at: Number(at),
      sha256: createHash('sha256').update(whole).digest('hex'),
      fields: whole.slice(0, 8_192),
    },
    { type: 'unreadable', number: 2 },
    { type: 'not-delivered', number: 3 },
  ]);
});

test('an accepted gap lets sealing continue, and the log says who answered for the gap', async () => {
  await record(10, 1);
  const one = await sealer();
  await step(one);
  await record(5, 1);
  await t.admin.xdel(keys.audit(1), '0-11', '0-12');
  expect((await step(one)).problem).toBe(true);
  const streams = createAuditStreams(await t.connect('worker'));
  const commits = CommitFile.open(folder);
  const gaps = await streams.gaps(() => commits.read()?.numbers ?? []);
  expect(gaps).toEqual([{ stream: 1, sealed: 10, found: 13 }]);
  await streams.append({
    type: 'audit-gap-accepted',
    auditId: event(1).auditId,
    by: 'A. Guardian',
    detail: { stream: 1, from: 11, to: 12, reason: 'disk lost' },
  });
  for (const gap of gaps) commits.acceptGap(gap);
  commits.close();
  expect(await step(one)).toMatchObject({ problem: false, unsealed: 0 });
  one.close();
  const { findings, explained } = await verification();
  expect(findings).toEqual([]);
  expect(explained).toEqual([expect.objectContaining({ by: 'A. Guardian' })]);
});

test('a gap that comes later is found and can be accepted, also while sealed events are still in Redis', async () => {
  await Promise.all([record(10, 1), record(2, 2)]);
  const streams = createAuditStreams(await t.connect('worker'));
  const dying = await sealer({
    streams: { ...streams, trim: () => Promise.reject(new Error('the worker died')) },
  });
  await step(dying);
  dying.close();
  expect([await held(1), await held(2)]).toEqual([10, 2]);
  await Promise.all([record(5, 1), record(5, 2)]);
  await t.admin.xdel(keys.audit(1), '0-13', '0-14');
  await t.admin.xdel(keys.audit(2), '0-5', '0-6');

  const one = await sealer();
  expect((await step(one)).problem).toBe(true);
  const commits = CommitFile.open(folder);
  const found = await streams.gaps(() => commits.read()?.numbers ?? []);
  expect(found).toEqual([
    { stream: 1, sealed: 12, found: 15 },
    { stream: 2, sealed: 4, found: 7 },
  ]);
  for (const gap of found) commits.acceptGap(gap);
  commits.close();
  expect(await step(one)).toMatchObject({ problem: false, unsealed: 0 });
  expect([await held(1), await held(2)]).toEqual([0, 0]);
  one.close();
});

test('events past the retention period are pruned, unless there is a hold', async () => {
  await recordOld();
  const one = await sealer({ retentionYears: 2 });
  mkdirSync(folder, { recursive: true });
  const commits = CommitFile.open(folder);
  const hold = await beginHold(
    commits,
    { by: 'A. Guardian', reason: 'inquiry' },
    async () => undefined,
  );
  const pruned = () => commits.read()?.minimumIndex ?? 0;
  const { sealed } = await step(one);
  for (let i = 0; i < 4; i++) await step(one);
  expect(pruned()).toBe(0);
  // The log does not say that it was pruned either.
  expect((await step(one)).sealed).toBe(sealed);
  await commits.endRetentionHold(hold.id, async () => undefined);
  await until(async () => {
    await step(one);
    return pruned() === 256;
  }, 'the pruning');
  commits.close();
  one.close();
  const { findings, from } = await verification();
  expect([findings, from]).toEqual([[], 256]);
});

test('a hold that begins after the log says what will be pruned still keeps all of it', async () => {
  await recordOld();
  const one = await sealer({ retentionYears: 2 });
  let commits: CommitFile | undefined;
  const hasSaidSo = async () =>
    (await t.adminStore.readEvents('system')).some(({ type }) => type === 'audit-pruned');
  await until(async () => {
    await step(one);
    commits ??= CommitFile.open(folder);
    return hasSaidSo();
  }, 'the log to say that it will be pruned');
  if (commits === undefined) throw new Error('no log');
  const named = { by: 'A. Guardian', reason: 'inquiry' };
  await beginHold(commits, named, async () => undefined);
  for (let i = 0; i < 4; i++) await step(one);
  expect(commits.read()?.minimumIndex).toBe(0);
  commits.close();
  one.close();
});

test('a clock that runs years ahead prunes nothing: the newest event says what time it is', async () => {
  for (let i = 0; i < 300; i++) {
    const fields = ['event', JSON.stringify(event(i)), 'at', String(Date.now())];
    await t.admin.xadd(keys.audit(1), '0-*', ...fields);
  }
  const one = await sealer({ retentionYears: 2 });
  const ahead = Date.now() + 5 * 366 * 86_400_000;
  vi.spyOn(Date, 'now').mockImplementation(() => ahead);
  for (let i = 0; i < 4; i++) expect((await step(one)).unsealed).toBe(0);
  one.close();
  vi.restoreAllMocks();
  const { findings, from } = await verification();
  expect([findings, from]).toEqual([[], 0]);
});

test('events are sealed in the order of their numbers, whatever the clock did in between', async () => {
  for (const time of [Date.now(), Date.now() - 86_400_000, 5, Date.now() + 86_400_000, 6]) {
    const fields = ['event', JSON.stringify(event(1)), 'at', String(time)];
    await t.admin.xadd(keys.audit(1), '0-*', ...fields);
  }
  const one = await sealer({ retentionYears: 1 });
  expect((await step(one)).problem).toBe(false);
  one.close();
  const { findings } = await verification();
  expect(findings).toEqual([]);
  const numbers: number[] = [];
  for await (const { event: found } of sealedEvents(folder, 0)) {
    if (found.partition === 1) numbers.push(found.number);
  }
  expect(numbers).toEqual([1, 2, 3, 4, 5]);
});

test('the sealer waits while there is no dataset, or no Redis', async () => {
  const none = await sealer({ dataset: () => undefined });
  expect(await step(none)).toMatchObject({ problem: false, sealed: 0 });
  const one = await sealer();
  await t.server.stop();
  await until(async () => (await step(one)).detail === SEALING.unreachable);
  one.close();
});

test('a hold that nobody recorded before its process ended is recorded once by the worker', async () => {
  const one = await sealer();
  await step(one);
  const commits = CommitFile.open(folder);
  const auditId = randomUUID();
  const { id } = commits.addRetentionHold({ by: 'A. Guardian', reason: 'inquiry', auditId });
  for (let i = 0; i < 3; i++) await step(one);
  expect([commits.unrecordedHolds(), commits.retentionHolds()]).toMatchObject([[], [{ id }]]);
  commits.close();
  one.close();
  const found: unknown[] = [];
  for await (const { event: each } of sealedEvents(folder, 0)) {
    if (each.type === 'audit-hold') found.push(each);
  }
  expect(found).toMatchObject([{ auditId, by: 'A. Guardian', detail: { hold: id } }]);
});

test.each(['damaged', 'in use'])(
  'a worker that is not connected to Redis yet does not say that nothing is sealed if its log is %s',
  async (how) => {
    await record(5, 3);
    const before = await sealer();
    await step(before);
    before.close();
    const path = CommitFile.pathIn(folder);
    const other = how === 'in use' ? new DatabaseSync(path) : undefined;
    if (other === undefined) writeFileSync(path, 'not SQLite '.repeat(1_000));
    else other.exec('BEGIN EXCLUSIVE');
    const streams = createAuditStreams(await t.connect('worker'));
    const away = Object.create(streams, { reachable: { value: false } }) as typeof streams;
    const one = await sealer({ streams: away });
    expect((await one.step()).sealing.sealed).toBeUndefined();
    one.close();
    other?.close();
  },
);

test('a worker that is not connected to Redis yet does not say that nothing is sealed', async () => {
  await record(5, 3);
  const before = await sealer();
  const { sealed } = await step(before);
  before.close();
  expect(sealed).toBeGreaterThanOrEqual(5);
  const streams = createAuditStreams(await t.connect('worker'));
  const away = Object.create(streams, { reachable: { value: false } }) as typeof streams;
  const one = await sealer({ streams: away });
  expect(await step(one)).toMatchObject({
    sealed,
    problem: false,
    detail: SEALING.unreachable,
  });
  one.close();
});
