import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WAIT_MS } from '../support/until.ts';

/**
 * A power cut leaves what had been synced. So a file is synced before it gets its name, and the folder afterwards: or a
 * key with which the audit was signed, the dataset that was served, or rows that wait for a decision could be gone.
 */

type Call = { name: string; paths: string[] };

const TRACED =
  'rename,renameat,renameat2,link,linkat,mkdir,mkdirat,unlink,unlinkat,fsync,fdatasync';
let folder: string;
let calls: Call[] = [];
let untraceable: string | undefined;

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'cpf-')));
  const log = join(folder, 'strace.log');
  const { error, status, stderr } = spawnSync(
    'strace',
    ['-f', '-y', '-qq', '-s', '4096', '-e', `trace=${TRACED}`, '-o', log, process.execPath].concat([
      join(import.meta.dirname, '../support/write-durably.ts'),
      join(folder, 'in'),
    ]),
    { encoding: 'utf8', timeout: WAIT_MS },
  );
  if (error !== undefined) untraceable = error.message;
  else if (/not permitted/i.test(stderr)) untraceable = stderr;
  else expect([status, stderr]).toEqual([0, '']);
  if (untraceable !== undefined) return;
  calls = readFileSync(log, 'utf8')
    .split('\n')
    .flatMap((line): Call[] => {
      const name = /^[0-9]+ +(\w+)\(/.exec(line)?.[1];
      if (name === undefined || / = -1 /.test(line)) return [];
      const paths = [...line.matchAll(/"([^"]*)"|[0-9]+<([^>]*)>/g)].map(
        ([, quoted, open]) => quoted ?? open ?? '',
      );
      return paths.some((path) => path.startsWith(join(folder, 'in'))) ? [{ name, paths }] : [];
    });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const isSync = ({ name }: Call): boolean => name.endsWith('sync');
const synced = (path: string, from: number, to = calls.length): boolean =>
  calls.slice(from, to).some((call) => isSync(call) && call.paths[0] === path);
const shown = (path: string): string =>
  relative(join(folder, 'in'), path).replaceAll(/[^/]*[a-z]{8,}[^/]*/g, '*');

/** What got a name and where in the trace, but for folders made beforehand and what is done again without loss. */
const named = () =>
  calls.flatMap(({ name, paths }, at) => {
    const [from = '', to = from] = paths;
    const [kind, place] = relative(join(folder, 'in'), to).split('/');
    const matters = place !== undefined && (kind !== 'inbox' || place === 'held');
    return matters && /^(?:rename|link|mkdir)/.test(name) ? [{ at, name, from, to }] : [];
  });

test('what must survive a power cut is on disk when it gets its name, and its name before anything else is done', ({
  skip,
}) => {
  if (untraceable !== undefined) skip(`strace cannot be used here: ${untraceable}`);
  const lost = named().flatMap(({ at, name, from, to }) => {
    const whole = name.startsWith('mkdir') || to.includes('/inbox/') || synced(from, 0, at);
    return [
      ...(whole ? [] : [`${shown(to)}: not synced before it got its name`]),
      ...(synced(dirname(to), at + 1) ? [] : [`${shown(to)}: its folder not synced afterwards`]),
    ];
  });
  expect(lost).toEqual([]);
  const files = named().filter(({ name }) => !name.startsWith('mkdir'));
  expect([...new Set(files.map(({ to }) => shown(to).split('/')[0]))]).toEqual([
    'served',
    'signing',
    'hashing',
    'state',
    'log',
    'copy',
    'spool',
    'inbox',
  ]);
});
