import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { openResource, pushMetrics } from '#service/telemetry/otlp.ts';
import { until } from '../../support/service.ts';
import { startStopwatch } from '../../support/stopwatch.ts';

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

test('a collector whose answer trickles in for ever is abandoned at its deadline, every time', async () => {
  let taken = 0;
  let ended = 0;
  const server = createServer((incoming, outgoing) => {
    taken++;
    outgoing.writeHead(200);
    const drip = setInterval(() => outgoing.write('.'), 10);
    outgoing.once('close', () => {
      clearInterval(drip);
      ended++;
    });
    incoming.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(
    () => server.closeAllConnections(),
    () => void server.close(),
  );
  const { port } = server.address() as AddressInfo;
  const metrics = pushMetrics(
    `http://127.0.0.1:${port}/v1/metrics`,
    () => Promise.resolve([]),
    {
      timeoutMillis: 100,
      resource: openResource({ version: '1', instance: '1', role: 'all' }),
      attempted: () => undefined,
    },
    100,
  );
  ends.push(metrics.stop);
  const read = startStopwatch();
  await until(() => taken > 2 && ended > 1, 'the second answer to be given up');
  // The library itself would wait 30 s.
  expect(read()).toBeLessThan(10_000);
});
