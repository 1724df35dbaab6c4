import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { list } from './connection/reply.ts';
import { keys } from './keys.ts';

/**
 * What ends sessions: one of them, those of a provider's session, all that a provider began for somebody, or those
 * of them in which it named no session of its own.
 */
type Ending =
  | { of: 'session'; id: string }
  | { of: 'provider-session'; issuer: string; sid: string }
  | { of: 'subject' | 'subject-without-sid'; issuer: string; subject: string };

export type SessionEndings = {
  /** Whether what is known of endings is recent enough to judge a session by. */
  readonly current: boolean;
  /** The time of the store's clock, in milliseconds: never ahead of it, so that what ends afterwards is later. */
  now: () => number;
  /**
   * Whether something has ended; of a person, whether at or after a moment by `now`. A session once ended is ended
   * for ever. Ask only while `current`.
   */
  hasEnded: (ending: Ending, since: number) => boolean;
  /** Ends a session, here at once and in every process within two seconds. Rejects where it is not recorded. */
  endSession: (id: string) => Promise<void>;
  /**
   * Ends all that one token names, in one step, so that a token counts once and can be sent again until it is
   * recorded. False where it was recorded before. Rejects where it is not recorded.
   */
  endByToken: (token: string, endings: readonly Ending[]) => Promise<boolean>;
  /**
   * True the first time that it is asked of a text, for as long as a session lasts at most or `forMs`. Rejects where
   * Redis does not answer.
   */
  once: (text: string, forMs?: number) => Promise<boolean>;
  stop: () => void;
};

const POLL_EVERY_MS = 1_000;
const POLL_DEADLINE_MS = 800;
const TRUSTED_FOR_MS = 3_000;
/** What is read again each time: endings whose writing took long, and steps of the store's clock. */
const READ_AGAIN_MS = 60_000;
/** Everything is read again so often: whatever clocks did, no ending stays unread. */
const READ_WHOLE_EVERY_MS = 60_000;

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

/** A member of the set: what ended, and by which token where there was one. A digest has no dot. */
const memberOf = (ending: Ending, token?: string): string =>
  token === undefined ? fieldOf(ending) : `${fieldOf(ending)}.${digest(token)}`;
const fieldIn = (member: string): string => member.split('.', 1)[0] ?? '';

/**
 * The endings of sessions, which is all that is kept of them: a set in Redis, by the store's clock, that every
 * process polls as it polls blocks. Where reading begins depends on the store's clock alone and never on what is in
 * the set, so that no entry from the future can hide others; such an entry counts as of when it was found. While it cannot be read no session is believed, since it may have ended.
 *
 * @param keepMs how long a session lasts at most: an older ending ends nothing
 */
export function createSessionEndings(redis: Redis, keepMs: number): SessionEndings {
  const endedAt = new Map<string, number>();
  let readAt = Number.NEGATIVE_INFINITY;
  let readWholeAt = Number.NEGATIVE_INFINITY;
  /** The store's clock, and when this process learned of it. */
  let clock: { storeMs: number; at: number } | undefined;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const now = (): number =>
    clock === undefined ? Date.now() : Math.floor(clock.storeMs + performance.now() - clock.at);

  async function askTime(): Promise<number> {
    const [seconds, microseconds] = await redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  }

  function note(field: string, at: number): void {
    endedAt.set(field, Math.max(at, endedAt.get(field) ?? 0));
  }

  function read(member: string, score: number, storeMs: number): void {
    const isFuture = score > storeMs + READ_AGAIN_MS;
    note(fieldIn(member), isFuture ? storeMs : score);
    // Where it fails the next reading does it.
    if (isFuture) redis.zadd(keys.ended, 'XX', storeMs, member).catch(() => undefined);
  }

  async function poll(): Promise<void> {
    const askedAt = performance.now();
    const isWhole = askedAt - readWholeAt >= READ_WHOLE_EVERY_MS;
    const from = isWhole || clock === undefined ? '-inf' : clock.storeMs - READ_AGAIN_MS;
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      deadline = setTimeout(() => reject(new Error('poll deadline')), POLL_DEADLINE_MS);
    });
    try {
      const asked = Promise.all([
        askTime(),
        redis.zrangebyscore(keys.ended, from, '+inf', 'WITHSCORES'),
      ]);
      const [storeMs, answer] = await Promise.race([asked, late]);
      const reply = list(answer);
      for (let i = 0; i < reply.length; i += 2) {
        read(String(reply[i]), Number(reply[i + 1]), storeMs);
      }
      clock = { storeMs, at: performance.now() };
      readAt = askedAt;
      if (isWhole) readWholeAt = askedAt;
      const oldest = storeMs - keepMs - READ_AGAIN_MS;
      for (const [field, at] of endedAt) if (at < oldest) endedAt.delete(field);
    } catch {
      // Tried again; until then what was read counts for as long as it is trusted.
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

  /** Records endings, and says whether they are new. One that is there keeps its time. */
  async function record(endings: readonly Ending[], token?: string): Promise<boolean> {
    const at = await askTime();
    const entries = endings.flatMap((ending) => [at, memberOf(ending, token)]);
    const isNew = (await redis.zadd(keys.ended, 'NX', ...entries)) > 0;
    if (isNew) for (const ending of endings) note(fieldOf(ending), at);
    await redis.zremrangebyscore(keys.ended, '-inf', at - keepMs - READ_AGAIN_MS);
    return isNew;
  }

  return {
    get current() {
      return performance.now() - readAt < TRUSTED_FOR_MS;
    },
    now,
    hasEnded(ending, since) {
      const at = endedAt.get(fieldOf(ending));
      const isForEver = ending.of === 'session' || ending.of === 'provider-session';
      return at !== undefined && (isForEver || at >= since);
    },
    async endSession(id) {
      const ending = { of: 'session', id } as const;
      note(fieldOf(ending), now());
      await record([ending]);
    },
    endByToken: (token, endings) => record(endings, token),
    async once(text, forMs = keepMs) {
      return (await redis.set(keys.once(digest(text)), '1', 'PX', forMs, 'NX')) === 'OK';
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
