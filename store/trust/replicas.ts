import type { Redis } from 'ioredis';
import { z } from 'zod';
import { parseJson } from '#schemas/json.ts';
import { REPLICAS } from '#schemas/wording/store.ts';
import { attachedReplicas, majorityOf, type Requirement } from '../connection/acknowledged.ts';
import type { HostPort } from '../connection/address.ts';
import { lacksRights, rightsFault, whenReady } from '../connection/connection.ts';
import { information } from '../connection/reply.ts';
import { keys } from '../keys.ts';
import {
  CONDITIONS_SECTIONS,
  conditionsOf,
  DURABLE,
  type DurableSetting,
  durableSettings,
} from './durability.ts';
import { createUserReader, differingUsers } from './users.ts';
import { bad, good, type Verdict } from './verdicts.ts';

/** Field of `cpf:dataset`: the worker's report on the replicas. */
export const REPLICAS_FIELD = 'replicas';

const LOOK_EVERY_MS = 250;
const FIRST_CONNECTED_WITHIN_MS = 1_000;
const TRUSTED_FOR_MS = 3_000;

const wordSchema = z.object({
  /** The run of the primary that they follow. */
  run: z.string(),
  /** Milliseconds, the primary's own time. */
  at: z.number(),
  /** The conditions of the primary; absent from an older worker, as are those of the replicas. */
  conditions: z.string().optional(),
  replicas: z.array(
    z.object({
      server: z.string(),
      conditions: z.string().optional(),
      /** Whether it has on disk what it acknowledges. */
      fit: z.boolean(),
      /**
       * This worker could not reach it now. It was fit, and still is if these are its conditions and the
       * primary's are those of the report. Older processes take it for unfit.
       */
      fitWhile: z.string().optional(),
      /** Whether its users could be compared with the primary's; absent from an older worker. */
      usersCompared: z.boolean().optional(),
      /** What needs attention, in a sentence. */
      problem: z.string().optional(),
    }),
  ),
});
type ReplicasWord = z.infer<typeof wordSchema>;

const parsed = <T>(schema: z.ZodType<T>, text: string): T | undefined =>
  schema.safeParse(parseJson(text)).data;

