import { parseArgs } from 'node:util';
import { drawnSeed } from '../support/seed.ts';
import { runAuditFaults } from './audit-harness.ts';
import { runDatasetFaults } from './dataset-harness.ts';
import { runFaults } from './harness.ts';
import { canTrace, runKills } from './killed-harness.ts';
import { runReplyFaults } from './replies-harness.ts';

const HELP = `node tests/faults/faults.ts [options] [intake] [store] [audit] [killed]

Without a name all of them:
  intake  loads cut short, each compared with an undisturbed one
  store   replies in every order, and processes pointed at another dataset
  audit   mixes of faults under lookups
  killed  purges, prunings of the audit log and acts about replicas, killed at a system call

  --seed N       the same faults again (default: FAULT_SEED, or others each time; printed)
  --points N     how many of each (default: 100, of the store 500, of those killed 20)
  --lanes 2      intake: services side by side`;

const { values: options, positionals } = parseArgs({
  options: {
    seed: { type: 'string', default: drawnSeed() },
    points: { type: 'string' },
    lanes: { type: 'string', default: '2' },
    help: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = Number(options.seed);
const given = (points: number) => ({ seed, points: Number(options.points ?? points), say });

const RUNS: Record<string, () => Promise<string[]>> = {
  intake: () => runFaults({ ...given(100), lanes: Number(options.lanes) }),
  store: async () => [
    ...(await runReplyFaults(given(500))),
    ...(await runDatasetFaults(given(500))),
  ],
  audit: () => runAuditFaults(given(100)),
  killed: () =>
    canTrace() ? runKills(given(20)) : Promise.resolve(['strace cannot be used here']),
};

const names = positionals.length === 0 ? Object.keys(RUNS) : positionals;
if (options.help || names.some((name) => !Object.hasOwn(RUNS, name))) {
  say(HELP);
  process.exitCode = options.help ? 0 : 2;
} else {
  say(`seed ${seed}`);
  for (const name of names) {
    const wrong = (await RUNS[name]?.()) ?? [];
    for (const line of wrong) say(line);
    say(`${name}: ${wrong.length === 0 ? 'nothing' : wrong.length} wrong (seed ${seed})`);
    if (wrong.length > 0) process.exitCode = 1;
  }
}
