import { spawnSync } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { arch, cpus, platform, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { percentile } from './percentile.ts';
import { median } from './processes.ts';

const PROBES = 200;

/** What a figure was measured on, to be printed beside it. */
export function machine() {
  const redis = spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout ?? '';
  const [first] = cpus();
  return {
    cpFlags: packageJson.version,
    node: process.version,
    redis: /v=([^ ]+)/.exec(redis)?.[1] ?? 'unknown',
    system: `${platform()} ${release()} ${arch()}`,
    processor: `${cpus().length} x ${first?.model.trim() ?? 'unknown'}`,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    fsync: fsyncProbe(),
  };
}

/** How long the disk under the temporary folder takes to keep 4 KiB, in microseconds. */
function fsyncProbe(): { medianMicroseconds: number; p99Microseconds: number } {
  const folder = mkdtempSync(join(tmpdir(), 'cpf-fsync-'));
  const descriptor = openSync(join(folder, 'probe'), 'w');
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let i = 0; i < PROBES; i += 1) {
    const began = performance.now();
    writeSync(descriptor, block);
    fdatasyncSync(descriptor);
    times.push((performance.now() - began) * 1000);
  }
  closeSync(descriptor);
  rmSync(folder, { recursive: true });
  return {
    medianMicroseconds: Math.round(median(times)),
    p99Microseconds: Math.round(percentile(times, 0.99)),
  };
}
