import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { READINESS } from '#schemas/wording/store.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { type Room, watchRoom } from '#store/trust/room.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../../support/test-store.ts';

const ROOM: Room = { free: 3 * 1_048_576, reserve: 1_048_576, size: 10 * 1_048_576 };

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
});
afterAll(() => t.stop());

/** A disk that answers only if it is told to. */
function slowDisk() {
  const waiting: (() => void)[] = [];
  let silent = false;
  return {
    looks: 0,
    room(): Promise<Room> {
      this.looks += 1;
      return silent
        ? new Promise((resolve) => waiting.push(() => resolve(ROOM)))
        : Promise.resolve(ROOM);
    },
    fallSilent: () => void (silent = true),
    answer() {
      silent = false;
      for (const answer of waiting.splice(0)) answer();
    },
  };
}

test('a disk that does not answer stops lookups in words about the disk, and they go on once it answers', async () => {
  const disk = slowDisk();
  const readiness = watchStore(await t.connect('lookup'), {
    dataDir: t.dataDir,
    room: () => disk.room(),
  });
  const check = (name: string) => readiness.checks().find((each) => each.name === name);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  disk.fallSilent();
  await until(() => check('disk')?.ok === false, 'the check of the disk to fail');
  expect(check('disk')?.detail).toBe(READINESS.diskSilent);
  // On a busy machine a poll may come too late, and is then made again.
  await until(() => check('redis-reachable')?.ok === true, 'Redis to be reached');
  expect(check('disk')?.detail).toBe(READINESS.diskSilent);
  expect(readiness.open).toBe(false);
  disk.answer();
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await readiness.stop();
});

test('a folder that cannot be looked at stops lookups in words about the folder', async () => {
  const readiness = watchStore(await t.connect('lookup'), { dataDir: `${t.dataDir}/missing` });
  const check = (name: string) => readiness.checks().find((each) => each.name === name);
  await until(() => check('disk')?.detail === READINESS.diskUnreadable('ENOENT'), 'the check');
  await until(() => check('redis-reachable')?.ok === true, 'Redis to be reached');
  expect(readiness.open).toBe(false);
  await readiness.stop();
});

test('while a disk has no answer, it is not asked again, and what it said last counts only for a time', async () => {
  const disk = slowDisk();
  const options = { room: () => disk.room(), answersWithinMs: 1 };
  const look = watchRoom('folder', { ...options, countsForMs: WAIT_MS });
  const lookLate = watchRoom('folder', { ...options, countsForMs: 0 });
  // The first look also finds out which disk it is.
  await until(async () => (await look()).kind === 'room', 'an answer');
  await until(async () => (await lookLate()).kind === 'room', 'an answer');
  disk.fallSilent();
  const { looks } = disk;
  for (let i = 0; i < 5; i++) {
    expect(await look()).toEqual({ kind: 'room', room: ROOM });
    expect(await lookLate()).toEqual({ kind: 'late' });
  }
  expect(disk.looks - looks).toBe(1);
  disk.answer();
  await until(async () => (await lookLate()).kind === 'room', 'an answer');
});

test('a disk that does not answer holds one thread of the process, however many of its folders are watched', async () => {
  const disk = slowDisk();
  disk.fallSilent();
  const folders = ['one', 'two', 'three'].map((name) => join(t.dataDir, name));
  for (const folder of folders) mkdirSync(folder);
  const options = { room: () => disk.room(), answersWithinMs: 1, countsForMs: 0 };
  const watches = folders.map((folder) => watchRoom(folder, options));
  const looks = () => Promise.all(watches.map((look) => look()));
  await until(async () => {
    await looks();
    return disk.looks > 0;
  }, 'a look');
  for (let i = 0; i < 20; i++) await looks();
  expect(disk.looks).toBe(1);
  disk.answer();
  await until(async () => (await looks()).every(({ kind }) => kind === 'room'), 'all to answer');
});
