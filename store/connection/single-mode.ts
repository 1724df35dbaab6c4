import { z } from 'zod';

/** Field of `cpf:dataset`: who ordered that nothing waits for replicas for a time; empty once that is over. */
export const SINGLE_FIELD = 'single';

const singleSchema = z.object({
  by: z.string(),
  at: z.iso.datetime(),
  /** Replicas were already away when it was ordered. */
  away: z.boolean(),
});
export type SingleMode = z.infer<typeof singleSchema>;

/** Who ordered that no replica is waited for; `undefined` if they are. An unreadable order is no order. */
export function singleMode(text: string | null | undefined): SingleMode | undefined {
  if (text === undefined || text === null || text === '') return undefined;
  try {
    return singleSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
