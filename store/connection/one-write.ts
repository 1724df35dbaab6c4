import type { Redis } from 'ioredis';

/** Sends all that some work asks for in one write, since each write is a system call. The work must not wait. */
export function inOneWrite<T>(redis: Pick<Redis, 'stream'>, ask: () => T): T {
  const { stream } = redis;
  stream.cork();
  try {
    return ask();
  } finally {
    stream.uncork();
  }
}
