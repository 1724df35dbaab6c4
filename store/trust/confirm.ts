import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { streamStates } from '../audit-stream/audit-stream.ts';
import { appendEvent } from '../audit-stream/events.ts';
import { clockOf } from '../connection/clock.ts';
import { FUNCTIONS, loadFunctions } from '../functions/functions.ts';
import { auditPartitions, keys } from '../keys.ts';
import type { Anchor } from './anchor.ts';
import {
  BEGUN_PROMOTION,
  BELIEVED_SERVER,
  CONFIRMED_CLOCK,
  CONFIRMED_PROMOTION,
  isKnownServer,
  replicationOf,
} from './server.ts';
import { CLOCK_TOLERANCE_MS } from './verdicts.ts';

/** An older copy lacks at least one night's files, and the next would be loaded on top of it. */
const OLD_AFTER_MS = 86_400_000;
/** More than a replica may lag behind: such a copy is from long ago. */
const MISSING_AT_MOST = 100_000;
const EVENTS_A_STEP = 1_000;

/** @param now milliseconds, the store's clock */
export function ageOf(anchor: Anchor, now: number) {
  const lastAlive = anchor.lastAlive();
  const ageMs = lastAlive === 0 ? 0 : now - lastAlive;
  return { lastAlive, ageMs, isOld: ageMs >= OLD_AFTER_MS };
}

type NotPromoted = { kind: 'replica' | 'known' } | { kind: 'too-many'; missing: number };

/** A server that may lack answers after `lastAlive`; of the events known then, this many are missing. */
type PromotedServer = {
  kind: 'promoted';
  /** Its replication id. */
  server: string;
  lastAlive: number;
  missing: number;
  /** The last number of each audit stream that was known. */
  known: readonly number[];
};

type PromotionConfirmed =
  | NotPromoted
  | { kind: 'changed' }
  | { kind: 'confirmed'; lastAlive: number; missing: number };

/**
 * What a server lacks that nobody has confirmed. Changes nothing. The server has the functions of this version.
 *
 * @param sealed the last number of each audit stream that is sealed outside Redis
 */
export async function lookAtPromotion(
  redis: Redis,
  anchor: Anchor,
  sealed: readonly number[],
): Promise<NotPromoted | PromotedServer> {
  const replication = await replicationOf(redis);
  if (replication.isReplica) return { kind: 'replica' };
  if (await isKnownServer(redis, anchor, replication)) return { kind: 'known' };
  const seen = anchor.auditNumbers();
  const states = await streamStates(redis);
  const known = states.map((_, stream) => Math.max(seen[stream] ?? 0, sealed[stream] ?? 0));
  const absent = states.reduce(
    (sum, { last }, stream) => sum + Math.max(0, (known[stream] ?? 0) - last),
    0,
  );
  if (absent > MISSING_AT_MOST) return { kind: 'too-many', missing: absent };
  const { id: server } = replication;
  // Some may have been replaced by a confirmation that was cut short.
  const [begun, before] = ((await redis.hget(keys.dataset, BEGUN_PROMOTION)) ?? '').split(' ');
  const missing = begun === server ? Math.max(absent, Number(before)) : absent;
  return { kind: 'promoted', server, lastAlive: anchor.lastAlive(), missing, known };
}

/**
 * Lets the store open on a promoted server, on the word of a named person. An event that replaces each missing one
 * keeps the numbers without a gap, and says so. Audited first. If it is done again after a crash, or by somebody else at
 * the same time, it continues.
 *
 * @param sealed the last number of each audit stream that is sealed outside Redis
 * @param shown the replication id of the server that the person was shown: another one is not confirmed
 */
