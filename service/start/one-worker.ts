import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { OwnCheck } from '#schemas/status.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { readCopyOrder } from '#store/audit-stream/copy-orders.ts';
import { appendEvent } from '#store/audit-stream/events.ts';
import { readDataset } from '#store/authorities/dataset.ts';
import { connectionFault } from '#store/connection/connection.ts';
import { LeaseLost } from '#store/errors.ts';
import { InTheWay } from '#store/files/whole-file.ts';
import { loadFunctions } from '#store/functions/functions.ts';
import {
  beginWork,
  markedState,
  takeWorkerLease,
  type WorkerLease,
  workedEpoch,
} from '#store/locks/worker-lease.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { CopyDamaged, createCommits } from '../audit/copy/commits.ts';
import { openPlace, type PlaceSettings, placeSettings } from '../audit/copy/open-place.ts';
import { CopyAway, NotCopied } from '../audit/copy/place.ts';
import { signingWith } from '../audit/seal/copy-signing.ts';
import { followCopy } from '../audit/seal/follow-copy.ts';
import { KeyFileWrong, readKeys } from '../audit/seal/keys.ts';
import { LogNotWhole } from '../audit/seal/log-writer.ts';
import { auditFolder, auditKeyFile, carriedStateFile, openAnchor } from '../files/data-folder.ts';
import { openCarried } from '../standby/carried.ts';
import { guardAnchor, isOfLast, keepLease, type LastLease, lastLease } from '../standby/guard.ts';
import { restoreState } from '../standby/restore-state.ts';
import { statePlaces } from '../standby/worker-state.ts';
import { errorCode } from '../telemetry/log.ts';
import type { StartContext } from './context.ts';
import type { RedisServer } from './redis.ts';

const RENEWED_EVERY_MS = 3_000;
const TRIED_EVERY_MS = 1_000;
/** Each time takes some requests. */
const FOLLOWED_EVERY_MS = 10_000;
const SAVED_EVERY_MS = 5_000;
const COMMAND_TIMEOUT_MS = 5_000;
const REDIS_ANSWERS_WITHIN_MS = 5_000;

/** The process was told to stop while it still stood by. */
export class StoppedStandingBy extends Error {
  override name = 'StoppedStandingBy';
}

/** Reasons to stand by that have their own sentence. */
const SAID = [CopyAway, CopyDamaged, KeyFileWrong, LogNotWhole];

/** That this process is the one worker of its dataset, if the audit log has a second copy. */
export type OneWorker = {
  copy: PlaceSettings;
  lease: Pick<WorkerLease, 'epoch' | 'token'>;
  /** Resolves once another worker has taken over. */
  replaced: Promise<void>;
  /** From now on what the anchor knows, and everything else a worker needs, is put into the copy. */
  guard: (anchor: Anchor) => void;
  /** Whether it is there, as a check of `/_status`. */
  check: () => OwnCheck;
};

/** It is this one's turn, and what `worker.json` says about it. */
type Begun = { lease: WorkerLease; kept: LastLease };

/** What a worker waits for before it runs: that its own state is known to be as new as the copy. */
type StandBy = {
  /** Called each time the reason to stand by changes. */
  onStandBy: (why: string) => Promise<void>;
  stopped: AbortSignal;
};

