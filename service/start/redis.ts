import type { Configuration } from '#schemas/configuration.ts';
import { CONNECTION_REPLACED } from '#schemas/wording/store.ts';
import { type HostPort, placeOf, type TlsTexts } from '#store/connection/address.ts';
import {
  type ConnectionOptions,
  connectStore,
  openSentinels,
  type StoreAddress,
  whenReady,
} from '#store/connection/connection.ts';
import {
  type EmbeddedRedis,
  findEmbeddedRedis,
  type RedisRole,
  startEmbeddedRedis,
} from '#store/connection/embedded-redis.ts';
import { createLanes } from '#store/connection/lanes.ts';
import type { Sentinels } from '#store/connection/sentinels.ts';
import type { ReplicatedLookups } from '#store/lookup.ts';
import { readSettingText } from '../files/setting-file.ts';
import type { StartContext } from './context.ts';

export type StoreConnection = ReturnType<typeof connectStore>;
type ConnectOptions = Pick<ConnectionOptions, 'commandTimeoutMs' | 'unacknowledged'>;

/** A Redis to work with, and the user to connect as. */
export type RedisServer = {
  /** True if this process started it. */
  embedded: boolean;
  /** The least number of replicas that must have a write before it counts. */
  replicas: number;
  /** What the sentinels of its address say; `undefined` if it names none. */
  sentinels: Sentinels | undefined;
  /** By default its writes resolve once replicas have them. */
  connect(role: RedisRole, options?: ConnectOptions): StoreConnection;
  /** To one server of a replicated set, whichever is the primary. Not among those of `ready`. */
  connectTo(role: RedisRole, server: HostPort): StoreConnection;
  /** For a connection that is made elsewhere, in another thread. */
  address(role: RedisRole): StoreAddress;
  /** @throws a sentence, if not every connection made so far is usable within the deadline */
  ready(deadlineMs: number): Promise<void>;
  /** Ends the connections after a while, so that nothing waits longer for a silent server. */
  endConnectionsWithin(deadlineMs: number): void;
  /** Ends the connections, then an embedded server. */
  stop(): Promise<void>;
  /** Tells an embedded server to end, without waiting for it. */
  abandon(): void;
};

