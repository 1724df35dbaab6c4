import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { CommitFile } from '#service/audit/log/commit.ts';
import { createCommitReader } from '#service/audit/log/commit-reader.ts';
import { sealedEvents, sealedRange, sealedRun } from '#service/audit/log/sealed.ts';
import { prunable } from '#service/audit/seal/retention.ts';
import { openCheckpoint } from '#service/audit/tlog/checkpoint.ts';
import type { Signer } from '#service/audit/tlog/note.ts';
import { tilePath } from '#service/audit/tlog/tiles.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import {
  auditFolder,
  copyOf,
  eventSource,
  makeLog,
  openLog,
  removeAuditFolders,
  seeded,
  signerOf,
} from '../../support/audit.ts';

const signer = signerOf();
const keys = [signer.verifierKey];
afterAll(removeAuditFolders);

const findingsOf = async (folder: string, by: Signer[] = [signer]) =>
  (await verifyLog({ folder, keys: by.map(({ verifierKey }) => verifierKey), waitMs: 0 })).findings;
const checkpointOf = (folder: string) => readFileSync(join(folder, 'checkpoint'));
const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('sealing'))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();

/** Puts back earlier files, as if the log had been killed before replacing them. */
function putBack(before: string, folder: string, ...names: string[]): void {
  for (const name of names) copyFileSync(join(before, name), join(folder, name));
}

test('a log is the same whatever the batches in which it was sealed', () => {
  const events = eventSource(1).take(1_300);
  const [one, many] = [auditFolder(), auditFolder()];
  const log = openLog(one, signer);
  log.append(events);
  log.close();
  const random = seeded(3);
  for (let from = 0; from < events.length; ) {
    // Opened again for each batch, so that nothing depends on what is in memory.
    const other = openLog(many, signer);
    const to = from + 1 + random(200);
    other.append(events.slice(from, to));
    other.close();
    from = to;
  }
  expect(checkpointOf(many)).toEqual(checkpointOf(one));
  // Partial tiles of sizes in between may stay, but every file of the first log must be in the other.
  for (const file of filesOf(one)) {
    expect(readFileSync(join(many, file)).equals(readFileSync(join(one, file)))).toBe(true);
  }
});

describe('a log that was killed', () => {
  const size = 700;
  /** A log, a copy of it from before its last batch, and that batch. */
  function killed() {
    const { folder, source } = makeLog(size, signer);
    const before = copyOf(folder);
    const batch = source.take(400);
    const log = openLog(folder, signer);
    log.append(batch);
    log.close();
    return { folder, before, batch };
  }

  test('before the commit writes the batch again, even if the batch is now different', async () => {
    const { folder, before, batch } = killed();
    putBack(before, folder, 'sealing.sqlite', 'checkpoint');
    // Partial tiles are removed only after that.
    cpSync(join(before, 'tile'), join(folder, 'tile'), { recursive: true });
    expect((await findingsOf(folder)).map(({ kind }) => kind)).toContain('stale-checkpoint');

    const log = openLog(folder, signer);
    expect(log.committed.size).toBe(size);
    log.append(batch.slice(0, 30));
    log.close();
    expect(await findingsOf(folder)).toEqual([]);
    expect((await verifyLog({ folder, keys })).to).toBe(size + 30);
  });

  test('before the checkpoint was replaced signs what is committed', async () => {
    const { folder, before } = killed();
    putBack(before, folder, 'checkpoint');
    openLog(folder, signer).close();
    const { to, findings } = await verifyLog({ folder, keys });
    expect([to, findings]).toEqual([size + 400, []]);
  });

  test('is left alone if its commit is older than what it signed', () => {
    const { folder, before } = killed();
    putBack(before, folder, 'sealing.sqlite');
    const files = filesOf(folder);
    expect(() => openLog(folder, signer)).toThrow('it went back');
    expect(filesOf(folder)).toEqual(files);
  });

  test('is not written to if its files are not the committed ones', () => {
    for (const path of [tilePath('entries', 2, 188), tilePath(0, 2, 188), tilePath(1, 0, 2)]) {
      const { folder } = makeLog(size, signer);
      const bytes = readFileSync(join(folder, path));
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      writeFileSync(join(folder, path), bytes);
      expect(() => openLog(folder, signer)).toThrow('not those that were committed');
      rmSync(join(folder, path));
      expect(() => openLog(folder, signer)).toThrow('missing or damaged');
    }
  });

  test('is not continued if it was signed over other events', () => {
    for (const signed of [size, 500]) {
      const { folder } = makeLog(size, signer);
      const other = makeLog(signed, signer, 2).folder;
      putBack(other, folder, 'checkpoint');
      expect(() => openLog(folder, signer)).toThrow('not the one that was signed');
    }
  });

  test('is not started again if it has lost its commit', () => {
    const { folder } = makeLog(size, signer);
    rmSync(join(folder, 'sealing.sqlite'));
    expect(() => openLog(folder, signer)).toThrow('not what was committed');
  });
});

