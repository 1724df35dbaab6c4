import type { Configuration } from '#schemas/configuration.ts';
import type { RedisRole } from '#store/connection/embedded-redis.ts';
import { createStore, type Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { openAnchor } from '../files/data-folder.ts';
import { findRedis, type RedisServer, type StoreConnection } from '../start/redis.ts';
import { Failure } from './failure.ts';

const REDIS_ANSWERS_WITHIN_MS = 3_000;
const COMMAND_TIMEOUT_MS = 10_000;

const where = ({ REDIS_URL, DATA_DIR }: Configuration): string =>
  REDIS_URL === undefined ? `the data folder ${DATA_DIR}` : 'REDIS_URL';

/** The Redis that is running, for a command that does not start one. */
export async function runningRedis(configuration: Configuration): Promise<RedisServer> {
  const redis = await findRedis(configuration);
  if (redis !== undefined) return redis;
  throw new Failure(
    `No Redis is running for ${where(configuration)}. Start the service in another terminal (npm start, or cp-flags serve), or set REDIS_URL.`,
  );
}

/** Runs a command's work on the store and ends everything it opened. */
export async function withStore<T>(
  configuration: Configuration,
  redis: RedisServer,
  role: RedisRole,
  work: (store: Store, anchor: Anchor, connection: StoreConnection) => Promise<T>,
): Promise<T> {
  const connection = redis.connect(role, { commandTimeoutMs: COMMAND_TIMEOUT_MS });
  const anchor = openAnchor(configuration);
  try {
    await redis.ready(REDIS_ANSWERS_WITHIN_MS);
    return await work(createStore(connection, anchor), anchor, connection);
  } finally {
    anchor.close();
    await redis.stop();
  }
}

/**
 * Sees to it that a command changes only the store that this data folder is the anchor of. Work done with
 * another's would be found out at the next start, as a store that is not what it should be.
 */
export async function requireSameDataset(store: Store, anchor: Anchor): Promise<void> {
  const held = await store.dataset();
  const anchored = anchor.dataset();
  if (held === undefined) {
    throw new Failure('The store holds no dataset. Create one with cp-flags init.');
  }
  if (anchored?.id !== held.id) {
    throw new Failure(
      'The store and the data folder do not belong together. Set DATA_DIR to the folder of the service that works on this store.',
    );
  }
}
