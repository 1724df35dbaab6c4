import fs, { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { EventSpool } from '#service/audit/record/event-spool.ts';

/** What another process does at the moment at which a file is removed. */
let meanwhile: (path: string) => void = () => undefined;
const { rmSync: reallyRemove } = fs;
// Other files of the tests may have loaded the spool before this one, so a mocked module would not reach it.
beforeAll(() => {
  fs.rmSync = (path, options) => {
    meanwhile(String(path));
    reallyRemove(path, options);
  };
  syncBuiltinESMExports();
});
afterAll(() => {
  fs.rmSync = reallyRemove;
  syncBuiltinESMExports();
});

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cpf-spool-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const left = (): string => {
  const spool = EventSpool.open(folder, 10_000);
  spool.keep([{ json: '{}', at: new Date().toISOString() }]);
  spool.close();
  return readdirSync(folder).find((name) => name.endsWith('.sqlite')) ?? '';
};

test('a file of waiting events is locked until it is removed, so that no process gets one that is about to go', () => {
  const name = left();
  const got: string[] = [];
  let removals = 0;
  meanwhile = (path) => {
    if (!path.endsWith(name)) return;
    removals++;
    const other = new DatabaseSync(path, { timeout: 0 });
    try {
      other.exec('BEGIN EXCLUSIVE');
      got.push(path);
    } catch {
      // It is locked.
    } finally {
      other.close();
    }
  };
  const spool = EventSpool.open(folder, 10_000);
  meanwhile = () => undefined;
  expect(spool.count).toBe(1);
  expect([removals, got]).toEqual([1, []]);
  spool.remove(spool.oldest(1));
  spool.close();
});

test('events are not taken from a file that another process has just taken over and removed', () => {
  const name = left();
  const real = DatabaseSync.prototype.exec;
  const exec = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (
    this: DatabaseSync,
    sql: string,
  ) {
    // The other process removes it after this one has opened it, and before this one locks it.
    if (sql === 'BEGIN EXCLUSIVE' && this.location()?.endsWith(name) === true) {
      rmSync(join(folder, name), { force: true });
    }
    real.call(this, sql);
  });
  try {
    const spool = EventSpool.open(folder, 10_000);
    expect(existsSync(join(folder, name))).toBe(false);
    expect(spool.count).toBe(0);
    spool.close();
  } finally {
    exec.mockRestore();
  }
});
