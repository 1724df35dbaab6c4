import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { COPY } from '#schemas/wording/copy.ts';
import { type Commits, createCommits, type LogBase } from '#service/audit/copy/commits.ts';
import { folderPlace } from '#service/audit/copy/folder-place.ts';
import { highest, numberPath } from '#service/audit/copy/numbered.ts';
import { CopyAway, type Place } from '#service/audit/copy/place.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { sealedRange } from '#service/audit/log/sealed.ts';
import { agree, takeOver } from '#service/audit/seal/agree.ts';
import { signingWith } from '#service/audit/seal/copy-signing.ts';
import { followCopy } from '#service/audit/seal/follow-copy.ts';
import { readKeys, readOrMakeKeys } from '#service/audit/seal/keys.ts';
import { LogWriter } from '#service/audit/seal/log-writer.ts';
import { createSealer, type Sealing } from '#service/audit/seal/sealer.ts';
import { makeSigner, type Signer } from '#service/audit/tlog/note.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { orderOneCopy, requireTwoCopies } from '#store/audit-stream/copy-orders.ts';
import { auditPartitions, keys } from '#store/keys.ts';
import { beginWork, takeWorkerLease } from '#store/locks/worker-lease.ts';
import {
  auditFolder,
  eventSource,
  openLog,
  removeAuditFolders,
  signerOf,
} from '../../support/audit.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../../support/test-store.ts';

/** No test here waits for it: it is longer than a slow machine needs. */
const DEADLINE_MS = WAIT_MS;
const WHO = { by: 'A. Example', reason: 'room B has no power' };

let t: TestStore;
let folder: string;
let copyFolder: string;
beforeEach(async () => {
  t = await startTestStore({ kind: 'demo' });
  folder = join(t.dataDir, 'audit');
  copyFolder = join(t.dataDir, 'copy');
  mkdirSync(copyFolder);
});
afterEach(async () => {
  await t?.stop();
  removeAuditFolders();
});

const commitsIn = (at: string): Commits => createCommits(folderPlace(at, DEADLINE_MS));
/** The commits as a worker uses them. */
const ownCommits = (): Commits =>
  createCommits(
    folderPlace(copyFolder, DEADLINE_MS),
    signingWith(t.admin, join(t.dataDir, 'audit-key')),
  );

async function sealer(
  differing: {
    folder?: string;
    commits?: Commits | undefined;
    token?: string;
    epoch?: number;
    retentionYears?: number;
  } = {},
) {
  const { commits = commitsIn(copyFolder), token = '', epoch = 1 } = differing;
  return createSealer({
    folder: differing.folder ?? folder,
    keyFile: join(t.dataDir, 'audit-key'),
    retentionYears: differing.retentionYears ?? 26,
    streams: createAuditStreams(await t.connect('worker')),
    dataset: () => t.anchor.dataset()?.id,
    copy: { commits, epoch, token },
    warn: () => undefined,
  });
}
/** A step of a sealer that can read its log. */
const step = async (
  one: Awaited<ReturnType<typeof sealer>>,
): Promise<Sealing & { sealed: number }> => {
  const { sealed = Number.NaN, ...sealing } = (await one.step()).sealing;
  return { ...sealing, sealed };
};

async function record(count: number, partition: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      t.adminStore.appendEvent(
        {
          type: 'not-delivered',
          auditId: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
          nhsNumber: '9990000018',
        },
        partition,
      ),
    ),
  );
}
const held = (partition: number): Promise<number> => t.admin.xlen(keys.audit(partition));

async function verification(of: string) {
  const signers = await readKeys(join(t.dataDir, 'audit-key'));
  return verifyLog({ folder: of, keys: signers.map(({ verifierKey }) => verifierKey), waitMs: 0 });
}

test('events leave Redis only once they are in the log and in its second copy', async () => {
  await record(300, 3);
  const one = await sealer();
  const { sealed, copy } = await step(one);
  expect(copy).toMatchObject({ ok: true, events: sealed });
  expect(await held(3)).toBe(0);
  expect((await commitsIn(copyFolder).newest())?.size).toBe(sealed);

  renameSync(copyFolder, `${copyFolder}-away`);
  await record(5, 3);
  const away = await step(one);
  expect(away).toMatchObject({ sealed, unsealed: 5, copy: { ok: false } });
  expect(away.copy?.detail).toContain('is not there');
  expect(await held(3)).toBe(5);

  renameSync(`${copyFolder}-away`, copyFolder);
  expect(await step(one)).toMatchObject({ sealed: sealed + 5, copy: { ok: true } });
  expect(await held(3)).toBe(0);
  one.close();
});

