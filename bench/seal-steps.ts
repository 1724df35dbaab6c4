import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createAlerting } from '#service/audit/alert/alerting.ts';
import type { Followed } from '#service/audit/log/sealed.ts';
import { createSealer } from '#service/audit/seal/sealer.ts';
import { followLog } from '#service/audit/search/index-file.ts';
import { createSearchedUntil } from '#service/audit/search/searched-until.ts';
import { createNotifier } from '#service/notifications/notifier.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { startTestStore } from '../tests/support/test-store.ts';
import { cpuMicroseconds } from './processes.ts';

/**
 * Seals lookups as the worker does, a given number in each step: those of a country, where one in a hundred shows a
 * plan. Prints, as JSON, the microseconds of processor time that each part, and Redis, takes for each event.
 *
 * Arguments: events in a step, steps that count, events sealed before.
 */

const [aStep = 1_000, steps = 40, before = 100_000] = process.argv.slice(2).map(Number);
/** In steps. A step is a second of the worker's time. */
const COUNTED_EVERY = 5;
const BEFORE_A_STEP = 5_000;
const WINDOW_MS = 900_000;
const KEPT_MS = 90 * 86_400_000;

const store = await startTestStore({ kind: 'demo', maxmemoryMb: 1_024 });
const folder = join(store.dataDir, 'audit');
const streams = createAuditStreams(await store.connect('worker'));
const sealer = createSealer({
  folder,
  keyFile: join(store.dataDir, 'audit-key'),
  retentionYears: 26,
  streams,
  dataset: () => store.anchor.dataset()?.id,
  warn: (message) => {
    throw new Error(message);
  },
});
const follower = followLog(folder, join(store.dataDir, 'index', 'index.sqlite'));
const readSearchedUntil = createSearchedUntil(folder, streams);
const alerting = createAlerting({
  folder,
  outbox: join(store.dataDir, 'privacy-officer'),
  thresholds: {
    unscheduled: { minute: 20_000, hour: 60_000, day: 400_000 },
    all: { hour: 300_000, day: 600_000 },
  },
  numberKeyFile: join(store.dataDir, 'number-hash.key'),
  record: () => Promise.reject(new Error('no alert is expected here')),
  onAlert: () => undefined,
  onUnknown: () => undefined,
});
const notifier = createNotifier({ folder, windowMs: WINDOW_MS, keepMs: KEPT_MS });
notifier.use({
  authorities: [],
  preferences: {},
});

const PARTS = ['sealing', 'index', 'counting', 'notifications', 'redis'] as const;
const used = Object.fromEntries(PARTS.map((part) => [part, 0])) as Record<
  (typeof PARTS)[number],
  number
>;
let spent = 0;
const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
/** Adds what was spent since the last time to a part. */
function ends(part: (typeof PARTS)[number]): void {
  const now = cpu();
  used[part] += now - spent;
  spent = cpu();
}

const filler = fork(join(import.meta.dirname, 'lookup-events.ts'), [
  store.server.socketPath,
  JSON.stringify(store.server.users.admin),
]);
async function fill(events: number): Promise<void> {
  filler.send(events);
  await once(filler, 'message');
}

let uncounted: Followed[] = [];

/** Everything that the worker does in each step; it counts every few seconds. */
async function sealStep(counts: boolean): Promise<void> {
  for (;;) {
    const { more, sealing } = await sealer.step();
    if (sealing.problem) throw new Error(sealing.detail);
    if (!more) break;
  }
  ends('sealing');
  const lately = sealer.lately();
  for (;;) {
    const indexing = follower.step(100, lately);
    await readSearchedUntil(indexing, sealer.numbersRead());
    if (indexing?.behind === 0) break;
  }
  ends('index');
  uncounted.push(...lately);
  while (counts) {
    const counted = await alerting.step(uncounted);
    if (counted.alerting.problem) throw new Error(counted.alerting.detail);
    if (!counted.more) break;
  }
  if (counts) uncounted = [];
  ends('counting');
  for (;;) {
    const { more, notifying } = await notifier.step();
    if (notifying.problem) throw new Error(notifying.detail);
    if (!more) break;
  }
  ends('notifications');
}

try {
  for (let sealed = 0; sealed < before; sealed += BEFORE_A_STEP) {
    await fill(BEFORE_A_STEP);
    await sealStep(true);
  }
  for (const part of PARTS) used[part] = 0;
  for (let step = 0; step < steps; step++) {
    await fill(aStep);
    const redisBefore = cpuMicroseconds(store.server.pid);
    spent = cpu();
    await sealStep(step % COUNTED_EVERY === COUNTED_EVERY - 1);
    used.redis += cpuMicroseconds(store.server.pid) - redisBefore;
  }
  const events = aStep * steps;
  const anEvent = Object.fromEntries(PARTS.map((part) => [part, used[part] / events]));
  console.log(JSON.stringify(anEvent));
} finally {
  notifier.close();
  alerting.close();
  follower.close();
  sealer.close();
  filler.kill();
  await store.stop();
}
