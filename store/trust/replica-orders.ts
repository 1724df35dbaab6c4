import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { appendEvent } from '../audit-stream/events.ts';
import { attachedReplicas } from '../connection/acknowledged.ts';
import type { HostPort } from '../connection/address.ts';
import { information } from '../connection/reply.ts';
import { type Sentinels, sameServer } from '../connection/sentinels.ts';
import {
  changeSingleMode,
  SINGLE_FIELD,
  type SingleMode,
  singleMode,
} from '../connection/single-mode.ts';
import { keys } from '../keys.ts';
import type { Anchor } from './anchor.ts';
import { nameOf } from './replicas.ts';
import { replicationOf } from './server.ts';

/**
 * From now on nothing waits for replicas, by order of a named person. Audited before it takes effect. The anchor
 * knows before it does: a replica promoted from then on is not trusted without confirmation.
 *
 * @param redis a connection whose writes wait for no replica
 * @param replicas how many there are to be
 * @returns false if that was so already
 */
export async function orderSingleMode(
  redis: Redis,
  anchor: Anchor,
  replicas: number,
  named: NamedPerson,
): Promise<boolean> {
  if (singleMode(await redis.hget(keys.dataset, SINGLE_FIELD)) !== undefined) return false;
  await appendEvent(redis, {
    type: 'single-mode-ordered',
    auditId: randomUUID(),
    by: named.by,
    detail: whyDetail(named),
  });
  const attached = attachedReplicas(information(await redis.info('replication')));
  const order: SingleMode = {
    by: named.by,
    at: new Date().toISOString(),
    away: attached.length < replicas,
  };
  anchor.rememberSingle();
  await redis.hset(keys.dataset, SINGLE_FIELD, JSON.stringify(order));
  // Once more: a worker that had not read the order may have noted meanwhile that replicas had everything.
  anchor.rememberSingle();
  return true;
}

/**
 * Replicas are waited for again, by order of a named person. Audited first.
 *
 * @returns false if they were already
 */
export async function requireReplicas(redis: Redis, named: NamedPerson): Promise<boolean> {
  for (let isOnRecord = false; ; isOnRecord = true) {
    const order = (await redis.hget(keys.dataset, SINGLE_FIELD)) ?? '';
    if (singleMode(order) === undefined) return isOnRecord;
    await appendEvent(redis, {
      type: 'single-mode-ended',
      auditId: randomUUID(),
      by: named.by,
      detail: whyDetail(named),
    });
    if (await changeSingleMode(redis, order, '')) return true;
  }
}

/** A replica that is attached, and whether it may be promoted (0: never), if sentinels say so. */
type AttachedReplica = { name: string; priority: number | undefined };

/** The replicas attached to a primary, by what its `INFO` says. */
export const namedReplicas = (
  info: ReadonlyMap<string, string>,
  sentinels: Pick<Sentinels, 'replicas'> | undefined,
): AttachedReplica[] =>
  attachedReplicas(info).map((replica) => ({
    name: nameOf(replica),
    priority: sentinels?.replicas.find((known) => sameServer(known, replica))?.priority,
  }));

/** Whether single mode is ordered, and how many replicas are attached. */
export async function replicasNow(redis: Redis): Promise<{ isSingle: boolean; attached: number }> {
  const [order, info] = await Promise.all([
    redis.hget(keys.dataset, SINGLE_FIELD),
    redis.info('replication'),
  ]);
  return {
    isSingle: singleMode(order) !== undefined,
    attached: attachedReplicas(information(info)).length,
  };
}

type ReplicaChanged = { kind: 'changed'; kept: boolean } | { kind: 'primary' | 'not-in-step' };

/**
 * Sets whether a replica may be promoted, by `replica-priority`, and saves it in the server's file. Audited
 * first. Needs the administrator's rights.
 *
 * @param replica a connection to it
 * @param priority 0: it is never promoted
 * @returns `kept: false` if the file cannot be written, so that a restart restores the old value
 */
export async function setReplicaPriority(
  redis: Redis,
  replica: Redis,
  server: HostPort,
  priority: number,
  named: NamedPerson,
): Promise<ReplicaChanged> {
  const info = information(await replica.info('replication'));
  const { isReplica } = await replicationOf(replica);
  if (!isReplica) return { kind: 'primary' };
  if (priority > 0 && info.get('master_link_status') !== 'up') return { kind: 'not-in-step' };
  // What it is already: refused now, and not after the act is on record, to a user who may not.
  const before = info.get('slave_priority');
  if (before !== undefined) await replica.config('SET', 'replica-priority', before);
  await appendEvent(redis, {
    type: priority === 0 ? 'replica-set-aside' : 'replica-put-back',
    auditId: randomUUID(),
    by: named.by,
    detail: { ...whyDetail(named), server: nameOf(server), priority },
  });
  await replica.config('SET', 'replica-priority', String(priority));
  const kept = await replica.config('REWRITE').then(
    () => true,
    () => false,
  );
  return { kind: 'changed', kept };
}
