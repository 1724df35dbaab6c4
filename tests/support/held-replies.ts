import type { Redis } from 'ioredis';

type HeldReplies = {
  /** The connection, with chosen replies held back. Commands are sent at once. */
  redis: Redis;
  /** Calls whose replies are held back, in the order in which they were sent. */
  readonly held: readonly { release: () => void }[];
};

/** A real connection to a real Redis, with some replies delivered only when the test says so. */
export function holdReplies(
  redis: Redis,
  holds: (command: string, args: readonly unknown[]) => boolean,
): HeldReplies {
  const held: { release: () => void }[] = [];
  const proxy = new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        const reply: unknown = Reflect.apply(value, target, args);
        if (!holds(String(name), args)) return reply;
        return new Promise((resolve) => {
          const one = {
            release() {
              held.splice(held.indexOf(one), 1);
              resolve(reply);
            },
          };
          held.push(one);
        });
      };
    },
  });
  return { redis: proxy, held };
}
