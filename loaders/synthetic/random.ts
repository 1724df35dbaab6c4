/**
 * A stream of numbers from 0 (inclusive) to 1 (exclusive), named by a seed and some whole numbers. The same
 * name gives the same stream on every machine without any stored state: any record of a synthetic country can
 * be made separately.
 */
export function draws(seed: number, ...name: readonly number[]): () => number {
  let state = scrambled(seed);
  for (const part of name) state = scrambled(state ^ Math.imul(part + 1, 0x9e3779b1));
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    return scrambled(state) / 0x1_0000_0000;
  };
}

/** MurmurHash3's finaliser: every bit of the result depends on every bit of `word`. */
function scrambled(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** A whole number from `least` to `most`, both included. */
export function whole(draw: () => number, least: number, most: number): number {
  return least + Math.floor(draw() * (Math.max(most, least) - least + 1));
}

/** An item of a list. */
export function one<T>(draw: () => number, list: readonly [T, ...T[]]): T {
  return list[Math.floor(draw() * list.length)] ?? list[0];
}