test('a log is not continued with another key or another name', () => {
  const { folder } = makeLog(10, signer);
  expect(() => openLog(folder, signerOf())).toThrow('not signed by this service’s key');
});

test('a full disk leaves the log as it was, and the log continues when there is room', async () => {
  const { folder, source } = makeLog(500, signer);
  const log = openLog(folder, signer);
  // A folder stands where a file is to be written, so the write fails halfway through the batch.
  const obstacle = join(folder, tilePath('entries', 2));
  mkdirSync(obstacle);
  const batch = source.take(600);
  expect(() => log.append(batch)).toThrow('EISDIR');
  expect(log.committed.size).toBe(500);
  log.reload();
  expect(await findingsOf(folder)).toEqual([]);
  log.append(batch);
  log.close();
  const { to, findings } = await verifyLog({ folder, keys });
  expect([to, findings]).toEqual([1_100, []]);
});

test('while there are two keys both sign, and either signature is enough', async () => {
  const { folder, source } = makeLog(300, signer);
  const next = signerOf();
  const both = openLog(folder, next, signer);
  expect(
    openCheckpoint(checkpointOf(folder), [next.verifierKey, signer.verifierKey]),
  ).toMatchObject({
    by: [next.verifierKey, signer.verifierKey],
  });
  both.append(source.take(10));
  both.close();
  for (const key of [signer, next]) expect(await findingsOf(folder, [key])).toEqual([]);
  const after = openLog(folder, next);
  after.append(source.take(1));
  after.close();
  expect((await findingsOf(folder, [signer]))[0]?.kind).toBe('checkpoint-invalid');
  expect(await findingsOf(folder, [next])).toEqual([]);
});

test('sealed events are read from any index onwards, each once and in order', async () => {
  const { folder } = makeLog(1_000, signer);
  for (const from of [0, 1, 255, 256, 700, 999, 1_000, 5_000]) {
    const indexes: number[] = [];
    for await (const { index, event } of sealedEvents(folder, from)) {
      indexes.push(index);
      expect(event.number).toBeGreaterThan(0);
    }
    expect(indexes).toEqual(Array.from({ length: Math.max(0, 1_000 - from) }, (_, i) => from + i));
  }
});

