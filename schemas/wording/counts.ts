/**
 * A number as people read it, with commas between thousands: `1,234`. Never for a file, a line or a
 * partition, which are names.
 */
export const figure = (count: number): string => count.toLocaleString('en-GB');

/** What there is of several things, each with its number and in words: `3 records and 1 plan to remove`. */
export const presentOf = (...parts: (readonly [count: number, text: string])[]): string =>
  parts.flatMap(([count, text]) => (count > 0 ? [text] : [])).join(' and ');

/** How many there are of something: `1 record`, `1,234 records`, `2 children`. */
export const counted = (count: number, one: string, several = `${one}s`): string =>
  `${figure(count)} ${count === 1 ? one : several}`;