test('a log whose disk is lost is restored whole from the copy, signed with the same key', async () => {
  await record(700, 1);
  const one = await sealer();
  const { sealed } = await step(one);
  one.close();
  const before = readFileSync(join(folder, 'checkpoint'), 'utf8');
  rmSync(folder, { recursive: true });

  await record(4, 2);
  const two = await sealer();
  expect((await step(two)).sealed).toBe(sealed + 4);
  two.close();
  expect(before.split('\n')[1]).toBe(String(sealed));
  expect((await verification(folder)).findings).toEqual([]);
});

/** What somebody without a key, who knows everything in the copy, might write after the newest commit. */
async function forgeNext(signers: readonly Signer[]): Promise<string> {
  const newest = await commitsIn(copyFolder).newest();
  if (newest === undefined) throw new Error('the copy is empty');
  const scratch = auditFolder();
  // The log as it is in the copy, in their own folder and with their own key.
  const own = LogWriter.open({
    folder: scratch,
    dataset: newest.dataset,
    streams: auditPartitions.length,
    signers: () => [signerOf(makeSigner(newest.origin))],
    id: newest.log,
  });
  await takeOver(own, commitsIn(copyFolder));
  const number = (own.committed.numbers[4] ?? 0) + 1;
  const json = `{"partition":4,"number":${number},"at":1764000000000,"type":"not-delivered","auditId":"${randomUUID()}","nhsNumber":"9990000018"}`;
  const { commit, entries } = own.plan([{ stream: 4, number, entry: Buffer.from(json) }]);
  const forged = createCommits(folderPlace(copyFolder, DEADLINE_MS), {
    signers: () => signers,
    isSigned: async () => false,
    noteSigned: async () => undefined,
  });
  const { id: log, dataset, origin, size, root, numbers } = commit;
  const from = own.committed.size;
  await forged.add({ log, dataset, origin, from, size, root, numbers, epoch: 1, entries });
  own.close();
  return join(copyFolder, 'log', numberPath(from));
}

test.each([
  ['nobody', []],
  ['another key', [signerOf()]],
] as const)(
  'events that somebody else adds to the copy, signed by %s, are never sealed, and the message says what to do',
  async (_, signers) => {
    await record(30, 4);
    const one = await sealer({ commits: ownCommits() });
    const { sealed } = await step(one);
    const forged = await forgeNext(signers);
    await record(2, 4);
    await step(one);
    const stopped = await step(one);
    expect(stopped).toMatchObject({ problem: true, sealed, unsealed: 2 });
    expect(stopped.detail).toMatch(/is not signed with the audit key.*remove it there/);
    expect(await held(4)).toBe(2);
    // A worker on another disk does not accept them either.
    const other = join(t.dataDir, 'other');
    const files = { folder: other, keyFile: join(t.dataDir, 'audit-key') };
    await expect(followCopy(files, ownCommits())).rejects.toThrow('is not signed');

    rmSync(forged);
    expect(await step(one)).toMatchObject({ problem: false, sealed: sealed + 2, unsealed: 0 });
    one.close();
    expect(await followCopy(files, ownCommits())).toBe(sealed + 2);
    expect((await verification(other)).findings).toEqual([]);
  },
);

