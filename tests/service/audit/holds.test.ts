import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import { CommitFile } from '#service/audit/log/commit.ts';
import { createHolds } from '#service/audit/seal/holds.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';

afterAll(() => removeAuditFolders());

const named = { by: 'A. Guardian', reason: 'inquiry 15' };

test('a hold is recorded once and is in force, also if somebody is reading when it is to be written', async () => {
  const folder = auditFolder();
  CommitFile.open(folder).close();
  const recorded: string[] = [];
  const holds = createHolds(folder, ({ type }) => {
    recorded.push(type);
    const reader = new DatabaseSync(CommitFile.pathIn(folder));
    reader.exec('BEGIN; SELECT * FROM hold');
    setTimeout(() => reader.close(), 100);
    return Promise.resolve();
  });
  const { id } = await holds.begin(named);
  expect([recorded, holds.list()]).toMatchObject([['audit-hold'], [{ id, ...named }]]);
  expect(await holds.end(id, named)).toBe(true);
  expect([recorded, holds.list()]).toEqual([['audit-hold', 'audit-hold-ended'], []]);
});
