import { expect, test } from 'vitest';
import { runAuditFaults } from '../faults/audit-harness.ts';
import { WAIT_MS } from '../support/until.ts';

/** Set `FAULT_SEED` for other faults. `npm run test:faults` makes a hundred mixes, different each time. */
const seed = Number(process.env['FAULT_SEED'] ?? '1');

const POINTS = 10;
/** About twenty seconds alone, and longer if the machine runs other tests at the same time. */
const DEADLINE_MS = 10 * WAIT_MS;

test(
  `whatever is killed, stopped or out of disk, every answered lookup is sealed once and its authority is notified (${POINTS} mixes of seed ${seed})`,
  async () => {
    expect(await runAuditFaults({ seed, points: POINTS })).toEqual([]);
  },
  DEADLINE_MS,
);
