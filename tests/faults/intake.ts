import { parseArgs } from 'node:util';
import { runFaults } from './harness.ts';

/** `npm run test:faults`: a hundred loads cut short, each compared with an undisturbed one. */

const HELP = `npm run test:faults -- [options]

  --seed N       the same kills again (default: another each time, and printed)
  --points 100   how many
  --lanes 2      services side by side`;

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    points: { type: 'string', default: '100' },
    lanes: { type: 'string', default: '2' },
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
  const wrong = await runFaults({ seed, points, lanes: Number(options.lanes), say });
  say(`${points - wrong.length} passed, ${wrong.length} failed (seed ${seed})`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
