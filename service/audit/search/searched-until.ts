import type { SearchedUntil } from '#schemas/audit/audit-search.ts';
import type { AuditStreams, NumbersRead } from '#store/audit-stream/audit-stream.ts';
import { sealedRange } from '../log/sealed.ts';
import type { Indexing } from './index-file.ts';

/** Events carry the store's time; a larger difference from the service's is refused as could-not-check. */
const CLOCKS_DIFFER_AT_MOST_MS = 5_000;

/** How far a search reaches in an index of this many entries or more. */
export type Reach = SearchedUntil & { size: number };

/** How far a search in an index of `size` entries says that it reached. */
export function searchedUntilOf(reach: Reach | undefined, size: number): SearchedUntil {
  const { completeUntil, notSearched } = reach ?? { notSearched: 0 };
  // An index discarded in between does not say when it was complete.
  const holds = completeUntil !== undefined && reach !== undefined && size >= reach.size;
  return holds
    ? { completeUntil, notSearched }
    : { notSearched: notSearched + Math.max(0, (reach?.size ?? 0) - size) };
}

/**
 * How far a search reaches: called with each step of the index, it says up to when every recorded event has
 * been examined. As long as the index lasts that only grows, so that an index which falls behind takes nothing back.
 *
 * @returns a function that may be given how far the streams had got, if the caller has just read that
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
    // It was discarded and is being rebuilt.
    if (indexing === undefined || indexing.size < size) completeUntil = undefined;
    size = indexing?.size ?? 0;
    const sealed = indexing?.numbers ?? [];
    const unsealed = last.reduce((sum, n, i) => sum + Math.max(0, n - (sealed[i] ?? 0)), 0);
    if (indexing?.behind === 0) {
      const oldest = unsealed === 0 ? now : await streams.oldest(sealed, last);
      // What another process has sealed meanwhile is neither in the index nor any longer in its stream.
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

/** Many times longer than others take to seal once. */
const LOOK_AGAIN_FOR_MS = 2_000;

/**
 * How far a single search reaches. If another process seals meanwhile, it searches again, so that a search
 * made while others are working says up to when it is complete.
 *
 * @param carryOn extends the index to the end of the log
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
