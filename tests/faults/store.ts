import { parseArgs } from 'node:util';
import { runDatasetFaults } from './dataset-harness.ts';
import { runReplyFaults } from './replies-harness.ts';

/** `npm run test:faults` does this too: replies in every order, and processes pointed at another dataset. */

const HELP = `node tests/faults/store.ts [options]

  --seed N       the same rounds again (default: others each time, and printed)
  --points 500   how many of each`;

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    points: { type: 'string', default: '500' },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (options.help) {
  say(HELP);
} else {
  const seed = Number(options.seed);
  const points = Number(options.points);
  say(`seed ${seed}`);
  const wrong = [
    ...(await runReplyFaults({ seed, points, say })),
    ...(await runDatasetFaults({ seed, points, say })),
  ];
  for (const line of wrong) say(line);
  say(`${wrong.length === 0 ? 'nothing' : wrong.length} wrong (seed ${seed})`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
