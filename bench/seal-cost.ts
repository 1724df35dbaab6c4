import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Microseconds of processor time for each event, by part of the sealing; `worker` is their sum, without `redis`. */
export type SealCost = Record<string, number>;

/** The cost for a checkout of sealing this many lookups in each step, in a process of its own. */
export function sealCost(
  checkout: string,
  { events, steps, before }: { events: string; steps: string; before: string },
): SealCost {
  const script = join(checkout, 'bench', 'seal-steps.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, events, steps, before], {
    cwd: checkout,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  const { redis = 0, ...worker } = JSON.parse(stdout) as SealCost;
  const whole = Object.values(worker).reduce((sum, part) => sum + part, 0);
  return { ...worker, worker: whole, redis };
}