function serverAt(
  address: (role: RedisRole) => StoreAddress,
  {
    embedded,
    replaced,
  }: {
    embedded?: Pick<EmbeddedRedis, 'stop' | 'pid'>;
    replaced?: (() => void) | undefined;
  } = {},
): RedisServer {
  const connections: StoreConnection[] = [];
  const endConnections = (): void => {
    for (const connection of connections) connection.disconnect();
  };
  const sentinels = openSentinels(address('worker'));
  return {
    embedded: embedded !== undefined,
    replicas: address('worker').replicas ?? 0,
    sentinels,
    address,
    connect(role, options = {}) {
      const name = `cp-flags-${role}`;
      const connection = connectStore(address(role), { name, replaced, sentinels, ...options });
      connections.push(connection);
      return connection;
    },
    connectTo(role, { host, port }) {
      const { url, ...as } = address(role);
      const { tls, username, password } = placeOf(url ?? '');
      const one = `${tls ? 'rediss' : 'redis'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
      return connectStore(
        {
          ...(username !== undefined && { username }),
          ...(password !== undefined && { password }),
          ...as,
          url: one,
        },
        { name: `cp-flags-${role}`, unacknowledged: true },
      );
    },
    async ready(deadlineMs) {
      await Promise.all(connections.map((connection) => whenReady(connection, deadlineMs)));
    },
    endConnectionsWithin: (deadlineMs) => void setTimeout(endConnections, deadlineMs).unref(),
    async stop() {
      endConnections();
      sentinels?.stop();
      await embedded?.stop();
    },
    abandon() {
      try {
        if (embedded !== undefined) process.kill(embedded.pid, 'SIGTERM');
      } catch {
        // It has ended already.
      }
    },
  };
}

type TlsFiles = Record<'ca' | 'cert' | 'key', keyof Configuration>;
const SERVER_FILES: TlsFiles = {
  ca: 'REDIS_CA_FILE',
  cert: 'REDIS_CERT_FILE',
  key: 'REDIS_KEY_FILE',
};
const SENTINEL_FILES: TlsFiles = {
  ca: 'REDIS_SENTINEL_CA_FILE',
  cert: 'REDIS_SENTINEL_CERT_FILE',
  key: 'REDIS_SENTINEL_KEY_FILE',
};

async function tlsTexts(configuration: Configuration, files: TlsFiles): Promise<TlsTexts> {
  const texts: TlsTexts = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = configuration[files[name]];
    if (typeof path === 'string') texts[name] = await readSettingText(files[name], path);
  }
  return texts;
}

async function configuredServer(
  url: string,
  configuration: Configuration,
  replaced?: () => void,
): Promise<RedisServer> {
  const { REDIS_PASSWORD_FILE, REDIS_REPLICAS } = configuration;
  const { REDIS_SENTINEL_USERNAME, REDIS_SENTINEL_PASSWORD_FILE } = configuration;
  const address: StoreAddress = {
    url,
    replicas: REDIS_REPLICAS,
    tls: await tlsTexts(configuration, SERVER_FILES),
    sentinel: {
      tls: await tlsTexts(configuration, SENTINEL_FILES),
      ...(REDIS_SENTINEL_USERNAME !== undefined && { username: REDIS_SENTINEL_USERNAME }),
    },
  };
  if (REDIS_PASSWORD_FILE !== undefined) {
    address.password = (await readSettingText('REDIS_PASSWORD_FILE', REDIS_PASSWORD_FILE)).trim();
  }
  if (REDIS_SENTINEL_PASSWORD_FILE !== undefined) {
    const password = await readSettingText(
      'REDIS_SENTINEL_PASSWORD_FILE',
      REDIS_SENTINEL_PASSWORD_FILE,
    );
    address.sentinel = { ...address.sentinel, password: password.trim() };
  }
  return serverAt(() => address, { replaced });
}

/**
 * The Redis of the configuration: REDIS_URL, or an embedded one started for the data folder.
 *
 * @param replaced called with each connection that went silent and was replaced
 */
export async function openRedis(
  configuration: Configuration,
  replaced?: () => void,
): Promise<RedisServer> {
  const { REDIS_URL, DATA_DIR, REDIS_MAXMEMORY_MIB } = configuration;
  if (REDIS_URL !== undefined) return configuredServer(REDIS_URL, configuration, replaced);
  const server = await startEmbeddedRedis({ dataDir: DATA_DIR, maxmemoryMb: REDIS_MAXMEMORY_MIB });
  return serverAt((role) => ({ socketPath: server.socketPath, ...server.users[role] }), {
    embedded: server,
    replaced,
  });
}

/**
 * The Redis of the configuration, for as long as the service runs. Faults are logged.
 *
 * @throws a sentence, if an embedded one cannot be started
 */
export async function startRedis({ configuration, log, add }: StartContext): Promise<RedisServer> {
  const redis = await openRedis(configuration, () => log.warn(CONNECTION_REPLACED));
  add(() => redis.stop());
  return redis;
}

/** The running Redis: REDIS_URL, or the embedded one of the data folder if any. */
export async function findRedis(configuration: Configuration): Promise<RedisServer | undefined> {
  const { REDIS_URL, DATA_DIR } = configuration;
  if (REDIS_URL !== undefined) return configuredServer(REDIS_URL, configuration);
  const found = await findEmbeddedRedis(DATA_DIR);
  if (found === undefined) return undefined;
  return serverAt((role) => ({ socketPath: found.socketPath, ...found.users[role] }));
}

/**
 * Busy lanes gather what arrives meanwhile: more of them wait for a disk one after another, fewer make larger
 * groups.
 */
const LANES = 3;

/** What carries lookups that wait for replicas; `undefined` if none do. */
export function openLanes(redis: RedisServer): ReplicatedLookups | undefined {
  if (redis.replicas === 0) return undefined;
  const connect = () => redis.connect('lookup', { unacknowledged: true });
  return {
    lanes: createLanes(Array.from({ length: LANES }, connect), redis.sentinels),
    records: redis.connect('lookup'),
  };
}
