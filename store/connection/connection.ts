import { Redis } from 'ioredis';
import { STORE } from '#schemas/wording/store.ts';
import { LeaseLost } from '../errors.ts';
import { acknowledgeByReplicas } from './acknowledged.ts';
import { placeOf, type StoreAddress, type TlsTexts } from './address.ts';
import { primaryConnector, type Sentinels, watchSentinels } from './sentinels.ts';
import { replaceWhenSilent } from './silence.ts';

export type { StoreAddress } from './address.ts';

/** The server's own deadline for a lookup is 2 s; a command that takes longer than this is abandoned. */
const COMMAND_TIMEOUT_MS = 1_500;
const CONNECT_TIMEOUT_MS = 1_500;
const RECONNECT_AT_MOST_MS = 250;
/** For a server that does not end its side of a connection ended here. */
const DISCONNECT_TIMEOUT_MS = 250;

export type ConnectionOptions = {
  /** For the server's list of connections. */
  name: string;
  commandTimeoutMs?: number | undefined;
  /** Called for each connection that went silent and was replaced. */
  replaced?: (() => void) | undefined;
  /** Follows the sentinels of the address for all connections of a process. */
  sentinels?: Sentinels | undefined;
  /** Its writes wait for no replica, whatever the address says: no answer depends on them. */
  unacknowledged?: boolean | undefined;
};

/** Follows the sentinels that an address names; `undefined` if it names none. */
export function openSentinels(address: StoreAddress): Sentinels | undefined {
  const place = address.url === undefined ? undefined : placeOf(address.url);
  if (place?.kind !== 'sentinels') return undefined;
  return watchSentinels(place.sentinels, place.master, {
    ...(address.sentinel !== undefined && { sentinel: address.sentinel }),
    tls: place.tls ? (address.tls ?? {}) : undefined,
  });
}

/**
 * A client that never does anything twice or late: nothing is queued while it is offline, nothing is sent
 * again after a break, and every command has a deadline. It reconnects by itself if the connection breaks or
 * goes silent, and if sentinels name another primary. A write counts as done only once the number of replicas
 * in the address has it.
 */
export function connectStore(
  address: StoreAddress,
  {
    name,
    commandTimeoutMs = COMMAND_TIMEOUT_MS,
    replaced = () => undefined,
    sentinels,
    unacknowledged = false,
  }: ConnectionOptions,
): Redis {
  const own = sentinels ?? openSentinels(address);
  const redis = new Redis({
    ...target(address, own),
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
  if (own !== sentinels) redis.once('end', () => own?.stop());
  replaceWhenSilent(redis, { replaced });
  const { replicas = 0 } = address;
  if (replicas > 0 && !unacknowledged) {
    acknowledgeByReplicas(redis, { replicas, sentinels: own }, commandTimeoutMs);
  }
  return redis;
}

type Target = {
  path?: string;
  host?: string;
  port?: number;
  username?: string;
  password?: string;
  tls?: TlsTexts;
  Connector?: ReturnType<typeof primaryConnector>;
};

function target(address: StoreAddress, sentinels: Sentinels | undefined): Target {
  if (address.socketPath !== undefined) return { path: address.socketPath };
  const place = placeOf(address.url ?? 'redis://127.0.0.1:6379');
  const { username, password } = place;
  const tls = place.tls ? (address.tls ?? {}) : undefined;
  const common = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls !== undefined && { tls }),
  };
  switch (place.kind) {
    case 'socket':
      return { path: place.path, ...common };
    case 'server':
      return { ...place.server, ...common };
    case 'sentinels':
      if (sentinels === undefined) throw new TypeError('its sentinels are followed by nobody');
      return {
        ...common,
        Connector: primaryConnector(sentinels, { tls, disconnectTimeoutMs: DISCONNECT_TIMEOUT_MS }),
      };
  }
}

const CONNECTION_FAULT =
  /^(?:Command timed out|Connection is closed|Stream isn't writeable|Reached the max retries|Command aborted)/;

/** A connection fault as a sentence for people; `undefined` for any other error. */
export const connectionFault = (error: unknown): string | undefined =>
  error instanceof Error && CONNECTION_FAULT.test(error.message)
    ? STORE.noConnection
    : rightsFault(error);

/**
 * What Redis says about a command that its caller may not give, by itself or within a function, before and since 7.2.
 */
const REFUSED = /\bNOPERM\b|\bThe user executing the script can't\b|\bACL failure in script\b/;

/** Whether Redis knows its caller and refuses the command. */
export const lacksRights = (error: unknown): boolean =>
  error instanceof Error && REFUSED.test(error.message);

/** Whether a function of ours that failed is known to have changed nothing: it was not sent, or Redis refused it. */
export const isWithoutEffect = (error: unknown): boolean =>
  error instanceof Error &&
  (error instanceof LeaseLost ||
    error.message.startsWith("Stream isn't writeable") ||
    (error.name === 'ReplyError' &&
      (error as { command?: { name: string } }).command?.name === 'fcall'));

/**
 * Why something cannot be read: either the caller may not, which giving Redis its users puts right, or Redis
 * did not answer.
 */
export type ReadFailure = 'notAllowed' | 'unanswered';

export const readFailure = (error: unknown): ReadFailure =>
  lacksRights(error) ? 'notAllowed' : 'unanswered';

/** What is wrong with our user or certificate, in a sentence; `undefined` if it is something else. */
export function rightsFault(error: unknown): string | undefined {
  if (lacksRights(error)) {
    return STORE.noRights;
  }
  return error instanceof Error && /\b(?:WRONGPASS|NOAUTH)\b/.test(error.message)
    ? STORE.notAccepted
    : undefined;
}

const OF_TLS = /^(?:ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_)/;

/** Why a server that is present does not serve us, in a sentence; `undefined` if it is not present. */
export function refusalFault(error: unknown): string | undefined {
  if (error instanceof Error && error.message.startsWith('BUSY ')) return STORE.busy;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return OF_TLS.test(code) ? STORE.tlsFailed(code) : rightsFault(error);
}

/** @throws if the connection is not usable within the deadline. */
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
            refusalFault(cause) ??
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
