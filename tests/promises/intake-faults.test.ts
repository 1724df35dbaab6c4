import { expect, test } from 'vitest';
import { runFaults } from '../faults/harness.ts';
import { SEED } from '../support/seed.ts';
import { WAIT_MS } from '../support/until.ts';

/** `npm run test:faults` makes a hundred of them, different each time. */
const POINTS = 10;
/** This test runs dozens of processes, on a machine that may run other tests at the same time. */
const DEADLINE_MS = 10 * WAIT_MS;

test(
  `a load cut short by kill -9 of the loader, the service or Redis ends as if nothing had happened (${POINTS} moments of seed ${SEED})`,
  async () => {
    expect(await runFaults({ seed: SEED, points: POINTS, plansAFile: 150 })).toEqual([]);
  },
  DEADLINE_MS,
);
