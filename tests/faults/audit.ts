import { parseArgs } from 'node:util';
import { runAuditFaults } from './audit-harness.ts';

/** `npm run test:faults` does this too: a hundred mixes of faults under lookups. */

const HELP = `node tests/faults/audit.ts [options]

  --seed N       the same faults again (default: another each time, and printed)
  --points 100   how many`;

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    points: { type: 'string', default: '100' },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (options.help) {
  say(HELP);
} else {
  const seed = Number(options.seed);
  say(`seed ${seed}`);
  const wrong = await runAuditFaults({ seed, points: Number(options.points), say });
  for (const line of wrong) say(line);
  say(`${wrong.length === 0 ? 'nothing' : wrong.length} wrong (seed ${seed})`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
