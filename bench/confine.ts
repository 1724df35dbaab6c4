import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PERIOD_MICROSECONDS = 5_000;
const CGROUPS = '/sys/fs/cgroup';

/** Keeps processes, all their threads and what they start to one processor. */
export function pin(pids: readonly number[], processor: number): void {
  for (const pid of pids) {
    execFileSync('taskset', ['-a', '-c', '-p', String(processor), String(pid)], {
      stdio: 'ignore',
    });
  }
}

/**
 * Gives processes together no more than a share of one processor, as on a correspondingly slower machine:
 * otherwise one generator on this machine could not send a service three times what it can take.
 *
 * @returns undefined if this machine does not allow it (no writable cgroup)
 */
export function slow(pids: readonly number[], share: number): { undo(): void } | undefined {
  const unified = existsSync(join(CGROUPS, 'cgroup.controllers'));
  const folder = join(CGROUPS, unified ? '' : 'cpu', `cpf-bench-${process.pid}`);
  const quota = Math.round(PERIOD_MICROSECONDS * share);
  const before = join(CGROUPS, unified ? '' : 'cpu', 'cgroup.procs');
  try {
    mkdirSync(folder);
    if (unified) writeFileSync(join(folder, 'cpu.max'), `${quota} ${PERIOD_MICROSECONDS}`);
    else {
      writeFileSync(join(folder, 'cpu.cfs_period_us'), String(PERIOD_MICROSECONDS));
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(quota));
    }
    for (const pid of pids) writeFileSync(join(folder, 'cgroup.procs'), String(pid));
  } catch {
    return undefined;
  }
  return {
    undo() {
      for (const pid of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n')) {
        if (pid !== '') writeFileSync(before, pid);
      }
      rmdirSync(folder);
    },
  };
}