test('a changed older object is detected before any of it reaches the log of a worker on a new disk', async () => {
  const dataset = t.anchor.dataset()?.id ?? '';
  const keyFile = join(t.dataDir, 'audit-key');
  await readOrMakeKeys(keyFile, 'cp-flags/test');
  const signers = await readKeys(keyFile);
  const open = (at: string, id?: string) =>
    LogWriter.open({
      folder: at,
      dataset,
      streams: auditPartitions.length,
      signers: () => signers,
      id,
    });
  const right = open(auditFolder());
  // More than one step takes over.
  for (const source = eventSource(); right.committed.size < 9_000; )
    right.append(source.take(3_000));
  await agree(right, ownCommits(), 1);
  const object = join(copyFolder, 'log', numberPath(0));
  const kept = readFileSync(object);
  const first = await commitsIn(copyFolder).after(0);
  if (first === undefined) throw new Error('the copy is empty');
  const entries = first.entries.map((entry) => entry.toString().replaceAll('"at":1', '"at":2'));
  const scratch = open(auditFolder(), first.log);
  const forged = scratch.plan(
    entries.map((json) => {
      const { partition, number } = JSON.parse(json) as { partition: number; number: number };
      return { stream: auditPartitions.indexOf(partition), number, entry: Buffer.from(json) };
    }),
  );
  const theirs = join(t.dataDir, 'theirs');
  mkdirSync(theirs);
  const { root } = forged.commit;
  await commitsIn(theirs).add({ ...first, root, entries: forged.entries });
  writeFileSync(object, readFileSync(join(theirs, 'log', numberPath(0))));

  const files = { folder: join(t.dataDir, 'other'), keyFile };
  await expect(followCopy(files, ownCommits())).rejects.toThrow('not the same after');
  expect(sealedRange(files.folder)?.size ?? 0).toBe(0);
  writeFileSync(object, kept);
  expect(await followCopy(files, ownCommits())).toBe(right.committed.size);
  expect((await verification(files.folder)).findings).toEqual([]);
  for (const log of [right, scratch]) log.close();
});

test('an earlier version’s unsigned copy is accepted until something has been signed, and only for its own log', async () => {
  await record(30, 4);
  const earlier = await sealer();
  const { sealed } = await step(earlier);
  earlier.close();
  const other = join(t.dataDir, 'other');
  const files = { folder: other, keyFile: join(t.dataDir, 'audit-key') };
  expect(await followCopy(files, ownCommits())).toBe(sealed);
  await record(1, 4);
  const now = await sealer({ commits: ownCommits() });
  expect((await step(now)).sealed).toBe(sealed + 1);
  now.close();
  rmSync(other, { recursive: true });
  expect(await followCopy(files, ownCommits())).toBe(sealed + 1);
});

test('a log lost with its worker before anything was sealed is started again by the next worker', async () => {
  const streams = createAuditStreams(await t.connect('worker'));
  const commits = commitsIn(copyFolder);
  const lost = await sealer({
    commits: { ...commits, add: () => Promise.reject(new CopyAway('the machine is lost')) },
  });
  expect((await step(lost)).sealed).toBe(0);
  lost.close();
  const begun = await streams.sealedBy();
  expect(begun).toBeDefined();
  rmSync(folder, { recursive: true });

  await record(4, 2);
  const next = await sealer();
  expect(await step(next)).toMatchObject({ problem: false, unsealed: 0 });
  next.close();
  expect((await commits.newest())?.log).toBe(begun);
  expect((await verification(folder)).findings).toEqual([]);
});

test('a log sealed without a second copy is not started again by a worker that has one', async () => {
  await record(4, 2);
  const streams = createAuditStreams(await t.connect('worker'));
  await streams.claim(randomUUID());
  const { problem, sealed } = await step(await sealer());
  expect([problem, sealed]).toEqual([true, 0]);
  expect(await streams.copyOrder()).toEqual({ kind: 'none' });
});

test('a log restored from an old copy of its folder continues from the second copy', async () => {
  await record(10, 1);
  const one = await sealer();
  await step(one);
  one.close();
  const old = `${folder}-old`;
  renameSync(folder, old);
  await record(10, 1);
  const two = await sealer();
  const { sealed } = await step(two);
  two.close();
  rmSync(folder, { recursive: true });
  renameSync(old, folder);
  const three = await sealer();
  expect((await step(three)).sealed).toBe(sealed);
  three.close();
  expect((await verification(folder)).findings).toEqual([]);
});

const objects = (): string[] =>
  readdirSync(copyFolder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /^(?:log|base)\/(?:\d{3}\/){4}\d{3}$/.test(name),
  );

