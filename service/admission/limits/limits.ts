// By hand, since rate-limiter-flexible means three promises on every request, and this none (decision 18).

import { createHash } from 'node:crypto';
import type { LimitReached } from '#schemas/errors.ts';
import type { Caller } from '#schemas/people/caller.ts';
import type { SharedUse } from '#store/shared-use.ts';

/** Requests a minute of one user, of one client and of one organisation; 0 is no limit. */
export type LimitSettings = Record<LimitReached['of'], number>;

/** Some sixty times the busiest use: a user with two patients a minute, a hospital with one every three seconds. */
export const LIVE_LIMITS: LimitSettings = { user: 120, client: 6_000, organisation: 1_200 };

export type Limits = {
  /**
   * Takes `cost` requests from a caller's allowance, or takes nothing and returns the limit reached. A cost
   * above a limit counts as the whole limit, so that a batch is never impossible.
   */
  take: (caller: Caller, cost?: number) => LimitReached | undefined;
  /** Tells the other processes what was used here and deducts what was used there. Never rejects. */
  share: () => Promise<void>;
  /** Users, clients and organisations that are being counted. */
  readonly size: number;
};

type Bucket = {
  of: LimitReached['of'];
  /** The name under which processes share its use: a hash, which identifies nobody. */
  name: string;
  tokens: number;
  /** When `tokens` was right, milliseconds. */
  at: number;
  /** Used here and not yet reported to the other processes. */
  used: number;
  /** What all processes had used in a window, as last heard. */
  window: number;
  total: number;
};

const WINDOW_MS = 60_000;
/** Each refill may be rounded, and the time that a caller was told to wait must be enough. */
const ROUNDED_TOKENS = 1e-9;
const BUCKETS_AT_MOST = 50_000;
/** Longer than a verified token is kept, so that no active caller holds a bucket that was dropped. */
const DROPPED_AFTER_MS = 2 * WINDOW_MS;
const SHARED_AT_ONCE = 500;

const ownersOf = ({ identity, userKey }: Caller): [LimitReached['of'], string][] => [
  ['user', userKey],
  ['client', JSON.stringify([identity.issuer, identity.client])],
  ['organisation', identity.role.organisation.code],
];

/**
 * Token buckets in memory, so that counting delays no lookup: each holds a minute's worth and refills evenly.
 * What other processes use is deducted a moment later. A verified caller finds its buckets without looking
 * them up.
 *
 * @param settings asked at every use: a demo has no limits, and the kind of dataset may only become known
 * later
 */
export function createLimits(
  settings: () => LimitSettings,
  shared: SharedUse,
  now: () => number = Date.now,
): Limits {
  const buckets = new Map<string, Bucket>();
  const ofCaller = new WeakMap<Caller, readonly Bucket[]>();
  const toShare = new Set<Bucket>();

  function dropIdle(): void {
    if (buckets.size < BUCKETS_AT_MOST) return;
    const before = now() - DROPPED_AFTER_MS;
    for (const [key, { at }] of buckets) if (at < before) buckets.delete(key);
  }

  function bucketsOf(caller: Caller): readonly Bucket[] {
    const known = ofCaller.get(caller);
    if (known !== undefined) return known;
    dropIdle();
    const found = ownersOf(caller).map(([of, owner]): Bucket => {
      const key = `${of} ${owner}`;
      const there = buckets.get(key);
      if (there !== undefined) return there;
      const name = createHash('sha256').update(key).digest('base64url').slice(0, 22);
      const tokens = settings()[of];
      const made = { of, name, tokens, at: now(), used: 0, window: 0, total: 0 };
      buckets.set(key, made);
      return made;
    });
    ofCaller.set(caller, found);
    return found;
  }

  async function share(): Promise<void> {
    const some = [...toShare].slice(0, SHARED_AT_ONCE);
    if (some.length === 0) return;
    for (const bucket of some) toShare.delete(bucket);
    const window = Math.floor(now() / WINDOW_MS);
    const sent = some.map(({ used }) => used);
    for (const bucket of some) bucket.used = 0;
    const totals = await shared.add(
      window,
      some.map(({ name }, i) => ({ name, amount: sent[i] ?? 0 })),
    );
    for (const [i, bucket] of some.entries()) {
      const own = sent[i] ?? 0;
      const total = totals?.[i];
      if (total === undefined) {
        bucket.used += own;
        toShare.add(bucket);
        continue;
      }
      const known = bucket.window === window ? bucket.total : 0;
      const limit = settings()[bucket.of];
      bucket.tokens = Math.max(-limit, bucket.tokens - Math.max(0, total - known - own));
      bucket.window = window;
      bucket.total = total;
    }
  }

  return {
    take(caller, cost = 1) {
      const limits = settings();
      if (limits.user === 0 && limits.client === 0 && limits.organisation === 0) return undefined;
      const moment = now();
      const mine = bucketsOf(caller);
      for (const bucket of mine) {
        const limit = limits[bucket.of];
        const passed = Math.max(0, moment - bucket.at);
        bucket.tokens = Math.min(limit, bucket.tokens + (passed * limit) / WINDOW_MS);
        bucket.at = moment;
        const missing = Math.min(cost, limit) - bucket.tokens - ROUNDED_TOKENS;
        if (limit > 0 && missing > 0) {
          return {
            of: bucket.of,
            limit,
            windowSeconds: WINDOW_MS / 1_000,
            retryAfterSeconds: Math.max(1, Math.ceil((missing * WINDOW_MS) / limit / 1_000)),
          };
        }
      }
      for (const bucket of mine) {
        if (limits[bucket.of] === 0) continue;
        bucket.tokens -= cost;
        bucket.used += cost;
        toShare.add(bucket);
      }
      return undefined;
    },
    share,
    get size() {
      return buckets.size;
    },
  };
}
