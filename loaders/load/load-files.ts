import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { LoadFailed } from '../load-failed.ts';
import { type CsvMetadata, type LoadOptions, loadFile } from './load.ts';
import { LoadSlots } from './load-slots.ts';
import { placeOf } from './order.ts';

/** A file to load, with what is known about it apart from its name. */
type FileToLoad = { path: string; name: string; metadata?: CsvMetadata };

export type FileLoaded<F extends FileToLoad = FileToLoad> = { file: F } & (
  | { kind: 'acknowledged'; acknowledgement: Acknowledgement }
  | { kind: 'failed'; error: LoadFailed }
);

/** Reading keeps one core busy; the others are for waiting on the disk and on Redis. */
const AT_ONCE = 4;

/**
 * Loads files side by side: those of one authority one after the other in the order given, those of several
 * authorities at the same time. One reading of the store serves all that wait to be reconciled.
 *
 * After a failed file, later files of its authority are not loaded, since they might depend on it.
 *
 * @param each called with each file in the order given, as soon as that can be. What it throws is thrown
 * again once all files are done
 */
export async function loadFiles<F extends FileToLoad>(
  store: Store,
  anchor: Anchor,
  files: readonly F[],
  options: Omit<LoadOptions, 'slots' | 'metadata'> & {
    atOnce?: number;
    optionsOf?: (file: F) => Partial<LoadOptions>;
  },
  each: (loaded: FileLoaded<F>) => Promise<void> | void,
): Promise<void> {
  const { atOnce = AT_ONCE, optionsOf, ...common } = options;
  const slots = new LoadSlots(atOnce);

  async function load(file: F): Promise<FileLoaded<F>> {
    const { path, name, metadata } = file;
    try {
      const acknowledgement = await loadFile(
        store,
        anchor,
        { path, name },
        { ...common, ...optionsOf?.(file), ...(metadata !== undefined && { metadata }), slots },
      );
      return { file, kind: 'acknowledged', acknowledgement };
    } catch (error) {
      if (!(error instanceof LoadFailed)) throw error;
      return { file, kind: 'failed', error };
    }
  }

  async function loadAfter(
    before: Promise<FileLoaded<F>> | undefined,
    file: F,
  ): Promise<FileLoaded<F>> {
    const last = await before;
    if (last === undefined || last.kind === 'acknowledged') return load(file);
    const error = new LoadFailed(LOAD_FAILED.earlierFailed(file.name, last.file.name));
    return { file, kind: 'failed', error };
  }

  const lanes = new Map<string, Promise<FileLoaded<F>>>();
  const loads: Promise<FileLoaded<F>>[] = [];
  for (const [at, file] of files.entries()) {
    const { authority } = file.metadata ?? {};
    const lane = authority ?? (await placeOf(file.path, file.name)).authority ?? `file ${at}`;
    const loading = loadAfter(lanes.get(lane), file);
    loading.catch(() => undefined);
    lanes.set(lane, loading);
    loads.push(loading);
  }
  const failures: unknown[] = [];
  for (const loading of loads) {
    try {
      await each(await loading);
    } catch (error) {
      // One file failed. The others are still loaded, so they are reported too.
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