describe('a copy that starts before the retention period', () => {
  const OLD = String(Date.now() - 3 * 366 * 86_400_000);
  async function recordOld(count: number): Promise<void> {
    const pipeline = t.admin.pipeline();
    for (let i = 0; i < count; i++) {
      const event = JSON.stringify({ type: 'not-delivered', auditId: randomUUID() });
      pipeline.xadd(keys.audit(1), '0-*', 'event', event, 'at', OLD);
    }
    await pipeline.exec();
  }
  /** Makes the events that were recorded with the store as old as the others. */
  async function makeOld(): Promise<void> {
    const stream = keys.audit('system');
    const entries = await t.admin.xrange(stream, '-', '+');
    await t.admin.del(stream);
    for (const [id, fields] of entries) {
      const at = fields.indexOf('at') + 1;
      await t.admin.xadd(stream, id, ...fields.with(at, OLD));
    }
  }
  function pruned(): number {
    const commits = CommitFile.open(folder);
    const index = commits.read()?.minimumIndex ?? 0;
    commits.close();
    return index;
  }
  /** Seals two objects, and prunes the log within the second. */
  async function sealAndPrune(commits?: Commits): Promise<number> {
    await makeOld();
    await recordOld(300);
    const first = await sealer({ retentionYears: 2, commits });
    await step(first);
    first.close();
    await recordOld(400);
    await record(1, 1);
    const second = await sealer({ retentionYears: 2, commits });
    let sealed = 0;
    await until(async () => {
      ({ sealed } = await step(second));
      return pruned() === 512;
    }, 'the pruning');
    const isCopyPruned = () => !objects().includes(`log/${numberPath(0)}`);
    // A copy from which nothing may be deleted is given a few more steps to keep it all the same.
    for (let i = 0; i < 3; i++) ({ sealed } = await step(second));
    if (commits?.canPrune !== false) {
      await until(async () => {
        ({ sealed } = await step(second));
        return isCopyPruned();
      }, 'the pruning of the copy');
    }
    second.close();
    return sealed;
  }
  test('is pruned with the log, and a worker with a new disk continues from everything that is left', async () => {
    const sealed = await sealAndPrune();
    const from = pruned();
    expect(objects()).not.toContain(`log/${numberPath(0)}`);
    expect(objects().filter((name) => name.startsWith('base/'))).toEqual([
      `base/${numberPath(from)}`,
    ]);
    rmSync(folder, { recursive: true });

    await record(4, 2);
    const two = await sealer({ retentionYears: 26 });
    expect((await step(two)).sealed).toBe(sealed + 4);
    two.close();
    const { findings, from: start } = await verification(folder);
    expect([findings, start]).toEqual([[], from]);
  });

  test('gives a standby its log, and a standby whose own log ends before it starts says so', async () => {
    const sealed = await sealAndPrune();
    const keyFile = join(t.dataDir, 'audit-key');
    const other = join(t.dataDir, 'other');
    expect(await followCopy({ folder: other, keyFile }, commitsIn(copyFolder))).toBe(sealed);
    expect((await verification(other)).findings).toEqual([]);

    const behind = join(t.dataDir, 'behind');
    const signers = await readKeys(keyFile);
    LogWriter.open({
      folder: behind,
      dataset: t.anchor.dataset()?.id ?? '',
      streams: auditPartitions.length,
      signers: () => signers,
    }).close();
    await expect(followCopy({ folder: behind, keyFile }, commitsIn(copyFolder))).rejects.toThrow(
      'Empty the folder',
    );
  });

  test('is signed again by a worker that has its log, if an earlier version left its start unsigned', async () => {
    const sealed = await sealAndPrune(ownCommits());
    const at = join(copyFolder, 'base', numberPath(pruned()));
    const { signatures: _, ...unsigned } = z
      .looseObject({ signatures: z.array(z.unknown()).min(1) })
      .parse(JSON.parse(readFileSync(at, 'utf8')));
    writeFileSync(at, JSON.stringify(unsigned));
    const other = { folder: join(t.dataDir, 'other'), keyFile: join(t.dataDir, 'audit-key') };
    await expect(followCopy(other, ownCommits())).rejects.toThrow('is not signed');
    const one = await sealer({ retentionYears: 2, commits: ownCommits() });
    await step(one);
    one.close();
    expect(await followCopy(other, ownCommits())).toBe(sealed);
  });

  test('keeps its start during a retention hold, even what the log itself has lost', async () => {
    const { remove: _, ...kept } = folderPlace(copyFolder, DEADLINE_MS);
    await sealAndPrune(createCommits(kept));
    const acts = CommitFile.open(folder);
    const { id } = acts.addRetentionHold({
      by: 'A. Guardian',
      reason: 'inquiry',
      auditId: randomUUID(),
    });
    const one = await sealer({ retentionYears: 2 });
    for (let i = 0; i < 3; i++) await step(one);
    expect(objects()).toContain(`log/${numberPath(0)}`);

    await acts.endRetentionHold(id, async () => undefined);
    acts.close();
    await until(async () => {
      await step(one);
      return !objects().includes(`log/${numberPath(0)}`);
    }, 'the pruning of the copy');
    one.close();
  });

  test('keeps its start if nothing may be deleted, while sealing continues and the state says why', async () => {
    const { remove: _, ...kept } = folderPlace(copyFolder, DEADLINE_MS);
    await sealAndPrune(createCommits(kept));
    expect(objects()).toContain(`log/${numberPath(0)}`);
    const refused = (): Promise<void> => Promise.reject(new CopyAway('It refuses.'));
    const one = await sealer({
      retentionYears: 2,
      commits: createCommits({ ...kept, remove: refused }),
    });
    await step(one);
    await record(3, 5);
    const { copy, unsealed } = await step(one);
    expect(unsealed).toBe(0);
    expect(copy).toMatchObject({ ok: false });
    expect(copy?.detail).toContain('Events older than AUDIT_RETENTION_YEARS stay in');
    one.close();
  });
});

