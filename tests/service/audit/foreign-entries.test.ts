import { afterAll, expect, test } from 'vitest';
import { CommitFile } from '#service/audit/log/commit.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';

afterAll(removeAuditFolders);

test('a named person answers only for the foreign entries that were reported to them, not for those sealed since', () => {
  const commits = CommitFile.open(auditFolder());
  commits.noteForeign([
    { stream: 1, number: 4 },
    { stream: 1, number: 9 },
    { stream: 2, number: 1 },
  ]);
  const told = commits.foreignByStream();
  expect(told).toEqual([
    { stream: 1, last: 9, count: 2 },
    { stream: 2, last: 1, count: 1 },
  ]);
  commits.noteForeign([
    { stream: 1, number: 10 },
    { stream: 3, number: 1 },
  ]);
  commits.answerForForeign(told);
  expect(commits.foreign()).toBe(2);
  expect(commits.foreignByStream()).toEqual([
    { stream: 1, last: 10, count: 1 },
    { stream: 3, last: 1, count: 1 },
  ]);
  commits.close();
});