export async function confirmPromotion(
  redis: Redis,
  anchor: Anchor,
  sealed: readonly number[],
  named: NamedPerson,
  shown?: string,
): Promise<PromotionConfirmed> {
  const { isReplica } = await replicationOf(redis);
  // A replica takes no functions.
  if (!isReplica) await loadFunctions(redis);
  const found = await lookAtPromotion(redis, anchor, sealed);
  if (found.kind !== 'promoted') return found;
  const { server, lastAlive, missing, known } = found;
  if (shown !== undefined && shown !== server) return { kind: 'changed' };
  const auditId = randomUUID();
  // Before the event, which takes the number of a missing one: a repetition could count one too few.
  await redis.hset(keys.dataset, BEGUN_PROMOTION, `${server} ${missing}`);
  await appendEvent(redis, {
    type: 'promotion-confirmed',
    auditId,
    by: named.by,
    detail: { ...whyDetail(named), missing, missingAfter: new Date(lastAlive).toISOString() },
  });
  // The confirmation itself replaces one of the system's own.
  const event = { type: 'event-missing', auditId, by: named.by, detail: whyDetail(named) };
  for (const [stream, last] of known.entries()) {
    const key = keys.audit(auditPartitions[stream] ?? 'system');
    const fill = () =>
      redis.fcall(FUNCTIONS.fillStream, 1, key, JSON.stringify(event), last, EVENTS_A_STEP);
    while (last > 0 && (await fill()) === EVENTS_A_STEP);
  }
  await redis.hset(keys.dataset, {
    [BELIEVED_SERVER]: server,
    [CONFIRMED_PROMOTION]: auditId,
    [BEGUN_PROMOTION]: '',
  });
  anchor.forgetServer();
  return { kind: 'confirmed', lastAlive, missing };
}

/**
 * Lets the store open although it was last alive long ago, or is known elsewhere to be behind, on the word of
 * a named person. Audited first.
 *
 * @param known what is known elsewhere, in a sentence; `undefined` if nothing is
 * @returns when it was last alive, milliseconds; `undefined` if that was recent and nothing is known
 */
export async function confirmOldCopy(
  redis: Redis,
  anchor: Anchor,
  named: NamedPerson,
  known?: string,
): Promise<number | undefined> {
  const clock = await clockOf(redis);
  const { isOld, lastAlive } = ageOf(anchor, clock);
  if (!isOld && known === undefined) return undefined;
  await loadFunctions(redis);
  await appendEvent(redis, {
    type: 'old-copy-confirmed',
    auditId: randomUUID(),
    by: named.by,
    detail: {
      ...whyDetail(named),
      lastAlive: new Date(lastAlive).toISOString(),
      ...(known !== undefined && { known }),
    },
  });
  anchor.rememberClock(clock);
  return lastAlive;
}

type ClockConfirmed =
  | { kind: 'changed' }
  | { kind: 'not-behind' }
  | { kind: 'apart'; apartMs: number }
  /** Times up to `newest`, milliseconds, had been seen. */
  | { kind: 'confirmed'; newest: number };

/**
 * Lets the store open although its clock is behind an earlier time, on the word of a named person: it was
 * ahead then, and is right now. Audited first; doing it again after a crash does the rest.
 *
 * @param shown the time that the person was shown, milliseconds: if a later one has been seen, nothing is confirmed
 */
export async function confirmClock(
  redis: Redis,
  anchor: Anchor,
  named: NamedPerson,
  shown?: number,
): Promise<ClockConfirmed> {
  const clock = await clockOf(redis);
  const newest = anchor.newestClock();
  if (shown !== undefined && shown !== newest) return { kind: 'changed' };
  if (clock >= newest - CLOCK_TOLERANCE_MS) return { kind: 'not-behind' };
  const apartMs = Math.abs(Date.now() - clock);
  if (apartMs > CLOCK_TOLERANCE_MS) return { kind: 'apart', apartMs };
  await loadFunctions(redis);
  const auditId = randomUUID();
  await appendEvent(redis, {
    type: 'clock-confirmed',
    auditId,
    by: named.by,
    detail: { ...whyDetail(named), newest: new Date(newest).toISOString() },
  });
  // Lookup processes, which remember it too, read this.
  await redis.hset(keys.dataset, CONFIRMED_CLOCK, auditId);
  anchor.putClockBack(clock);
  return { kind: 'confirmed', newest };
}
