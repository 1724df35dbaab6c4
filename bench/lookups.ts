import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { startProcess } from './processes.ts';

/** A lookup process on the Redis of another data folder, which it shares nothing else with. */
export async function startLookups(
  dataDir: string,
  ownDir: string,
  more: Record<string, string>,
  nodeOptions: string[] = [],
): ReturnType<typeof startProcess> {
  const redis = await findEmbeddedRedis(dataDir);
  if (redis === undefined) throw new Error('The Redis of the store was not found.');
  const { username, password } = redis.users.lookup;
  return startProcess('service/cli.mjs', ['serve'], {
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
