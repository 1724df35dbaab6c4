import { expect, test } from 'vitest';
import { WAIT_MS } from '../support/until.ts';
import { runLostDisks } from './lost-disks.ts';

test(
  'a worker that loses its disk while it loads or purges, or while it holds a file, loses no answer, row, held file or notification',
  async () => {
    const { wrong, answered } = await runLostDisks({
      seed: 4,
      rounds: 3,
      steps: ['load', 'hold', 'purge'],
    });
    expect(wrong).toEqual([]);
    expect(answered).toBeGreaterThan(20);
  },
  10 * WAIT_MS,
);
