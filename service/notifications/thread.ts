import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { comeAfterLookups } from '../telemetry/after-lookups.ts';
import {
  createNotifier,
  type Directory,
  type NotifierOptions,
  type Notifying,
} from './notifier.ts';

/** What the thread is given while it runs. */
export type NotifierOrder = { kind: 'directory'; directory: Directory } | { kind: 'stop' };

const LOOKS_EVERY_MS = 1_000;

comeAfterLookups();

const options = workerData as Omit<NotifierOptions, 'clock'>;
const stop = new AbortController();
const notifier = createNotifier(options);
const tell = (notifying: Notifying): void => parentPort?.postMessage(notifying, []);
parentPort?.on('message', (order: NotifierOrder) => {
  if (order.kind === 'stop') stop.abort();
  else notifier.use(order.directory);
});

const everyMs = Math.min(LOOKS_EVERY_MS, options.windowMs);
while (!stop.signal.aborted) {
  const { more, notifying } = await notifier.step();
  tell(notifying);
  await delay(more ? 0 : everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
}
notifier.close();
parentPort?.close();
