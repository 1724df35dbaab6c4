import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { whyDetail } from '#schemas/audit/named-person.ts';
import { userKeyOf } from '#schemas/people/identity.ts';
import { changeIf } from './functions/change-if.ts';
import { keys } from './keys.ts';
import type { Store } from './store.ts';

const blockSchema = z.object({
  issuer: z.string(),
  user: z.string(),
  by: z.string(),
  reason: z.string(),
  /** The operating system account used; absent from blocks by earlier versions. */
  account: z.string().exactOptional(),
  /** The desk at which it was done; unknown for commands and earlier versions. */
  desk: z.enum(['officer', 'operator']).exactOptional(),
  at: z.iso.datetime(),
  /** Another one whenever somebody blocks the user again; absent from blocks by earlier versions. */
  id: z.uuid().exactOptional(),
});
/** A user whom the operator has stopped, and why. */
export type Block = z.infer<typeof blockSchema>;
/** A block, or its end, that somebody orders. */
export type BlockOrder = Omit<Block, 'at' | 'id'>;

/** Distinguishes a block from an earlier or a later one of the same user. */
export const markOf = ({ id, at }: Block): string => id ?? at;

export type Blocks = {
  /**
   * Audited first. Waits for nobody, and is never undone by an unblocking that did not see it.
   *
   * @returns false if the user was blocked already
   */
  block(order: BlockOrder): Promise<boolean>;
  /**
   * Ends the block that is found, and no other. Audited first.
   *
   * @param shown {@link markOf} the block that the person was shown: another one is not ended
   * @returns `blocked-again` if somebody has blocked the user again meanwhile: the user remains blocked
   */
  unblock(
    order: BlockOrder,
    shown?: string,
  ): Promise<'unblocked' | 'not-blocked' | 'blocked-again'>;
  /** @param userKey by `userKeyOf` */
  isBlocked(userKey: string): Promise<boolean>;
  /** In the order in which they were blocked. */
  list(): Promise<Block[]>;
};

const parseBlock = (text: string): Block => blockSchema.parse(JSON.parse(text));

/** Users blocked by the operator. Every process learns of a change within two seconds. */
export function createBlocks(redis: Redis, store: Pick<Store, 'appendEvent'>): Blocks {
  const isBlocked = async (field: string): Promise<boolean> =>
    (await redis.hexists(keys.blocked, field)) === 1;

  async function record(
    type: 'user-blocked' | 'user-unblocked' | 'user-remains-blocked',
    { issuer, user, ...named }: BlockOrder,
  ): Promise<void> {
    const detail = { issuer, user, ...whyDetail(named) };
    await store.appendEvent({ type, auditId: randomUUID(), by: named.by, detail });
  }

  return {
    isBlocked,
    async block(order) {
      const field = userKeyOf(order.issuer, order.user);
      while (await isBlocked(field)) {
        const text = await redis.hget(keys.blocked, field);
        if (text === null) continue;
        // An unblocking under way has seen another block, and leaves this one.
        const again = JSON.stringify({ ...parseBlock(text), id: randomUUID() });
        if (await changeIf(redis, keys.blocked, [field, text], 'set', field, again)) return false;
      }
      await record('user-blocked', order);
      const block: Block = { ...order, at: new Date().toISOString(), id: randomUUID() };
      await redis.hset(keys.blocked, field, JSON.stringify(block));
      return true;
    },
    async unblock(order, shown) {
      const field = userKeyOf(order.issuer, order.user);
      const text = await redis.hget(keys.blocked, field);
      if (text === null) return 'not-blocked';
      if (shown !== undefined && markOf(parseBlock(text)) !== shown) return 'blocked-again';
      await record('user-unblocked', order);
      if (await changeIf(redis, keys.blocked, [field, text], 'remove', field)) return 'unblocked';
      // Somebody else may have unblocked them, which is on record too.
      if (!(await isBlocked(field))) return 'unblocked';
      await record('user-remains-blocked', order);
      return 'blocked-again';
    },
    async list() {
      const blocks = (await redis.hvals(keys.blocked)).map(parseBlock);
      return blocks.toSorted((a, b) => a.at.localeCompare(b.at));
    },
  };
}
