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
import { loadFunctions } from '#store/functions/functions.ts';
import {
  beginWork,
  takeWorkerLease,
  type WorkerLease,
  workedEpoch,
} from '#store/locks/worker-lease.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { CopyDamaged, createCommits } from '../audit/copy/commits.ts';
import { openPlace, type PlaceSettings, placeSettings } from '../audit/copy/open-place.ts';
import { CopyAway } from '../audit/copy/place.ts';
import { followCopy } from '../audit/seal/follow-copy.ts';
import { KeyFileWrong } from '../audit/seal/keys.ts';
import { LogNotWhole } from '../audit/seal/log-writer.ts';
import { auditFolder, auditKeyFile, openAnchor } from '../files/data-folder.ts';
import { guardAnchor, keepEpoch, lastEpoch } from '../standby/guard.ts';
import { restoreState } from '../standby/state-copy.ts';
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

/** Reasons to stand by that come with a sentence of their own. */
const SAID = [CopyAway, CopyDamaged, KeyFileWrong, LogNotWhole];

/** That this process is the one worker of its dataset, if the audit log has a second copy. */
export type OneWorker = {
  copy: PlaceSettings;
  lease: Pick<WorkerLease, 'epoch' | 'token'>;
  /** Resolves once another worker has taken over. */
  replaced: Promise<void>;
  /** From now on what the anchor knows, and what else a worker needs, is put into the copy. */
  guard: (anchor: Anchor) => void;
  /** Whether it is there, as a check of `/_status`. */
  check: () => OwnCheck;
};

/** Why a worker stands by: what is here is not known to have come as far as the copy. */
type StandBy = {
  /** Called each time the reason to stand by changes. */
  onStandBy: (why: string) => Promise<void>;
  stopped: AbortSignal;
};

/**
 * Resolves once this process is the one worker: it has the lease, and what it works on has come as far as any
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
  const commits = createCommits(place);
  // Nobody waits for it. If the place cannot be used, that is reported where it is used.
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

  /** Whether what is here has come as far as the worker before; a sentence if that is not known. */
  async function catchUp(): Promise<string | undefined> {
    const held = (await readDataset(connection))?.dataset.id;
    const worked = await workedEpoch(connection);
    const own = lastEpoch(configuration);
    // This data folder's worker was the last: nobody can know more, whether the copy is there or not.
    const wasFirst = worked === 0 && held !== undefined && anchoredDataset(configuration) === held;
    if (own === worked || (own === undefined && wasFirst)) return undefined;
    const order = await readCopyOrder(connection);
    if (order.kind === 'single') return COPY.singleElsewhere;
    await followCopy(logFiles, commits);
    const state = await restoreState(place, statePlaces(configuration), worked);
    if (state.kind === 'restored') {
      if (state.left.length > 0) log.warn(COPY.stateLeft(place.name, state.left));
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
      // It is asked again wherever it counts.
      if (!(error instanceof CopyAway)) throw error;
    }
    return held !== undefined && copied !== undefined && held !== copied;
  }

  async function attempt(): Promise<WorkerLease | string> {
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
    try {
      const why = await catchUp();
      if (why === undefined) return taken;
      await taken.release();
      return why;
    } catch (error) {
      await taken.release().catch(() => undefined);
      throw error;
    }
  }

  await redis.ready(REDIS_ANSWERS_WITHIN_MS).catch(() => undefined);
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
    const [before, worked] = [lastEpoch(configuration), await workedEpoch(connection)];
    await keepEpoch(configuration, lease.epoch);
    await beginWork(connection, lease.epoch);
    log.info(COPY.tookOver(lease.epoch));
    if (worked > 0 && before !== worked) {
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
    function guard(anchor: Anchor): void {
      const save = guardAnchor(configuration, connection, anchor, place);
      let saving: Promise<void> | undefined;
      async function attemptSave(all: boolean): Promise<void> {
        try {
          await save?.(all);
          problem = undefined;
        } catch (error) {
          problem = error instanceof CopyAway ? error.message : errorCode(error);
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
      detail: problem === undefined ? COPY.stateKept : COPY.stateNotKept(problem),
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
