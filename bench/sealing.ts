import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { readOptions } from './options.ts';
import { root, spread } from './processes.ts';

/** `npm run bench:sealing`: what it costs to seal a lookup to the end, by parts, beside another checkout. */

const HELP = `npm run bench:sealing -- [options]

  --beside PATH        another checkout of this repository, measured in turn with this one
  --events 1000        a step
  --steps 40           that count
  --before 20000       events that are sealed and indexed before
  --rounds 5           each in fresh processes; medians count
  --json`;

const options = readOptions(HELP, {
  beside: { type: 'string' },
  events: { type: 'string', default: '1000' },
  steps: { type: 'string', default: '40' },
  before: { type: 'string', default: '20000' },
  rounds: { type: 'string', default: '5' },
  json: { type: 'boolean', default: false },
});

type Parts = Record<string, number>;

/** This checkout twice: what differs between the two is what this machine cannot tell apart. */
const subjects = [
  { name: 'here', checkout: root },
  { name: 'here, again', checkout: root },
  ...(options.beside === undefined ? [] : [{ name: 'beside', checkout: options.beside }]),
];

function measure(checkout: string): Parts {
  const { events, steps, before } = options;
  const script = join(checkout, 'bench', 'seal-steps.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, events, steps, before], {
    cwd: checkout,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  const parts = JSON.parse(stdout) as Parts;
  const { redis = 0, ...worker } = parts;
  const whole = Object.values(worker).reduce((sum, part) => sum + part, 0);
  return { ...worker, worker: whole, redis };
}

const found = subjects.map(() => [] as Parts[]);
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [i, { checkout }] of subjects.entries()) found[i]?.push(measure(checkout));
}
const figures = subjects.map(({ name }, i) => {
  const rounds = found[i] ?? [];
  const parts = Object.keys(rounds[0] ?? {}).map(
    (part) => [part, spread(rounds.map((each) => each[part] ?? 0))] as const,
  );
  return { name, parts: Object.fromEntries(parts) };
});
if (options.json) {
  console.log(JSON.stringify(figures, null, 2));
} else {
  console.log(`microseconds of processor time an event: median (least to most)`);
  for (const { name, parts } of figures) {
    const cells = Object.entries(parts).map(
      ([part, { median: middle, least, most }]) =>
        `${part} ${middle.toFixed(1)} (${least.toFixed(1)}-${most.toFixed(1)})`,
    );
    console.log(`${name}: ${cells.join(', ')}`);
  }
}
