import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { whyDetail } from '#schemas/audit/named-person.ts';
import { userKeyOf } from '#schemas/people/identity.ts';
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
});
/** A user whom the operator has stopped, and why. */
export type Block = z.infer<typeof blockSchema>;

export type Blocks = {
  /** Audited first. False if the user was blocked already, or not blocked. */
  block(block: Omit<Block, 'at'>): Promise<boolean>;
  unblock(block: Omit<Block, 'at'>): Promise<boolean>;
  /** @param userKey by `userKeyOf` */
  isBlocked(userKey: string): Promise<boolean>;
  /** In the order in which they were blocked. */
  list(): Promise<Block[]>;
};

/** Users blocked by the operator. Every process learns of a change within two seconds. */
export function createBlocks(redis: Redis, store: Pick<Store, 'appendEvent'>): Blocks {
  const isBlocked = async (field: string): Promise<boolean> =>
    (await redis.hexists(keys.blocked, field)) === 1;

  async function record(
    type: 'user-blocked' | 'user-unblocked',
    { issuer, user, ...named }: Omit<Block, 'at'>,
  ): Promise<void> {
    const detail = { issuer, user, ...whyDetail(named) };
    await store.appendEvent({ type, auditId: randomUUID(), by: named.by, detail });
  }

  return {
    isBlocked,
    async block(block) {
      const field = userKeyOf(block.issuer, block.user);
      if (await isBlocked(field)) return false;
      await record('user-blocked', block);
      const kept: Block = { ...block, at: new Date().toISOString() };
      await redis.hset(keys.blocked, field, JSON.stringify(kept));
      return true;
    },
    async unblock(block) {
      const field = userKeyOf(block.issuer, block.user);
      if (!(await isBlocked(field))) return false;
      await record('user-unblocked', block);
      await redis.hdel(keys.blocked, field);
      return true;
    },
    async list() {
      const blocks = (await redis.hvals(keys.blocked)).map((text) =>
        blockSchema.parse(JSON.parse(text)),
      );
      return blocks.toSorted((a, b) => a.at.localeCompare(b.at));
    },
  };
}
