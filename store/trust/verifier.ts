// One file, since it is one comparison from beginning to end, and each step decides on the next.

import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { COPY } from '#schemas/wording/copy.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { DATASET, READINESS, VERIFIER } from '#schemas/wording/store.ts';
import { type StreamState, streamStates } from '../audit-stream/audit-stream.ts';
import { AUDIT_LOG_FIELD, sealedBeyond } from '../audit-stream/sealed-size.ts';
import { type Dataset, readDataset } from '../authorities/dataset.ts';
import {
  attachedReplicas,
  type ReplicaRule,
  type Requirement,
  requirementOf,
} from '../connection/acknowledged.ts';
import { clockOf } from '../connection/clock.ts';
import { connectionFault, lacksRights } from '../connection/connection.ts';
import { information, list } from '../connection/reply.ts';
import {
  changeSingleMode,
  SINGLE_FIELD,
  type SingleMode,
  singleMode,
} from '../connection/single-mode.ts';
import { type Confirmation, causeOf, StoreNotWhole } from '../errors.ts';
import { areFunctionsReplaced, FUNCTIONS, loadFunctions } from '../functions/functions.ts';
import { allChildrenKeys, CLOSED, keys } from '../keys.ts';
import { Tally } from '../rows/rows.ts';
import { createStore } from '../store.ts';
import type { Anchor, BegunLoad } from './anchor.ts';
import { ageOf } from './confirm.ts';
import { publishDurability } from './durability.ts';
import { watchFunctionLoads } from './function-loads.ts';
import { whyLacking } from './lacking.ts';
import { publishReplicas, type ReplicaWatchOptions } from './replicas.ts';
import { BELIEVED_SERVER, isKnownServer, type Replication, readReplication } from './server.ts';

export type StoreVerifier = {
  /** Audit streams whose numbers somebody else has set ahead. */
  readonly pushedStreams: number;
  /**
   * Whether the store is open, or why not and what to do, in one sentence; `problem` if somebody must act, and
   * `confirmation` if a named person can confirm it.
   */
  readonly state: {
    opened: boolean;
    problem: boolean;
    detail: string;
    confirmation?: Confirmation;
  };
  /** Calls this with each new state from now on; once an hour with an unchanged one, unless it is open and all is well. */
  onChange(listener: (state: StoreVerifier['state']) => void): void;
  /** Checks at once, for instance after a dataset was created. Never rejects. */
  look(): Promise<void>;
  stop(): Promise<void>;
};

const CLOCK_TOLERANCE_MS = 5_000;
const REMEMBER_CLOCK_EVERY_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
/** A store found not whole is not read again in full each second. */
const FAILED_VERIFICATION_REST_MS = 10_000;
/** While replicas are waited for, so that nobody waits longer than necessary. */
const LOOK_FOR_REPLICAS_EVERY_MS = 100;
const REPLICAS_ACKNOWLEDGE_WITHIN_MS = 500;

/** Longer than a lookup process trusts what it last read of the order, with the time that a lookup may take. */
const ORDER_COUNTS_FOR_MS = 5_000;

/** Each worker that finds the store whole says so every second. */
const OTHER_WORKER_SILENT_AFTER_MS = 3_000;

/** An unchanged state is reported again, for people who read only the newest lines of a log. */
const TOLD_AGAIN_AFTER_MS = 3_600_000;

/**
 * The result of continuing a load. `behind`: it cannot be continued now, and its authority counts as not up
 * to date. `at work`: another process has its authority. `given up`: Redis has lost what was to be done, and
 * none of it was done.
 */
export type Resumption =
  | { kind: 'resumed' }
  | { kind: 'given up'; why: string }
  | { kind: 'at work'; why: string }
  | { kind: 'behind'; why: string };

/** Whether this data folder is the newest state, according to witnesses on other machines. */
type CopyComparison = {
  /** False while they are being asked: nothing is opened until then. */
  readonly done: boolean;
  /** What is wrong and what to do, in a sentence, if they know a newer or a different one. */
  problem(): Promise<string | undefined>;
};

