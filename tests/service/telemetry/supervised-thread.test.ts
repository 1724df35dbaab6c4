import { expect, test } from 'vitest';
import { createLog } from '#service/telemetry/create-log.ts';
import { superviseThread } from '#service/telemetry/supervised-thread.ts';
import { until } from '../../support/until.ts';

test('a thread that has ended and cannot begin again is started as soon as it can', async () => {
  let begun = 0;
  let heard = 0;
  const thread = superviseThread<'begun', 'stop'>({
    // It says that it has begun, and ends.
    url: new URL(
      "data:text/javascript,import { parentPort } from 'node:worker_threads'; parentPort.postMessage('begun');",
    ),
    // Read whenever they are handed to a new thread.
    settings: {
      get place() {
        if (++begun === 2) throw new Error('no room for a thread');
        return '/';
      },
    },
    memoryMib: 64,
    onMessage: () => void heard++,
    failed: 'The thread failed.',
    log: createLog('silent'),
  });
  thread.start();
  await until(() => heard >= 2, 'the thread to begin again');
  expect(begun).toBeGreaterThan(2);
  await thread.stop('stop');
});
