import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from './support/processes.ts';

const units = globSync('docs/operating/systemd/*.service', { cwd: root }).toSorted();
const analyze = (...args: string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' });
/** `--offline`, which judges a unit without installing it, came with version 250. */
const version = Number(/^systemd ([0-9]+)/.exec(analyze('--version').stdout ?? '')?.[1] ?? 0);
const hasAnalyze = version >= 250;

/** Tenths of a point: below this systemd itself calls a unit well protected. */
const EXPOSED_AT_MOST_TENTHS = 20;

let folder: string;
beforeAll(() => {
  // Puts the units in a folder with the program where they expect it, and a template as one of its instances.
  folder = mkdtempSync(join(tmpdir(), 'cpf-systemd-'));
  for (const unit of units) {
    const text = readFileSync(join(root, unit), 'utf8').replaceAll('/opt/cp-flags', root);
    writeFileSync(join(folder, installed(unit)), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const installed = (unit: string): string => basename(unit).replace('@.', '@worker.');

test('there are units for the service, for one role, for the inbox, and for a Redis and a sentinel among several', () => {
  expect(units.map((unit) => basename(unit))).toEqual([
    'cp-flags-inbox.service',
    'cp-flags-redis.service',
    'cp-flags-sentinel.service',
    'cp-flags.service',
    'cp-flags@.service',
  ]);
});

test.skipIf(!hasAnalyze).for(units)('systemd finds nothing wrong with %s', (unit) => {
  const { status, stdout, stderr } = analyze('verify', '--man=no', join(folder, installed(unit)));
  // Faults in other units on this machine do not matter here.
  const own = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('cp-flags'));
  expect({ status, own }).toEqual({ status: 0, own: [] });
});

test.skipIf(!hasAnalyze).for(units)('%s gives the service only what it needs', (unit) => {
  const { status, stdout } = analyze(
    'security',
    '--offline=true',
    '--no-pager',
    `--threshold=${EXPOSED_AT_MOST_TENTHS}`,
    join(folder, installed(unit)),
  );
  expect(status, stdout).toBe(0);
});

test.each(['cp-flags.service', 'cp-flags@.service'])(
  '%s lets a thread yield to lookups, and grants nothing else on the machine',
  (unit) => {
    const text = readFileSync(join(root, 'docs/operating/systemd', unit), 'utf8');
    const filters = [...text.matchAll(/^SystemCallFilter=(.*)$/gm)].map(([, filter]) => filter);
    expect(filters).toEqual(['@system-service', '~@privileged @resources', 'setpriority']);
  },
);

test.each(units)('%s starts the program directly, so that a signal reaches it', (unit) => {
  const text = readFileSync(join(root, unit), 'utf8');
  expect(text).toMatch(
    /^ExecStart=(\/opt\/cp-flags\/service\/cp-flags (serve|watch .+)|\/usr\/bin\/redis-server \/.+)$/m,
  );
  expect(text).not.toMatch(/^User=root/m);
});
