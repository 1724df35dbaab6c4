import { readOptions } from './options.ts';
import { root, spread } from './processes.ts';
import { type SealCost, sealCost } from './seal-cost.ts';

/** `npm run bench:sealing`: the complete cost of sealing a lookup, by part, beside another checkout. */

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

/** This checkout twice: the difference between the two is what this machine cannot distinguish. */
const subjects = [
  { name: 'here', checkout: root },
  { name: 'here, again', checkout: root },
  ...(options.beside === undefined ? [] : [{ name: 'beside', checkout: options.beside }]),
];

const found = subjects.map(() => [] as SealCost[]);
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [i, { checkout }] of subjects.entries()) found[i]?.push(sealCost(checkout, options));
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
