import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** For both halves of V8's space for new objects. By default it grows to 128 MiB, and under load gives nothing back. */
const SMALL_BYTES = 16 * 1_048_576;
/** Up to this a small space costs no measurable time; above it, it is collected so often that it does. */
const MANY_LOOKUPS_A_SECOND = 2_000;
const LOOKED_AT_EVERY_MS = 1_000;
/** While it is below its limit, so that it doubles only once between two checks. */
const GROWING_LOOKED_AT_EVERY_MS = 50;

/**
 * V8 reads this each time that it would let the space grow: its default 2 lets it double, and 1 leaves it
 * unchanged.
 */
const growBy = (factor: 1 | 2): void => setFlagsFromString(`--semi-space-growth-factor=${factor}`);

/**
 * Keeps the space for new objects small until many lookups a second are answered, so that a lookup process
 * takes little memory at an ordinary rate and no more time at a high one. `cli.mjs` forbids it to grow until
 * this begins.
 *
 * @param lookups how many there were since the process started
 * @returns how to end it, which restores V8's default
 */
export function limitYoungSpace(lookups: () => number): () => void {
  let before = lookups();
  let beforeAt = performance.now();
  let many = false;

  function look(): void {
    const now = performance.now();
    if (now - beforeAt >= LOOKED_AT_EVERY_MS) {
      const soFar = lookups();
      many = ((soFar - before) * 1_000) / (now - beforeAt) > MANY_LOOKUPS_A_SECOND;
      before = soFar;
      beforeAt = now;
    }
    const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    const small = (space?.space_size ?? 0) < SMALL_BYTES;
    growBy(small || many ? 2 : 1);
    timer = setTimeout(look, small ? GROWING_LOOKED_AT_EVERY_MS : LOOKED_AT_EVERY_MS).unref();
  }
  let timer: NodeJS.Timeout | undefined;
  look();

  return () => {
    clearTimeout(timer);
    growBy(2);
  };
}
