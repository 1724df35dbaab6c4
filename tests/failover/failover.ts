import { parseArgs } from 'node:util';
import { drawnSeed } from '../support/seed.ts';
import { FAULT_NAMES, runFailovers } from './harness.ts';
import { runLostDisks, STEPS } from './lost-disks.ts';

const HELP = `npm run test:failover -- [options]

  --seed N        the same faults again (default: FAULT_SEED, or others each time; printed)
  --rounds 100    how many
  --server PATH   a redis-server or valkey-server of another version
  --lost-disks    the worker's disk lost instead, with a second copy of the audit log and a worker that stands by
  --only NAME     only this fault; may be repeated: ${FAULT_NAMES.join(', ')};
                  with --lost-disks: ${STEPS.join('; ')}`;

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: drawnSeed() },
    rounds: { type: 'string', default: '100' },
    server: { type: 'string' },
    only: { type: 'string', multiple: true },
    'lost-disks': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const milliseconds = (value: number | undefined): string => `${Math.round(value ?? 0)}`.padStart(6);

function tell(wrong: readonly string[], answered: number, silences: ReadonlyMap<string, number[]>) {
  say('\nmilliseconds without an answer: median, worst, rounds');
  for (const [name, times] of silences) {
    const sorted = times.toSorted((a, b) => a - b);
    const median = sorted[Math.floor((sorted.length - 1) / 2)];
    say(`${milliseconds(median)} ${milliseconds(sorted.at(-1))} ${sorted.length}  ${name}`);
  }
  for (const line of wrong) say(line);
  say(
    `${answered} answered; ${wrong.length === 0 ? 'nothing' : wrong.length} wrong (seed ${seed})`,
  );
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

const seed = Number(options.seed);
const given = { seed, rounds: Number(options.rounds), binary: options.server, say };
if (options.help) {
  say(HELP);
} else if (options['lost-disks']) {
  say(`seed ${seed}`);
  const steps = STEPS.filter((step) => options.only?.includes(step) ?? true);
  const { wrong, answered, silences } = await runLostDisks({ ...given, steps });
  tell(wrong, answered, silences);
} else {
  say(`seed ${seed}`);
  const { wrong, answered, silences } = await runFailovers({ ...given, only: options.only });
  tell(wrong, answered, silences);
}
