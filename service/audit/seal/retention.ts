import type { Commit } from '../log/commit.ts';
import { placeOf } from '../log/entry.ts';
import { readBundle } from '../log/log-folder.ts';
import { splitBundle } from '../tlog/bundle.ts';
import { TILE_WIDTH } from '../tlog/tiles.ts';

/** Bundles examined at a time; the rest follows next time. */
const BUNDLES_AT_MOST = 1_024;

export type Prunable = { minimumIndex: number; numbers: number[] };

/** `years` before an instant, both in milliseconds. */
function yearsBefore(instant: number, years: number): number {
  const date = new Date(instant);
  date.setUTCFullYear(date.getUTCFullYear() - years);
  return date.getTime();
}

function placesIn(folder: string, index: number, size: number) {
  const bundle = readBundle(folder, index, size);
  const entries = bundle === undefined ? undefined : splitBundle(bundle);
  return entries?.map((entry) => placeOf(entry, 0, entry.length));
}

/**
 * The beginning of a log whose events are all past the retention period, in whole bundles; `undefined` if
 * there is none. By the earlier of our clock and the latest event, so that one clock running ahead prunes
 * nothing.
 */
export function prunable(
  folder: string,
  { size, minimumIndex, prunedNumbers }: Readonly<Commit>,
  { years, now }: { years: number; now: number },
): Prunable | undefined {
  if (size === 0) return undefined;
  const youngest = placesIn(folder, Math.floor((size - 1) / TILE_WIDTH), size);
  const times = youngest?.map((place) => place?.at ?? 0) ?? [];
  const before = yearsBefore(Math.min(now, Math.max(0, ...times)), years);
  const numbers = [...prunedNumbers];
  const first = minimumIndex / TILE_WIDTH;
  let index = first;
  for (; index < first + BUNDLES_AT_MOST && (index + 1) * TILE_WIDTH <= size; index++) {
    const places = placesIn(folder, index, size);
    if (!places?.every((place) => place !== undefined && place.at < before)) break;
    for (const place of places) if (place !== undefined) numbers[place.stream] = place.number;
  }
  return index === first ? undefined : { minimumIndex: index * TILE_WIDTH, numbers };
}
