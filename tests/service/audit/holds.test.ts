import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import { CommitFile } from '#service/audit/log/commit.ts';
import { createCommitReader } from '#service/audit/log/commit-reader.ts';
import { createHolds } from '#service/audit/seal/holds.ts';
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
