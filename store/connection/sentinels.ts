// Replaces ioredis's own use of sentinels, which trusts the first that answers, although it may have been cut
// off and still name the former primary, and which subscribes again for every connection.

import { createConnection } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, Redis } from 'ioredis';
import { SENTINELS } from '#schemas/wording/store.ts';
import type { HostPort, StoreAddress, TlsTexts } from './address.ts';
import { list, wholeNumber } from './reply.ts';

type SentinelReplica = HostPort & { priority: number };

/** What the reachable sentinels say. */
export type Sentinels = {
  /** The primary that the newest report of any of them names; `undefined` before the first report. */
  readonly primary: HostPort | undefined;
  /** Why no more than half of them are reached, in a sentence; so no primary can be confirmed. */
  readonly problem: string | undefined;
  /** How often the primary has changed since this began. */
  readonly failovers: number;
  /** The replicas that they know, reachable or not. */
  readonly replicas: readonly SentinelReplica[];
  /**
   * Whether more than half of them confirm, when asked after this call, that the primary is up and remains
   * primary, and none that can be reached says otherwise. Never rejects.
   */
  agree(): Promise<boolean>;
  /** Calls this whenever another primary is named. Returns how to end that. */
  onChange(listener: (primary: HostPort) => void): () => void;
  stop(): void;
};

const ASKED_EVERY_MS = 200;
const COMMAND_TIMEOUT_MS = 1_000;
const RECONNECT_AT_MOST_MS = 250;
/** One that takes longer is not counted. */
const CONFIRMED_WITHIN_MS = 300;

type Word = { primary: HostPort; epoch: number };
/** The last report of one sentinel: the primary, or why it cannot be asked. */
type Said = {
  redis: Redis;
  at: HostPort;
  word: Word | undefined;
  problem: string | undefined;
  asking: boolean;
};

/** A list of names and values, by name. */
function named(reply: unknown): ReadonlyMap<string, string> {
  const flat = list(reply).map(String);
  return new Map(
    flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ''] as const] : [])),
  );
}

const hostPortOf = (fields: ReadonlyMap<string, string>): HostPort => ({
  host: fields.get('ip') ?? '',
  port: Number(fields.get('port')),
});

function addressOf(reply: unknown): HostPort {
  const [host = '', port] = list(reply).map(String);
  return { host, port: Number(port) };
}

export const sameServer = (a: HostPort | undefined, b: HostPort | undefined): boolean =>
  a?.host === b?.host && a?.port === b?.port;

function problemOf(error: unknown, master: string): string {
  const message = error instanceof Error ? error.message : '';
  if (/No such master/i.test(message)) return SENTINELS.unknownMaster(master);
  if (/\b(?:NOAUTH|WRONGPASS|NOPERM)\b/.test(message)) return SENTINELS.notAccepted;
  return SENTINELS.unreachable;
}

/**
 * Follows which server is the primary, by asking every sentinel five times a second. The newest report
 * counts: the one with the highest configuration epoch, which only a failover raises. A sentinel that was cut
 * off names the former primary with an older epoch.
 */
