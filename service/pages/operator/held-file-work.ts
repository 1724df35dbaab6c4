import { setTimeout as delay } from 'node:timers/promises';
import { LoadFailed, MayBeDone } from '#loaders/load-failed.ts';
import {
  discardHeldFile,
  type HeldFile,
  type HeldFileDecision,
  releaseHeldFile,
} from '#loaders/upkeep/held-files.ts';
import { HELD } from '#schemas/wording/operator.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { errorFields, type Log } from '../../telemetry/log.ts';

/** A large file takes minutes, and its page says so. */
const ANSWERED_WITHIN_MS = 10_000;

/** Nobody asks any more about those that were decided in another way meanwhile. */
const FAILURES_AT_MOST = 100;

export type HeldFileWork = {
  /** Whether this process is carrying out a decision on it. */
  isUnderWay: (id: string) => boolean;
  /** Why the last decision on it failed in this process, perhaps after its page stopped waiting. */
  lastFailure: (id: string) => string | undefined;
  /**
   * Carries out a decision, and waits at most ten seconds for it; it continues to its end in any case.
   *
   * @returns what to say if it was not done, or may not have been
   */
  decide: (
    file: HeldFile,
    what: 'release' | 'discard',
    by: HeldFileDecision,
  ) => Promise<NotDone | undefined>;
};

/** `unsure`: it may have been done, or only part of it. */
type NotDone = { unsure: boolean; says: string };

export function createHeldFileWork({
  store,
  anchor,
  log,
}: {
  store: Store;
  anchor: Anchor;
  log: Log;
}): HeldFileWork {
  const underWay = new Set<string>();
  const failures = new Map<string, string>();

  async function carryOut(
    { id, authority }: HeldFile,
    what: 'release' | 'discard',
    by: HeldFileDecision,
  ): Promise<NotDone | undefined> {
    underWay.add(id);
    failures.delete(id);
    try {
      await (what === 'release' ? releaseHeldFile : discardHeldFile)(store, anchor, id, by);
      return undefined;
    } catch (error) {
      const isKnown = error instanceof LoadFailed;
      const unsure = !isKnown || error instanceof MayBeDone;
      const says = isKnown ? error.message : DECISIONS.unsureThen;
      failures.set(id, isKnown ? error.message : HELD.lastFailedUnknown);
      const [oldest] = failures.keys();
      if (failures.size > FAILURES_AT_MOST && oldest !== undefined) failures.delete(oldest);
      const cause = isKnown ? { error: says } : errorFields(error);
      log.error('A decision on a held file failed.', { authority, ...cause });
      return { unsure, says };
    } finally {
      underWay.delete(id);
    }
  }

  return {
    isUnderWay: (id) => underWay.has(id),
    lastFailure: (id) => failures.get(id),
    async decide(file, what, by) {
      const patience = new AbortController();
      const late = delay(ANSWERED_WITHIN_MS, undefined, { signal: patience.signal });
      const failed = await Promise.race([carryOut(file, what, by), late.catch(() => undefined)]);
      patience.abort();
      return failed;
    },
  };
}
