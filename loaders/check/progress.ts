/**
 * How far a load has got. `reading` counts records and the bytes they came in, as sent; `deciding` counts
 * records and `applying` rows, out of all there are.
 */
export type LoadProgress =
  | { step: 'reading'; records: number; bytes: number }
  | { step: 'deciding'; records: number; of: number }
  | { step: 'applying'; rows: number; of: number };

/** Called often, in the middle of a load: it must return at once, and must not throw. */
export type OnProgress = (progress: LoadProgress) => void;
