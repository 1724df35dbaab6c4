/**
 * A number as people read it, with commas between thousands: `1,234`. Never for a file, a line or a
 * partition, which are names.
 */
export const figure = (count: number): string => count.toLocaleString('en-GB');

/** How many there are of something: `1 record`, `1,234 records`, `2 children`. */
export const counted = (count: number, one: string, several = `${one}s`): string =>
  `${figure(count)} ${count === 1 ? one : several}`;
