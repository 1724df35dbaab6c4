import type { SearchedUntil } from '#schemas/audit/audit-search.ts';
import type { AuditStreams, NumbersRead } from '#store/audit-stream/audit-stream.ts';
import { sealedRange } from '../log/sealed.ts';
import type { Indexing } from './index-file.ts';

/** Events carry the store's time; a difference from the service's over this is refused as could-not-check. */
const CLOCKS_DIFFER_AT_MOST_MS = 5_000;

/** How far a search reaches that is made in an index of so many entries, or more. */
export type Reach = SearchedUntil & { size: number };

/** What a search that was made in an index of `size` entries says about how far it reached. */
export function searchedUntilOf(reach: Reach | undefined, size: number): SearchedUntil {
  const { completeUntil, notSearched } = reach ?? { notSearched: 0 };
  // An index that was thrown away between the two says nothing of when it was complete.
  const holds = completeUntil !== undefined && reach !== undefined && size >= reach.size;
  return holds
    ? { completeUntil, notSearched }
    : { notSearched: notSearched + Math.max(0, (reach?.size ?? 0) - size) };
}

/**
 * How far a search reaches: called with each step of the index, it says until when everything recorded has been
 * looked through. That only ever grows, so that an index which falls behind takes nothing back.
 *
 * @returns a function that may be given how far the streams had come, if the caller has just asked
 */
export function createSearchedUntil(
  folder: string,
  streams: Pick<AuditStreams, 'numbers' | 'oldest'>,
) {
  let completeUntil: number | undefined;
  let size = 0;
  const readNow = async (): Promise<NumbersRead> => ({
    at: Date.now(),
    last: await streams.numbers(),
  });

  return async function cover(indexing: Indexing | undefined, read?: NumbersRead): Promise<Reach> {
    const { at: now, last } = read ?? (await readNow());
    // It was thrown away and is rebuilt.
    if (indexing === undefined || indexing.size < size) completeUntil = undefined;
    size = indexing?.size ?? 0;
    const sealed = indexing?.numbers ?? [];
    const unsealed = last.reduce((sum, n, i) => sum + Math.max(0, n - (sealed[i] ?? 0)), 0);
    if (indexing?.behind === 0) {
      const oldest = unsealed === 0 ? now : await streams.oldest(sealed, last);
      // What another process has sealed in the meantime is neither in the index nor in its stream any more.
      const sealedMeanwhile = sealedRange(folder)?.numbers.some((n, i) => n !== sealed[i]) ?? true;
      if (oldest !== undefined && !sealedMeanwhile) {
        const until = Math.min(now - CLOCKS_DIFFER_AT_MOST_MS, oldest);
        completeUntil = Math.max(completeUntil ?? 0, until);
      }
    }
    return {
      size,
      ...(completeUntil !== undefined && { completeUntil: new Date(completeUntil).toISOString() }),
      notSearched: (indexing?.behind ?? 0) + unsealed,
    };
  };
}

/** Longer than others take to seal once, many times over. */
const LOOK_AGAIN_FOR_MS = 2_000;

/**
 * How far a single search reaches. Where another process seals while it looks, it looks again, so that a search
 * made while others are at work says until when it is complete.
 *
 * @param carryOn brings the index up to the end of the log
 */
export async function reachOf(
  carryOn: () => Promise<Indexing | undefined>,
  readSearchedUntil: (indexing: Indexing | undefined) => Promise<Reach>,
  lookAgainForMs: number = LOOK_AGAIN_FOR_MS,
): Promise<Reach> {
  const until = performance.now() + lookAgainForMs;
  for (;;) {
    const reach = await readSearchedUntil(await carryOn());
    if (reach.completeUntil !== undefined || performance.now() >= until) return reach;
  }
}
