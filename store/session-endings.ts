import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { SESSIONS } from '#schemas/wording/operations.ts';
import { list } from './connection/reply.ts';
import { FUNCTIONS } from './functions/functions.ts';
import { keys } from './keys.ts';

/**
 * What ends sessions: a session, those of a provider's session, all that a provider began for somebody, or
 * those among them for which it named no session of its own.
 */
type Ending =
  | { of: 'session'; id: string }
  | { of: 'provider-session'; issuer: string; sid: string }
  | { of: 'subject' | 'subject-without-sid'; issuer: string; subject: string };

export type SessionEndings = {
  /**
   * Whether what is known about endings is recent enough to judge a session by. If writes wait for replicas, these
   * have confirmed it too: a former primary that is cut off lacks what ended since.
   */
  readonly current: boolean;
  /** Like `current`, but without the replicas' confirmation. */
  readonly isRead: boolean;
  /** What is known about endings, for the operator; `since` is ISO 8601. */
  readonly state: { ok: boolean; detail: string; since: string };
  /**
   * The time of the store's clock, in milliseconds: never ahead of it, so that later endings are later.
   * `undefined` while unknown: then no session begins.
   */
  now: () => number | undefined;
  /**
   * Whether a session of this age may have ended without its ending being read, since there were more than
   * are read.
   */
  isLost: (issuedAt: number) => boolean;
  /**
   * Whether something has ended; for a person, whether at or after a moment by `now`. A session once ended
   * stays ended. Ask only while `current` or `isRead`.
   */
  hasEnded: (ending: Ending, since: number) => boolean;
  /** Ends a session, here at once and in every process within two seconds. Rejects if it is not recorded. */
  endSession: (id: string) => Promise<void>;
  /**
   * Ends everything that one token names, in one step, so that a token counts once and can be sent again
   * until it is recorded. False if it was recorded before. Rejects if it is not recorded.
   */
  endByToken: (token: string, endings: readonly Ending[]) => Promise<boolean>;
  /**
   * True the first time that it is asked about a text, within the longest life of a session or `forMs`.
   * Rejects if Redis does not answer.
   */
  once: (text: string, forMs?: number) => Promise<boolean>;
  /**
   * Makes a choice. Within the longest life of a session only the first one counts. Resolves with whether this is the
   * first, or the same as a first choice made at most `againMs` ago. Rejects if Redis does not answer.
   */
  choose: (of: string, choice: string, againMs: number) => Promise<'first' | 'again' | 'refused'>;
  stop: () => void;
};

const POLL_EVERY_MS = 1_000;
const POLL_DEADLINE_MS = 800;
const TRUSTED_FOR_MS = 3_000;
/** What is read again each time: endings whose writing took long, and steps of the store's clock. */
const READ_AGAIN_MS = 60_000;
/** How often everything is read again: whatever clocks did, no ending stays unread. */
const READ_WHOLE_EVERY_MS = 60_000;
/**
 * Somebody with a lookup process's password can write any number of endings, none longer than the function
 * passes on. Reading this many takes some 70 ms of a process's time (measured): once a minute, or each second
 * while all of them are of the last minute. It is the sign-outs of 12 hours of a service with 50,000 people
 * on its pages.
 */
const ENDINGS_AT_MOST = 50_000;
/** Entries from the future that are read, and put right, in one poll. */
const FUTURE_AT_MOST = 500;
/** For how long the operator still reads that there were too many, once there are few enough. */
const LOST_TOLD_FOR_MS = 3_600_000;

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url');

function fieldOf(ending: Ending): string {
  switch (ending.of) {
    case 'session':
      return digest(JSON.stringify([ending.of, ending.id]));
    case 'provider-session':
      return digest(JSON.stringify([ending.of, ending.issuer, ending.sid]));
    case 'subject':
    case 'subject-without-sid':
      return digest(JSON.stringify([ending.of, ending.issuer, ending.subject]));
  }
}

/** A member of the set: what ended, and by which token if there was one. A digest has no dot. */
const memberOf = (ending: Ending, token?: string): string =>
  token === undefined ? fieldOf(ending) : `${fieldOf(ending)}.${digest(token)}`;
const fieldIn = (member: string): string => member.split('.', 1)[0] ?? '';