export const nameOf = ({ host, port }: HostPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/**
 * The worker's report, if it is of this run and recent, or if nothing has changed since; else why it does not count.
 *
 * @param info what `INFO` of the primary says, with {@link CONDITIONS_SECTIONS}
 * @param conditions those of a replica, as this process has just read them
 */
export function replicasWord(
  text: string | undefined,
  info: ReadonlyMap<string, string>,
  storeClock: number,
  conditions: (server: string) => string | undefined,
): ReplicasWord | string {
  const word = text === undefined ? undefined : parsed(wordSchema, text);
  if (word === undefined || word.run !== info.get('run_id')) return REPLICAS.neverSaid;
  const isRecent = Math.abs(storeClock - word.at) <= TRUSTED_FOR_MS;
  if (isRecent && word.replicas.every(({ fitWhile }) => fitWhile === undefined)) return word;
  const isSame = word.conditions === conditionsOf(info);
  if (!isRecent && !isSame) return REPLICAS.saidLongAgo;
  const replicas = word.replicas.map((replica) => {
    if (replica.fit && isRecent) return replica;
    const seen = conditionsSeen(replica);
    const fit = isSame && seen !== undefined && seen === conditions(replica.server);
    if (fit === replica.fit) return replica;
    return fit ? { ...replica, fit } : { ...replica, fit, problem: REPLICAS.saidLongAgo };
  });
  return { ...word, replicas };
}

/** The conditions of a replica when a worker last saw that it was fit. */
const conditionsSeen = (replica: ReplicasWord['replicas'][number]): string | undefined =>
  replica.fit ? replica.conditions : replica.fitWhile;

/** What the previous report, by any worker, says about the replicas, if nothing has changed on the primary. */
function seenBefore(text: string | null, run: string, conditions: string): Map<string, string> {
  const word = text === null ? undefined : parsed(wordSchema, text);
  if (word?.run !== run || word.conditions !== conditions) return new Map();
  return new Map(
    word.replicas.flatMap((replica) => {
      const seen = conditionsSeen(replica);
      return seen === undefined ? [] : [[replica.server, seen] as const];
    }),
  );
}

/**
 * Reads what a report on the replicas depends on from the replicas themselves, for when no worker reports.
 * Nothing waits for a replica: one that does not answer is unknown.
 */
export function followConditions(connectTo: ReplicaWatchOptions['connectTo']) {
  const followed = new Map<string, { redis: Redis; read?: { conditions: string; at: number } }>();
  function end(name: string): void {
    followed.get(name)?.redis.disconnect();
    followed.delete(name);
  }
  return {
    /** Asks exactly these from now on. */
    ask(attached: readonly HostPort[]): void {
      const here = new Map(attached.map((server) => [nameOf(server), server] as const));
      for (const name of followed.keys()) if (!here.has(name)) end(name);
      for (const [name, server] of here) {
        const replica = followed.get(name) ?? { redis: connectTo(server) };
        followed.set(name, replica);
        const at = performance.now();
        replica.redis.info(...CONDITIONS_SECTIONS).then(
          (text) => (replica.read = { conditions: conditionsOf(information(text)), at }),
          () => undefined,
        );
      }
    },
    /** As they were read within the last 3 s. */
    of(server: string): string | undefined {
      const read = followed.get(server)?.read;
      return read && performance.now() - read.at < TRUSTED_FOR_MS ? read.conditions : undefined;
    },
    stop: () => [...followed.keys()].forEach(end),
  };
}

/**
 * Whether answers may be given with these replicas attached, and whether one of them needs attention.
 *
 * @param count how many there should be
 * @param required what a write needs with them; `undefined` if they are too few
 */
export function judgeReplicas(
  count: number,
  attached: readonly HostPort[],
  required: Requirement | undefined,
  word: ReplicasWord | string,
): { verdict: Verdict; servers: Verdict } {
  if (required === undefined) {
    const verdict = bad(REPLICAS.missing(attached.length, count));
    return { verdict, servers: verdict };
  }
  if (typeof word === 'string') return { verdict: bad(word), servers: bad(word) };
  const away = required.agreement ? [REPLICAS.away(attached.length, count)] : [];
  const problems = [...away, ...word.replicas.flatMap(({ problem }) => problem ?? [])].join(' ');
  const notCompared = word.replicas.some(({ usersCompared }) => usersCompared === false)
    ? ` ${REPLICAS.usersNotCompared}`
    : '';
  const fine = attached.length === 0 ? REPLICAS.noServers : REPLICAS.servers;
  const servers = problems === '' ? good(`${fine}${notCompared}`) : bad(problems);
  const here = new Set(attached.map(nameOf));
  const fit = word.replicas.filter((replica) => replica.fit && here.has(replica.server)).length;
  const verdict =
    fit < majorityOf(count)
      ? bad(REPLICAS.unfit(fit, majorityOf(count), problems))
      : good(REPLICAS.acknowledge(attached.length));
  return { verdict, servers };
}

type Followed = {
  redis: Redis;
  /** Resolves once it is connected for the first time, or after its time limit. */
  tried: Promise<unknown>;
  /** It has been in step, with its file rewritten, since it last copied everything. */
  settled: boolean;
  /** What the client last reported about the connection. */
  fault: string | undefined;
  readUsers: ReturnType<typeof createUserReader>;
};

export type ReplicaWatchOptions = {
  /** The dataset that this worker keeps; nothing is written into another's Redis. */
  ours: () => string | undefined;
  /** A connection to one server, whichever is the primary. */
  connectTo: (server: HostPort) => Redis;
};

/**
 * Tells every lookup process, through Redis itself, four times a second whether the replicas of this run have
 * on disk what they acknowledge.
 *
 * A replica that has just copied everything acknowledges before its own file holds it; it counts once its
 * file has been rewritten.
 */
export function publishReplicas(redis: Redis, options: ReplicaWatchOptions) {
  const { ours, connectTo } = options;
  const followed = new Map<string, Followed>();
  const readUsers = createUserReader(redis);
  let copies = '';
  let looking: Promise<void> | undefined;

  function follow(server: HostPort): Followed {
    const name = nameOf(server);
    const known = followed.get(name);
    if (known !== undefined) return known;
    const connection = connectTo(server);
    const replica: Followed = {
      redis: connection,
      tried: whenReady(connection, FIRST_CONNECTED_WITHIN_MS).catch(() => undefined),
      settled: false,
      fault: undefined,
      readUsers: createUserReader(connection),
    };
    replica.redis.on('error', (error: unknown) => {
      if (rightsFault(error) !== undefined) replica.fault = REPLICAS.notAccepted(name);
    });
    replica.redis.on('ready', () => (replica.fault = undefined));
    replica.redis.on('close', () => (replica.settled = false));
    followed.set(name, replica);
    return replica;
  }

  async function lookAt(
    server: HostPort,
    version: string | undefined,
    users: Awaited<ReturnType<typeof readUsers>>,
    seen: string | undefined,
  ): Promise<ReplicasWord['replicas'][number]> {
    const name = nameOf(server);
    const replica = follow(server);
    const unfit = (problem: string) => ({ server: name, fit: false, problem });
    const unseen = (problem: string) => ({
      ...unfit(problem),
      ...(seen !== undefined && { fitWhile: seen }),
    });
    // Until then the previous worker's report is better: it may have known the replica.
    await replica.tried;
    try {
      // The settings after the conditions, so that a change in between makes the conditions outdated.
      const [text, settings, its] = await Promise.all([
        replica.redis.info(...CONDITIONS_SECTIONS),
        durableSettings(replica.redis),
        replica.readUsers(),
      ]);
      const info = information(text);
      const inStep =
        info.get('master_link_status') === 'up' && info.get('master_sync_in_progress') === '0';
      const writing =
        info.get('aof_rewrite_in_progress') !== '0' || info.get('aof_rewrite_scheduled') !== '0';
      if (!inStep) {
        replica.settled = false;
        return unfit(REPLICAS.notInStep(name));
      }
      const wrong = (Object.keys(DURABLE) as DurableSetting[]).find(
        (setting) => settings.get(setting) !== DURABLE[setting],
      );
      if (wrong !== undefined) return unfit(REPLICAS.wrongSetting(name, wrong, DURABLE[wrong]));
      if (info.get('aof_enabled') !== '1' || info.get('aof_last_write_status') !== 'ok') {
        return unfit(REPLICAS.notAppending(name));
      }
      if (!writing) replica.settled = true;
      if (!replica.settled) return unseen(REPLICAS.notSettled(name));
      const itsVersion = info.get('redis_version') ?? '';
      if (itsVersion !== version) {
        // Another version may write the same users differently.
        const problem = REPLICAS.otherVersion(name, itsVersion, version ?? '');
        return { server: name, conditions: conditionsOf(info), fit: true, problem };
      }
      const usersCompared = users !== undefined && its !== undefined;
      const differing = usersCompared ? differingUsers(users, its) : [];
      return {
        server: name,
        conditions: conditionsOf(info),
        fit: true,
        usersCompared,
        ...(differing.length > 0 && { problem: REPLICAS.otherUsers(name, differing) }),
      };
    } catch (error) {
      if (lacksRights(error)) return unfit(REPLICAS.fewRights(name));
      return unseen(replica.fault ?? REPLICAS.notReached(name));
    }
  }

  async function say(): Promise<void> {
    const [time, text, dataset, before] = await Promise.all([
      redis.time(),
      redis.info(...CONDITIONS_SECTIONS),
      redis.hget(keys.dataset, 'id'),
      redis.hget(keys.dataset, REPLICAS_FIELD),
    ]);
    const server = information(text);
    const run = server.get('run_id');
    if (dataset === null || dataset !== ours() || run === undefined) return;
    const conditions = conditionsOf(server);
    const seen = seenBefore(before, run, conditions);
    const attached = attachedReplicas(server);
    const copiesNow = `${run} ${server.get('sync_full')}`;
    if (copiesNow !== copies) {
      for (const replica of followed.values()) replica.settled = false;
      copies = copiesNow;
    }
    const here = new Set(attached.map(nameOf));
    for (const [name, replica] of followed) {
      if (here.has(name)) continue;
      replica.redis.disconnect();
      followed.delete(name);
    }
    const users = await readUsers();
    const version = server.get('redis_version');
    const replicas = await Promise.all(
      attached.map((replica) => lookAt(replica, version, users, seen.get(nameOf(replica)))),
    );
    // A lagging replica counts again as soon as it keeps up, even if there is no worker by then.
    for (const [name, its] of seen) {
      if (!here.has(name)) replicas.push({ server: name, fit: false, fitWhile: its });
    }
    const word: ReplicasWord = {
      run,
      at: Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000),
      conditions,
      replicas,
    };
    await redis.hset(keys.dataset, REPLICAS_FIELD, JSON.stringify(word));
  }

  const timer = setInterval(() => {
    if (redis.status !== 'ready' || looking !== undefined) return;
    // If nothing is reported, the last report counts for three seconds, and then only if nothing can have changed.
    looking = say()
      .catch(() => undefined)
      .finally(() => (looking = undefined));
  }, LOOK_EVERY_MS);

  return {
    async stop(): Promise<void> {
      clearInterval(timer);
      await looking;
      for (const { redis: replica } of followed.values()) replica.disconnect();
    },
  };
}
