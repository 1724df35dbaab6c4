import { Redis } from 'ioredis';
import { STORE } from '#schemas/wording/store.ts';
import { replaceWhenSilent } from './silence.ts';

/** Where a store is and as whom to speak to it. Either `socketPath` or `url`. */
export type StoreAddress = {
  socketPath?: string;
  url?: string;
  username?: string;
  password?: string;
};

/** For the log, where a connection went mute and is replaced. */
export const CONNECTION_REPLACED =
  'a connection to Redis had gone mute and was replaced: look for a firewall or a load balancer that forgets connections';

/** The server's own deadline for a lookup is 2 s; a command that takes longer than this is given up. */
export const COMMAND_TIMEOUT_MS = 1_500;
const CONNECT_TIMEOUT_MS = 1_500;
const RECONNECT_AT_MOST_MS = 250;
/** A server that does not end its side of a connection that is ended here. */
const DISCONNECT_TIMEOUT_MS = 250;

/**
 * A client that never does anything twice or late: nothing is queued while it is offline, nothing is sent
 * again after a break, every command has a deadline. It reconnects by itself, where the connection breaks
 * and where it goes mute.
 *
 * @param options.replaced told of each connection that went mute and is replaced
 */
export function connectStore(
  address: StoreAddress,
  {
    name,
    commandTimeoutMs = COMMAND_TIMEOUT_MS,
    replaced = () => undefined,
  }: { name: string; commandTimeoutMs?: number; replaced?: (() => void) | undefined },
): Redis {
  const redis = new Redis({
    ...(address.socketPath !== undefined
      ? { path: address.socketPath }
      : fromUrl(address.url ?? 'redis://127.0.0.1:6379')),
    ...(address.username !== undefined && { username: address.username }),
    ...(address.password !== undefined && { password: address.password }),
    connectionName: name,
    disableClientInfo: true,
    commandTimeout: commandTimeoutMs,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(20 * attempt, RECONNECT_AT_MOST_MS),
  });
  // Errors reach their commands; without a listener ioredis prints them, addresses and all.
  redis.on('error', () => undefined);
  replaceWhenSilent(redis, { replaced });
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

const CONNECTION_FAULT =
  /^(?:Command timed out|Connection is closed|Stream isn't writeable|Reached the max retries|Command aborted)/;

/** A fault of the connection in a sentence for people; `undefined` for any other error. */
export const connectionFault = (error: unknown): string | undefined =>
  error instanceof Error && CONNECTION_FAULT.test(error.message)
    ? STORE.noConnection
    : rightsFault(error);

/** Whether Redis knows its caller and does not let that one do what was asked. */
export const lacksRights = (error: unknown): boolean =>
  error instanceof Error && /\bNOPERM\b/.test(error.message);

/** What is wrong with who we are to Redis, in a sentence; `undefined` where it is something else. */
export function rightsFault(error: unknown): string | undefined {
  if (lacksRights(error)) {
    return STORE.noRights;
  }
  return error instanceof Error && /\b(?:WRONGPASS|NOAUTH)\b/.test(error.message)
    ? STORE.notAccepted
    : undefined;
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
            rightsFault(cause) ??
              STORE.notAnswering(deadlineMs, cause instanceof Error ? cause.message : undefined),
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
