import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { watchOwnDisk } from '#service/start/own-disk.ts';
import type { Room } from '#store/trust/room.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';
import { until } from '../../support/until.ts';

afterAll(() => removeAuditFolders());

/** It looks only when a test tells it to, however long that takes. */
const NEVER_MS = 3_600_000;

test('a process says in the log and in a check that it cannot write into its data folder, or has little room there, until that is over', async () => {
  const logged: string[] = [];
  const log = {
    info: (text: string) => void logged.push(`info ${text}`),
    error: (text: string) => void logged.push(`error ${text}`),
  };
  const folder = join(auditFolder(), 'data');
  const away = `${folder}-away`;
  mkdirSync(folder);
  const disk = { free: 3 * 1_048_576, reserve: 1_048_576, size: 10 * 1_048_576 };
  const room = () => Promise.resolve({ ...disk });
  const watched = watchOwnDisk(folder, log, { room, everyMs: NEVER_MS, answersWithinMs: NEVER_MS });
  const said = async () => {
    await watched.look();
    const { ok, detail } = watched.check();
    return [ok, detail, logged.splice(0)] as const;
  };
  expect(await said()).toEqual([true, expect.stringContaining('3 MiB left'), []]);
  expect(readdirSync(folder)).toEqual([]);

  renameSync(folder, away);
  const [, unwritable] = await said();
  expect(unwritable).toContain('cannot write into DATA_DIR (ENOENT)');
  expect(watched.check().ok).toBe(false);
  renameSync(away, folder);
  expect((await said())[0]).toBe(false);
  expect((await said())[0]).toBe(true);

  disk.free = 900_000;
  const [ok, little, errors] = await said();
  expect(ok).toBe(false);
  expect(little).toContain('Make room');
  expect(errors).toEqual([`error ${little}`]);
  // It is logged when it changes, and not at each look.
  expect((await said())[2]).toEqual([]);
  disk.free = disk.reserve + 1;
  expect((await said())[2]).toEqual([]);
  expect((await said())[2]).toEqual([expect.stringMatching(/^info /)]);
  watched.stop();
});

test('a disk that does not answer is reported, and passes again once it has answered in time twice', async () => {
  const logged: string[] = [];
  const log = {
    info: (text: string) => void logged.push(`info ${text}`),
    error: (text: string) => void logged.push(`error ${text}`),
  };
  const folder = auditFolder();
  const answers: (() => void)[] = [];
  let isLate = true;
  const disk: Room = { free: 3 * 1_048_576, reserve: 1_048_576, size: 10 * 1_048_576 };
  const room = () =>
    isLate
      ? new Promise<Room>((resolve) => void answers.push(() => resolve(disk)))
      : Promise.resolve(disk);
  const watched = watchOwnDisk(folder, log, { room, everyMs: NEVER_MS, answersWithinMs: 200 });
  await until(() => answers.length === 1, 'the disk to be asked');
  await watched.look();
  const { ok, detail } = watched.check();
  expect([ok, detail]).toEqual([false, expect.stringContaining('does not answer')]);
  // The disk is not asked a second time while the first question hangs: each would hold a thread.
  await watched.look();
  expect(answers).toHaveLength(1);
  // Each answer comes late, as from a slow disk: nothing is logged each time.
  for (let late = 1; late <= 3; late++) {
    await until(() => answers.length === late, 'the disk to be asked');
    const answered = watched.look();
    answers[late - 1]?.();
    await answered;
    if (late < 3) await watched.look();
  }
  expect([watched.check(), logged]).toMatchObject([{ ok: false, detail }, [`error ${detail}`]]);
  isLate = false;
  await until(async () => {
    await watched.look();
    return watched.check().ok;
  }, 'the disk to be well again');
  expect(logged.slice(1)).toEqual([expect.stringMatching(/^info .*3 MiB left/)]);
  watched.stop();
});
