import type { Redis } from 'ioredis';
import { z } from 'zod';
import { restrictionEventSchema } from '#schemas/audit/audit-event.ts';
import { keys } from '../keys.ts';

/** What an event claims of an act by which a council keeps something back: as much as a reader of the log goes by. */
export const restrictionActSchema = restrictionEventSchema.pick({
  type: true,
  act: true,
  restriction: true,
  kind: true,
  authority: true,
  nhsNumber: true,
});
export type RestrictionAct = z.infer<typeof restrictionActSchema>;

/** No more of what is kept than an act is compared by, so that what a newer version keeps can be read as well. */
const keptSchema = z.looseObject({
  kind: z.string(),
  nhsNumber: z.string(),
  ended: z.unknown().optional(),
  acting: z.looseObject({ next: z.looseObject({ ended: z.unknown().optional() }) }).optional(),
});

/** What is damaged is as what is not there: one of them must not keep others from being sealed. */
function readKept(text: string | null): z.infer<typeof keptSchema> | undefined {
  try {
    return keptSchema.safeParse(JSON.parse(text ?? 'null')).data;
  } catch {
    return undefined;
  }
}

/**
 * Whether an authority keeps something that an act of this kind has made, or is to make. It is kept before the act is
 * recorded, where no lookup process can write, so an event of which nothing is kept is by somebody else.
 */
export async function isActKept(
  redis: Redis,
  { act, restriction, kind, authority, nhsNumber }: RestrictionAct,
): Promise<boolean> {
  const kept = readKept(await redis.hget(keys.restrictions(authority), restriction));
  if (kept === undefined || kept.nhsNumber !== nhsNumber || kept.kind !== kind) return false;
  return act === 'set' || (kept.ended ?? kept.acting?.next.ended) !== undefined;
}