/** How far a log goes. */
type SealedLog = { id: string; size: number; numbers: readonly number[] };

class NoDataset extends Error {
  override message = VERIFIER.noDatasetYet;
}

type Proof = 'mark' | 'offset' | 'comparison';

/**
 * Keeps a store: puts this version's functions on the server and, whenever Redis has started again,
 * compares what it holds with the anchor (dataset, every stamp and its generation, each authority's count
 * and digest, the audit streams' numbers, which are not to be below the anchor's or what is sealed) before it
 * opens the store to lookups. A load that was cut short is resumed first, and also while the store is open: most
 * are cut short while Redis continues. One that cannot be resumed keeps only its own authority from being up to date.
 * While the store is open it carries the audit streams' numbers over to the anchor. Meanwhile it says how Redis writes
 * to disk.
 *
 * Where answers wait for replicas, it carries over what they acknowledged. By that it knows a promoted replica, which
 * opens without help if it has all of it.
 *
 * @param options.resume ends a load that was cut short, from its journal, unless another process is at work on it.
 * Throws `StoreNotWhole` if Redis has lost what was to be done.
 * @param options.sealed the log that is sealed outside Redis: its id, how many events it has, and its last number of
 * each audit stream
 * @param options.copy what is known elsewhere of how far this data folder had come
 * @param options.replaced whether another worker has taken over. What this one knows is older then: it neither opens
 * nor closes the store.
 */
