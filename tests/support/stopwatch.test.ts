import { expect, test } from 'vitest';
import { startStopwatch } from './stopwatch.ts';

const usedMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

test('a wait and a computation are counted, and time taken by other programs is not', async () => {
  const read = startStopwatch();
  const from = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 150));
  const till = usedMs() + 150;
  while (usedMs() < till);
  // As if another process were using the processor.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
  const counted = read();
  expect(counted).toBeGreaterThan(150 + TICKS_COUNTED_AT_LEAST);
  expect(counted).toBeLessThan(performance.now() - from - 900);
});

/** How much of the wait of 150 ms is counted even if a busy machine allows few ticks. */
const TICKS_COUNTED_AT_LEAST = 10;
