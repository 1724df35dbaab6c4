// One file, since all checks share one poll and one verdict: half of it could open a store that the other
// half doubts.

import type { Redis } from 'ioredis';
import type { Authority } from '#schemas/authority.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import { READINESS, REPLICAS, SENTINELS, VERIFIER } from '#schemas/wording/store.ts';
import {
  AuthorityUnreadable,
  createDirectoryReader,
  type Dataset,
  parseDataset,
} from '../authorities/dataset.ts';
import { attachedReplicas, type Requirement, requirementOf } from '../connection/acknowledged.ts';
import { type ReadFailure, readFailure, refusalFault } from '../connection/connection.ts';
import { createLane } from '../connection/lanes.ts';
import { information, list } from '../connection/reply.ts';
import type { Sentinels } from '../connection/sentinels.ts';
import { SINGLE_FIELD, singleMode } from '../connection/single-mode.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { allChildrenKeys, CLOSED, keys } from '../keys.ts';
import {
  CONDITIONS_SECTIONS,
  DURABILITY_FIELD,
  durabilityProblem,
  durabilitySaidAt,
} from './durability.ts';
import { EventNumbers, type ExpectedEvent } from './event-numbers.ts';
import {
  followConditions,
  judgeReplicas,
  REPLICAS_FIELD,
  type ReplicaWatchOptions,
  replicasWord,
} from './replicas.ts';
import { type roomOn, watchRoom } from './room.ts';
import { BELIEVED_SERVER, CONFIRMED_CLOCK, CONFIRMED_PROMOTION } from './server.ts';
import {
  bad,
  CLOCK_TOLERANCE_MS,
  clocks,
  type DiskVerdict,
  disk,
  durable,
  freeShare,
  good,
  memory,
  notRun,
  primary,
  refusalCode,
  rewritten,
  type StoreMeasures,
  type Verdict,
  worker,
  writable,
} from './verdicts.ts';

/** One thing that must hold for the store to be trusted. */
export type ReadinessCheck = {
  name: string;
  ok: boolean;
  /** The state, or what is wrong and what to do about it. Never an NHS number. */
  detail: string;
  /** ISO 8601: since when. */
  since: string;
  /** Needs attention; lookups are still answered. */
  advisory?: boolean;
};

export type Readiness = {
  /** Lookups may go to the store: every check that concerns all of it passed within the last 3 s. */
  readonly open: boolean;
  /** `open`, and no partition is in doubt. What readiness reports. */
  readonly ready: boolean;
  readonly dataset: Dataset | undefined;
  /** The run of the server at the last check; `undefined` before the first. */
  readonly run: string | undefined;
  /** What an answer's event needs from replicas before it is given, as of the last check. */
  readonly replicasRequired: Requirement;
  /** How often sentinels have named another primary since this began. */
  readonly failovers: number;
  /** Called when replicas did not acknowledge in time: lookups stay closed until they do. */
  notReplicated(): void;
  /** Called when replicas have just acknowledged an answer's event. */
  sawReplicated(): void;
  /** Keys the ids under which the dataset's resources are shown. */
  readonly resourceKey: string | undefined;
  /** The directory of authorities, replaced as a whole at each poll. */
  readonly authorities: ReadonlyMap<string, Authority>;
  /** The authorities that should be in it, as of the same poll; `undefined` if not set. */
  readonly expected: ExpectedAuthorities | undefined;
  /** Milliseconds; when the directory was last read. */
  readonly authoritiesAt: number;
  /** How near the store is to the limits that stop lookups, as of the last poll. */
  readonly measures: StoreMeasures;
  /** User keys of those blocked by the operator, as of the last poll. */
  readonly blocked: ReadonlySet<string>;
  /** The highest generation seen of a partition. */
  generation(partition: number): number;
  /** Called with what a lookup saw. */
  sawGeneration(partition: number, generation: number): void;
  /** Called when an event is sent. The result is for {@link Readiness.sawEvent}. */
  expectEvent(partition: number): ExpectedEvent;
  /**
   * Called with the number of an event just written, in the turn in which it is read; `undefined` if it is
   * unknown. False if the number is not new, or not above those seen when the event was sent: events were
   * removed, as for {@link Readiness.missedEvents}.
   */
  sawEvent(partition: number, expected: ExpectedEvent, number: number | undefined): boolean;
  /**
   * Called if a stream of events is gone. Lookups stay closed until this process restarts, a named person confirms a
   * promotion, or numbers that somebody set ahead are repaired.
   */
  missedEvents(): void;
  checks(): ReadinessCheck[];
  /** Reads everything again, the directory of authorities too. Never rejects. */
  refresh(): Promise<void>;
  /** True as soon as it is open; false if it is not within the deadline. */
  whenOpen(deadlineMs: number): Promise<boolean>;
  stop(): Promise<void>;
};

