import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Configuration } from '#schemas/configuration.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { readCopyOrder } from '#store/audit-stream/copy-orders.ts';
import { workedEpoch } from '#store/locks/worker-lease.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { openPlace, placeSettings } from '../audit/copy/open-place.ts';
import { CopyAway, type Place } from '../audit/copy/place.ts';
import { stateCopyFile, workerFile } from '../files/data-folder.ts';
import { writePrivate } from '../files/private-file.ts';
import { createStateCopy } from './state-copy.ts';
import { statePlaces } from './worker-state.ts';

type Connection = Parameters<typeof readCopyOrder>[0];

const workerSchema = z.object({ epoch: z.int() });

/** The number of the lease under which a data folder was last worked on; `undefined` before the first time. */
export function lastEpoch(configuration: Configuration): number | undefined {
  try {
    return workerSchema.parse(JSON.parse(readFileSync(workerFile(configuration), 'utf8'))).epoch;
  } catch {
    return undefined;
  }
}

export const keepEpoch = (configuration: Configuration, epoch: number): Promise<void> =>
  writePrivate(workerFile(configuration), `${JSON.stringify({ epoch })}\n`);

/**
 * Puts what is loaded, held or created with this data folder into the second copy before it counts, if there is to be
 * one: whatever changes the anchor asks for it. Only the data folder of the worker is copied.
 *
 * @param place the copy, if this thread has opened it: a folder is asked one thing at a time only by one place
 * @returns puts the state into the copy now; `all` with large files. `undefined` if there is to be none
 * @throws {CopyAway} what is returned, and {@link Anchor.safeguard} from then on
 */
export function guardAnchor(
  configuration: Configuration,
  connection: Connection,
  anchor: Anchor,
  place?: Place,
): ((all?: boolean) => Promise<void>) | undefined {
  const settings = placeSettings(configuration);
  if (settings === undefined) return undefined;
  const copy = createStateCopy({
    place: place ?? openPlace(settings),
    places: statePlaces(configuration),
    memoryFile: stateCopyFile(configuration),
    anchor,
  });

  /** The number of this data folder's worker. @throws {CopyAway} if another one has been at work since */
  async function ownEpoch(): Promise<number> {
    const [worked, own] = [await workedEpoch(connection), lastEpoch(configuration)];
    if (worked !== (own ?? 0)) throw new CopyAway(COPY.notTheWorker);
    if (own === undefined) await keepEpoch(configuration, worked);
    return worked;
  }

  async function save(all = false): Promise<void> {
    if ((await readCopyOrder(connection)).kind === 'single') return;
    const epoch = await ownEpoch();
    await copy.save(epoch, all);
    // Another one that has taken over in the meantime does not know of this.
    await ownEpoch();
  }
  anchor.guardWith(() => save());
  return save;
}
