import { expect, test } from 'vitest';
import { canTrace, runKills } from '../faults/killed-harness.ts';
import { SEED } from '../support/seed.ts';
import { WAIT_MS } from '../support/until.ts';

/** `npm run test:faults` makes twenty of each, different each time. */
const POINTS = 1;
/** Each runs several processes under strace. */
const DEADLINE_MS = 10 * WAIT_MS;

test(
  `what is killed at any of its system calls ends, once it is done again, as if nothing had happened (${POINTS} of each kind, seed ${SEED})`,
  async ({ skip }) => {
    if (!canTrace()) skip('strace is not installed, or may not look at processes here');
    expect(await runKills({ seed: SEED, points: POINTS })).toEqual([]);
  },
  DEADLINE_MS,
);