/**
 * The endings of sessions, which is all that is kept of them: a set in Redis, by the store's clock, that
 * every process polls as it polls blocks. Where reading starts depends only on the store's clock and never on
 * what is in the set, so that no entry from the future can hide others; such an entry counts from when it was
 * found. While the set cannot be read, every session is refused, since it may have ended. While replicas do not confirm
 * what was read, only operators are let in, so that they can order single mode. If there are more
 * endings than are read, some are unknown: then earlier sessions are refused, and later ones are accepted.
 *
 * @param options.keepMs how long a session lasts at most: an older ending ends nothing
 * @param options.atMost how many endings are read at a time
 * @param options.marks a connection whose writes wait for no replica, for what happens only once: whatever it protects
 * waits itself, and with it everything written before. While replicas are away a person can still sign in and order
 * that nothing waits for them.
 */
export function createSessionEndings(
  redis: Redis,
  {
    keepMs,
    atMost = ENDINGS_AT_MOST,
    marks = redis,
  }: { keepMs: number; atMost?: number; marks?: Redis },
): SessionEndings {
  const endedAt = new Map<string, number>();
  let readAt = Number.NEGATIVE_INFINITY;
  /** When what was read was last confirmed, and the store's clock then. */
  let confirmed: { storeMs: number; at: number } | undefined;
  let readWholeAt = Number.NEGATIVE_INFINITY;
  /** The store's clock, and when this process learned of it. */
  let clock: { storeMs: number; at: number } | undefined;
  /** By the store's clock: endings up to then may be unread. */
  let lostUntil = Number.NEGATIVE_INFINITY;
  let lostAhead = false;
  let problem: string = SESSIONS.notRead;
  /** How Redis's answer began, if it refused something at the last reading. */
  let refusedWith: string | undefined;
  let state = { ok: false, detail: problem, since: new Date().toISOString() };
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const isRecent = (at: number): boolean => performance.now() - at < TRUSTED_FOR_MS;
  const isRead = (): boolean => isRecent(readAt);
  const isCurrent = (): boolean => confirmed !== undefined && isRecent(confirmed.at);

  function now(): number | undefined {
    if (clock === undefined || !isRead()) return undefined;
    return Math.floor(clock.storeMs + performance.now() - clock.at);
  }

  async function askTime(): Promise<number> {
    const [seconds, microseconds] = await redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  }

  function note(field: string, at: number): void {
    endedAt.set(field, Math.max(at, endedAt.get(field) ?? 0));
  }

  /** Entries with scores from `from` to `to`, and whether there are more than `most`: then the first `ofMore` of them. */
  async function read(from: number | string, to: number | string, most: number, ofMore: number) {
    const [more, ...reply] = list(
      await redis.fcall(FUNCTIONS.readEndings, 1, keys.ended, from, to, most, ofMore),
    );
    const entries: [string, number][] = [];
    for (let i = 0; i < reply.length; i += 2)
      entries.push([String(reply[i]), Number(reply[i + 1])]);
    return { entries, isMore: Number(more) === 1 };
  }

  /** What is wrong with what is known, if anything, in a sentence. */
  function say(): string | undefined {
    if (!isCurrent()) {
      if (!isRead()) return problem;
      return refusedWith === undefined ? SESSIONS.unconfirmed : SESSIONS.unchangeable(refusedWith);
    }
    const lost = clock !== undefined && clock.storeMs - lostUntil < LOST_TOLD_FOR_MS;
    if (!lost) return undefined;
    const since = new Date(lostUntil).toISOString();
    return lostAhead
      ? SESSIONS.tooManyAhead(FUTURE_AT_MOST, since)
      : SESSIONS.tooMany(atMost, since);
  }

  function tell(): typeof state {
    const wrong = say();
    const ok = wrong === undefined;
    const since = state.ok === ok ? state.since : new Date().toISOString();
    state = { ok, detail: wrong ?? SESSIONS.known(endedAt.size), since };
    return state;
  }

  /** Removes endings too old to end anything. */
  const trim = (storeMs: number): Promise<number> =>
    redis.zremrangebyscore(keys.ended, '-inf', storeMs - keepMs - READ_AGAIN_MS);

  async function readEndings(): Promise<void> {
    const askedAt = performance.now();
    const storeMs = await askTime();
    const { stream } = redis;
    const toldAt = performance.now();
    const wentBack = clock !== undefined && storeMs < clock.storeMs;
    const isWhole = wentBack || askedAt - readWholeAt >= READ_WHOLE_EVERY_MS;
    // What ended before any session that still counts could begin ends nothing.
    const oldest = Math.max(storeMs - keepMs, lostUntil) - READ_AGAIN_MS;
    const newest = storeMs + READ_AGAIN_MS;
    // What was read without being confirmed may come from a former primary, and is read again from the next one.
    const from =
      isWhole || confirmed === undefined
        ? oldest
        : Math.max(oldest, confirmed.storeMs - READ_AGAIN_MS);
    const [known, future] = await Promise.all([
      read(from, newest, atMost, 0),
      // If there are more, the first are put right each time, until all are.
      read(`(${newest}`, '+inf', FUTURE_AT_MOST, FUTURE_AT_MOST),
    ]);
    for (const [member, score] of known.entries) note(fieldIn(member), score);
    for (const [member] of future.entries) note(fieldIn(member), storeMs);
    if (future.entries.length > 0) {
      const righted = future.entries.flatMap(([member]) => [storeMs, member]);
      // If it fails, the next reading does it.
      redis.zadd(keys.ended, 'XX', ...righted).catch(() => undefined);
    }
    const isFull = endedAt.size > 2 * atMost;
    if (isFull) endedAt.clear();
    if (isFull || known.isMore || future.isMore) {
      lostUntil = storeMs;
      lostAhead = !isFull && !known.isMore;
    }
    clock = { storeMs, at: toldAt };
    readAt = askedAt;
    if (isWhole) {
      readWholeAt = askedAt;
      for (const [field, at] of endedAt) if (at < oldest) endedAt.delete(field);
    }
    // A write, which replicas confirm if they are waited for: then the server that was read is still the primary.
    await trim(storeMs);
    if (stream === redis.stream) confirmed = { storeMs, at: askedAt };
    refusedWith = undefined;
  }

  async function poll(): Promise<void> {
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      deadline = setTimeout(() => reject(new Error('poll deadline')), POLL_DEADLINE_MS);
    });
    try {
      await Promise.race([readEndings(), late]);
    } catch (error) {
      // Retried; until then what was read counts for as long as it is trusted.
      refusedWith = /^[A-Z]+(?= )/.exec((error as Error).message)?.[0];
      problem = SESSIONS.unreadable(refusedWith);
    } finally {
      clearTimeout(deadline);
    }
  }

  function tick(): void {
    void poll().finally(() => {
      if (!stopped) timer = setTimeout(tick, POLL_EVERY_MS).unref();
    });
  }
  tick();

  /** Records endings, and says whether they are new. An existing one keeps its time. */
  async function record(endings: readonly Ending[], token?: string): Promise<boolean> {
    const at = await askTime();
    const entries = endings.flatMap((ending) => [at, memberOf(ending, token)]);
    const isNew = (await redis.zadd(keys.ended, 'NX', ...entries)) > 0;
    if (isNew) for (const ending of endings) note(fieldOf(ending), at);
    await trim(at);
    return isNew;
  }

  return {
    get current() {
      return isCurrent();
    },
    get isRead() {
      return isRead();
    },
    get state() {
      return tell();
    },
    now,
    isLost: (issuedAt) => issuedAt <= lostUntil,
    hasEnded(ending, since) {
      const at = endedAt.get(fieldOf(ending));
      const isForEver = ending.of === 'session' || ending.of === 'provider-session';
      return at !== undefined && (isForEver || at >= since);
    },
    async endSession(id) {
      const ending = { of: 'session', id } as const;
      // Here at once, whenever it began: a session once ended is ended for ever.
      note(fieldOf(ending), clock?.storeMs ?? Date.now());
      await record([ending]);
    },
    endByToken: (token, endings) => record(endings, token),
    async once(text, forMs = keepMs) {
      return (await marks.set(keys.once(digest(text)), '1', 'PX', forMs, 'NX')) === 'OK';
    },
    async choose(of, choice, againMs) {
      const at = await askTime();
      const chosen = digest(JSON.stringify([of, choice]));
      // A digest has no blank.
      const given = `${at} ${chosen}`;
      const first = await marks.set(keys.once(digest(of)), given, 'PX', keepMs, 'NX', 'GET');
      if (first === null) return 'first';
      const [firstAt, what] = first.split(' ');
      return what === chosen && Math.abs(at - Number(firstAt)) <= againMs ? 'again' : 'refused';
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
