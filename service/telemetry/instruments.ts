// By hand, since OpenTelemetry's own instruments cost as much as everything else in measuring a lookup
// (docs/decisions, 26): here recording is plain arithmetic, and the SDK only exports.

/** Labels of a point. Each value is from a closed list, a number or a code of the directory. */
export type Labels = Readonly<Record<string, string>>;

type Described = { name: string; description: string; unit: string };
export type Point = { labels: Labels; value: number };
type DistributionPoint = { labels: Labels; distribution: Distribution };

/**
 * A metric at present, in OpenTelemetry's terms and without its classes: names, units (UCUM) and cumulative
 * values. Exporters convert these.
 */
export type Reading = Described &
  (
    | { kind: 'counter' | 'gauge'; points: readonly Point[] }
    | { kind: 'histogram'; points: readonly DistributionPoint[] }
  );

/** Whatever has metrics to report. A failing one affects no other. */
export type Source = () => readonly Reading[] | Promise<readonly Reading[]>;

/** A histogram of fixed buckets: recording is a few comparisons and three additions. */
export class Distribution {
  /** Upper bounds, ascending, each included in its bucket; one more bucket is for everything above. */
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
