import type { Hash } from '../tlog/hash.ts';

/** What was done to the entries of a bundle, with the first position affected. */
type Difference = {
  kind: 'changed' | 'deleted' | 'inserted' | 'reordered';
  position: number;
};

/**
 * How entries differ from the right ones, found by their hashes. A deleted or inserted one is recognised
 * because the others have moved by one.
 */
export function differences(expected: readonly Hash[], actual: readonly Hash[]): Difference[] {
  const length = Math.max(expected.length, actual.length);
  let first = 0;
  while (first < length && expected[first] === actual[first]) first++;
  if (first === length) return [];

  const moved = (from: readonly Hash[], to: readonly Hash[]): boolean => {
    for (let i = first + 1; i < from.length; i++) {
      if (i - 1 < to.length && from[i] !== to[i - 1]) return false;
    }
    return true;
  };
  if (expected.length === actual.length) {
    const sorted = (hashes: readonly Hash[]): string => hashes.toSorted().join('');
    if (sorted(expected) === sorted(actual)) return [{ kind: 'reordered', position: first }];
  }
  const last = first === length - 1;
  if (actual.length < expected.length || !last) {
    if (moved(expected, actual)) return [{ kind: 'deleted', position: first }];
  }
  if (actual.length > expected.length || !last) {
    if (moved(actual, expected)) return [{ kind: 'inserted', position: first }];
  }
  const found: Difference[] = [];
  for (let i = first; i < length; i++) {
    if (expected[i] === actual[i]) continue;
    const kind = i >= actual.length ? 'deleted' : i >= expected.length ? 'inserted' : 'changed';
    found.push({ kind, position: i });
  }
  return found;
}
