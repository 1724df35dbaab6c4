import type { Redis } from 'ioredis';
import { z } from 'zod';
import { restrictionEventSchema } from '#schemas/audit/audit-event.ts';
import { parseJson } from '#schemas/json.ts';
import { keys } from '../keys.ts';

/** What an event says about an act by which a council keeps something back: as much as readers of the log use. */
export const restrictionActSchema = restrictionEventSchema.pick({
  type: true,
  act: true,
  restriction: true,
  kind: true,
  authority: true,
  nhsNumber: true,
});
export type RestrictionAct = z.infer<typeof restrictionActSchema>;

/** Only the part of a restriction with which an act is compared, so that a newer version's can be read as well. */
const keptSchema = z.looseObject({
  kind: z.string(),
  nhsNumber: z.string(),
  ended: z.unknown().optional(),
  acting: z.looseObject({ next: z.looseObject({ ended: z.unknown().optional() }) }).optional(),
});

/** A damaged one counts as absent: it must not keep others from being sealed. */
const readKept = (text: string | null): z.infer<typeof keptSchema> | undefined =>
  keptSchema.safeParse(parseJson(text ?? '')).data;

/**
 * Whether an authority keeps something back by an act of this kind, done or about to be done. It is stored
 * before the act is recorded, where no lookup process can write, so an event without one was written by
 * somebody else.
 */
export async function isActKept(
  redis: Redis,
  { act, restriction, kind, authority, nhsNumber }: RestrictionAct,
): Promise<boolean> {
  const kept = readKept(await redis.hget(keys.restrictions(authority), restriction));
  if (kept === undefined || kept.nhsNumber !== nhsNumber || kept.kind !== kind) return false;
  return act === 'set' || (kept.ended ?? kept.acting?.next.ended) !== undefined;
}