export function watchSentinels(
  sentinels: readonly HostPort[],
  master: string,
  { sentinel = {}, tls }: Pick<StoreAddress, 'sentinel'> & { tls: TlsTexts | undefined },
): Sentinels {
  const listeners = new Set<(primary: HostPort) => void>();
  let primary: HostPort | undefined;
  let newest = -1;
  let failovers = 0;
  let replicas: SentinelReplica[] = [];
  let nextRound: Promise<boolean> | undefined;

  const all = sentinels.map((at): Said => {
    const redis = new Redis({
      ...at,
      ...(sentinel.username !== undefined && { username: sentinel.username }),
      ...(sentinel.password !== undefined && { password: sentinel.password }),
      ...(tls !== undefined && { tls: { ...tls, ...sentinel.tls } }),
      protocol: 2,
      disableClientInfo: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_TIMEOUT_MS,
      connectTimeout: COMMAND_TIMEOUT_MS,
      disconnectTimeout: RECONNECT_AT_MOST_MS,
      retryStrategy: (attempt) => Math.min(20 * attempt, RECONNECT_AT_MOST_MS),
    });
    const said: Said = {
      redis,
      at,
      word: undefined,
      problem: SENTINELS.unreachable,
      asking: false,
    };
    redis.on('error', (error: unknown) => (said.problem = problemOf(error, master)));
    redis.on('close', () => (said.word = undefined));
    redis.on('ready', () => void ask(said));
    return said;
  });

  function weigh({ primary: named, epoch }: Word): void {
    if (epoch < newest || (epoch === newest && sameServer(named, primary))) return;
    newest = epoch;
    if (sameServer(named, primary)) return;
    if (primary !== undefined) failovers++;
    primary = named;
    for (const listener of listeners) listener(named);
  }

  async function ask(said: Said): Promise<void> {
    if (said.asking || said.redis.status !== 'ready') return;
    said.asking = true;
    try {
      // The address of a primary just promoted is given at once, among its fields only once all replicas follow it.
      const [address, first, second] = await Promise.all([
        said.redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master),
        said.redis.call('SENTINEL', 'MASTER', master),
        said.redis.call('SENTINEL', 'REPLICAS', master).catch(() => []),
      ]);
      const fields = named(first);
      const epoch = wholeNumber(fields.get('config-epoch')) ?? 0;
      said.word = { primary: addressOf(address), epoch };
      said.problem = undefined;
      weigh(said.word);
      if (epoch < newest) return;
      replicas = list(second).map((reply) => {
        const replica = named(reply);
        return { ...hostPortOf(replica), priority: Number(replica.get('slave-priority')) };
      });
    } catch (error) {
      said.word = undefined;
      said.problem = problemOf(error, master);
      // A connection without answers is replaced.
      if (said.problem === SENTINELS.unreachable) said.redis.stream?.destroy();
    } finally {
      said.asking = false;
    }
  }

  async function confirms({ redis }: Said): Promise<'yes' | 'no' | 'silent'> {
    if (redis.status !== 'ready') return 'silent';
    const silence = new Promise<'silent'>((resolve) => {
      setTimeout(resolve, CONFIRMED_WITHIN_MS, 'silent');
    });
    const word = Promise.all([
      redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master),
      redis.call('SENTINEL', 'MASTER', master),
    ]).then(
      ([address, reply]) => {
        const fields = named(reply);
        const epoch = Number(fields.get('config-epoch'));
        // It has not heard of the last failover yet.
        if (epoch < newest) return 'silent' as const;
        if (epoch > newest) return 'no' as const;
        if (!sameServer(addressOf(address), primary)) return 'no' as const;
        // While its fields still name the former one, it has promoted this one and is telling the replicas.
        const promoting = !sameServer(hostPortOf(fields), primary);
        return promoting || fields.get('flags') === 'master' ? ('yes' as const) : ('no' as const);
      },
      () => 'silent' as const,
    );
    return Promise.race([word, silence]);
  }

  /** One round of questions for all who ask in a turn. */
  async function poll(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    nextRound = undefined;
    const words = await Promise.all(all.map(confirms));
    const agreeing = words.filter((word) => word === 'yes').length;
    return !words.includes('no') && agreeing * 2 > all.length;
  }

  const timer = setInterval(() => {
    for (const said of all) void ask(said);
  }, ASKED_EVERY_MS).unref();

  return {
    get primary() {
      return primary;
    },
    get problem() {
      const silent = all.filter(({ word }) => word === undefined);
      const reached = all.length - silent.length;
      if (reached * 2 > all.length) return undefined;
      const problem = silent.find((said) => said.problem !== SENTINELS.unreachable)?.problem;
      return problem ?? SENTINELS.fewReached(reached, all.length);
    },
    get failovers() {
      return failovers;
    },
    get replicas() {
      return replicas;
    },
    agree: () => (nextRound ??= poll()),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop() {
      clearInterval(timer);
      listeners.clear();
      for (const { redis } of all) redis.disconnect();
    },
  };
}

/** How ioredis connects to the current primary, every time. A server that calls itself a replica is left again. */
export function primaryConnector(
  sentinels: Sentinels,
  { tls, disconnectTimeoutMs }: { tls: TlsTexts | undefined; disconnectTimeoutMs: number },
) {
  return class PrimaryConnector extends AbstractConnector {
    #target: HostPort | undefined;

    constructor() {
      super(disconnectTimeoutMs);
    }

    override check(info: { role?: string }): boolean {
      return info.role === undefined || info.role === 'master';
    }

    override async connect(emit: (type: string, error: Error) => void) {
      this.connecting = true;
      while (sentinels.primary === undefined) {
        await new Promise((resolve) => setTimeout(resolve, ASKED_EVERY_MS));
        if (!this.connecting) throw new Error('Connection is closed.');
        // The client would give up if this rejected, so the error is only reported and the wait goes on.
        if (sentinels.problem !== undefined) emit('error', new Error(sentinels.problem));
      }
      const target = sentinels.primary;
      this.#target = target;
      const stream =
        tls === undefined ? createConnection({ ...target }) : connectTls({ ...target, ...tls });
      this.stream = stream;
      stream.once('error', (error: Error) => {
        this.firstError = error;
      });
      // By the time it breaks by itself, lookups may have waited for seconds.
      const leave = sentinels.onChange((primary) => {
        if (!sameServer(primary, this.#target)) stream.destroy();
      });
      stream.once('close', leave);
      return stream;
    }
  };
}
