import type { Redis } from 'ioredis';

/** Sends what some work asks for in one write, since each write is a system call: the work must not wait. */
export function inOneWrite<T>(redis: Pick<Redis, 'stream'>, ask: () => T): T {
  const { stream } = redis;
  stream.cork();
  try {
    return ask();
  } finally {
    stream.uncork();
  }
}