describe('a standby, while the worker prunes the copy,', () => {
  /** A copy of 1,536 entries with a commit for each half bundle, and the function that prunes it. */
  async function copied(commits = commitsIn(copyFolder)) {
    const keyFile = join(t.dataDir, 'audit-key');
    const signers = await readOrMakeKeys(keyFile, 'example.org/log');
    const openHere = (): LogWriter =>
      LogWriter.open({
        folder,
        dataset: 'd',
        streams: auditPartitions.length,
        signers: () => signers,
      });
    const writer = openHere();
    const source = eventSource();
    for (let i = 0; i < 12; i++) {
      writer.append(source.take(128));
      await agree(writer, commits, 1);
    }
    writer.close();
    async function base(size: number): Promise<LogBase> {
      const numbers = (await commits.holding(size - 1))?.numbers ?? [];
      const log = openHere();
      log.prune(size, numbers);
      const made = log.base();
      log.close();
      if (made === undefined) throw new Error('nothing is pruned');
      return made;
    }
    const prune = async (size: number): Promise<unknown> =>
      commits.prune(await base(size), Number.POSITIVE_INFINITY);
    return { commits, prune, base, other: { folder: join(t.dataDir, 'other'), keyFile } };
  }
  /** This also covers a log in which no entry says that its beginning was pruned. */
  async function found(of: string) {
    const { findings, from } = await verification(of);
    return { kinds: findings.map(({ kind }) => kind), from };
  }
  const entriesOf = (of: string): string[] =>
    readdirSync(join(of, 'tile', 'entries'), { recursive: true, encoding: 'utf8' }).toSorted();

  test('gets a copy that becomes shorter with each attempt, even if its place is slower than an attempt may take', async () => {
    const { commits, base, other } = await copied();
    const pruned = await base(512);
    const overAlready = performance.now();
    const left = () => objects().filter((name) => name.startsWith('log/')).length;
    for (const expected of [11, 10, 9, 8]) {
      expect([await commits.prune(pruned, overAlready), left()]).toEqual([false, expected]);
    }
    expect([await commits.prune(pruned, overAlready), left()]).toEqual([true, 8]);
    expect(await followCopy(other, ownCommits())).toBe(1_536);
    expect((await found(other.folder)).from).toBe(512);
  });

  test('starts at the place in an earlier version’s unsigned mark', async () => {
    const { prune, other } = await copied();
    await prune(512);
    expect(await followCopy(other, ownCommits())).toBe(1_536);
    expect((await found(other.folder)).from).toBe(512);
  });

  test.each([1, 2])(
    'starts its log where the remaining copy starts, even if a start was cut short before commit %i',
    async (nth) => {
      const { prune, other } = await copied();
      await prune(512);
      const write = CommitFile.prototype.write;
      let commits = 0;
      const cut = vi.spyOn(CommitFile.prototype, 'write').mockImplementation(function (
        this: CommitFile,
        commit,
      ) {
        commits++;
        if (commits === nth) throw new Error('cut short');
        write.call(this, commit);
      });
      await expect(followCopy(other, ownCommits())).rejects.toThrow('cut short');
      cut.mockRestore();
      expect(await followCopy(other, ownCommits())).toBe(1_536);
      expect((await found(other.folder)).from).toBe(512);
    },
  );

  test('starts its log where the remaining copy starts, even if it was pruned meanwhile', async () => {
    const { commits, prune, other } = await copied();
    const racing: Commits = {
      ...commits,
      base: async () => {
        const found = await commits.base();
        if (found === undefined) await prune(512);
        return found;
      },
    };
    expect(await followCopy(other, racing)).toBe(1_536);
    expect(await found(other.folder)).toEqual(await found(folder));
  });

  test.each([
    ['nobody', []],
    ['another key', [signerOf()]],
  ] as const)(
    'never starts at a mark signed by %s, and the worker replaces that mark',
    async (_, signers) => {
      const own = ownCommits();
      const { prune, base, other } = await copied(own);
      await prune(256);
      const later = await base(512);
      const forger = createCommits(folderPlace(copyFolder, DEADLINE_MS), {
        signers: () => signers,
        isSigned: async () => false,
        noteSigned: async () => undefined,
      });
      // Everything before it is deleted as well, as if the worker had pruned it.
      await forger.prune(later, Number.POSITIVE_INFINITY);
      await expect(followCopy(other, own)).rejects.toThrow(
        COPY.baseNotSigned(copyFolder, `base/${numberPath(512)}`),
      );
      expect(sealedRange(other.folder)).toBeUndefined();
      await own.prune(later, Number.POSITIVE_INFINITY);
      expect(await followCopy(other, own)).toBe(1_536);
      expect((await found(other.folder)).from).toBe(512);
    },
  );

  test('replaces an empty log left by an earlier attempt, however often that happens', async () => {
    const { commits, prune, other } = await copied();
    for (const size of [256, 768]) {
      // The worker ends just after it has started its log.
      const ending: Commits = { ...commits, after: () => Promise.reject(new CopyAway('ended')) };
      await expect(followCopy(other, ending)).rejects.toThrow('ended');
      await prune(size);
    }
    expect(await followCopy(other, commits)).toBe(1_536);
    expect(await found(other.folder)).toEqual(await found(folder));
  });

  test('starts again if pruning overtakes its reading, and keeps nothing beyond the retention period', async () => {
    const { commits, prune, other } = await copied();
    let isOvertaken = false;
    const overtaken: Commits = {
      ...commits,
      after: async (size) => {
        if (size === 384 && !isOvertaken) {
          isOvertaken = true;
          await prune(1_024);
        }
        return commits.after(size);
      },
    };
    expect(await followCopy(other, overtaken)).toBe(1_536);
    expect(isOvertaken).toBe(true);
    expect(await found(other.folder)).toEqual(await found(folder));
    expect(entriesOf(other.folder)).toEqual(entriesOf(folder));
  });
});

