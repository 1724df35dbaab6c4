import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import type { OperatorEvent } from '#schemas/audit/audit-event.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { createCommitReader } from '#service/audit/log/commit-reader.ts';
import { beginHold, createHolds, endHold, recordHolds } from '#service/audit/seal/holds.ts';
import { NotReplicated } from '#store/connection/acknowledged.ts';
import { isBusy } from '#store/files/sqlite.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';
import { until } from '../../support/until.ts';

afterAll(() => removeAuditFolders());

const named = { by: 'A. Guardian', reason: 'inquiry 15' };

test('a hold is recorded once and is in force, also if somebody is reading when it is to be written', async () => {
  const folder = auditFolder();
  const path = CommitFile.pathIn(folder);
  CommitFile.open(folder).close();
  const recorded: string[] = [];
  const holds = createHolds(folder, ({ type }) => {
    recorded.push(type);
    const reader = new DatabaseSync(path);
    reader.exec('BEGIN; SELECT * FROM hold');
    void until(() => isClosedToReaders(path), 'the hold to wait for the reader').finally(() =>
      reader.close(),
    );
    return Promise.resolve();
  });
  const { id } = await holds.begin(named);
  expect([recorded, await holds.list()]).toMatchObject([['audit-hold'], [{ id, ...named }]]);
  expect(await holds.end(id, named, true)).toBe('ended');
  expect([recorded, await holds.list()]).toEqual([['audit-hold', 'audit-hold-ended'], []]);
});

/** Whether somebody waits to write, so that SQLite lets nobody else begin to read. */
function isClosedToReaders(path: string): boolean {
  const reader = new DatabaseSync(path, { readOnly: true, timeout: 0 });
  try {
    reader.exec('SELECT * FROM hold');
    return false;
  } catch (error) {
    if (!isBusy(error)) throw error;
    return true;
  } finally {
    reader.close();
  }
}

test('while a hold waits for somebody who is reading, the same process reads the log and does not wait for itself', async () => {
  const folder = auditFolder();
  const path = CommitFile.pathIn(folder);
  CommitFile.open(folder).close();
  let other: DatabaseSync | undefined;
  const holds = createHolds(folder, () => {
    other = new DatabaseSync(path);
    other.exec('BEGIN; SELECT * FROM hold');
    return Promise.resolve();
  });
  const reader = createCommitReader(folder);
  const inForce = (commits: CommitFile) => commits.retentionHolds();
  expect(await reader.read(inForce)).toEqual([]);
  const begun = holds.begin(named);
  await until(() => isClosedToReaders(path), 'the hold to wait for the reader');
  const read = Promise.all([reader.read(inForce), holds.list()]);
  // Neither of the two can have stopped the process: the reader goes only now.
  other?.close();
  const hold = await begun;
  expect(await read).toEqual([[hold], [hold]]);
  reader.close();
});

