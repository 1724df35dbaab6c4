import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { information } from '../connection/reply.ts';
import { keys } from '../keys.ts';
import type { Anchor } from './anchor.ts';

/** What a Redis says about where its data comes from. */
export type Replication = {
  isReplica: boolean;
  /** Whether it has been a replica since it started. No restart keeps this (measured, see decision 28). */
  wasPromoted: boolean;
  /** Changes with each promotion and each restart. */
  id: string;
  /** The id of the primary that it followed until it was promoted, and how much it has from it. */
  former: { id: string; offset: number };
  hasReplicas: boolean;
};

/** A worker says each second that it finds the store whole. */
const WORKER_SAYS_WITHIN_MS = 3_000;
const LOOKED_AT_EVERY_MS = 200;

/** Field of `cpf:dataset`: the replication id of a promoted server that can be trusted. */
export const BELIEVED_SERVER = 'server';
/** Field of `cpf:dataset`: the id of the last confirmation of a promotion. */
export const CONFIRMED_PROMOTION = 'promotion';
/** Field of `cpf:dataset`: the server whose confirmation has begun, and how many known events were missing from it. */
export const BEGUN_PROMOTION = 'promotionBegun';
/** Field of `cpf:dataset`: the id of the last confirmation of a clock that was put back. */
export const CONFIRMED_CLOCK = 'clock';

/** @param info what `INFO` says, with its section `replication` */
export function readReplication(info: ReadonlyMap<string, string>): Replication {
  return {
    isReplica: info.get('role') !== 'master',
    wasPromoted: /[1-9a-f]/.test(info.get('master_replid2') ?? ''),
    id: info.get('master_replid') ?? '',
    former: {
      id: info.get('master_replid2') ?? '',
      offset: Number(info.get('second_repl_offset')) - 1,
    },
    hasReplicas: info.get('connected_slaves') !== '0',
  };
}

export const replicationOf = async (redis: Redis): Promise<Replication> =>
  readReplication(information(await redis.info('replication')));

/** True if the store verifier has verified the store since this Redis last started. */
export async function isOpen(redis: Redis): Promise<boolean> {
  const [opened, dataset, text] = await Promise.all([
    redis.get(keys.open),
    redis.hgetall(keys.dataset),
    redis.info('server', 'replication'),
  ]);
  const info = information(text);
  const { isReplica, wasPromoted, id } = readReplication(info);
  const believed = !isReplica && (!wasPromoted || dataset[BELIEVED_SERVER] === id);
  return believed && opened !== null && opened === info.get('run_id');
}

/** Whether a worker keeps the store open, and not only did before it was lost. Takes some seconds if none does. */
export async function isWorkerAtWork(redis: Redis): Promise<boolean> {
  if (!(await isOpen(redis))) return false;
  const before = await redis.get(keys.heartbeat);
  const until = performance.now() + WORKER_SAYS_WITHIN_MS;
  while (performance.now() < until) {
    await delay(LOOKED_AT_EVERY_MS);
    if ((await redis.get(keys.heartbeat)) !== before) return true;
  }
  return false;
}

/** Whether this is the server that gave the last answers, or one that a named person has confirmed. */
export async function isKnownServer(
  redis: Redis,
  anchor: Anchor,
  { wasPromoted, id }: Replication,
): Promise<boolean> {
  // Its data was copied, including a mark: one made while no worker checked still belongs to the other
  // server.
  if (wasPromoted && (await redis.hget(keys.dataset, BELIEVED_SERVER)) !== id) return false;
  const marks = anchor.serverMarks();
  if (marks.length === 0) return true;
  const held = await redis.get(keys.server);
  return marks.some(({ mark }) => mark === held);
}
