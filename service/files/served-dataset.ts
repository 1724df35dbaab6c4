import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Configuration } from '#schemas/configuration.ts';
import { DATASET, VERIFIER } from '#schemas/wording/store.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { makeFolderNow, syncFolderNow } from '#store/files/whole-file.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { servedDatasetFile } from './data-folder.ts';

type Settings = Pick<Configuration, 'DATA_DIR' | 'DATASET_ID'>;

const servedSchema = z.object({ dataset: z.uuid() });

/** The dataset that a lookup process served from this data folder; `undefined` before the first. */
export function servedDataset(place: Pick<Configuration, 'DATA_DIR'>): string | undefined {
  let text: string;
  try {
    text = readFileSync(servedDatasetFile(place), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return servedSchema.parse(JSON.parse(text)).dataset;
}

/** From now on this data folder serves the dataset. On disk when it returns. */
export function serveDataset(place: Pick<Configuration, 'DATA_DIR'>, dataset: string): void {
  const path = servedDatasetFile(place);
  makeFolderNow(dirname(path));
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify({ dataset })}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, path);
  syncFolderNow(dirname(path));
}

/** Why this dataset is the wrong one, and what to do; `undefined` if it is right. */
export function datasetProblem(
  { DATASET_ID }: Pick<Configuration, 'DATASET_ID'>,
  anchor: Anchor,
  { id }: Dataset,
): string | undefined {
  if (DATASET_ID !== undefined && DATASET_ID !== id) {
    return DATASET.notNamed(id);
  }
  if (anchor.dataset()?.id !== id) {
    return anchor.creating() === id ? DATASET.cutShort : VERIFIER.otherDataset;
  }
  return undefined;
}

/**
 * The same for a lookup process, which has no anchor: a live dataset must be named, and a different one from
 * before must be confirmed. It remembers the first that it serves.
 */
export function lookupDatasetProblem(
  settings: Settings,
  { id, kind }: Dataset,
): string | undefined {
  const { DATASET_ID } = settings;
  if (DATASET_ID === undefined && kind === 'live') {
    return DATASET.liveNotNamed(id);
  }
  if (DATASET_ID !== undefined && DATASET_ID !== id) {
    return DATASET.notNamed(id);
  }
  const served = servedDataset(settings);
  if (served === undefined) serveDataset(settings, id);
  else if (served !== id) {
    return DATASET.otherServed(served, id);
  }
  return undefined;
}
