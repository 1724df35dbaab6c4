import { expect, test } from 'vitest';
import { WAIT_MS } from '../support/until.ts';
import { runFailovers } from './harness.ts';

/** `npm run test:failover` tries every fault. Only Linux can give each machine its own address. */
test.skipIf(process.platform !== 'linux')(
  'killing a primary, or cutting one off with its lookup process, loses no event or row and keeps the log in order',
  async () => {
    const { wrong, answered } = await runFailovers({
      seed: 1,
      rounds: 2,
      only: ['primary killed', 'primary cut off with the lookups'],
    });
    expect(wrong).toEqual([]);
    expect(answered).toBeGreaterThan(100);
  },
  10 * WAIT_MS,
);
