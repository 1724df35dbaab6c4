import { z } from 'zod';

const share = z.number().min(0).max(1);
const times = z.number().min(1).max(1_000_000);

/**
 * What is unusual in an upload, and what is too unusual to be applied unseen. Shares are from 0 to 1; a
 * stop of 1 stops nothing.
 */
export const breakersSchema = z.strictObject({
  /** The share of the authority's plans in force that a file ends, deletes or leaves out of a full refresh. */
  removalsWarnShare: share,
  removalsStopShare: share,
  /** The share of a file's records that are refused. */
  refusedWarnShare: share,
  refusedStopShare: share,
  /** Rows of a file, in multiples of what the authority usually sends. */
  rowsWarnTimes: times,
  /** Rows that a file adds, in multiples of what the authority's files usually add. */
  additionsStopTimes: times,
});
export type Breakers = z.infer<typeof breakersSchema>;
export type BreakerName = keyof Breakers;

/** The setting for all authorities that an authority may also have of its own: `REMOVALS_WARN_SHARE`. */
export const settingOf = (name: BreakerName): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

export const DEFAULT_BREAKERS: Breakers = {
  removalsWarnShare: 0.1,
  removalsStopShare: 0.25,
  refusedWarnShare: 0.1,
  refusedStopShare: 0.5,
  rowsWarnTimes: 3,
  additionsStopTimes: 10,
};

/** What an authority has set for itself; the rest is as configured for all. */
export const ownBreakersSchema = breakersSchema.partial();
export type OwnBreakers = z.infer<typeof ownBreakersSchema>;
