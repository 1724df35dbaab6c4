import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { Anchor } from '#store/anchor.ts';
import { createAuditStreams } from '#store/audit-stream.ts';
import { connectStore, type StoreAddress } from '#store/connection.ts';
import { createSealer, type Sealing } from './sealer.ts';

/** What the thread is given to work with. */
export type ThreadSettings = {
  folder: string;
  keyFile: string;
  origin?: string;
  retentionYears: number;
  anchorFolder: string;
  address: StoreAddress;
};

/** What the thread tells. */
export type ThreadMessage =
  | { kind: 'sealing'; sealing: Sealing }
  | { kind: 'warning'; message: string; count: number };

/** Sealing works in batches of any size and nobody waits for it. */
const COMMAND_TIMEOUT_MS = 10_000;
const SEALED_EVERY_MS = 1_000;

const { folder, keyFile, origin, retentionYears, anchorFolder, address } =
  workerData as ThreadSettings;
const tell = (message: ThreadMessage): void => parentPort?.postMessage(message, []);
const stop = new AbortController();
parentPort?.once('message', () => stop.abort());

const redis = connectStore(address, {
  name: 'cp-flags-sealer',
  commandTimeoutMs: COMMAND_TIMEOUT_MS,
});
const anchor = Anchor.open(anchorFolder);
const sealer = createSealer({
  folder,
  keyFile,
  ...(origin !== undefined && { origin }),
  retentionYears,
  streams: createAuditStreams(redis),
  dataset: () => anchor.dataset()?.id,
  warn: (message, count) => tell({ kind: 'warning', message, count }),
});

for (;;) {
  // Once more after the stop, for what was recorded until then.
  const last = stop.signal.aborted;
  const { more, sealing } = await sealer.step();
  tell({ kind: 'sealing', sealing });
  if (last) break;
  if (!more) {
    await delay(SEALED_EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}
sealer.close();
anchor.close();
redis.disconnect();
parentPort?.close();