test('no new key is made if the copy holds a log signed with a missing key', async () => {
  await record(1, 1);
  const one = await sealer();
  await step(one);
  one.close();
  rmSync(folder, { recursive: true });
  rmSync(join(t.dataDir, 'audit-key'));
  const two = await sealer();
  expect(await step(two)).toMatchObject({ problem: true, sealed: 0 });
  two.close();
});

test('a worker trims nothing once another worker has its lease', async () => {
  const redis = await t.connect('worker');
  const lease = await takeWorkerLease(redis, new Set());
  await record(5, 1);
  const one = await sealer({ token: lease?.token ?? '' });
  expect(await step(one)).toMatchObject({ standby: false });
  expect(await held(1)).toBe(0);

  await t.admin.set(keys.workerLock, 'another');
  await record(5, 1);
  expect(await step(one)).toMatchObject({ standby: true, problem: false });
  expect(await held(1)).toBe(5);
  one.close();
});

test('a replaced worker does not report as lost what its successor has sealed', async () => {
  const redis = await t.connect('worker');
  async function work() {
    const lease = await takeWorkerLease(redis, new Set());
    if (lease === undefined) throw new Error('another worker has the lease');
    await beginWork(redis, lease);
    return lease;
  }
  const held = await work();
  const one = await sealer(held);
  await record(3, 3);
  await step(one);
  await held.release();
  const two = await sealer({ ...(await work()), folder: join(t.dataDir, 'successor') });
  await record(5, 3);
  await step(two);
  await record(1, 3);
  expect(await step(one)).toMatchObject({ problem: false, standby: true, gaps: [] });
  expect((await step(two)).unsealed).toBe(0);
  one.close();
  two.close();
});

