import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { whyDetail } from '#schemas/audit/named-person.ts';
import { userKeyOf } from '#schemas/people/identity.ts';
import { randomLetters } from './files/whole-file.ts';
import { changeIf, NONE } from './functions/change-if.ts';
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
  /** One, and another whenever somebody blocks the user again; absent from blocks by earlier versions. */
  ids: z.array(z.string()).exactOptional(),
});
/** A user whom the operator has stopped, and why. */
export type Block = z.infer<typeof blockSchema>;
/** A block, or its end, that somebody orders. */
export type BlockOrder = Omit<Block, 'at' | 'ids'>;

/** Distinguishes a block from an earlier or a later one of the same user. */
export const markOf = ({ ids, at }: Block): string => ids?.join(', ') ?? at;

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

/**
 * Users blocked by the operator. Every process learns of a change within two seconds.
 *
 * A block may take effect after an unblocking that comes later in the record. So events name blocks: a user is blocked
 * if an event names a block of theirs and no `user-unblocked` does.
 */
export function createBlocks(redis: Redis, store: Pick<Store, 'appendEvent'>): Blocks {
  const isBlocked = async (field: string): Promise<boolean> =>
    (await redis.hexists(keys.blocked, field)) === 1;

  const record = (
    type: 'user-blocked' | 'user-unblocked' | 'user-remains-blocked',
    { issuer, user, ...named }: BlockOrder,
    { ids }: Pick<Block, 'ids'>,
  ): Promise<void> => {
    const blocks = ids === undefined ? {} : { blocks: ids.join(', ') };
    const detail = { issuer, user, ...whyDetail(named), ...blocks };
    return store.appendEvent({ type, auditId: randomUUID(), by: named.by, detail });
  };

  return {
    isBlocked,
    async block(order) {
      const field = userKeyOf(order.issuer, order.user);
      const id = randomLetters();
      const own: Block = { ...order, at: new Date().toISOString(), ids: [id] };
      for (let isRecorded = false; ; ) {
        const text = await redis.hget(keys.blocked, field);
        if (text === null && !isRecorded) {
          await record('user-blocked', order, own);
          isRecorded = true;
          continue;
        }
        const held = text === null ? undefined : parseBlock(text);
        // An unblocking under way has seen another block, and leaves this one.
        const block = held === undefined ? own : { ...held, ids: [...(held.ids ?? []), id] };
        const [before, after] = [text ?? NONE, JSON.stringify(block)];
        if (await changeIf(redis, keys.blocked, [field, before], 'set', field, after)) {
          return held === undefined;
        }
      }
    },
    async unblock(order, shown) {
      const field = userKeyOf(order.issuer, order.user);
      const text = await redis.hget(keys.blocked, field);
      if (text === null) return 'not-blocked';
      const block = parseBlock(text);
      if (shown !== undefined && markOf(block) !== shown) return 'blocked-again';
      await record('user-unblocked', order, block);
      if (await changeIf(redis, keys.blocked, [field, text], 'remove', field)) return 'unblocked';
      const remaining = await redis.hget(keys.blocked, field);
      // Somebody else may have unblocked them, which is on record too.
      if (remaining === null) return 'unblocked';
      await record('user-remains-blocked', order, parseBlock(remaining));
      return 'blocked-again';
    },
    async list() {
      const blocks = (await redis.hvals(keys.blocked)).map(parseBlock);
      return blocks.toSorted((a, b) => a.at.localeCompare(b.at));
    },
  };
}
