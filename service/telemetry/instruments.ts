// By hand, since OpenTelemetry's own instruments cost as much as all else that a lookup is measured by (docs/decisions, 26):
// here recording is plain arithmetic, and the SDK only exports.

/** Labels of a point. Each value is from a closed list, a number's or one of the directory's codes. */
export type Labels = Readonly<Record<string, string>>;

type Described = { name: string; description: string; unit: string };
export type Point = { labels: Labels; value: number };
type DistributionPoint = { labels: Labels; distribution: Distribution };

/**
 * A metric as it is now, in the terms of OpenTelemetry and without its classes: names, units (UCUM) and
 * cumulative values. What exports them turns these into what it speaks.
 */
export type Reading = Described &
  (
    | { kind: 'counter' | 'gauge'; points: readonly Point[] }
    | { kind: 'histogram'; points: readonly DistributionPoint[] }
  );

/** Whatever has something to say when metrics are read. One that fails takes no other with it. */
export type Source = () => readonly Reading[] | Promise<readonly Reading[]>;

/** A histogram of fixed buckets: recording is a few comparisons and three additions. */
export class Distribution {
  /** Upper bounds, ascending, each belonging to its own bucket; one more bucket is for all above. */
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  record(value: number): void {
    const { bounds, counts } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    counts[bucket] = (counts[bucket] as number) + 1;
    this.sum += value;
  }
}

export const gauge = (
  described: Described,
  points: readonly Point[] | number | undefined,
): Reading => ({
  ...described,
  kind: 'gauge',
  points: typeof points === 'number' ? [{ labels: {}, value: points }] : (points ?? []),
});

export const counter = (described: Described, points: readonly Point[] | number): Reading => ({
  ...described,
  kind: 'counter',
  points: typeof points === 'number' ? [{ labels: {}, value: points }] : points,
});
