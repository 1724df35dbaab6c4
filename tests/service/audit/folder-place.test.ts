import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { folderPlace } from '#service/audit/copy/folder-place.ts';
import { CopyAway } from '#service/audit/copy/place.ts';
import { startStopwatch } from '../../support/stopwatch.ts';
import { until, WAIT_MS } from '../../support/until.ts';

const DEADLINE_MS = 200;
/** As many calls as a process has threads for files and keys. */
const CALLS = 4;

let folder: string;
let mute: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'folder-place-'));
  mute = Array.from({ length: CALLS }, (_, i) => `mute-${i}`);
  // Opening a FIFO blocks until somebody writes to it, as any call does on a mount that has gone away.
  for (const name of mute) execFileSync('mkfifo', [join(folder, name)]);
});
afterEach(() => {
  answer(() => rmSync(folder, { recursive: true }));
});

/** Lets the hanging calls end, also those that begin to hang only now, until this work is done. */
function answer(work: () => void = () => undefined): void {
  const { O_RDWR, O_NONBLOCK } = constants;
  const open = mute.map((name) => openSync(join(folder, name), O_RDWR | O_NONBLOCK));
  work();
  for (const file of open) closeSync(file);
}

const kindOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'answered',
    (error: unknown) => (error instanceof CopyAway ? 'away' : error),
  );

test('a folder that does not answer leaves the process’s threads for files and keys free', async () => {
  const place = folderPlace(folder, DEADLINE_MS);
  const calls = await Promise.all(mute.map((name) => kindOf(place.read(name))));
  expect(calls).toEqual(mute.map(() => 'away'));
  const others = Promise.all([
    readFile(import.meta.filename),
    crypto.subtle.digest('SHA-256', Buffer.from('x')),
  ]).then(() => 'done');
  const late = new Promise((resolve) => setTimeout(resolve, WAIT_MS, 'late'));
  expect(await Promise.race([others, late])).toBe('done');
});

test.each(['create', 'replace'])(
  'what a process that is killed leaves of an object (%s) is in no folder of objects, and is removed later',
  async (call) => {
    const script = `
      import files from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      files.link = files.rename = () => process.kill(process.pid, 'SIGKILL');
      syncBuiltinESMExports();
      const { folderPlace } = await import('#service/audit/copy/folder-place.ts');
      await folderPlace(${JSON.stringify(folder)}, ${WAIT_MS}).${call}('log/000/001', Buffer.from('events'));`;
    const killed = spawnSync(process.execPath, ['--input-type=module', '--eval', script]);
    expect(killed.signal).toBe('SIGKILL');
    expect(readdirSync(join(folder, 'log', '000'))).toEqual([]);
    const others = ['log', ...mute];
    const [left = '', ...more] = readdirSync(folder).filter((name) => !others.includes(name));
    expect(more).toEqual([]);
    utimesSync(join(folder, left), 0, 0);
    await folderPlace(folder, WAIT_MS).create('log/000/001', Buffer.from('events'));
    expect(readdirSync(folder).toSorted()).toEqual(others);
  },
);

test('a folder that did not answer counts as away until that call has ended, and is then used again', async () => {
  const place = folderPlace(folder, DEADLINE_MS);
  writeFileSync(join(folder, 'object'), 'x');
  expect(await kindOf(place.read('mute-0'))).toBe('away');
  const read = startStopwatch();
  expect(await kindOf(place.read('object'))).toBe('away');
  expect(read()).toBeLessThan(DEADLINE_MS);
  await until(() => {
    // The call may have been given up before its thread had even begun to open the file.
    answer();
    return kindOf(place.read('object')).then((kind) => kind === 'answered');
  }, 'the folder to be used again');
});
