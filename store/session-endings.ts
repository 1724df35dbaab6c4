import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { list } from './connection/reply.ts';
import { keys } from './keys.ts';

/** What ends sessions: one of them, those of a provider's session, or all that a provider began for somebody. */
export type Ending =
  | { of: 'session'; id: string }
  | { of: 'provider-session'; issuer: string; sid: string }
  | { of: 'subject'; issuer: string; subject: string };

export type SessionEndings = {
  /** Whether what is known of endings is recent enough to judge a session by. */
  readonly current: boolean;
  /** Whether something ended at or after a moment, in milliseconds. Ask only while `current`. */
  hasEnded: (ending: Ending, since: number) => boolean;
  /** Ends sessions, here at once and in every process within two seconds. Rejects where it is not recorded. */
  end: (ending: Ending) => Promise<void>;
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
/** Of a moment's endings some may come in after others of the same moment were read. */
const READ_AGAIN_MS = 5_000;

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url');

function fieldOf(ending: Ending): string {
  switch (ending.of) {
    case 'session':
      return digest(JSON.stringify([ending.of, ending.id]));
    case 'provider-session':
      return digest(JSON.stringify([ending.of, ending.issuer, ending.sid]));
    case 'subject':
      return digest(JSON.stringify([ending.of, ending.issuer, ending.subject]));
  }
}

/**
 * The endings of sessions, which is all that is kept of them: a set in Redis that every process polls as it
 * polls blocks. While it cannot be read no session is believed, since it may have ended.
 *
 * @param keepMs how long a session lasts at most: an older ending ends nothing
 */
export function createSessionEndings(redis: Redis, keepMs: number): SessionEndings {
  const endedAt = new Map<string, number>();
  let readAt = Number.NEGATIVE_INFINITY;
  let newest = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  function note(field: string, at: number): void {
    endedAt.set(field, Math.max(at, endedAt.get(field) ?? 0));
    newest = Math.max(newest, at);
  }

  async function poll(): Promise<void> {
    const askedAt = performance.now();
    const from = newest === 0 ? '-inf' : String(newest - READ_AGAIN_MS);
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      deadline = setTimeout(() => reject(new Error('poll deadline')), POLL_DEADLINE_MS);
    });
    try {
      const asked = redis.zrangebyscore(keys.ended, from, '+inf', 'WITHSCORES');
      const reply = list(await Promise.race([asked, late]));
      for (let i = 0; i < reply.length; i += 2) note(String(reply[i]), Number(reply[i + 1]));
      readAt = askedAt;
      const oldest = Date.now() - keepMs;
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

  return {
    get current() {
      return performance.now() - readAt < TRUSTED_FOR_MS;
    },
    hasEnded: (ending, since) => (endedAt.get(fieldOf(ending)) ?? 0) >= since,
    async end(ending) {
      const field = fieldOf(ending);
      const at = Date.now();
      note(field, at);
      await redis.zadd(keys.ended, at, field);
      await redis.zremrangebyscore(keys.ended, '-inf', at - keepMs);
    },
    async once(text, forMs = keepMs) {
      return (await redis.set(keys.once(digest(text)), '1', 'PX', forMs, 'NX')) === 'OK';
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
