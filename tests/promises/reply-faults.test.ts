import { expect, test } from 'vitest';
import { runReplyFaults } from '../faults/replies-harness.ts';
import { SEED } from '../support/seed.ts';

/** `npm run test:faults` draws five hundred rounds, different each time. */
const POINTS = 30;

test(`in any order of replies, nothing is refused because of the order, and nothing is answered once events are missing (${POINTS} rounds of seed ${SEED})`, async () => {
  expect(await runReplyFaults({ seed: SEED, points: POINTS })).toEqual([]);
});
