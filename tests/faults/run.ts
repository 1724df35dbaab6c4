import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { STOP_SIGNALS, whenNpmEnds } from '#service/cli/parent.mjs';
import { drawnSeed } from '../support/seed.ts';

/** `npm run test:faults`: all tests that draw what they try, one after another, until one fails. It ends when told to. */

const FAULT_SEED = drawnSeed();
process.stdout.write(`seed ${FAULT_SEED}\n`);

const drawing = globSync('tests/**/*.test.ts').filter((path) =>
  readFileSync(path, 'utf8').includes('fast-check'),
);
const test = ['node_modules/.bin/vitest', 'run'];
const STEPS: readonly [settings: Record<string, string>, command: readonly string[]][] = [
  [{}, [...test, ...drawing]],
  [{ STOP_CYCLES: '100' }, [...test, 'tests/service/start/stop.test.ts']],
  [{ LOAD_STOPS: '100' }, [...test, 'tests/promises/stopped-loads.test.ts']],
  [{ MESH_KILLS: '1000' }, [...test, 'tests/service/mesh/killed.test.ts']],
  [{ MUTE_COPY: '1' }, [...test, 'tests/service/start/mute-copy.test.ts']],
  [{}, ['tests/faults/faults.ts']],
];

let stopping = false;
let stop = (): void => undefined;
const told = (): void => {
  stopping = true;
  stop();
};
for (const signal of STOP_SIGNALS) process.on(signal, told);
whenNpmEnds(told);

for (const [settings, command] of STEPS) {
  const child = spawn(process.execPath, command, {
    stdio: 'inherit',
    env: { ...process.env, FAULT_SEED, ...settings },
  });
  stop = () => void child.kill('SIGTERM');
  const code = await new Promise<number>((resolve) => {
    child.once('exit', (exitCode) => resolve(exitCode ?? 1));
  });
  process.exitCode = stopping ? 1 : code;
  if (process.exitCode !== 0) break;
}
