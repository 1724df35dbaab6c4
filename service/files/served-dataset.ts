import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Configuration } from '#schemas/configuration.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
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
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify({ dataset })}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}

/** Why this dataset is not the one to work on, and what to do; `undefined` where it is. */
export function datasetProblem(
  { DATASET_ID }: Pick<Configuration, 'DATASET_ID'>,
  anchor: Anchor,
  { id }: Dataset,
): string | undefined {
  if (DATASET_ID !== undefined && DATASET_ID !== id) {
    return `Redis holds dataset ${id}, which is not the one of DATASET_ID. Set REDIS_URL and DATASET_ID to the two that belong together.`;
  }
  if (anchor.dataset()?.id !== id) {
    return 'Redis holds another dataset than this data folder. Set REDIS_URL and DATA_DIR to the two that belong together.';
  }
  return undefined;
}

/**
 * The same for a lookup process, which has no anchor: a live dataset must be named, and any other than the
 * one served before confirmed. What it serves first it remembers.
 */
export function lookupDatasetProblem(
  settings: Settings,
  { id, kind }: Dataset,
): string | undefined {
  const { DATASET_ID } = settings;
  if (DATASET_ID === undefined && kind === 'live') {
    return `Redis holds the live dataset ${id}, and a lookup process answers from a live dataset only where DATASET_ID names it. Compare it with what cp-flags status says where the worker is, then set DATASET_ID.`;
  }
  if (DATASET_ID !== undefined && DATASET_ID !== id) {
    return `Redis holds dataset ${id}, which is not the one of DATASET_ID. Set REDIS_URL and DATASET_ID to the two that belong together.`;
  }
  const served = servedDataset(settings);
  if (served === undefined) serveDataset(settings, id);
  else if (served !== id) {
    return `This data folder served dataset ${served}, and Redis holds ${id}. Set REDIS_URL to the Redis of the one, or DATA_DIR to another folder; or a named person goes on with cp-flags confirm dataset ${id}.`;
  }
  return undefined;
}