test('an expired lease is taken again only if nobody else has had it since', async () => {
  const redis = await t.connect('worker');
  const lease = await takeWorkerLease(redis, new Set());
  await t.admin.del(keys.workerLock);
  await lease?.renew();
  expect(await t.admin.get(keys.workerLock)).toBe(lease?.token);
  await t.admin.del(keys.workerLock);
  await t.admin.incr(keys.workerFence);
  await expect(lease?.renew()).rejects.toThrow('Another worker has taken over');
});

test('continuing with one copy takes a named person and shows in the state, and the copy catches up afterwards', async () => {
  await record(5, 1);
  const one = await sealer();
  await step(one);
  renameSync(copyFolder, `${copyFolder}-away`);
  await orderOneCopy(t.admin, WHO);
  await record(600, 1);
  const alone = await step(one);
  expect(alone).toMatchObject({ unsealed: 0, copy: { ok: false } });
  expect(alone.copy?.detail).toContain('by order of A. Example');
  expect(await held(1)).toBe(0);

  renameSync(`${copyFolder}-away`, copyFolder);
  await requireTwoCopies(t.admin, WHO);
  const { sealed, copy } = await step(one);
  expect(copy).toMatchObject({ ok: true, events: sealed });
  expect((await commitsIn(copyFolder).newest())?.size).toBe(sealed);
  one.close();
  rmSync(folder, { recursive: true });
  const two = await sealer();
  await step(two);
  two.close();
  expect((await verification(folder)).to).toBe(sealed);
});

test('a worker without AUDIT_COPY never seals a log that has a second copy', async () => {
  const one = await sealer();
  await step(one);
  one.close();
  await record(5, 1);
  const without = createSealer({
    folder,
    keyFile: join(t.dataDir, 'audit-key'),
    retentionYears: 26,
    streams: createAuditStreams(await t.connect('worker')),
    dataset: () => t.anchor.dataset()?.id,
    warn: () => undefined,
  });
  const state = await step(without);
  expect(state).toMatchObject({ problem: true });
  expect(state.detail).toContain('AUDIT_COPY is not set here');
  expect(await held(1)).toBe(5);
  without.close();
});

test('a copy that creates one name twice, or deletes after a time, is refused before anything is sealed', async () => {
  await record(1, 1);
  const place = folderPlace(copyFolder, DEADLINE_MS);
  const overwrites: Place = {
    ...place,
    create: (name, content) => place.replace(name, content).then(() => true),
  };
  const expires: Place = {
    ...place,
    keeping: async () => ({ kind: 'deleted', why: 'a lifecycle rule deletes its objects' }),
  };
  for (const [bad, says] of [
    [overwrites, 'If-None-Match'],
    [expires, 'lifecycle rule'],
  ] as const) {
    rmSync(copyFolder, { recursive: true });
    mkdirSync(copyFolder);
    const one = await sealer({ commits: createCommits(bad) });
    expect((await step(one)).copy?.detail).toContain(says);
    expect(sealedRange(folder)?.size ?? 0).toBe(0);
    one.close();
  }
});

test('a copy emptied while the worker runs is made again, and one that only lists nothing is not', async () => {
  let lists = true;
  const place = folderPlace(copyFolder, DEADLINE_MS);
  const commits = createCommits({
    ...place,
    list: (of) => (lists ? place.list(of) : Promise.resolve([])),
  });
  await record(3, 1);
  const one = await sealer({ commits });
  await step(one);
  const sealed = sealedRange(folder)?.size ?? 0;
  expect(sealed).toBeGreaterThan(2);
  expect(await commits.check()).toEqual({ whole: true, remarks: [] });
  lists = false;
  expect(await commits.check()).toMatchObject({
    whole: true,
    remarks: [expect.stringContaining('does not list')],
  });
  expect((await commits.newest())?.size).toBe(sealed);
  lists = true;
  rmSync(copyFolder, { recursive: true });
  mkdirSync(copyFolder);
  // The sealer looks once a minute.
  const now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now + 120_000);
  await step(one);
  clock.mockRestore();
  one.close();
  rmSync(folder, { recursive: true });
  const two = await sealer();
  await step(two);
  two.close();
  const { to, findings } = await verification(folder);
  expect({ to, findings }).toEqual({ to: sealed, findings: [] });
});

