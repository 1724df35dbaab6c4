import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { EnumerationAlertEvent } from '#schemas/audit/audit-event.ts';
import { SEALING, UNKNOWN_ENTRIES } from '#schemas/wording/operations.ts';
import { CONNECTION_REPLACED } from '#schemas/wording/store.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { connectStore, type StoreAddress } from '#store/connection/connection.ts';
import { causeOf } from '#store/errors.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { comeAfterLookups } from '../telemetry/after-lookups.ts';
import { type Alerting, type AlertingSettings, createAlerting } from './alert/alerting.ts';
import { createCommits } from './copy/commits.ts';
import { openPlace, type PlaceSettings } from './copy/open-place.ts';
import type { Followed } from './log/sealed.ts';
import { signingWith } from './seal/copy-signing.ts';
import { createSealer, type Sealing } from './seal/sealer.ts';
import { followLog } from './search/index-file.ts';
import { createSearchedUntil, type Reach } from './search/searched-until.ts';

/** What the thread is given to work with. */
export type ThreadSettings = {
  folder: string;
  /** The index of the log; see index-file.ts. */
  indexFile: string;
  keyFile: string;
  origin?: string;
  retentionYears: number;
  anchorFolder: string;
  address: StoreAddress;
  /** The location of the log's second copy, and the lease of the one worker. */
  copy?: { place: PlaceSettings; epoch: number; token: string };
  /** Whom to alert, and when. */
  alerting: AlertingSettings;
};

/** What the thread reports. */
export type ThreadMessage =
  | { kind: 'sealing'; sealing: Sealing }
  | { kind: 'searched-until'; searchedUntil: Reach }
  | { kind: 'alerting'; alerting: Alerting }
  | { kind: 'alert'; alert: EnumerationAlertEvent }
  | { kind: 'warning'; message: string; count: number };

/** Sealing works in batches of any size and nobody waits for it. */
const COMMAND_TIMEOUT_MS = 10_000;
const SEALED_EVERY_MS = 1_000;
/** Between two sealed batches: an index that is behind must not delay the sealing. */
const INDEXING_A_STEP_MS = 100;
/** Counting costs by the page written, and several seconds' lookups of one user share one. */
const COUNTED_EVERY_MS = 5_000;
const COUNTED_AT_ONCE = 8_192;

comeAfterLookups();

const settings = workerData as ThreadSettings;
const { folder, indexFile, keyFile, origin, retentionYears, anchorFolder, address, copy } =
  settings;
const tell = (message: ThreadMessage): void => parentPort?.postMessage(message, []);
const stop = new AbortController();
parentPort?.once('message', () => stop.abort());

const redis = connectStore(address, {
  name: 'cp-flags-sealer',
  commandTimeoutMs: COMMAND_TIMEOUT_MS,
  replaced: () => tell({ kind: 'warning', message: CONNECTION_REPLACED, count: 1 }),
});
const anchor = Anchor.open(anchorFolder);
const streams = createAuditStreams(redis, (address.replicas ?? 0) > 0);
const sealer = createSealer({
  folder,
  keyFile,
  ...(origin !== undefined && { origin }),
  retentionYears,
  streams,
  dataset: () => anchor.dataset()?.id,
  ...(copy !== undefined && {
    copy: { ...copy, commits: createCommits(openPlace(copy.place), signingWith(redis, keyFile)) },
  }),
  warn: (message, count) => tell({ kind: 'warning', message, count }),
});

const follower = followLog(folder, indexFile);
const readSearchedUntil = createSearchedUntil(folder, streams);
let indexFailing = false;
const alerter = createAlerting({
  ...settings.alerting,
  folder,
  record: (alert) => streams.append(alert),
  onAlert: (alert) => tell({ kind: 'alert', alert }),
  onUnknown: (count) => tell({ kind: 'warning', message: UNKNOWN_ENTRIES.found, count }),
});

/** Sealed and not counted yet. */
let uncounted: Followed[] = [];
let countAt = Number.NEGATIVE_INFINITY;

/** Counts what was sealed, at intervals; true if there is more to count at once. */
async function count(lately: readonly Followed[]): Promise<boolean> {
  uncounted.push(...lately);
  if (performance.now() < countAt && uncounted.length < COUNTED_AT_ONCE) return false;
  const { more, alerting } = await alerter.step(uncounted);
  uncounted = [];
  if (!more) countAt = performance.now() + COUNTED_EVERY_MS;
  tell({ kind: 'alerting', alerting });
  return more;
}

/** Extends the index a little; true if there is more. A fault there does not stop the sealing. */
async function index(lately: readonly Followed[]): Promise<boolean> {
  try {
    const indexing = follower.step(INDEXING_A_STEP_MS, lately);
    indexFailing = false;
    // Without Redis it is unclear what is not sealed yet; the last report stays valid.
    const searchedUntil = await readSearchedUntil(indexing, sealer.numbersRead()).catch(
      () => undefined,
    );
    if (searchedUntil !== undefined) tell({ kind: 'searched-until', searchedUntil });
    return indexing !== undefined && indexing.behind > 0;
  } catch (error) {
    follower.close();
    if (!indexFailing) {
      tell({ kind: 'warning', message: SEALING.notIndexed(causeOf(error)), count: 1 });
    }
    indexFailing = true;
    return false;
  }
}

for (;;) {
  // Once more after the stop, for events recorded until then.
  const last = stop.signal.aborted;
  const { more, sealing } = await sealer.step();
  tell({ kind: 'sealing', sealing });
  if (last) break;
  if (more) continue;
  const lately = sealer.lately();
  const indexBehind = await index(lately);
  const uncountedMore = await count(lately);
  if (!indexBehind && !uncountedMore) {
    await delay(SEALED_EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}
follower.close();
alerter.close();
sealer.close();
anchor.close();
redis.disconnect();
parentPort?.close();
