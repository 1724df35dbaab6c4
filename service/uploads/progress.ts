import type { LoadProgress } from '#loaders/check/progress.ts';

/** The share of each step in the work on a file: for a first file of 39,000 records 2.1, 1.1 and 1.4 s. */
const STEPS = {
  reading: { before: 0, share: 0.4, doing: 'reading' },
  deciding: { before: 0.4, share: 0.3, doing: 'checking' },
  applying: { before: 0.7, share: 0.3, doing: 'loading' },
} as const;

/** The progress of a file: the share of its work from 0 to 1, the records counted, and the present step. */
export type FileProgress = { share: number; records: number; doing: string };

export const NOT_BEGUN: FileProgress = { share: 0, records: 0, doing: 'reading' };

/** @param sizeBytes of the file as sent */
export function progressOf(
  progress: LoadProgress,
  sizeBytes: number,
  { records }: FileProgress,
): FileProgress {
  const { before, share, doing } = STEPS[progress.step];
  const [done, of] =
    progress.step === 'reading'
      ? [progress.bytes, sizeBytes]
      : progress.step === 'deciding'
        ? [progress.records, progress.of]
        : [progress.rows, progress.of];
  return {
    share: before + share * (of === 0 ? 1 : Math.min(1, done / of)),
    // Rows are not records: the count from reading stays.
    records: progress.step === 'reading' ? progress.records : records,
    doing,
  };
}

/** How long the rest takes, from how long the finished share took. */
export const secondsLeft = (seconds: number, share: number): number =>
  (seconds * (1 - share)) / share;
