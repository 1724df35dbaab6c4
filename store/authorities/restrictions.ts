import type { Redis } from 'ioredis';
import { z } from 'zod';
import { RESTRICTION_KINDS, restrictionEventSchema } from '#schemas/audit/audit-event.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { nhsNumberSchema } from '#schemas/nhs-number.ts';
import { keys } from '../keys.ts';
import type { AuthorityLock } from '../locks/authority-lock.ts';
import { keepAct } from './acts.ts';

/** Who did something, when and why. */
const actSchema = z.strictObject({ name: z.string(), at: z.iso.datetime(), reason: z.string() });

const standingSchema = z.strictObject({
  id: z.string(),
  kind: z.enum(RESTRICTION_KINDS),
  nhsNumber: nhsNumberSchema,
  /** The authority's own id of the child, as its plan had it then. */
  localId: z.string(),
  /** Who is barred: the id that the audit shows, and a name if one was known. */
  user: z.strictObject({ id: z.string(), name: z.string().optional() }).optional(),
  set: actSchema,
  /** No longer in force. */
  ended: actSchema.optional(),
});

const restrictionSchema = standingSchema.extend({
  /** What is being done, so that it can be repeated after a crash: its event, and the resulting state. */
  acting: z.strictObject({ event: restrictionEventSchema, next: standingSchema }).optional(),
});
/** What an authority keeps back about one of its children, or did. */
export type Restriction = z.infer<typeof restrictionSchema>;

/** What authorities keep back about their children, and ended restrictions until they are forgotten. */
export function createRestrictions(redis: Redis) {
  return {
    /** The newest first. */
    async restrictions(authority: OdsCode): Promise<Restriction[]> {
      const all = await redis.hgetall(keys.restrictions(authority));
      return Object.values(all)
        .map((text) => restrictionSchema.parse(JSON.parse(text)))
        .toSorted((one, other) => other.set.at.localeCompare(one.set.at));
    },
    async restriction(authority: OdsCode, id: string): Promise<Restriction | undefined> {
      const text = await redis.hget(keys.restrictions(authority), id);
      return text === null ? undefined : restrictionSchema.parse(JSON.parse(text));
    },
    /** @throws {LockLost} and then nothing was written */
    keepRestriction: (lock: AuthorityLock, restriction: Restriction): Promise<void> =>
      keepAct(redis, lock, keys.restrictions(lock.authority), restriction),
    async dropRestrictions(authority: OdsCode, ids: readonly string[]): Promise<void> {
      if (ids.length > 0) await redis.hdel(keys.restrictions(authority), ...ids);
    },
  };
}
