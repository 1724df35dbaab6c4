import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Microseconds of processor time an event, by the part of sealing that took them; `worker` is their sum, without `redis`. */
export type SealCost = Record<string, number>;

/** What it costs a checkout to seal so many lookups a step, in a process of its own. */
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
