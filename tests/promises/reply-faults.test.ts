import { expect, test } from 'vitest';
import { runReplyFaults } from '../faults/replies-harness.ts';

/** Set `FAULT_SEED` for other orders. `npm run test:faults` draws five hundred rounds, different each time. */
const seed = Number(process.env['FAULT_SEED'] ?? '1');

const POINTS = 30;

test(`in any order of replies, nothing is refused because of the order, and nothing is answered once events are missing (${POINTS} rounds of seed ${seed})`, async () => {
  expect(await runReplyFaults({ seed, points: POINTS })).toEqual([]);
});