describe('pruning', () => {
  const YEAR_MS = 365.25 * 86_400_000;
  const now = Date.UTC(2026, 10, 24);

  /** A log of 600 old events and 1,000 from today. */
  function oldLog() {
    const folder = auditFolder();
    const log = openLog(folder, signer);
    const source = eventSource(1, now - 27 * YEAR_MS);
    log.append(source.take(600));
    const today = eventSource(2, now);
    today.numbers.splice(0, Infinity, ...source.numbers);
    log.append(today.take(1_000));
    return { folder, log, today };
  }

  test('removes whole bundles older than the retention period, and the rest still verifies', async () => {
    const { folder, log, today } = oldLog();
    const old = checkpointOf(folder);
    const found = prunable(folder, log.committed, { years: 26, now });
    expect(found?.minimumIndex).toBe(512);
    expect(prunable(folder, log.committed, { years: 28, now })).toBeUndefined();
    log.append([
      today.act({
        type: 'audit-pruned',
        by: 'worker',
        detail: { minimumIndex: 512, numbers: found?.numbers.join(',') ?? '' },
      }),
    ]);
    log.prune(512, found?.numbers ?? []);
    expect(filesOf(folder).filter((file) => /entries\/00[01]$/.test(file))).toEqual([]);
    log.append(today.take(500));
    log.close();

    const { findings, from, explained, to } = await verifyLog({
      folder,
      keys,
      old: [{ name: 'old', note: old }],
    });
    expect([findings, from, to]).toEqual([[], 512, 2_101]);
    expect(explained[0]?.detail).toContain('before 512 were pruned');
    const indexes: number[] = [];
    for await (const { index } of sealedEvents(folder, 0)) indexes.push(index);
    expect([indexes[0], indexes.length]).toEqual([512, 1_589]);
    expect(sealedRange(folder)?.minimumIndex).toBe(512);

    // If more is removed than the log says it pruned, that is detected.
    rmSync(join(folder, tilePath('entries', 2)));
    expect((await findingsOf(folder))[0]).toMatchObject({ kind: 'entries-missing', entry: 512 });
  });

  test('that is cut short is completed next time', async () => {
    const { folder, log, today } = oldLog();
    const found = prunable(folder, log.committed, { years: 26, now });
    log.append([
      today.act({
        type: 'audit-pruned',
        by: 'worker',
        detail: { minimumIndex: 512, numbers: found?.numbers.join(',') ?? '' },
      }),
    ]);
    rmSync(join(folder, tilePath('entries', 0)));
    expect(await findingsOf(folder)).toEqual([]);
    log.prune(512, found?.numbers ?? []);
    expect(existsSync(join(folder, tilePath('entries', 1)))).toBe(false);
    expect(await findingsOf(folder)).toEqual([]);
    log.close();
  });

  test('also removes what a crash left of a bundle from before it was full', () => {
    const { folder, log } = oldLog();
    const found = prunable(folder, log.committed, { years: 26, now });
    const left = join(folder, tilePath('entries', 1, 88));
    mkdirSync(dirname(left), { recursive: true });
    writeFileSync(left, 'events');
    log.prune(512, found?.numbers ?? []);
    log.close();
    expect(existsSync(dirname(left))).toBe(false);
  });

  test('does not follow a clock that is ahead of every event', () => {
    const { folder, log } = oldLog();
    const ahead = prunable(folder, log.committed, { years: 26, now: now + 100 * YEAR_MS });
    expect(ahead?.minimumIndex).toBe(512);
    log.close();
  });
});

test('recently sealed events are trusted where they are, and read from the log everywhere else', () => {
  const { folder } = makeLog(1_200, signer);
  const range = sealedRange(folder);
  if (range === undefined) throw new Error('there is no log');
  const all = [...sealedRun(folder, range, 0)].flat();
  fc.assert(
    fc.property(
      fc.nat(1_200),
      fc.subarray(all, { minLength: 600 }),
      fc.nat(1_200),
      (from, known, cut) => {
        for (const lately of [known, all.slice(cut), [...all.slice(cut), ...all.slice(0, cut)]]) {
          expect([...sealedRun(folder, range, from, lately)].flat()).toEqual(all.slice(from));
        }
      },
    ),
    { numRuns: 20 },
  );
});

describe('a reader that keeps the commit file open', () => {
  const sizeIn = (reader: ReturnType<typeof createCommitReader>) =>
    reader.read((commits) => commits.size()?.size);

  test('reads what was committed since, and a file that was put in its place', async () => {
    const { folder, source } = makeLog(20, signer);
    const reader = createCommitReader(folder);
    expect(await sizeIn(reader)).toBe(20);
    const log = openLog(folder, signer);
    log.append(source.take(5));
    log.close();
    expect(await sizeIn(reader)).toBe(25);
    const other = makeLog(40, signer, 7).folder;
    renameSync(CommitFile.pathIn(other), CommitFile.pathIn(folder));
    expect(await sizeIn(reader)).toBe(40);
    reader.close();
  });

  test('finds no log once the file is gone, and fails if what is there cannot be read', async () => {
    const { folder } = makeLog(20, signer);
    const reader = createCommitReader(folder);
    expect(await sizeIn(reader)).toBe(20);
    const path = CommitFile.pathIn(folder);
    rmSync(path);
    expect(await sizeIn(reader)).toBeUndefined();
    writeFileSync(path, 'no database'.repeat(1_000));
    await expect(sizeIn(reader)).rejects.toThrow('not a database');
    reader.close();
  });
});
