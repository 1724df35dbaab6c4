import { expect, test } from 'vitest';
import { runAuditFaults } from '../faults/audit-harness.ts';
import { SEED } from '../support/seed.ts';
import { WAIT_MS } from '../support/until.ts';

/** `npm run test:faults` makes a hundred mixes, different each time. */
const POINTS = 10;
/** About twenty seconds alone, and longer if the machine runs other tests at the same time. */
const DEADLINE_MS = 10 * WAIT_MS;

test(
  `whatever is killed, stopped or out of disk, every answered lookup is sealed once and its authority is notified (${POINTS} mixes of seed ${SEED})`,
  async () => {
    expect(await runAuditFaults({ seed: SEED, points: POINTS })).toEqual([]);
  },
  DEADLINE_MS,
);
