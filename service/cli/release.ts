import { acknowledgementText } from '#loaders/answers/acknowledgement-text.ts';
import {
  discardHeldFile,
  findHeldFiles,
  type HeldFile,
  listHeldFiles,
  releaseHeldFile,
} from '#loaders/upkeep/held-files.ts';
import type { Configuration } from '#schemas/configuration.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { Failure, misused } from './failure.ts';
import { exitCodeOf } from './load.ts';
import { type Named, readNamed } from './named.ts';
import { runningRedis, withStore } from './store.ts';

export type ReleaseOptions = Partial<Named> & { list?: boolean; discard?: boolean };

function heldFileText({
  id,
  authority,
  number,
  at,
  whole,
  reasons,
  acknowledgement,
}: HeldFile): string {
  const { held } = acknowledgement;
  const what = whole
    ? `all ${held?.records} records`
    : `${held?.rows} rows and ${held?.leftOut} left out`;
  return [
    `${authority}-${number}  ${id}  since ${at}: ${what}`,
    ...reasons.map((reason) => `    ${reason}`),
  ].join('\n');
}

function only(anchor: Anchor, file: string): HeldFile {
  const [heldFile, second] = findHeldFiles(anchor, file);
  if (heldFile === undefined) {
    throw new Failure(`Nothing is held as ${file}. See cp-flags release --list.`);
  }
  if (second !== undefined) {
    throw new Failure(
      `More than one is held as ${file}: name it by its id, ${heldFile.id} or ${second.id}.`,
    );
  }
  return heldFile;
}

/**
 * `cp-flags release`: lets through what of a file is held, or discards it; or lists what is.
 *
 * @returns the exit code: that of the file once it is released
 */
export async function release(
  configuration: Configuration,
  file: string | undefined,
  options: ReleaseOptions,
): Promise<number> {
  const decision = options.list === true ? undefined : readNamed(options);
  const redis = await runningRedis(configuration);
  return withStore(configuration, redis, 'loader', async (store, anchor) => {
    if (decision === undefined) {
      const heldFiles = listHeldFiles(anchor);
      console.log(
        heldFiles.length === 0 ? 'Nothing is held.' : heldFiles.map(heldFileText).join('\n'),
      );
      return 0;
    }
    if (file === undefined)
      throw misused('Say which: an authority and a number, V145-412, or an id.');
    const { id } = only(anchor, file);
    const acknowledgement =
      options.discard === true
        ? await discardHeldFile(store, anchor, id, decision)
        : await releaseHeldFile(store, anchor, id, decision);
    console.log(acknowledgementText(acknowledgement));
    return options.discard === true ? 0 : exitCodeOf(acknowledgement);
  });
}
