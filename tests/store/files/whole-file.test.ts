import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InTheWay, makeFolderIn, writeWhole } from '#store/files/whole-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cpf-'));
});
afterEach(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));

describe('a file whose name comes from outside', () => {
  const inTheWay: [string, (path: string) => void][] = [
    ['a named pipe', (path) => execFileSync('mkfifo', [path])],
    ['a folder', (path) => mkdirSync(path)],
    ['a link', (path) => symlinkSync(join(dir, 'elsewhere'), path)],
    ['a link', (path) => symlinkSync(join(dir, 'nowhere'), path)],
  ];

  test.for(inTheWay)('leaves %s alone', async ([kind, put]) => {
    const path = join(dir, 'answer');
    writeFileSync(join(dir, 'elsewhere'), 'theirs');
    put(path);
    const before = lstatSync(path);
    await expect(writeWhole(path, 'ours', 0o600)).rejects.toThrow(`${path} is ${kind}`);
    expect(lstatSync(path)).toMatchObject({ ino: before.ino, mode: before.mode });
    expect(readdirSync(dir).toSorted()).toEqual(['answer', 'elsewhere']);
    expect(readFileSync(join(dir, 'elsewhere'), 'utf8')).toBe('theirs');
  });

  test('leaves a socket alone', async () => {
    const path = join(dir, 'answer');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await expect(writeWhole(path, 'ours', 0o600)).rejects.toThrow('is a socket');
    expect(lstatSync(path).isSocket()).toBe(true);
    server.close();
  });

  test('replaces a file as a whole, or leaves nothing behind', async () => {
    const path = join(dir, 'answer');
    await writeWhole(path, 'first', 0o600);
    const broken = async function* () {
      yield 'seco';
      await Promise.reject(new Error('broken off'));
    };
    await expect(writeWhole(path, broken(), 0o600)).rejects.toThrow('broken off');
    expect(readFileSync(path, 'utf8')).toBe('first');
    expect(readdirSync(dir)).toEqual(['answer']);
    await writeWhole(path, 'second', 0o640);
    expect(readFileSync(path, 'utf8')).toBe('second');
  });
});

test('what killed processes left while they wrote into a folder is removed, and nothing else', async () => {
  const [left, underWay, theirs] = ['.cp-flags-abcdefgh.tmp', '.cp-flags-ijklmnop.tmp', '.x.tmp'];
  for (const name of [left, underWay, theirs]) writeFileSync(join(dir, name), 'a person');
  for (const name of [left, theirs]) utimesSync(join(dir, name), 0, 0);
  await writeWhole(join(dir, 'answer'), 'ours', 0o600);
  expect(readdirSync(dir).toSorted()).toEqual([underWay, theirs, 'answer']);
});

test('a folder made inside another never leads out of it through a link', async () => {
  const elsewhere = join(dir, 'elsewhere');
  const asked = join(dir, 'asked');
  mkdirSync(elsewhere);
  mkdirSync(asked);
  symlinkSync(elsewhere, join(asked, 'V145'));
  await expect(makeFolderIn(asked, 'V145', 0o700)).rejects.toThrow(InTheWay);
  expect(await makeFolderIn(asked, 'V146', 0o700)).toBe(join(asked, 'V146'));
  expect(await makeFolderIn(asked, 'V146', 0o700)).toBe(join(asked, 'V146'));
});