export function startStoreVerifier(
  redis: Redis,
  anchor: Anchor,
  options: {
    resume: (load: BegunLoad, stopped: AbortSignal) => Promise<Resumption>;
    sealed?: () => SealedLog | undefined | Promise<SealedLog | undefined>;
    copy?: CopyComparison | undefined;
    replaced?: (() => Promise<boolean>) | undefined;
    replicas?: (ReplicaRule & Pick<ReplicaWatchOptions, 'connectTo'>) | undefined;
  },
): StoreVerifier {
  const store = createStore(redis, anchor);
  const ours = (): string | undefined => anchor.dataset()?.id;
  const durability = publishDurability(redis, ours);
  const replicas = options.replicas && publishReplicas(redis, { ...options.replicas, ours });
  const rule = options.replicas;
  let state: StoreVerifier['state'] = {
    opened: false,
    problem: false,
    detail: VERIFIER.notLookedAt,
  };
  const functionsLoaded = watchFunctionLoads(redis);
  let areReplaced = false;
  let restUntil = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;
  const stopping = new AbortController();
  let wasReached = false;
  const listeners: ((state: StoreVerifier['state']) => void)[] = [];
  let tellAgainAt = Number.NEGATIVE_INFINITY;
  /** Streams whose numbers somebody else has set ahead. */
  let pushed = 0;
  /** Whether the Redis checked is the one of this anchor. */
  let isOurs = false;
  let lookingSoon: NodeJS.Timeout | undefined;
  let heartbeat = 0;
  /** Seen at the opening, and perhaps not yet on every replica. */
  let openedWith: number[] | undefined;
  /** The anchor's last order of single mode, and since when checks have found none in force. */
  let lastOrder: unknown;
  let noneInForceSince: number | undefined;
  /** The run of the server last checked. */
  let run: string | undefined;
  /** This worker has found the store whole since it started. */
  let foundWhole = false;
  /** The last sign of life of any worker, and when this one first saw it; `changed` if it saw another before. */
  let seenBeat: { beat: string | null; at: number; changed: boolean } | undefined;
  /** Why loads that were cut short cannot be resumed, by authority. */
  const behind = new Map<string, string>();
  let resuming: Promise<void> | undefined;
  let resumeAgainAt = Number.NEGATIVE_INFINITY;

  function become(
    is: 'open' | 'behind' | 'waiting' | 'wrong',
    detail: string,
    confirmation?: Confirmation,
  ): void {
    const again = is !== 'open' && performance.now() > tellAgainAt;
    if (state.detail === detail && !again) return;
    tellAgainAt = performance.now() + TOLD_AGAIN_AFTER_MS;
    state = {
      opened: is === 'open' || is === 'behind',
      problem: is === 'wrong' || is === 'behind',
      detail,
      ...(confirmation !== undefined && { confirmation }),
    };
    for (const listener of listeners) listener(state);
  }

  /** The last number of each audit stream, once it is certain that nothing before it was removed. */
  async function auditNumbers(): Promise<number[]> {
    // Before the streams are read: another process may record or seal what comes after this reply.
    const known = anchor.auditNumbers();
    const sealedBefore = (await options.sealed?.())?.numbers ?? [];
    const states = await streamStates(redis);
    pushed = states.filter(({ last, added }) => last > added).length;
    if (pushed > 0) throw new StoreNotWhole(VERIFIER.pushedOn);
    // Once more after them, so that it covers anything trimmed from them.
    const log = await options.sealed?.();
    const sealed = log?.numbers ?? [];
    const lost = ({ last, held }: StreamState, stream: number): boolean => {
      const least = Math.max(known[stream] ?? 0, sealedBefore[stream] ?? 0);
      return last < least || held < last - (sealed[stream] ?? 0);
    };
    if (states.some(lost)) {
      const sealedBy = await redis.hget(keys.dataset, AUDIT_LOG_FIELD);
      const isOther = options.sealed !== undefined && sealedBy !== null && sealedBy !== log?.id;
      const beyond = await sealedBeyond(redis, () => log && { log: log.id, size: log.size });
      if (beyond !== undefined) throw new StoreNotWhole(SEALING.oldLog(beyond));
      throw new StoreNotWhole(isOther ? SEALING.otherLog : READINESS.eventsMissing);
    }
    return states.map(({ last }) => last);
  }

  /** On this machine a copy of everything looks like the newest state, except for the time that has passed. */
  async function checkAge({ kind }: Dataset): Promise<void> {
    const { isOld, ageMs, lastAlive } = ageOf(anchor, await clockOf(redis));
    if (kind === 'demo' || !isOld) return;
    throw new StoreNotWhole(
      VERIFIER.oldFolder(ageMs, new Date(lastAlive).toISOString()),
      'old-copy',
    );
  }

  async function markServer(): Promise<void> {
    const mark = { mark: randomUUID(), at: await clockOf(redis) };
    anchor.addServerMark(mark);
    await redis.fcall(FUNCTIONS.markServer, 1, keys.server, mark.mark);
    anchor.settleServerMark(mark);
  }

  /** A clock that went back would hide plans that have begun and call old data new. */
  async function checkClock(): Promise<void> {
    const clock = await clockOf(redis);
    const newest = anchor.newestClock();
    if (clock < newest - CLOCK_TOLERANCE_MS) {
      throw new StoreNotWhole(
        VERIFIER.clockWentBack(newest - clock, new Date(newest).toISOString()),
        'clock',
      );
    }
    if (clock > newest + REMEMBER_CLOCK_EVERY_MS) anchor.rememberClock(clock);
  }

  /**
   * An authority that fell out of the directory would be neither expected nor missed. What is held of each is
   * read by every process that answers from it.
   */
  async function checkDirectory(): Promise<void> {
    const loaded = anchor.authorityCodes();
    const expected = new Set((await readDataset(redis))?.codes);
    const missing = loaded.filter((code) => !expected.has(code));
    if (missing.length > 0) {
      throw new StoreNotWhole(VERIFIER.directoryLacks(missing));
    }
  }

  function rest(): void {
    restUntil = performance.now() + FAILED_VERIFICATION_REST_MS;
  }

  /**
   * Whether another worker keeps open a store that this one has not found whole since it started: then this
   * one's folders are an old copy or the wrong ones. It takes a few checks to tell, and nothing is closed
   * before then.
   */
  async function isKeptByAnother(): Promise<'yes' | 'no' | 'unclear'> {
    if (foundWhole) return 'no';
    const [opened, beatNow] = await Promise.all([redis.get(keys.open), redis.get(keys.heartbeat)]);
    if (opened === null || opened !== run) return 'no';
    const now = performance.now();
    if (seenBeat === undefined || seenBeat.beat !== beatNow) {
      seenBeat = { beat: beatNow, at: now, changed: seenBeat !== undefined };
    }
    if (now - seenBeat.at >= OTHER_WORKER_SILENT_AFTER_MS) return 'no';
    return seenBeat.changed ? 'yes' : 'unclear';
  }

  /** Closes the store for every process, with the reason for them to report. */
  async function shut(reason: string): Promise<void> {
    await redis.set(keys.open, `${CLOSED}${reason}`).catch(() => undefined);
  }

  /** Nothing is written into a Redis before it is known to belong to this anchor. */
  async function requireOurs(): Promise<Dataset> {
    const expected = anchor.dataset();
    const held = await store.dataset();
    if (expected === undefined) {
      if (held === undefined) throw new NoDataset();
      const isCutShort = held.id === anchor.creating();
      throw new StoreNotWhole(isCutShort ? DATASET.cutShort : VERIFIER.unknownDataset);
    }
    if (held === undefined) {
      isOurs = true;
      throw new StoreNotWhole(VERIFIER.datasetLost);
    }
    if (held.id !== expected.id) {
      throw new StoreNotWhole(VERIFIER.otherDataset);
    }
    isOurs = true;
    return expected;
  }

  /**
   * How a server is known to have everything that was acknowledged: by its mark, by the offset at which it
   * left the former primary, or, if a restart forgot that, by comparing all it holds.
   */
  async function proofOf(replication: Replication): Promise<Proof | undefined> {
    if (await isKnownServer(redis, anchor, replication)) return 'mark';
    const acknowledged = anchor.acknowledged();
    if (rule === undefined || anchor.single()) return undefined;
    if (acknowledged === undefined) {
      // Nothing was ever answered from a store that was never opened, whichever server it is on.
      return anchor.serverMarks().length === 0 ? 'comparison' : undefined;
    }
    const { id, offset } = replication.former;
    if (id === acknowledged.id && offset >= acknowledged.offset) return 'offset';
    const lastAlive = Number(await redis.get(keys.heartbeat));
    return lastAlive >= acknowledged.heartbeat ? 'comparison' : undefined;
  }

  async function verify(dataset: Dataset, replication: Replication): Promise<Proof> {
    await loadFunctions(redis);
    await checkAge(dataset);
    await checkClock();
    await checkDirectory();
    const proof = await proofOf(replication);
    if (proof === undefined) {
      // Reasons that nobody can confirm are reported first.
      await compareRows();
      throw new StoreNotWhole(READINESS.promoted, 'promotion');
    }
    for (const load of anchor.loadsInProgress()) await resumeBeforeOpening(load);
    const generations = proof === 'offset' ? await readStamps(dataset) : await compareRows();
    await auditNumbers();
    if (rule === undefined) anchor.rememberGenerations(generations);
    else openedWith = generations;
    return proof;
  }

  function fallBehind({ authority }: BegunLoad, why: string): void {
    behind.set(authority, why);
    resumeAgainAt = performance.now() + FAILED_VERIFICATION_REST_MS;
  }

  async function resume(load: BegunLoad): Promise<Resumption> {
    const resumption = await options.resume(load, stopping.signal);
    if (resumption.kind === 'behind') fallBehind(load, resumption.why);
    else behind.delete(load.authority);
    return resumption;
  }

  async function resumeBeforeOpening(load: BegunLoad): Promise<void> {
    const resumption = await resume(load);
    // Its lease expires in seconds, or it has finished by then.
    if (resumption.kind === 'at work') throw new Error(resumption.why);
  }

  /** While the store is open: beside everything else, since it may take as long as a load. */
  function resumeCutShort(): void {
    const loads = anchor.loadsInProgress();
    for (const code of behind.keys()) {
      if (!loads.some(({ authority }) => authority === code)) behind.delete(code);
    }
    for (const code of anchor.lackingFiles()) behind.set(code, whyLacking(anchor, code));
    if (loads.length === 0 || stopping.signal.aborted || performance.now() < resumeAgainAt) return;
    resuming ??= resumeEach(loads).finally(() => {
      resuming = undefined;
    });
  }

  async function resumeEach(loads: readonly BegunLoad[]): Promise<void> {
    for (const load of loads) {
      if (stopping.signal.aborted) return;
      await resume(load).catch((error: unknown) => {
        fallBehind(load, error instanceof Error ? causeOf(error) : VERIFIER.failed('unknown'));
      });
    }
  }

  function checkGenerations(generations: readonly number[], before: readonly number[]): void {
    before.forEach((generation, partition) => {
      if ((generations[partition] ?? 0) < generation) {
        throw new StoreNotWhole(VERIFIER.olderState);
      }
    });
  }

  /** Whether the stamps show every partition to be whole. Returns the partitions' generations. */
  async function readStamps(dataset: Dataset): Promise<number[]> {
    const stamps = list(
      await redis.fcall(FUNCTIONS.stamps, allChildrenKeys.length, ...allChildrenKeys, dataset.id),
    );
    const generations = allChildrenKeys.map((_, partition) => {
      const generation = stamps[partition];
      if (typeof generation !== 'number') throw new StoreNotWhole();
      return generation;
    });
    checkGenerations(generations, anchor.generations());
    return generations;
  }

  /** Whether the store holds what was loaded into it. Returns the partitions' generations. */
  async function compareRows(): Promise<number[]> {
    const before = {
      authorities: anchor.authorities(),
      loads: anchor.loadsInProgress(),
      generations: anchor.generations(),
    };
    const { tallies, generations } = await store.tallyWithGenerations();
    const wrong = new Set(tallies.keys());
    for (const [code, { rows, digest }] of before.authorities) {
      const tally = tallies.get(code) ?? new Tally();
      if (tally.rows === rows && tally.digest === digest) {
        wrong.delete(code);
      } else {
        wrong.add(code);
      }
    }
    // What another process has loaded since the resuming above is compared with the store by that process
    // itself.
    for (const load of [...before.loads, ...anchor.loadsInProgress()]) wrong.delete(load.authority);
    for (const [code, { sequence, digest }] of anchor.authorities()) {
      const then = before.authorities.get(code);
      if (then?.sequence !== sequence || then.digest !== digest) wrong.delete(code);
    }
    if (wrong.size > 0) {
      throw new StoreNotWhole(VERIFIER.rowsDiffer([...wrong].toSorted()));
    }
    checkGenerations(generations, before.generations);
    return generations;
  }

  /** @throws {StoreNotWhole} if somebody has replaced the functions, also if they were put back since the last look */
  async function requireOwnFunctions(runId: string): Promise<void> {
    try {
      const were = areReplaced;
      // In this order: functions that a named person puts back meanwhile are not taken for others.
      areReplaced = await areFunctionsReplaced(redis);
      const wereLoaded = await functionsLoaded(runId);
      if (areReplaced) throw new StoreNotWhole(VERIFIER.functionsReplaced);
      if (wereLoaded && !were) throw new StoreNotWhole(VERIFIER.functionsPutBack);
    } catch (error) {
      // Users of an earlier version may not read them. This by itself must close no store; Redis's ACL log has it.
      if (!lacksRights(error)) throw error;
    }
  }

  async function keep(): Promise<void> {
    if (redis.status !== 'ready') {
      become(wasReached ? 'wrong' : 'waiting', VERIFIER.unreachable);
      return;
    }
    wasReached = true;
    isOurs = false;
    const server = information(await redis.info('server', 'replication'));
    const runId = server.get('run_id');
    if (runId === undefined) throw new Error('Redis does not name its run.');
    run = runId;
    const replication = readReplication(server);
    if (replication.isReplica) {
      become('wrong', READINESS.replica);
      return;
    }
    const dataset = await requireOurs();
    if (await options.replaced?.()) {
      become('waiting', COPY.successor);
      return;
    }
    // Before any of them is called: what they say cannot be believed.
    await requireOwnFunctions(runId);
    // Before what they know is read, since it is known once they have been asked.
    const isCompared = options.copy?.done !== false;
    const otherCopy = await options.copy?.problem();
    if (otherCopy !== undefined) throw new StoreNotWhole(otherCopy, 'old-copy');
    // Before the order is read: one that is given meanwhile is not forgotten.
    const noted = anchor.singleOrder();
    const [opened, believed, order] = await Promise.all([
      redis.get(keys.open),
      redis.hget(keys.dataset, BELIEVED_SERVER),
      rule === undefined ? null : redis.hget(keys.dataset, SINGLE_FIELD),
    ]);
    const single = singleMode(order);
    if (single !== undefined || noted !== lastOrder) noneInForceSince = undefined;
    if (single === undefined) noneInForceSince ??= performance.now();
    lastOrder = noted;
    const attached = attachedReplicas(server);
    const required = rule && requirementOf(rule, attached, single !== undefined);
    if (opened !== runId || (replication.wasPromoted && believed !== replication.id)) {
      // If the key is gone (null), somebody has put something right and wants a check at once.
      if (performance.now() < restUntil && opened !== null) return;
      if (rule !== undefined && required === undefined) {
        become('waiting', VERIFIER.fewReplicas(attached.length, rule.replicas));
        lookSoon();
        return;
      }
      if (!isCompared) {
        become('waiting', VERIFIER.comparing);
        lookSoon();
        return;
      }
      // A reason stays reported while it is checked again.
      if (!state.problem) become('waiting', VERIFIER.verifying);
      const lastAlive = anchor.lastAlive();
      let proof: Proof;
      try {
        proof = await verify(dataset, replication);
      } catch (error) {
        // With replicas, other failures pass: one has just been promoted, and loads cut short by it continue.
        if (rule === undefined || error instanceof StoreNotWhole) rest();
        else lookSoon();
        throw error;
      }
      // Later answers are compared with this, so it must be known before the first one.
      if (required !== undefined && single === undefined) {
        if (!(await carryOver(replication, required))) {
          lookSoon();
          return;
        }
      }
      if (replication.wasPromoted) {
        await redis.hset(keys.dataset, BELIEVED_SERVER, replication.id);
      }
      if (proof !== 'mark') anchor.forgetServer();
      await store.appendEvent({
        type: 'store-opened',
        auditId: randomUUID(),
        by: 'keeper',
        detail: {
          run: runId,
          ...(proof !== 'mark' && { failover: true, proof }),
          ...(lastAlive > 0 && { lastAlive: new Date(lastAlive).toISOString() }),
        },
      });
      await durability.publish();
      // The run that was verified: if Redis had restarted meanwhile, this would not open it.
      await redis.set(keys.open, runId);
    }
    await checkClock();
    await checkDirectory();
    const numbers = await auditNumbers().catch(async (error: unknown) => {
      if (error instanceof StoreNotWhole) throw error;
      // A process of a newer version has just started: its functions are not there yet.
      await loadFunctions(redis);
      return auditNumbers();
    });
    // Again and again while there are replicas: one of them may just have copied everything.
    if (replication.hasReplicas || anchor.serverMarks().length === 0) await markServer();
    if (order !== null && single !== undefined) {
      if (!anchor.single()) anchor.rememberSingle();
      await followSingleMode(order, single, attached.length);
    }
    foundWhole = true;
    resumeCutShort();
    // Before it is reported: a disk that takes nothing would be reported in turn with an open store, each second.
    let isAcknowledged = true;
    if (rule === undefined || single !== undefined) await beat();
    else isAcknowledged = required !== undefined && (await carryOver(replication, required));
    const before = anchor.auditNumbers();
    if (isAcknowledged && numbers.some((number, stream) => number !== before[stream])) {
      anchor.rememberAuditNumbers(numbers);
    }
    if (behind.size === 0) become('open', VERIFIER.open);
    else become('behind', VERIFIER.behind([...behind.keys()], [...behind.values()].join(' ')));
  }

  /** Reports that this worker is alive. */
  async function beat(): Promise<void> {
    // If two fall into one millisecond, or the clock went back, the later one is still higher.
    heartbeat = Math.max(Date.now(), heartbeat + 1);
    await redis.set(keys.heartbeat, heartbeat);
  }

  /** Records in the anchor what replicas have by now. False, and nothing is recorded, if they do not confirm. */
  async function carryOver(replication: Replication, required: Requirement): Promise<boolean> {
    // Until then a lookup process may still answer by an order that has ended.
    const isOver =
      performance.now() - (noneInForceSince ?? performance.now()) > ORDER_COUNTS_FOR_MS;
    const [, text] = await Promise.all([beat(), redis.info('replication')]);
    if (!(await acknowledge(required))) return false;
    const now = information(text);
    const [id = '', offset] = [now.get('master_replid'), Number(now.get('master_repl_offset'))];
    if (id !== replication.id) return false;
    anchor.rememberAcknowledged({ id, offset, heartbeat });
    if (isOver && anchor.single()) anchor.endSingle(lastOrder);
    if (openedWith !== undefined) anchor.rememberGenerations(openedWith);
    openedWith = undefined;
    return true;
  }

  /** Whether replicas have everything up to now. */
  async function acknowledge({ wait, agreement }: Requirement): Promise<boolean> {
    const { stream } = redis;
    if ((await redis.wait(wait, REPLICAS_ACKNOWLEDGE_WITHIN_MS)) < wait) return false;
    if (!agreement) return true;
    return (await rule?.sentinels?.agree()) === true && stream === redis.stream;
  }

  /** Ends single mode if the replicas were away and are back, so that it is not forgotten. */
  async function followSingleMode(
    order: string,
    single: SingleMode,
    attached: number,
  ): Promise<void> {
    if (rule === undefined || attached < rule.replicas) {
      // In the order itself: the worker that sees them come back may be another one.
      if (!single.away) await changeSingleMode(redis, order, { ...single, away: true });
    } else if (single.away) {
      await store.appendEvent({
        type: 'single-mode-ended',
        auditId: randomUUID(),
        by: 'keeper',
        detail: { replicas: attached },
      });
      await changeSingleMode(redis, order, '');
    }
  }

  function lookSoon(): void {
    lookingSoon ??= setTimeout(() => {
      lookingSoon = undefined;
      if (!stopping.signal.aborted) void look();
    }, LOOK_FOR_REPLICAS_EVERY_MS);
  }

  function look(): Promise<void> {
    looking ??= keep()
      .catch(async (error: unknown) => {
        if (error instanceof NoDataset) {
          become('waiting', error.message);
          return;
        }
        // A worker that was delayed compared with what was known earlier.
        if (await options.replaced?.().catch(() => false)) {
          become('waiting', COPY.successor);
          return;
        }
        // Never into another dataset's Redis, since that would close somebody else's store.
        if (isOurs && error instanceof StoreNotWhole) {
          rest();
          const kept = await isKeptByAnother().catch(() => 'no');
          if (kept === 'yes') {
            become('wrong', VERIFIER.keptByAnother);
            return;
          }
          if (kept === 'no') await shut(error.message);
        }
        if (error instanceof StoreNotWhole) become('wrong', error.message, error.confirmation);
        else {
          become('wrong', VERIFIER.failed(connectionFault(error) ?? causeOf(error)));
        }
      })
      .finally(() => {
        looking = undefined;
      });
    return looking;
  }

  const lookNow = (): void => {
    restUntil = Number.NEGATIVE_INFINITY;
    if (!stopping.signal.aborted) void look();
  };
  const timer = setInterval(() => {
    if (!stopping.signal.aborted) void look();
  }, LOOK_EVERY_MS);
  redis.on('ready', lookNow);
  lookNow();

  return {
    get pushedStreams() {
      return pushed;
    },
    get state() {
      return state;
    },
    onChange: (listener) => void listeners.push(listener),
    async look() {
      // One under way may have read the store before what the caller wants to see.
      await looking;
      restUntil = Number.NEGATIVE_INFINITY;
      await look();
    },
    async stop() {
      stopping.abort();
      clearInterval(timer);
      clearTimeout(lookingSoon);
      redis.off('ready', lookNow);
      await durability.stop();
      await replicas?.stop();
      await looking;
      await resuming;
    },
  };
}
