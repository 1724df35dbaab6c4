import { z } from 'zod';

const thresholds = (names: readonly string[], standard: string) =>
  z
    .string()
    .regex(new RegExp(`^[1-9][0-9]{0,6}(/[1-9][0-9]{0,6}){${names.length - 1}}$`), {
      error: `must be numbers of children in ${names.join(', ')}, such as ${standard}`,
    })
    .transform((text) => text.split('/').map(Number))
    .refine((numbers) => numbers.every((number, i) => number >= (numbers[i - 1] ?? 0)), {
      error: 'must not be lower for a longer time',
    });

/**
 * How many different children one user may look up in unscheduled care, in a minute, an hour and a day,
 * before an alert.
 */
export const unscheduledThresholdsSchema = thresholds(['a minute', 'an hour', 'a day'], '20/60/400')
  .default([20, 60, 400])
  .transform(([minute = 0, hour = 0, day = 0]) => ({ minute, hour, day }));

/** The same for lookups of every kind together, since scheduled care looks up whole lists. */
export const allThresholdsSchema = thresholds(['an hour', 'a day'], '300/600')
  .default([300, 600])
  .transform(([hour = 0, day = 0]) => ({ hour, day }));

/** How many different children one user may look up before an alert, by kind of lookup. */
export type AlertThresholds = {
  unscheduled: z.infer<typeof unscheduledThresholdsSchema>;
  all: z.infer<typeof allThresholdsSchema>;
};

/**
 * Thresholds for an hour and a day that a user can reach: none is above half of what the user's limit allows
 * in that time.
 *
 * @param userLimit requests a minute; 0 is no limit
 */
export function withinLimit(
  { unscheduled, all }: AlertThresholds,
  userLimit: number,
): AlertThresholds {
  const most = userLimit === 0 ? Number.POSITIVE_INFINITY : userLimit / 2;
  const hour = (threshold: number): number => Math.min(threshold, most * 60);
  const day = (threshold: number): number => Math.min(threshold, most * 1_440);
  return {
    unscheduled: {
      minute: unscheduled.minute,
      hour: hour(unscheduled.hour),
      day: day(unscheduled.day),
    },
    all: { hour: hour(all.hour), day: day(all.day) },
  };
}
