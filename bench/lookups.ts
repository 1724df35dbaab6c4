import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { root, startProcess } from './processes.ts';

/**
 * A lookup process on the Redis of another data folder, with which it shares nothing else.
 *
 * @param checkout whose program it runs
 */
export async function startLookups(
  dataDir: string,
  ownDir: string,
  more: Record<string, string>,
  { nodeOptions = [], checkout = root }: { nodeOptions?: string[]; checkout?: string } = {},
): ReturnType<typeof startProcess> {
  const redis = await findEmbeddedRedis(dataDir);
  if (redis === undefined) throw new Error('The Redis of the store was not found.');
  const { username, password } = redis.users.lookup;
  // An older checkout has no program in JavaScript: its command line is run directly.
  const program = existsSync(join(checkout, 'service/cli.mjs')) ? 'cli.mjs' : 'cli.ts';
  return startProcess(`service/${program}`, ['serve'], {
    checkout,
    environment: {
      ROLE: 'lookup',
      PORT: '0',
      LOG_LEVEL: 'error',
      DATA_DIR: ownDir,
      ...more,
      REDIS_URL: `unix://${username}:${password}@localhost${redis.socketPath}`,
    },
    until: /answers on http:\/\/[\d.]+:([0-9]+)/,
    nodeOptions,
  });
}
