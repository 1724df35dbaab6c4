import { join } from 'node:path';
import { syntheticNumber } from '#loaders/synthetic/numbers.ts';
import { draws, whole } from '#loaders/synthetic/random.ts';
import { parseNhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import { createAlerting } from '#service/audit/alert/alerting.ts';
import { createSealer } from '#service/audit/seal/sealer.ts';
import { followLog } from '#service/audit/search/index-file.ts';
import { createSearchedUntil } from '#service/audit/search/searched-until.ts';
import { createNotifier } from '#service/notifications/notifier.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { keys } from '#store/keys.ts';
import { startTestStore } from '../tests/support/test-store.ts';
import { cpuMicroseconds } from './processes.ts';

/**
 * Seals lookups as the worker does, so many a step: those of a country, one in a hundred of which shows a plan.
 * Prints, as JSON, the microseconds of processor time that each part takes an event, and Redis for it.
 *
 * Arguments: events a step, steps that count, events that are sealed before.
 */

const [aStep = 1_000, steps = 40, before = 100_000] = process.argv.slice(2).map(Number);
const CHILDREN = 200_000;
const USERS = 3_000;
const ORGANISATIONS = 200;
const FLAGGED_ONE_IN = 100;
const BEFORE_A_STEP = 5_000;
const WINDOW_MS = 900_000;
const KEPT_MS = 90 * 86_400_000;

const draw = draws(18);
const below = (n: number): number => whole(draw, 0, n - 1);
const uuid = (): string => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`;
const hex = (digits: number): string =>
  below(16 ** digits)
    .toString(16)
    .padStart(digits, '0');
const authorities = Array.from({ length: 153 }, (_, i) => `ZZ${100 + i}`);

/** A lookup's event as the service writes it, and what the store adds. */
function fieldsOf(nhsNumber: string): string[] {
  const user = below(USERS);
  const organisation = user % ORGANISATIONS;
  const caller = {
    issuer: 'https://id.example.nhs.uk/realms/care',
    client: 'emergency-department-system',
    user: String(555_021_930_000 + user),
    name: `Clinician ${user}`,
    role: { code: 'R8000', name: 'Clinical Practitioner' },
    organisation: { code: `RJ${organisation}`, name: `General Hospital ${organisation}` },
  };
  const event = JSON.stringify({
    type: 'lookup',
    auditId: uuid(),
    requestId: uuid(),
    caller,
    api: 'plain',
    setting: 'emergency-department',
    access: 'unscheduled',
    decidedBy: 'activity',
    nhsNumber,
    coverage: { expected: 153, upToDate: 153 },
    versions: { functions: '54d90f91e021', configuration: 'a34860500270' },
  });
  const fields = ['event', event, 'at', String(Date.now()), 'outcome'];
  if (below(FLAGGED_ONE_IN) > 0) return [...fields, 'not-flagged'];
  const shown = [authorities[below(authorities.length)], 'P', '20400', 'current', 'match'];
  const sources = ['C1234', '17'];
  const accesses = ['accesses', uuid(), 'sources', sources.join('\u001f')];
  return [...fields, 'flagged', 'shown', shown.join('\u001f'), ...accesses];
}

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
  authorities: authorities.map((code) => ({ code, name: code, sequenceOffset: 0 })),
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

async function fill(events: number): Promise<void> {
  const pipeline = store.admin.pipeline();
  for (let i = 0; i < events; i++) {
    const number = parseNhsNumber(syntheticNumber('wide', below(CHILDREN)));
    if (number === undefined) throw new Error('not a number');
    pipeline.xadd(keys.audit(partitionOf(number)), '0-*', ...fieldsOf(number));
  }
  await pipeline.exec();
}

/** What the worker does of each step, to the end. */
async function sealStep(): Promise<void> {
  for (;;) {
    const { more, sealing } = await sealer.step();
    if (sealing.problem) throw new Error(sealing.detail);
    if (!more) break;
  }
  ends('sealing');
  const lately = sealer.lately();
  for (;;) {
    const indexing = follower.step(100, lately);
    await readSearchedUntil(indexing);
    if (indexing?.behind === 0) break;
  }
  ends('index');
  for (;;) {
    const counted = await alerting.step(lately);
    if (counted.alerting.problem) throw new Error(counted.alerting.detail);
    if (!counted.more) break;
  }
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
    await sealStep();
  }
  for (const part of PARTS) used[part] = 0;
  for (let step = 0; step < steps; step++) {
    await fill(aStep);
    const redisBefore = cpuMicroseconds(store.server.pid);
    spent = cpu();
    await sealStep();
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
  await store.stop();
}