const POLL_EVERY_MS = 1_000;
/** While it is closed, so that nobody waits longer than necessary. */
const POLL_CLOSED_EVERY_MS = 100;
/** A poll that takes longer than this has failed; two of them fit into the two seconds promised. */
const POLL_DEADLINE_MS = 800;
const TRUSTED_FOR_MS = 3_000;
const CHECKS = [
  'redis-reachable',
  'primary',
  'functions',
  'writable',
  'dataset',
  'opened',
  'whole',
  'durable',
  'replicas',
  'single-mode',
  'replica-servers',
  'sentinels',
  'memory',
  'disk',
  'file-rewritten',
  'clock',
  'directory',
  'blocked-users',
  'numbers-in-use',
  'worker',
] as const;
/** What `/_status` calls them, after `store:`. */
export type CheckName = (typeof CHECKS)[number];
/** Doubt about one partition closes only that partition (the lookup function does so). */
const PARTIAL: CheckName = 'whole';
/** Checks whose failure must not leave a clinician without an answer. */
const ADVISORY: ReadonlySet<CheckName> = new Set([
  'file-rewritten',
  'blocked-users',
  'numbers-in-use',
  'worker',
  'single-mode',
  'replica-servers',
  'sentinels',
]);
const OF_REPLICAS: ReadonlySet<CheckName> = new Set(['replicas', 'single-mode', 'replica-servers']);
/** How long the key is kept that each poll writes to probe the replicas. */
const PROBE_KEPT_MS = 10_000;
const PROBE_WAIT_MS = 400;
const REPLICATED_LATELY_MS = 1_000;
const EVENTS_MISSING = bad(READINESS.eventsMissing);

const directoryProblem = (error: unknown): string =>
  error instanceof AuthorityUnreadable
    ? READINESS.authorityUnreadable(error.code)
    : READINESS.directoryUnread[readFailure(error)];

/** What a poll can do without: the reply, or why there is none. */
const orFailure = <Reply>(
  asked: Promise<Reply>,
): Promise<{ reply: Reply } | { failure: ReadFailure }> =>
  asked.then(
    (reply) => ({ reply }),
    (error: unknown) => ({ failure: readFailure(error) }),
  );

/**
 * Watches, each second (more often while closed) and at every new connection, whether this Redis can be
 * trusted: reachable, opened by the store verifier for this very run of the server, whole, durable, with
 * memory and clock in order. Holds the directory of authorities as of the last poll.
 *
 * A connection is trusted only after a poll on it has passed; a break withdraws it at once.
 *
 * @param options.clock milliseconds since 1970; given in tests of a clock gone wrong.
 * @param options.dataDir where Redis keeps its files, if that is on this machine: its disk is watched too.
 * @param options.room given in tests of a disk that does not answer.
 * @param options.datasetProblem why a dataset is not the one to answer from, in a sentence for the operator.
 */
