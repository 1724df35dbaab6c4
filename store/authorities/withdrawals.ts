import type { Redis } from 'ioredis';
import { z } from 'zod';
import { withdrawalEventSchema } from '#schemas/audit/audit-event.ts';
import { localIdSchema, type OdsCode } from '#schemas/authority.ts';
import { nhsNumberSchema } from '#schemas/nhs-number.ts';
import { planTypes } from '#schemas/plans/plan.ts';
import { dateSchema } from '#schemas/plans/row.ts';
import { keys } from '../keys.ts';
import type { AuthorityLock } from '../locks/authority-lock.ts';
import { keepAct } from './acts.ts';

/** Who did something, and when. The key distinguishes two people with one name. */
const personSchema = z.strictObject({ name: z.string(), key: z.string(), at: z.iso.datetime() });

const standingSchema = z.strictObject({
  id: z.string(),
  nhsNumber: nhsNumberSchema,
  type: z.enum(planTypes),
  startDate: dateSchema,
  localId: localIdSchema,
  reason: z.string(),
  asked: personSchema,
  state: z.enum(['asked', 'declined', 'withdrawn', 'undone']),
  /** One person withdrew it alone. */
  urgent: z.boolean(),
  /** Who declined or withdrew it. */
  decided: personSchema.optional(),
  /** The sequence of the plan's row at that time: if it is higher now, files have sent the plan again since. */
  sequence: z.int().optional(),
  undone: personSchema.optional(),
});

const withdrawalSchema = standingSchema.extend({
  /** What is being done, so that it can be repeated after a crash: its event, and the resulting state. */
  acting: z.strictObject({ event: withdrawalEventSchema, next: standingSchema }).optional(),
});
/** One flag that its authority wants to withdraw as another child's, or has withdrawn. */
export type Withdrawal = z.infer<typeof withdrawalSchema>;

/** What an authority has withdrawn, and what waits for a second person. */
export function createWithdrawals(redis: Redis) {
  return {
    /** The newest first. */
    async withdrawals(authority: OdsCode): Promise<Withdrawal[]> {
      const all = Object.values(await redis.hgetall(keys.withdrawals(authority)));
      return all
        .map((text) => withdrawalSchema.parse(JSON.parse(text)))
        .toSorted((one, other) => other.asked.at.localeCompare(one.asked.at));
    },
    async withdrawal(authority: OdsCode, id: string): Promise<Withdrawal | undefined> {
      const text = await redis.hget(keys.withdrawals(authority), id);
      return text === null ? undefined : withdrawalSchema.parse(JSON.parse(text));
    },
    /**
     * @param replaces ids of earlier ones, which are forgotten in the same step
     * @throws {LockLost} and then nothing was written
     */
    keepWithdrawal: (
      lock: AuthorityLock,
      withdrawal: Withdrawal,
      replaces?: readonly string[],
    ): Promise<void> =>
      keepAct(redis, lock, keys.withdrawals(lock.authority), withdrawal, replaces),
    async dropWithdrawals(authority: OdsCode, ids: readonly string[]): Promise<void> {
      if (ids.length > 0) await redis.hdel(keys.withdrawals(authority), ...ids);
    },
  };
}
