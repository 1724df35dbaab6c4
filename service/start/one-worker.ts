import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { COPY } from '#schemas/wording/copy.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { readCopyOrder } from '#store/audit-stream/copy-orders.ts';
import { appendEvent } from '#store/audit-stream/events.ts';
import { readDataset } from '#store/authorities/dataset.ts';
import { connectionFault } from '#store/connection/connection.ts';
import { LeaseLost } from '#store/errors.ts';
import { loadFunctions } from '#store/functions/functions.ts';
import { takeWorkerLease, type WorkerLease } from '#store/locks/worker-lease.ts';
import { type Commits, CopyDamaged, createCommits } from '../audit/copy/commits.ts';
import { openPlace, type PlaceSettings, placeSettings } from '../audit/copy/open-place.ts';
import { CopyAway } from '../audit/copy/place.ts';
import { followCopy } from '../audit/seal/follow-copy.ts';
import { KeyFileWrong } from '../audit/seal/keys.ts';
import { LogNotWhole } from '../audit/seal/log-writer.ts';
import { auditFolder, auditKeyFile, workerFile } from '../files/data-folder.ts';
import { writePrivate } from '../files/private-file.ts';
import { errorCode } from '../telemetry/log.ts';
import type { StartContext } from './context.ts';
import type { RedisServer, StoreConnection } from './redis.ts';

const RENEWED_EVERY_MS = 3_000;
const TRIED_EVERY_MS = 1_000;
const COMMAND_TIMEOUT_MS = 5_000;

/** The process was told to stop before it was at work. */
export class StoppedStandingBy extends Error {
  override name = 'StoppedStandingBy';
}

/** Reasons to stand by that are said in the words of whoever found them. */
const SAID = [CopyAway, CopyDamaged, KeyFileWrong, LogNotWhole];

/** That this process is the one worker of its dataset, where the audit log has a second copy. */
export type OneWorker = {
  copy: PlaceSettings;
  lease: Pick<WorkerLease, 'epoch' | 'token'>;
  /** Resolves once another worker has taken over. */
  replaced: Promise<void>;
};

const workerSchema = z.object({ epoch: z.int() });

/** The number of the lease under which this data folder was last worked on; 0 for never. */
function lastEpoch(path: string): number {
  try {
    return workerSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).epoch;
  } catch {
    return 0;
  }
}

/** What a worker waits for before it is at work: nothing here is known to have come as far as the copy. */
type StandBy = {
  /** Told each time the reason to stand by has changed. */
  onStandBy: (why: string) => Promise<void>;
  stopped: AbortSignal;
};

/**
 * Resolves once this process is the one worker: it has the lease, and what it works on has come as far as any
 * worker before it. `undefined` where the audit log has no second copy.
 *
 * @throws {StoppedStandingBy}
 */
export async function becomeOneWorker(
  { configuration, log, add }: StartContext,
  redis: RedisServer,
  { onStandBy, stopped }: StandBy,
): Promise<OneWorker | undefined> {
  const copy = placeSettings(configuration);
  return copy && waitForTurn({ configuration, log, add }, redis, copy, { onStandBy, stopped });
}

async function waitForTurn(
  { configuration, log, add }: Pick<StartContext, 'configuration' | 'log' | 'add'>,
  redis: RedisServer,
  copy: PlaceSettings,
  { onStandBy, stopped }: StandBy,
): Promise<OneWorker> {
  const connection = redis.connect('worker', { commandTimeoutMs: COMMAND_TIMEOUT_MS });
  const commits = createCommits(openPlace(copy));
  const logFiles = { folder: auditFolder(configuration), keyFile: auditKeyFile(configuration) };
  const path = workerFile(configuration);
  const givenUp = new Set<string>();
  let said: string | undefined;

  async function standBy(why: string): Promise<void> {
    if (said !== why) {
      said = why;
      log.warn(why);
      await onStandBy(why);
    }
    await delay(TRIED_EVERY_MS, undefined, { signal: stopped }).catch(() => undefined);
  }

  /** What is here has come as far as the worker before, or a sentence why that cannot be said. */
  async function catchUp({ epoch }: WorkerLease): Promise<string | undefined> {
    // This data folder's worker was the last: nobody can know more, whether the copy is there or not.
    if (lastEpoch(path) === epoch - 1) return undefined;
    const order = await readCopyOrder(connection);
    if (order.kind === 'single') return COPY.singleElsewhere;
    await followCopy(logFiles, commits);
    return undefined;
  }

  async function attempt(): Promise<WorkerLease | string> {
    await loadFunctions(connection);
    const problem = await foreignStore(connection, commits);
    if (problem !== undefined) return problem;
    const taken = await takeWorkerLease(connection, givenUp);
    if (taken === undefined) {
      await followCopy(logFiles, commits);
      return COPY.standingBy;
    }
    try {
      const why = await catchUp(taken);
      if (why === undefined) return taken;
      await taken.release();
      return why;
    } catch (error) {
      await taken.release().catch(() => undefined);
      throw error;
    }
  }

  for (;;) {
    if (stopped.aborted) throw new StoppedStandingBy();
    const result = await attempt().catch((error: unknown) =>
      SAID.some((kind) => error instanceof kind)
        ? (error as Error).message
        : COPY.cannotTake(connectionFault(error) ?? errorCode(error)),
    );
    if (typeof result === 'string') await standBy(result);
    else return work(result);
  }

  async function work(lease: WorkerLease): Promise<OneWorker> {
    const before = lastEpoch(path);
    const keepEpoch = () => writePrivate(path, `${JSON.stringify({ epoch: lease.newest })}\n`);
    await keepEpoch();
    log.info(COPY.tookOver(lease.epoch));
    if (lease.epoch > 1 && before !== lease.epoch - 1) {
      await appendEvent(connection, {
        type: 'worker-took-over',
        auditId: randomUUID(),
        by: 'worker',
        detail: { epoch: lease.epoch },
      });
    }
    const { promise: replaced, resolve: replace } = Promise.withResolvers<void>();
    let renewing: Promise<void> | undefined;
    const timer = setInterval(() => {
      renewing ??= lease
        .renew()
        .then((anew) => (anew ? keepEpoch() : undefined))
        .catch((error: unknown) => {
          if (!(error instanceof LeaseLost)) return;
          clearInterval(timer);
          log.error(COPY.successor);
          replace();
        })
        .finally(() => (renewing = undefined));
    }, RENEWED_EVERY_MS);
    add(async () => {
      clearInterval(timer);
      await renewing;
      await lease.release().catch(() => undefined);
    });
    return { copy, lease, replaced };
  }
}

/** Nothing is written into a Redis that holds another dataset than the copy; a sentence where it does. */
async function foreignStore(
  connection: StoreConnection,
  commits: Commits,
): Promise<string | undefined> {
  const held = (await readDataset(connection))?.dataset;
  if (held === undefined) return undefined;
  const copied = await commits.newest().catch((error: unknown) => {
    // It is asked again wherever it counts.
    if (error instanceof CopyAway) return undefined;
    throw error;
  });
  return copied === undefined || copied.dataset === held.id ? undefined : SEALING.otherDataset;
}
