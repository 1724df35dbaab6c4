import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Configuration } from '#schemas/configuration.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { readCopyOrder } from '#store/audit-stream/copy-orders.ts';
import { leaseHolder, markState, workedEpoch } from '#store/locks/worker-lease.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { openPlace, placeSettings } from '../audit/copy/open-place.ts';
import { NotCopied, type Place } from '../audit/copy/place.ts';
import { sealedRange } from '../audit/log/sealed.ts';
import { defaultOrigin, KeyFileWrong, readKeys, readOrMakeKeys } from '../audit/seal/keys.ts';
import type { Signer } from '../audit/tlog/note.ts';
import {
  auditFolder,
  auditKeyFile,
  carriedStateFile,
  stateCopyFile,
  workerFile,
} from '../files/data-folder.ts';
import { writePrivate } from '../files/private-file.ts';
import { openCarried } from './carried.ts';
import { createStateCopy } from './state-copy.ts';
import { statePlaces } from './worker-state.ts';

type Connection = Parameters<typeof readCopyOrder>[0];

const workerSchema = z.object({
  epoch: z.int(),
  /** Token of the lease; absent from an earlier version. */
  token: z.string().optional(),
  /** The worker before, if it also used this folder: the last one, if this one had not started. */
  before: z.int().optional(),
  /** It took over from another worker, which may not be on record yet. */
  tookOver: z.object({ epoch: z.int(), auditId: z.uuid() }).optional(),
});
/** The lease under which a data folder was last used, or was going to be. */
export type LastLease = z.infer<typeof workerSchema>;

/** How long to wait for a worker that takes over, or tries to: longer than its lease. */
const WAITS_FOR_TAKEOVER_MS = 20_000;
const LOOKS_FOR_TAKEOVER_EVERY_MS = 100;

/** `undefined` before the first time. */
export function lastLease(configuration: Configuration): LastLease | undefined {
  try {
    return workerSchema.parse(JSON.parse(readFileSync(workerFile(configuration), 'utf8')));
  } catch {
    return undefined;
  }
}

export const keepLease = (
  configuration: Configuration,
  { epoch, token, before, tookOver }: LastLease,
): Promise<void> =>
  writePrivate(
    workerFile(configuration),
    `${JSON.stringify({ epoch, token, before, tookOver })}\n`,
  );

/** Whether no worker has run since this data folder's, whose number was `worked`. */
export const isOfLast = ({ epoch, before }: LastLease, worked: number): boolean =>
  epoch === worked || before === worked;

/**
 * Puts what is loaded, held or created with this data folder into the second copy before it counts, if there
 * is one: every change to the anchor requests it. Only the worker's data folder is copied.
 *
 * @param place the copy, if this thread has opened it: calls to a folder are serialised only within one place
 * @returns a function that copies the state now; `all` includes large files. It resolves with false if a named person
 * has ordered one copy, so that nothing is copied. `undefined` if there is no copy
 * @throws {CopyAway} or {@link NotCopied} from that function, and from then on from {@link Anchor.safeguard}
 */
export function guardAnchor(
  configuration: Configuration,
  connection: Connection,
  anchor: Anchor,
  place?: Place,
): ((all?: boolean) => Promise<boolean>) | undefined {
  const settings = placeSettings(configuration);
  if (settings === undefined) return undefined;
  const copy = createStateCopy({
    place: place ?? openPlace(settings),
    places: statePlaces(configuration),
    memoryFile: stateCopyFile(configuration),
    anchor,
    signers,
    mark: (state) => markState(connection, state),
    carried: openCarried(carriedStateFile(configuration)).read,
  });

  /** The audit keys. The first user, this or the log, makes the first key. */
  async function signers(): Promise<readonly Signer[]> {
    const file = auditKeyFile(configuration);
    try {
      return await readKeys(file);
    } catch (error) {
      if (!(error instanceof KeyFileWrong)) throw error;
      const dataset = anchor.dataset()?.id;
      const isFirst =
        isOfLast(lastLease(configuration) ?? { epoch: 0 }, await workedEpoch(connection)) &&
        sealedRange(auditFolder(configuration)) === undefined;
      if (dataset === undefined || !isFirst) throw new NotCopied(error.message);
      return readOrMakeKeys(file, configuration.AUDIT_ORIGIN ?? defaultOrigin(dataset));
    }
  }

  /**
   * The number of this data folder's worker. If another one has the lease and may take over, this waits for
   * it, since it may have read the state already.
   *
   * @throws {NotCopied} if another one has run since
   */
  async function ownEpoch(): Promise<number> {
    const giveUpAt = performance.now() + WAITS_FOR_TAKEOVER_MS;
    for (;;) {
      const own: LastLease = lastLease(configuration) ?? { epoch: 0 };
      // In this order: one that takes over gives its lease back only once it is running.
      const holder = await leaseHolder(connection);
      const worked = await workedEpoch(connection);
      if (!isOfLast(own, worked)) throw new NotCopied(COPY.notTheWorker);
      // An earlier version kept no token.
      const isKnown = own.token !== undefined || own.epoch === 0;
      const isOthers = isKnown && holder !== undefined && holder !== own.token;
      if (!isOthers && own.epoch === worked) return worked;
      if (performance.now() > giveUpAt) throw new NotCopied(COPY.takingOver);
      await delay(LOOKS_FOR_TAKEOVER_EVERY_MS);
    }
  }

  async function save(all = false): Promise<boolean> {
    // Before there is a dataset, nothing there counts.
    if (anchor.dataset() === undefined) return true;
    if ((await readCopyOrder(connection)).kind === 'single') return false;
    await copy.save(ownEpoch, all);
    // Another one that has taken over meanwhile does not know of this.
    await ownEpoch();
    return true;
  }
  anchor.guardWith(async () => void (await save()));
  return save;
}
