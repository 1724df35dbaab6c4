import { counted } from './counts.ts';

const UNITS = [
  ['second', 1_000, 120],
  ['minute', 60_000, 120],
  ['hour', 3_600_000, 48],
] as const;
const DAY_MS = 86_400_000;

/** Room on a disk, from mebibytes. */
export const spaceText = (mebibytes: number): string =>
  mebibytes < 10_240 ? `${mebibytes} MiB` : `${Math.floor(mebibytes / 1_024)} GiB`;

/** How long to wait, never said to be less than it is: `1 second`, `90 seconds`, `3 minutes`. */
export const waitText = (seconds: number): string =>
  seconds < 120 ? counted(seconds, 'second') : counted(Math.ceil(seconds / 60), 'minute');

/** A length of time as people say it: `less than a second`, `8 seconds`, `3 minutes`, `5 hours`, `2 days`. */
export function durationText(milliseconds: number): string {
  if (milliseconds < 1_000) return 'less than a second';
  for (const [unit, length, before] of UNITS) {
    const count = Math.floor(milliseconds / length);
    if (count < before) return counted(count, unit);
  }
  return counted(Math.floor(milliseconds / DAY_MS), 'day');
}
