import { Redis } from 'ioredis';

/** Where a store is and as whom to speak to it. Either `socketPath` or `url`. */
export type StoreAddress = {
  socketPath?: string;
  url?: string;
  username?: string;
  password?: string;
};

/** The server's own deadline for a lookup is 2 s; a command that takes longer than this is given up. */
export const COMMAND_TIMEOUT_MS = 1_500;
const CONNECT_TIMEOUT_MS = 1_500;
const RECONNECT_AT_MOST_MS = 250;

/**
 * A client that never does anything twice or late: nothing is queued while it is offline, nothing is sent
 * again after a break, every command has a deadline. It reconnects by itself.
 */
export function connectStore(
  address: StoreAddress,
  options: { name: string; commandTimeoutMs?: number },
): Redis {
  const redis = new Redis({
    ...(address.socketPath !== undefined
      ? { path: address.socketPath }
      : fromUrl(address.url ?? 'redis://127.0.0.1:6379')),
    ...(address.username !== undefined && { username: address.username }),
    ...(address.password !== undefined && { password: address.password }),
    connectionName: options.name,
    disableClientInfo: true,
    commandTimeout: options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(20 * attempt, RECONNECT_AT_MOST_MS),
  });
  // Errors reach their commands; without a listener ioredis prints them, addresses and all.
  redis.on('error', () => undefined);
  return redis;
}

function fromUrl(text: string): {
  path?: string;
  host?: string;
  port?: number;
  username?: string;
  password?: string;
  tls?: object;
} {
  const url = new URL(text);
  const user = {
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
  };
  if (url.protocol === 'unix:') return { path: decodeURIComponent(url.pathname), ...user };
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    ...user,
    ...(url.protocol === 'rediss:' && { tls: {} }),
  };
}

/** @throws where the connection is not usable within the deadline. */
export async function whenReady(redis: Redis, deadlineMs: number): Promise<void> {
  if (redis.status === 'ready') return;
  let cause: unknown;
  const remember = (error: unknown): void => {
    cause = error;
  };
  redis.on('error', remember);
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        redis.off('ready', done);
        reject(
          new Error(
            `The store did not answer within ${deadlineMs / 1000} s${cause instanceof Error ? ` (${cause.message})` : ''}.`,
          ),
        );
      }, deadlineMs);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      redis.once('ready', done);
    });
  } finally {
    redis.off('error', remember);
  }
}