/**
 * Resolves once this process is the one worker: it has the lease, and its state is as new as that of any
 * worker before it. `undefined` if the audit log has no second copy.
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
  const logFiles = { folder: auditFolder(configuration), keyFile: auditKeyFile(configuration) };
  const place = openPlace(copy);
  const commits = createCommits(place, signingWith(connection, logFiles.keyFile));
  const places = statePlaces(configuration);
  const carried = openCarried(carriedStateFile(configuration));
  // Nothing waits for it. Its users report whether the place can be used.
  place.isOnDiskOf(configuration.DATA_DIR).then(
    (same) => same && log.warn(COPY.sameDisk(place.name)),
    () => undefined,
  );
  const givenUp = new Set<string>();
  let said: string | undefined;
  let followAt = Number.NEGATIVE_INFINITY;
  let copied: string | undefined;

  async function standBy(why: string): Promise<void> {
    if (said !== why) {
      said = why;
      log.warn(why);
      await onStandBy(why);
    }
    await delay(TRIED_EVERY_MS, undefined, { signal: stopped }).catch(() => undefined);
  }

  /** This data folder's worker was the last: nobody can know more, whether or not the copy is available. */
  async function wasLast(worked: number): Promise<boolean> {
    const own = lastLease(configuration);
    if (own !== undefined) return isOfLast(own, worked);
    const held = (await readDataset(connection))?.dataset.id;
    return worked === 0 && held !== undefined && anchoredDataset(configuration) === held;
  }

  /** Whether the state here is as new as the previous worker's, or a sentence why that is unknown. */
  async function catchUp(worked: number): Promise<string | undefined> {
    const order = await readCopyOrder(connection);
    if (order.kind === 'single') return COPY.singleElsewhere;
    const held = (await readDataset(connection))?.dataset.id;
    await followCopy(logFiles, commits);
    const mark = await markedState(connection);
    const state = await restoreState(place, places, {
      worked,
      mark,
      signers: () => readKeys(logFiles.keyFile),
      beforeSigning: held !== undefined && mark === undefined,
    });
    if (state.kind === 'restored') {
      await carried.keep(state.left);
      return undefined;
    }
    return held === undefined ? undefined : COPY.nothingHere;
  }

  /** Nothing is written into a Redis that holds another dataset than the copy. */
  async function isForeign(): Promise<boolean> {
    const held = (await readDataset(connection))?.dataset.id;
    try {
      copied ??= (await commits.newest())?.dataset;
    } catch (error) {
      // It is checked again wherever it counts.
      if (!(error instanceof CopyAway)) throw error;
    }
    return held !== undefined && copied !== undefined && held !== copied;
  }

  async function recordTakeover({
    epoch,
    auditId,
  }: NonNullable<LastLease['tookOver']>): Promise<void> {
    const detail = { epoch };
    await appendEvent(connection, { type: 'worker-took-over', auditId, by: 'worker', detail });
  }

  async function attempt(): Promise<Begun | string> {
    if (await isForeign()) return SEALING.otherDataset;
    await loadFunctions(connection);
    const taken = await takeWorkerLease(connection, givenUp);
    if (taken === undefined) {
      if (performance.now() >= followAt) {
        await followCopy(logFiles, commits);
        followAt = performance.now() + FOLLOWED_EVERY_MS;
      }
      return COPY.standingBy;
    }
    // A large state takes longer than a lease lasts.
    const renewing = setInterval(() => void taken.renew().catch(() => undefined), RENEWED_EVERY_MS);
    try {
      const worked = await workedEpoch(connection);
      const isLast = await wasLast(worked);
      if (isLast) await carried.putHere(place, places);
      const why = isLast ? undefined : await catchUp(worked);
      if (why === undefined) {
        const { epoch, token } = taken;
        const before = lastLease(configuration)?.tookOver;
        // Nobody else knows of it, and it is forgotten here below.
        if (!isLast && before !== undefined && before.epoch <= worked) await recordTakeover(before);
        const tookOver = isLast
          ? before
          : worked > 0
            ? { epoch, auditId: randomUUID() }
            : undefined;
        const kept: LastLease = {
          epoch,
          token,
          ...(isLast && { before: worked }),
          ...(tookOver !== undefined && { tookOver }),
        };
        await keepLease(configuration, kept);
        // Otherwise a command in another data folder may have changed what was taken over.
        if (await beginWork(connection, taken)) return { lease: taken, kept };
      }
      await taken.release();
      return why ?? COPY.standingBy;
    } catch (error) {
      await taken.release().catch(() => undefined);
      throw error;
    } finally {
      clearInterval(renewing);
    }
  }

  /** Why there is no connection, if sentinels name no primary. */
  const notReached = (): string | undefined =>
    connection.status === 'ready' ? undefined : redis.sentinels?.problem;

  await redis.ready(REDIS_ANSWERS_WITHIN_MS).catch(() => undefined);
  for (;;) {
    if (stopped.aborted) throw new StoppedStandingBy();
    const result = await attempt().catch((error: unknown) =>
      SAID.some((kind) => error instanceof kind)
        ? (error as Error).message
        : COPY.cannotTake(notReached() ?? connectionFault(error) ?? errorCode(error)),
    );
    if (typeof result === 'string') await standBy(result);
    else return work(result);
  }

  async function work({ lease, kept: { tookOver, ...kept } }: Begun): Promise<OneWorker> {
    log.info(COPY.tookOver(lease.epoch));
    const left = carried.roots();
    if (left.length > 0) log.warn(COPY.stateLeft(place.name, left));
    // Also after a start that ended before it was recorded.
    if (tookOver !== undefined) {
      await recordTakeover(tookOver);
      await keepLease(configuration, kept);
    }
    const { promise: replaced, resolve: replace } = Promise.withResolvers<void>();
    let renewing: Promise<void> | undefined;
    const timer = setInterval(() => {
      renewing ??= lease
        .renew()
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
    let problem: string | undefined;
    let isCopyAway = false;
    let isCopied = true;
    function guard(anchor: Anchor): void {
      const save = guardAnchor(configuration, connection, anchor, place);
      let saving: Promise<void> | undefined;
      async function attemptSave(all: boolean): Promise<void> {
        try {
          isCopied = (await save?.(all)) ?? isCopied;
          problem = undefined;
        } catch (error) {
          const why =
            error instanceof CopyAway || error instanceof InTheWay
              ? error.message
              : (connectionFault(error) ?? COPY.stateFailed(errorCode(error)));
          if (why !== problem) log.warn(COPY.stateNotKept(why));
          problem = why;
          isCopyAway = error instanceof CopyAway && !(error instanceof NotCopied);
        } finally {
          saving = undefined;
        }
      }
      const saveNow = (all = false): Promise<void> => (saving ??= attemptSave(all));
      const saver = setInterval(() => void saveNow(), SAVED_EVERY_MS);
      add(async () => {
        clearInterval(saver);
        await saving;
        await saveNow(true);
      });
      void saveNow(true);
    }
    const check = (): OwnCheck => ({
      name: 'worker-state',
      ok: problem === undefined,
      detail:
        problem !== undefined
          ? COPY.stateNotKept(problem)
          : isCopied
            ? COPY.stateKept
            : COPY.stateNotCopied,
      isCopyAway: problem !== undefined && isCopyAway,
    });
    return { copy, lease, replaced, guard, check };
  }
}

function anchoredDataset(configuration: StartContext['configuration']): string | undefined {
  const anchor = openAnchor(configuration);
  try {
    return anchor.dataset()?.id;
  } finally {
    anchor.close();
  }
}