export function watchStore(
  redis: Redis,
  options: {
    clock?: () => number;
    dataDir?: string;
    room?: typeof roomOn;
    datasetProblem?: (held: Dataset) => string | undefined;
    /**
     * If answers wait for replicas: how many there are, a connection for probing whether they answer, and how
     * to reach one of them.
     */
    replicas?:
      | { count: number; probe: Redis; connectTo: ReplicaWatchOptions['connectTo'] }
      | undefined;
    /**
     * Whether this process answers lookups; one that does not may not read which numbers are in use. Default:
     * it does.
     */
    answersLookups?: boolean;
    /** Where the address names sentinels. */
    sentinels?: Pick<Sentinels, 'problem' | 'failovers' | 'replicas' | 'agree'> | undefined;
  } = {},
): Readiness {
  const { replicas, sentinels, answersLookups = true } = options;
  const names = CHECKS.filter(
    (name) =>
      (replicas !== undefined || !OF_REPLICAS.has(name)) &&
      (answersLookups || name !== 'numbers-in-use') &&
      (sentinels !== undefined || name !== 'sentinels'),
  );
  const probe = replicas && createLane(replicas.probe, sentinels);
  const conditions = replicas && followConditions(replicas.connectTo);
  const readDirectory = createDirectoryReader(redis);
  const { dataDir, room } = options;
  const lookAtRoom =
    dataDir === undefined ? undefined : watchRoom(dataDir, omitUndefined({ room }));
  const lookAtDisk = async () =>
    lookAtRoom === undefined ? good(READINESS.diskElsewhere) : disk(await lookAtRoom());
  const clock = options.clock ?? Date.now;
  const verdicts = new Map<CheckName, ReadinessCheck>();
  const generations = new Map<number, number>();
  let eventNumbers = new EventNumbers();
  let confirmed: string | undefined;
  let confirmedClock: string | undefined;
  let eventsMissing = false;
  let run: string | undefined;
  let replicatedAt = Number.NEGATIVE_INFINITY;
  let replicasRequired: Requirement = { wait: replicas?.count ?? 0, agreement: false };
  const waiting = new Set<() => void>();
  let dataset: Dataset | undefined;
  let resourceKey: string | undefined;
  let authorities: ReadonlyMap<string, Authority> = new Map();
  let expected: ExpectedAuthorities | undefined;
  let authoritiesAt = 0;
  let blocked: ReadonlySet<string> = new Set();
  let measures: StoreMeasures = {};
  let newestStoreClock = 0;
  let trustedAt = Number.NEGATIVE_INFINITY;
  let stopped = false;
  let polling: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let again = false;
  /** Counts polls and breaks, so that an abandoned poll has no effect if its answers come late. */
  let turn = 0;

  function set(name: CheckName, verdict: Verdict): void {
    const before = verdicts.get(name);
    if (!verdict.ok && name !== PARTIAL && !ADVISORY.has(name)) {
      trustedAt = Number.NEGATIVE_INFINITY;
    }
    verdicts.set(name, {
      name,
      ...verdict,
      advisory: ADVISORY.has(name),
      since: before?.ok === verdict.ok ? before.since : new Date().toISOString(),
    });
  }
  for (const name of names) set(name, bad(READINESS.notChecked));

  const passes = (name: CheckName): boolean => verdicts.get(name)?.ok === true;

  /** Why the newest attempt to connect failed, if Redis is present. */
  let refusal: string | undefined;

  function close(fault = refusal): void {
    turn++;
    set('redis-reachable', bad(fault ?? sentinels?.problem ?? READINESS.unreachable));
  }

  function sawGeneration(partition: number, generation: number): void {
    if (generation > (generations.get(partition) ?? 0)) generations.set(partition, generation);
  }

  function forgetEvents(): void {
    eventNumbers = new EventNumbers();
    generations.clear();
    eventsMissing = false;
  }

  function missedEvents(): void {
    eventsMissing = true;
    set('durable', EVENTS_MISSING);
  }

  const silence = (): string =>
    replicasRequired.agreement
      ? REPLICAS.noAgreement(replicasRequired.wait)
      : REPLICAS.silent(replicasRequired.wait);

  function notReplicated(): void {
    replicatedAt = Number.NEGATIVE_INFINITY;
    set('replicas', bad(silence()));
  }

  /** Whether the replicas acknowledge a write now. Then a poll that read before the write has read what they have. */
  async function areReplicasAnswering(server: ReadonlyMap<string, string>): Promise<boolean> {
    if (probe === undefined || replicasRequired.wait === 0) return true;
    if (probe.busy || probe.run !== server.get('run_id')) return false;
    const { sent, acknowledged } = probe.send(
      replicasRequired,
      // Replaces anything that another holder of these rights has put there, and cannot fail because of it.
      (redis) => redis.set(keys.probe, 1, 'PX', PROBE_KEPT_MS),
      PROBE_WAIT_MS,
    );
    const written = await sent.then(
      () => true,
      () => false,
    );
    return (await acknowledged) && written;
  }

  /** What is known about replicas before they are asked to acknowledge. */
  function lookAtReplicas(
    server: ReadonlyMap<string, string>,
    fields: Readonly<Record<string, string>>,
    storeClock: number,
  ): Verdict {
    if (replicas === undefined || conditions === undefined) return good('');
    const single = singleMode(fields[SINGLE_FIELD]);
    set(
      'single-mode',
      single === undefined ? good(REPLICAS.notSingle) : bad(REPLICAS.single(single.by, single.at)),
    );
    const attached = attachedReplicas(server);
    const rule = { replicas: replicas.count, sentinels };
    const required = requirementOf(rule, attached, single !== undefined);
    replicasRequired = required ?? { wait: replicas.count, agreement: false };
    // Including those that lag for a moment: by the next check they may count again.
    conditions.ask(attachedReplicas(server, Number.POSITIVE_INFINITY));
    const word = replicasWord(fields[REPLICAS_FIELD], server, storeClock, conditions.of);
    const { verdict, servers } = judgeReplicas(replicas.count, attached, required, word);
    set('replica-servers', servers);
    return single === undefined ? verdict : good(REPLICAS.notRequired);
  }

  /**
   * @param least the generations known when the stamps were asked for
   * @param replicated whether what was read is on every replica too: nothing else is remembered
   */
  function checkStamps(
    reply: unknown,
    least: ReadonlyMap<number, number>,
    replicated: boolean,
  ): Verdict {
    const stamps = list(reply);
    const doubtful: number[] = [];
    for (let partition = 0; partition < allChildrenKeys.length; partition++) {
      const generation = stamps[partition];
      if (typeof generation !== 'number' || generation < (least.get(partition) ?? 0)) {
        doubtful.push(partition);
      } else if (replicated) {
        sawGeneration(partition, generation);
      }
    }
    if (doubtful.length === 0) return good(READINESS.whole);
    return bad(READINESS.notWhole(doubtful.length, allChildrenKeys.length, doubtful[0]));
  }

  async function poll(): Promise<void> {
    const mine = ++turn;
    const sentAt = clock();
    const [info, opened, fields, time, diskVerdict, stopped, heartbeat, inUse] = await Promise.all([
      redis.info('memory', ...CONDITIONS_SECTIONS),
      redis.get(keys.open),
      redis.hgetall(keys.dataset),
      redis.time(),
      lookAtDisk(),
      // Rights that an older version's users lack; nothing else may depend on these three. Whole hashes are
      // read here: no lookup process may write to them, so none can be flooded by one.
      orFailure(redis.hkeys(keys.blocked)),
      orFailure(redis.get(keys.heartbeat)),
      answersLookups && orFailure(redis.sismember(keys.notInUse(0), '')),
    ]);
    if (mine !== turn) return;
    const server = information(info);
    const held = parseDataset(fields);
    set('redis-reachable', good(READINESS.reachable));
    set('memory', memory(server));
    set('file-rewritten', rewritten(server));
    set('primary', primary(server, fields[BELIEVED_SERVER]));
    if (fields[CONFIRMED_PROMOTION] !== confirmed) {
      // A named person has answered for what this process has seen.
      if (dataset !== undefined) forgetEvents();
      confirmed = fields[CONFIRMED_PROMOTION];
    }
    if (fields[CONFIRMED_CLOCK] !== confirmedClock) {
      newestStoreClock = 0;
      confirmedClock = fields[CONFIRMED_CLOCK];
    }
    const { diskFreeBytes, diskReserveBytes, ...diskIs }: DiskVerdict = diskVerdict;
    set('disk', diskIs);

    const [seconds, microseconds] = time.map(Number);
    const storeClock = (seconds ?? 0) * 1000 + (microseconds ?? 0) / 1000;
    const problem = durabilityProblem(fields[DURABILITY_FIELD], server, storeClock);
    set('durable', eventsMissing ? EVENTS_MISSING : durable(server, problem));
    const replicasVerdict = lookAtReplicas(server, fields, storeClock);
    if (replicas !== undefined && !replicasVerdict.ok) set('replicas', replicasVerdict);
    const apart = Math.max(sentAt - storeClock, storeClock - clock());
    const wentBack = newestStoreClock - storeClock;
    const memoryFreeShare = freeShare(server, Number(server.get('maxmemory')));
    const fileBytes = Number(server.get('aof_current_size'));
    measures = {
      ...(fileBytes > 0 && { fileBytes }),
      ...(Number.isFinite(memoryFreeShare) && { memoryFreeShare }),
      ...(diskFreeBytes !== undefined && { diskFreeBytes }),
      ...(diskReserveBytes !== undefined && { diskReserveBytes }),
      clocksApartMs: Math.max(0, apart),
    };
    if (apart <= CLOCK_TOLERANCE_MS) newestStoreClock = Math.max(newestStoreClock, storeClock);
    set('clock', clocks(apart, wentBack));
    const isOpen = opened !== null && opened === server.get('run_id');
    // A worker that keeps the store closed gives no other sign of life: replicas are judged by the heartbeat.
    const saidAt = isOpen ? undefined : durabilitySaidAt(fields[DURABILITY_FIELD]);
    set('worker', worker(heartbeat, saidAt, storeClock));
    if (inUse !== false) {
      const verdict =
        'failure' in inUse
          ? bad(READINESS.numbersInUseUnread[inUse.failure])
          : good(READINESS.numbersInUse);
      set('numbers-in-use', verdict);
    }
    if ('failure' in stopped) {
      set('blocked-users', bad(READINESS.blockedUnread[stopped.failure]));
    } else {
      blocked = new Set(stopped.reply);
      set('blocked-users', good(READINESS.blocked(blocked.size)));
    }

    if (held === undefined) {
      set('dataset', bad(READINESS.noDataset));
      set('opened', bad(READINESS.notOpened));
      return;
    }
    if (dataset !== undefined && dataset.id !== held.dataset.id) {
      set('dataset', bad(READINESS.otherDataset));
      return;
    }
    const refused = options.datasetProblem?.(held.dataset);
    if (refused !== undefined) {
      set('dataset', bad(refused));
      return;
    }
    set('dataset', good(READINESS.dataset(held.dataset.kind, held.dataset.id)));
    set(
      'opened',
      isOpen
        ? good(READINESS.verified)
        : bad(
            opened?.startsWith(CLOSED) === true
              ? opened.slice(CLOSED.length)
              : READINESS.notVerified,
          ),
    );

    // A lookup may see a newer generation before the reply that was made ahead of it is read here.
    const least = new Map(generations);
    // Events numbered after the push are renumbered by the repair, and compared with the anchor before the
    // store opens again.
    if (opened === `${CLOSED}${VERIFIER.pushedOn}`) {
      eventNumbers = new EventNumbers();
      eventsMissing = false;
    }

    const [directory, stamps, refusal] = await Promise.all([
      readDirectory(held.codes).catch((error: unknown) => error),
      redis
        .fcall(FUNCTIONS.stamps, allChildrenKeys.length, ...allChildrenKeys, held.dataset.id)
        .then(
          (reply) => ({ reply }),
          (error: unknown) => ({ error }),
        ),
      // A lookup of nothing: Redis refuses it for any reason that would make it refuse every other.
      redis.fcall(FUNCTIONS.lookup, 0, held.dataset.id, sentAt, CLOCK_TOLERANCE_MS, 0, 0).then(
        () => undefined,
        (error: unknown) => error,
      ),
    ]);
    // Nothing from a poll counts once its first connection has gone: the rest may come from another server.
    if (mine !== turn) return;
    if ('error' in stamps) {
      set('functions', notRun(stamps.error));
      return;
    }
    set('functions', good(READINESS.functions));
    set('writable', writable(refusal));
    const replicated = replicasVerdict.ok && (await areReplicasAnswering(server));
    if (mine !== turn) return;
    if (replicas !== undefined) {
      // Every answer waits for them itself, so a late reply to the probe by itself stops none.
      const lately = performance.now() - replicatedAt < REPLICATED_LATELY_MS;
      const silent = replicasVerdict.ok && !replicated && !lately;
      set('replicas', silent ? bad(silence()) : replicasVerdict);
    }
    set('whole', checkStamps(stamps.reply, least, replicated || replicas === undefined));
    run = server.get('run_id');
    if (!(directory instanceof Map)) {
      set('directory', bad(directoryProblem(directory)));
      return;
    }
    set('directory', good(READINESS.directory(directory.size)));
    dataset = held.dataset;
    resourceKey = held.resourceKey;
    authorities = directory;
    expected = held.expected;
    authoritiesAt = sentAt;
    if (names.every((name) => name === PARTIAL || ADVISORY.has(name) || passes(name))) {
      trustedAt = performance.now();
    }
  }

  async function pollOnce(): Promise<void> {
    if (sentinels !== undefined) {
      // Even if they name no primary, so that there is none to ask.
      const { problem } = sentinels;
      set('sentinels', problem === undefined ? good(SENTINELS.reached) : bad(problem));
    }
    if (redis.status !== 'ready') return close();
    let timer: NodeJS.Timeout | undefined;
    const before = trustedAt;
    try {
      await Promise.race([
        poll(),
        new Promise<never>((_, reject) => {
          // In two halves: if this process itself was delayed, the first is late and the second still leaves
          // time to read waiting answers.
          timer = setTimeout(() => {
            timer = setTimeout(() => reject(new Error('poll deadline')), POLL_DEADLINE_MS / 2);
          }, POLL_DEADLINE_MS / 2);
        }),
      ]);
      // A poll that returned early left readiness unchanged; it must not rely on an old result for long.
      if (trustedAt === before) trustedAt = Number.NEGATIVE_INFINITY;
    } catch (error) {
      const code = refusalCode(error);
      const refused = code === '' ? undefined : READINESS.refusesChecks(code);
      // What the sentinels say comes first: a refusal would send its reader to another REDIS_URL.
      close(refusalFault(error) ?? sentinels?.problem ?? refused);
    } finally {
      clearTimeout(timer);
    }
    if (isOpen()) {
      for (const tell of waiting) tell();
      waiting.clear();
    }
  }

  function isOpen(): boolean {
    return !stopped && performance.now() - trustedAt < TRUSTED_FOR_MS;
  }

  function pollNow(): void {
    if (stopped) return;
    if (polling !== undefined) {
      again = true;
      return;
    }
    clearTimeout(timer);
    polling = pollOnce().finally(() => {
      polling = undefined;
      if (again) {
        again = false;
        pollNow();
      } else if (!stopped) {
        timer = setTimeout(pollNow, isOpen() ? POLL_EVERY_MS : POLL_CLOSED_EVERY_MS);
      }
    });
  }

  const listeners = {
    error: (error: unknown) => void (refusal = refusalFault(error)),
    ready() {
      refusal = undefined;
      pollNow();
    },
    close: () => close(),
  };
  for (const [event, listener] of Object.entries(listeners)) redis.on(event, listener);
  pollNow();

  return {
    get open() {
      return isOpen();
    },
    get ready() {
      return isOpen() && passes(PARTIAL);
    },
    get dataset() {
      return dataset;
    },
    get run() {
      return run;
    },
    get replicasRequired() {
      return replicasRequired;
    },
    get failovers() {
      return sentinels?.failovers ?? 0;
    },
    notReplicated,
    sawReplicated: () => void (replicatedAt = performance.now()),
    get resourceKey() {
      return resourceKey;
    },
    get authorities() {
      return authorities;
    },
    get expected() {
      return expected;
    },
    get authoritiesAt() {
      return authoritiesAt;
    },
    get blocked() {
      return blocked;
    },
    get measures() {
      return measures;
    },
    generation: (partition) => generations.get(partition) ?? 0,
    expectEvent: (partition) => eventNumbers.expect(partition),
    sawEvent(partition, expected, number) {
      const isNew = eventNumbers.saw(partition, expected, number);
      if (!isNew) missedEvents();
      return isNew;
    },
    missedEvents,
    sawGeneration,
    checks: () => names.flatMap((name) => verdicts.get(name) ?? []),
    async refresh() {
      // A poll under way may have started before what the caller wants to see.
      await polling;
      pollNow();
      await polling;
    },
    whenOpen(deadlineMs) {
      if (isOpen()) return Promise.resolve(true);
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(deadline);
          resolve(isOpen());
        };
        const deadline = setTimeout(() => {
          waiting.delete(done);
          resolve(false);
        }, deadlineMs);
        waiting.add(done);
      });
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      for (const tell of waiting) tell();
      waiting.clear();
      for (const [event, listener] of Object.entries(listeners)) redis.off(event, listener);
      await polling;
      conditions?.stop();
    },
  };
}