test('a copy of another log, and a changed copy, are detected and left alone', async () => {
  await record(20, 1);
  const one = await sealer();
  const { sealed } = await step(one);
  one.close();
  const another = join(t.dataDir, 'another');
  mkdirSync(another);
  const other = openLog(auditFolder(), signerOf());
  other.append(eventSource().take(3));
  await agree(other, commitsIn(another), 1);
  other.close();
  const two = await sealer({ commits: commitsIn(another) });
  expect((await step(two)).detail).toContain('another audit log');
  two.close();

  const first = join(copyFolder, 'log', numberPath(0));
  writeFileSync(first, readFileSync(first).subarray(0, -1));
  rmSync(folder, { recursive: true });
  const three = await sealer();
  const damaged = await step(three);
  expect(damaged).toMatchObject({ problem: true, sealed: 0 });
  expect(damaged.detail).toContain('damaged or missing');
  expect(sealed).toBeGreaterThan(0);
  three.close();
});

test('if two workers continue from the same size, one goes first and the other follows, and the log never forks', async () => {
  const signer = signerOf();
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ who: fc.integer({ min: 0, max: 1 }), count: fc.integer({ min: 1, max: 300 }) }),
        {
          maxLength: 8,
        },
      ),
      fc.boolean(),
      async (turns, replyLost) => {
        const place = folderPlace(auditFolder(), DEADLINE_MS);
        let lose = replyLost;
        const commits = createCommits({
          ...place,
          async create(name, content) {
            const created = await place.create(name, content);
            // As if the answer had been lost and the request sent again.
            return lose ? place.create(name, content).finally(() => (lose = false)) : created;
          },
        });
        const source = eventSource(1);
        const begun = openLog(auditFolder(), signer);
        begun.append(source.take(1));
        await agree(begun, commits, 0);
        const folders = [begun.folder, auditFolder()];
        begun.close();
        const writers = folders.map((of) => openLog(of, signer, begun.committed.id));
        for (const { who, count } of turns) {
          const writer = writers[who];
          if (writer === undefined) continue;
          const planned = writer.plan(source.take(count));
          const { id: log, size: from } = writer.committed;
          const { dataset, origin, size, root, numbers } = planned.commit;
          const added = await commits.add({
            log,
            dataset,
            origin,
            from,
            size,
            root,
            numbers,
            epoch: who,
            entries: planned.entries,
          });
          if (added) writer.write(planned);
          else await agree(writer, commits, who);
        }
        for (const writer of writers) await agree(writer, commits, 0);
        const [a, b] = writers.map(({ committed }) => committed);
        expect(a).toEqual(b);
        expect((await commits.newest())?.size).toBe(a?.size);
        for (const writer of writers) writer.close();
      },
    ),
    { numRuns: 4 },
  );
});

test('the newest number in a folder is found with few reads, whatever its size', async () => {
  const place = folderPlace(auditFolder(), DEADLINE_MS);
  let reads = 0;
  const counted: Place = {
    ...place,
    list: (below) => {
      reads += 1;
      return place.list(below);
    },
  };
  const most = 10 ** 15 - 1;
  // Near one another and near the edges of groups, so that many share a folder.
  const number = fc.oneof(
    fc.integer({ min: 0, max: most }),
    fc.integer({ min: 0, max: 2_001 }),
    fc.integer({ min: most - 2_001, max: most }),
  );
  let folders = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(number, { minLength: 1, maxLength: 8 }),
      number,
      async (numbers, limit) => {
        const below = `n${folders++}`;
        for (const one of numbers) {
          await place.replace(`${below}/${numberPath(one)}`, Buffer.from('x'));
        }
        for (const atMost of [undefined, limit, ...numbers]) {
          const upTo = numbers.filter((one) => one <= (atMost ?? most));
          reads = 0;
          expect(await highest(counted, below, atMost)).toBe(
            upTo.length === 0 ? undefined : Math.max(...upTo),
          );
          expect(reads).toBeLessThan(10);
        }
      },
    ),
    { numRuns: 20 },
  );
});
