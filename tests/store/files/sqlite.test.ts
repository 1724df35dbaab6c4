import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { doEach } from '#store/files/sqlite.ts';

test('a transaction that SQLite abandons itself, as on a full disk, is not done, and the reason is given', () => {
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE one (id INTEGER PRIMARY KEY) STRICT');
  const insert = (how: string, id: number) => () =>
    db.exec(`INSERT OR ${how} INTO one VALUES (${id})`);
  const failures = doEach(db, [insert('ABORT', 1), insert('ROLLBACK', 1), insert('ABORT', 2)]);
  for (const failure of failures) {
    expect(failure?.error).toMatchObject({ message: 'UNIQUE constraint failed: one.id' });
  }
  expect(db.prepare('SELECT * FROM one').all()).toEqual([]);
  expect(doEach(db, [insert('ABORT', 1), insert('ABORT', 1), insert('ABORT', 2)])).toMatchObject([
    undefined,
    { error: { message: 'UNIQUE constraint failed: one.id' } },
    undefined,
  ]);
  db.close();
});
