import type { Redis } from 'ioredis';
import { REPLICAS } from '#schemas/wording/store.ts';
import { READING_FUNCTIONS } from '../functions/functions.ts';
import { keys } from '../keys.ts';
import type { HostPort } from './address.ts';
import { information } from './reply.ts';
import { type Sentinels, sameServer } from './sentinels.ts';
import { SINGLE_FIELD, singleMode } from './single-mode.ts';

/** A write reached the primary but too few replicas: it may be lost with the primary, and so does not count as done. */
export class NotReplicated extends Error {
  override name = 'NotReplicated';
  constructor(acknowledged: number, required: number) {
    super(REPLICAS.notReplicated(acknowledged, required));
  }
}

/** Below the two seconds of silence after which a connection is replaced: `WAIT` blocks the whole connection. */
export const WAIT_MS = 1_000;
/** A replica reports its progress each second; one silent for longer is not waited for. */
const LAG_AT_MOST_SECONDS = 1;

/**
 * The replicas that are attached to a server and keep up.
 *
 * @param info with its section `replication`
 * @param lagAtMostSeconds how long ago their last report may be
 */
export function attachedReplicas(
  info: ReadonlyMap<string, string>,
  lagAtMostSeconds = LAG_AT_MOST_SECONDS,
): HostPort[] {
  return [...info].flatMap(([name, value]) => {
    if (!/^slave\d+$/.test(name)) return [];
    const fields = new Map(
      value.split(',').map((part) => {
        const [key = '', ...rest] = part.split('=');
        return [key, rest.join('=')] as const;
      }),
    );
    const keepsUp = Number(fields.get('lag')) <= lagAtMostSeconds;
    return fields.get('state') === 'online' && keepsUp
      ? [{ host: fields.get('ip') ?? '', port: Number(fields.get('port')) }]
      : [];
  });
}

/** What protects a write from a failover. */
export type ReplicaRule = {
  /** How many replicas may be promoted. */
  replicas: number;
  /** Who promotes them; without this they are promoted by hand. */
  sentinels?: Pick<Sentinels, 'replicas' | 'agree'> | undefined;
};

/** How many replicas must acknowledge a write, and whether the sentinels must then confirm the primary. */
export type Requirement = { wait: number; agreement: boolean };

/** How many replicas make a majority of all servers, together with the primary. */
export const majorityOf = (replicas: number): number => Math.floor((replicas + 1) / 2);

/**
 * What a write needs with these replicas attached: all of them, since any may be promoted. If every replica
 * that Sentinel may promote is among them, the write cannot be lost. If one is away, it may have been
 * promoted: then a majority of all servers is needed, and after it the sentinels' confirmation of the
 * primary. `undefined`: too few are attached. By an operator's order nothing is needed.
 */
export function requirementOf(
  { replicas, sentinels }: ReplicaRule,
  attached: readonly HostPort[],
  single: boolean,
): Requirement | undefined {
  if (single) return { wait: 0, agreement: false };
  const wait = attached.length;
  const away = sentinels?.replicas.some(
    (one) => one.priority > 0 && !attached.some((other) => sameServer(one, other)),
  );
  if (wait >= replicas && away !== true) return { wait, agreement: false };
  if (sentinels === undefined || wait < majorityOf(replicas)) return undefined;
  return { wait, agreement: true };
}

/** Commands that change nothing on a replica. Every other command counts as a write. */
const READS = new Set(
  `auth client config dbsize exists get hello hexists hget hgetall hkeys hlen hmget hscan hvals info ping quit
  role select sismember time wait xinfo xlen xrange zrangebyscore`.split(/\s+/),
);
const READING: ReadonlySet<string> = new Set(READING_FUNCTIONS);

/**
 * Lets every write on a connection resolve only once replicas have it, as the rule requires; replies to reads
 * are not delayed. The writes of one turn wait together.
 *
 * A write that is not acknowledged within the deadline rejects with {@link NotReplicated}.
 */
export function acknowledgeByReplicas(redis: Redis, rule: ReplicaRule, deadlineMs: number): void {
  const send = redis.sendCommand.bind(redis);
  const attempts = Math.max(1, Math.floor(deadlineMs / WAIT_MS) - 1);
  let round: Promise<void> | undefined;

  async function acknowledge(): Promise<void> {
    // Other writes sent in this turn wait together with this one.
    await new Promise((resolve) => setImmediate(resolve));
    round = undefined;
    const [text, single] = await Promise.all([
      redis.info('replication'),
      redis.hget(keys.dataset, SINGLE_FIELD),
    ]);
    const attached = attachedReplicas(information(text));
    const required = requirementOf(rule, attached, singleMode(single) !== undefined);
    if (required === undefined) throw new NotReplicated(attached.length, rule.replicas);
    if (required.wait === 0) return;
    const { stream } = redis;
    let acknowledged = 0;
    for (let attempt = 0; attempt < attempts && acknowledged < required.wait; attempt++) {
      acknowledged = await redis.wait(required.wait, WAIT_MS);
    }
    const agreed = !required.agreement || (await rule.sentinels?.agree()) === true;
    if (acknowledged < required.wait || !agreed || stream !== redis.stream || stream.destroyed) {
      throw new NotReplicated(acknowledged, required.wait);
    }
  }

  redis.sendCommand = (command, stream) => {
    const reply: unknown = send(command, stream);
    const { name, args } = command as unknown as { name: string; args: unknown[] };
    const reads =
      READS.has(name.toLowerCase()) || (name === 'fcall' && READING.has(String(args[0])));
    if (reads) return reply;
    round ??= acknowledge();
    const acknowledged = round;
    // If the write itself is refused, nobody reads the rest.
    acknowledged.catch(() => undefined);
    return (reply as Promise<unknown>).then(async (value) => {
      await acknowledged;
      return value;
    });
  };
}
