import type { Redis } from 'ioredis';

/** The clock of Redis, milliseconds since 1970, to the second. */
export async function clockOf(redis: Pick<Redis, 'time'>): Promise<number> {
  const [seconds] = await redis.time();
  return Number(seconds) * 1000;
}
