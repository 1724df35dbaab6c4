import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { gauge, type Reading, type Source } from './instruments.ts';

const RESOLUTION_MS = 20;
const NANOSECONDS = 1e9;

/** What a Node process says about itself, by OpenTelemetry's names for it. Delays are those since last read. */
export function watchProcess(): { source: Source; stop: () => void } {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  let utilization = performance.eventLoopUtilization();

  function source(): Reading[] {
    const since = performance.eventLoopUtilization(utilization);
    utilization = performance.eventLoopUtilization();
    const seconds = (nanoseconds: number): number => nanoseconds / NANOSECONDS;
    const delay = (name: string, which: string, nanoseconds: number): Reading =>
      gauge(
        {
          name: `nodejs.eventloop.delay.${name}`,
          description: `How late timers ran since this was last read: ${which}.`,
          unit: 's',
        },
        // An interval without a sample has no mean, and is no delay.
        Number.isFinite(nanoseconds)
          ? Math.max(0, seconds(nanoseconds) - RESOLUTION_MS / 1_000)
          : 0,
      );
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    const readings: Reading[] = [
      delay('mean', 'mean', delays.mean),
      delay('p99', '99th percentile', delays.percentile(99)),
      delay('max', 'longest', delays.max),
      gauge(
        {
          name: 'nodejs.eventloop.utilization',
          description:
            'Share of the time since this was last read in which the event loop was busy.',
          unit: '1',
        },
        since.utilization,
      ),
      {
        name: 'process.cpu.time',
        description: 'Processor time that this process has used.',
        unit: 's',
        kind: 'counter',
        points: [
          { labels: { 'cpu.mode': 'user' }, value: user / 1e6 },
          { labels: { 'cpu.mode': 'system' }, value: system / 1e6 },
        ],
      },
      gauge(
        {
          name: 'process.memory.usage',
          description: 'Physical memory of this process.',
          unit: 'By',
        },
        rss,
      ),
      gauge(
        { name: 'v8js.memory.heap.used', description: 'Of it, JavaScript objects.', unit: 'By' },
        heapUsed,
      ),
      gauge(
        { name: 'process.uptime', description: 'Time since this process started.', unit: 's' },
        process.uptime(),
      ),
    ];
    delays.reset();
    return readings;
  }

  return { source, stop: () => void delays.disable() };
}