test.each(['before', 'after'])(
  'a hold is in force, on record and has a number of its own, also if its process was killed just %s it was recorded',
  async (when) => {
    const folder = auditFolder();
    CommitFile.open(folder).close();
    const written = join(folder, 'recorded.json');
    const child = spawn(
      process.execPath,
      [
        '--input-type=module-typescript',
        '--eval',
        `import { writeFileSync } from 'node:fs';
         import { createHolds } from '#service/audit/seal/holds.ts';
         await createHolds(process.env.FOLDER, async (event) => {
           if (process.env.WHEN === 'after') writeFileSync(process.env.WRITTEN, JSON.stringify(event));
           process.kill(process.pid, 'SIGKILL');
         }).begin({ by: 'B. Guardian', reason: 'inquiry 14', account: 'ben' });`,
      ],
      {
        env: { ...process.env, FOLDER: folder, WHEN: when, WRITTEN: written },
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);

    const recorded: OperatorEvent[] = [];
    const holds = createHolds(folder, async (event) => void recorded.push(event));
    const [first] = await holds.list();
    expect(first).toMatchObject({ by: 'B. Guardian', reason: 'inquiry 14' });
    const second = await holds.begin(named);
    expect(second.id).not.toBe(first?.id);
    expect(recorded).toMatchObject([
      {
        type: 'audit-hold',
        by: 'B. Guardian',
        detail: { hold: first?.id, reason: 'inquiry 14', account: 'ben' },
      },
      { type: 'audit-hold', by: named.by, detail: { hold: second.id } },
    ]);
    // The same act, if both are there.
    expect(existsSync(written)).toBe(when === 'after');
    if (when === 'after') expect(JSON.parse(readFileSync(written, 'utf8'))).toEqual(recorded[0]);
  },
);

test('a hold that could not be recorded is not in force, and its number is not used again', async () => {
  const folder = auditFolder();
  CommitFile.open(folder).close();
  const numbers: unknown[] = [];
  const holds = createHolds(folder, async ({ detail }) => {
    numbers.push(detail['hold']);
    if (numbers.length === 1) throw notSent();
  });
  await expect(holds.begin(named)).rejects.toThrow('writeable');
  expect(await holds.list()).toEqual([]);
  await holds.begin(named);
  expect(new Set(numbers).size).toBe(2);
});

/** As ioredis says it. */
const notSent = () => new Error("Stream isn't writeable and enableOfflineQueue options is false");

test('a hold that is on record is in force, also if it was not known to be recorded', async () => {
  const folder = auditFolder();
  CommitFile.open(folder).close();
  const recorded: OperatorEvent[] = [];
  const holds = createHolds(folder, async (event) => {
    recorded.push(event);
    if (recorded.length === 1) throw new NotReplicated(0, 1);
  });
  const hold = await holds.begin(named);
  expect(hold).toMatchObject({ ...named, unrecorded: true });
  expect(await holds.list()).toMatchObject([{ id: hold.id }]);
  // The next to record anything about holds repeats it, as the same act.
  await holds.begin({ ...named, reason: 'inquiry 16' });
  expect(recorded).toMatchObject([{ detail: { hold: hold.id } }, recorded[0], {}]);
});

test('a hold that could not be recorded is taken back once nobody else writes, and its cause is reported', async () => {
  const folder = auditFolder();
  const commits = CommitFile.open(folder, { timeoutMs: 20 });
  const other = new DatabaseSync(CommitFile.pathIn(folder));
  commits.recordHold = () => {
    other.exec('BEGIN IMMEDIATE');
    setImmediate(() => other.close());
    return Promise.reject(notSent());
  };
  await expect(beginHold(commits, named, async () => undefined)).rejects.toThrow('writeable');
  expect(commits.retentionHolds()).toEqual([]);
  commits.close();
});

test('a hold that a worker may have recorded meanwhile is in force, and the worker records it again', async () => {
  const folder = auditFolder();
  const [commits, worker] = [CommitFile.open(folder), CommitFile.open(folder)];
  const recorded: OperatorEvent[] = [];
  const record = commits.recordHold.bind(commits);
  commits.recordHold = async (id, own) => {
    await recordHolds(worker, (event) => {
      recorded.push(event);
      return Promise.reject(new NotReplicated(0, 1));
    }).catch(() => undefined);
    return record(id, own);
  };
  const hold = await beginHold(commits, named, () => Promise.reject(notSent()));
  expect(hold).toMatchObject({ ...named, unrecorded: true });
  expect(commits.retentionHolds()).toMatchObject([{ id: hold.id }]);
  await recordHolds(worker, async (event) => void recorded.push(event));
  expect(recorded).toMatchObject([{ detail: { hold: hold.id } }, recorded[0]]);
  commits.close();
  worker.close();
});

test('a hold is in force, and can be ended, if its process was killed just after its end was recorded', async () => {
  const folder = auditFolder();
  CommitFile.open(folder).close();
  const recorded: OperatorEvent[] = [];
  const holds = createHolds(folder, async (event) => void recorded.push(event));
  const { id } = await holds.begin(named);
  const child = spawn(
    process.execPath,
    [
      '--input-type=module-typescript',
      '--eval',
      `import { createHolds } from '#service/audit/seal/holds.ts';
       await createHolds(process.env.FOLDER, async () => process.kill(process.pid, 'SIGKILL'))
         .end(${id}, { by: 'B. Guardian', reason: 'closed' }, true);`,
    ],
    { env: { ...process.env, FOLDER: folder }, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
  expect(await holds.list()).toMatchObject([{ id }]);
  expect(await holds.end(id, named, true)).toBe('ended');
  expect(await holds.list()).toEqual([]);
  expect(recorded.map(({ type }) => type)).toEqual(['audit-hold', 'audit-hold-ended']);
});

test('a hold that is ended is recorded as begun first, and never afterwards', async () => {
  const folder = auditFolder();
  const commits = CommitFile.open(folder);
  const { id } = commits.addRetentionHold({ ...named, auditId: randomUUID() });
  const recorded: string[] = [];
  const record = async ({ type }: OperatorEvent) => void recorded.push(type);
  expect(await endHold(commits, id, named, record)).toBe('ended');
  await recordHolds(commits, record);
  expect(recorded).toEqual(['audit-hold', 'audit-hold-ended']);
  commits.close();
});

test('a hold of another machine is not recorded again under this one’s name, and neither hold is lost', async () => {
  const [here, there] = [auditFolder(), auditFolder()];
  const [ours, theirs] = [CommitFile.open(here), CommitFile.open(there)];
  const auditId = randomUUID();
  ours.addRetentionHold({ ...named, auditId, account: 'ann' });
  const record = async () => undefined;
  const other = await beginHold(theirs, { by: 'B. Guardian', reason: 'court' }, record);
  const unrecorded = theirs.addRetentionHold({ ...named, reason: 'third', auditId: randomUUID() });
  theirs.close();
  for (let i = 0; i < 2; i++) CommitFile.addFrom(here, CommitFile.pathIn(there));
  expect(ours.retentionHolds()).toMatchObject([other, unrecorded, named]);
  expect(ours.unrecordedHolds()).toMatchObject([
    { id: unrecorded.id, reason: 'third' },
    { ...named, auditId, account: 'ann' },
  ]);
  ours.close();
});
