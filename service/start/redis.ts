import { readFile } from 'node:fs/promises';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import {
  CONNECTION_REPLACED,
  connectStore,
  type StoreAddress,
  whenReady,
} from '#store/connection/connection.ts';
import {
  type EmbeddedRedis,
  findEmbeddedRedis,
  type RedisRole,
  startEmbeddedRedis,
} from '#store/connection/embedded-redis.ts';
import type { StartContext } from './context.ts';

export type StoreConnection = ReturnType<typeof connectStore>;

/** A Redis to work with: who speaks to it as what. */
export type RedisServer = {
  /** True where this process started it. */
  embedded: boolean;
  connect(role: RedisRole, options?: { commandTimeoutMs?: number }): StoreConnection;
  /** For a connection that is made elsewhere, in another thread. */
  address(role: RedisRole): StoreAddress;
  /** @throws a sentence, where not every connection made so far is usable within the deadline */
  ready(deadlineMs: number): Promise<void>;
  /** Ends the connections after a while, so that nothing waits longer for a server that does not answer. */
  endConnectionsWithin(deadlineMs: number): void;
  /** Ends the connections, then an embedded server. */
  stop(): Promise<void>;
  /** Tells an embedded server to end, without waiting for it. */
  abandon(): void;
  /** Resolves when an embedded server has ended for good; never for another's. */
  exited: Promise<void>;
};

function serverAt(
  address: (role: RedisRole) => StoreAddress,
  {
    embedded,
    replaced,
  }: {
    embedded?: Pick<EmbeddedRedis, 'stop' | 'exited' | 'pid'>;
    replaced?: (() => void) | undefined;
  } = {},
): RedisServer {
  const connections: StoreConnection[] = [];
  const endConnections = (): void => {
    for (const connection of connections) connection.disconnect();
  };
  return {
    embedded: embedded !== undefined,
    address,
    connect(role, options = {}) {
      const name = `cp-flags-${role}`;
      const connection = connectStore(address(role), { name, replaced, ...options });
      connections.push(connection);
      return connection;
    },
    async ready(deadlineMs) {
      await Promise.all(connections.map((connection) => whenReady(connection, deadlineMs)));
    },
    endConnectionsWithin: (deadlineMs) => void setTimeout(endConnections, deadlineMs).unref(),
    async stop() {
      endConnections();
      await embedded?.stop();
    },
    abandon() {
      try {
        if (embedded !== undefined) process.kill(embedded.pid, 'SIGTERM');
      } catch {
        // It has ended already.
      }
    },
    exited: embedded?.exited ?? new Promise(() => undefined),
  };
}

async function configuredServer(
  url: string,
  passwordFile: string | undefined,
  replaced?: () => void,
): Promise<RedisServer> {
  if (passwordFile === undefined) return serverAt(() => ({ url }), { replaced });
  let password: string;
  try {
    password = (await readFile(passwordFile, 'utf8')).trim();
  } catch {
    throw new ConfigurationError(`REDIS_PASSWORD_FILE: ${passwordFile} cannot be read.`);
  }
  return serverAt(() => ({ url, password }), { replaced });
}

/**
 * The Redis of the configuration: REDIS_URL, or an embedded one started for the data folder.
 *
 * @param replaced told of each connection that went mute and is replaced
 */
export async function openRedis(
  configuration: Configuration,
  replaced?: () => void,
): Promise<RedisServer> {
  const { REDIS_URL, REDIS_PASSWORD_FILE, DATA_DIR, REDIS_MAXMEMORY_MIB } = configuration;
  if (REDIS_URL !== undefined) {
    return configuredServer(REDIS_URL, REDIS_PASSWORD_FILE, replaced);
  }
  const server = await startEmbeddedRedis({ dataDir: DATA_DIR, maxmemoryMb: REDIS_MAXMEMORY_MIB });
  return serverAt((role) => ({ socketPath: server.socketPath, ...server.users[role] }), {
    embedded: server,
    replaced,
  });
}

/**
 * The Redis of the configuration, for as long as the service runs. What is lost of it is logged.
 *
 * @throws a sentence, where an embedded one cannot be started
 */
export async function startRedis({ configuration, log, add }: StartContext): Promise<RedisServer> {
  const redis = await openRedis(configuration, () => log.warn(CONNECTION_REPLACED));
  let stopping = false;
  add(() => {
    stopping = true;
    return redis.stop();
  });
  const logLoss = async (): Promise<void> => {
    await redis.exited;
    if (!stopping) log.error('redis-server ended again and again and is no longer started');
  };
  void logLoss();
  return redis;
}

/** The Redis that is running already: REDIS_URL, or the embedded one of the data folder if any. */
export async function findRedis(configuration: Configuration): Promise<RedisServer | undefined> {
  const { REDIS_URL, REDIS_PASSWORD_FILE, DATA_DIR } = configuration;
  if (REDIS_URL !== undefined) return configuredServer(REDIS_URL, REDIS_PASSWORD_FILE);
  const found = await findEmbeddedRedis(DATA_DIR);
  if (found === undefined) return undefined;
  return serverAt((role) => ({ socketPath: found.socketPath, ...found.users[role] }));
}
