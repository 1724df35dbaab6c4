import type { OdsCode } from '#schemas/authority.ts';
import { PDS } from '#schemas/wording/loads.ts';
import {
  type NumberTracer,
  NumberTracingUnavailable,
  type Traced,
  type TraceOutcome,
} from '../tracer.ts';
import { type PdsClient, PdsFailure } from './client.ts';
import type { TracingMemory } from './memory.ts';
import { compared } from './patient.ts';

/** The state of the service, as far as this process knows. The sentence is for the operator. */
type PdsState = { ok: boolean; detail: string; since: number; askedAt?: number };

export type PdsTracer = NumberTracer & {
  readonly memory: TracingMemory;
  readonly state: PdsState;
  /** Whether it may be asked, or has failed too recently. */
  readonly mayAsk: boolean;
  /**
   * Asks the service, unless it failed too recently. A failure after the signal is aborted says nothing about
   * the service.
   *
   * @throws {NumberTracingUnavailable}
   */
  asking: <T>(ask: (client: PdsClient) => Promise<T>, signal: AbortSignal) => Promise<T>;
};

export type PdsTracerOptions = {
  client: PdsClient;
  memory: TracingMemory;
  /** For how long a verified person need not be asked about again. */
  rememberMs: number;
  perSecond: number;
  /** After a failed request nothing is asked for this long. */
  awayMs?: number;
  now?: () => number;
};

const AWAY_MS = 30_000;
/** One, less what is lost in adding fractions. */
const ENOUGH = 0.999;
const AT_ONCE_AT_MOST = 32;
/** A hundred people at one a second, behind the files of three other authorities. */
const DEADLINE_MS = 900_000;

/**
 * Traces in the Personal Demographics Service. While it is away, people verified before count as verified;
 * the others stay unknown.
 */
export function createPdsTracer({
  client,
  memory,
  rememberMs,
  perSecond,
  awayMs = AWAY_MS,
  now = Date.now,
}: PdsTracerOptions): PdsTracer {
  let state: PdsState = { ok: true, detail: PDS.notAsked, since: now() };
  let awayUntil = 0;
  /** Failures since the last answer, each as a share of the number that means that the service is away. */
  let failed = 0;

  /** No longer, once the clock has been put back. */
  function isAway(): boolean {
    const leftMs = awayUntil - now();
    return leftMs > 0 && leftMs <= awayMs;
  }

  async function asking<T>(
    ask: (client: PdsClient) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    if (isAway()) throw new NumberTracingUnavailable(state.detail);
    try {
      const answer = await ask(client);
      failed = 0;
      const at = now();
      const since = state.detail === PDS.well ? state.since : at;
      state = { ok: true, detail: PDS.well, since, askedAt: at };
      return answer;
    } catch (error) {
      if (!(error instanceof NumberTracingUnavailable) || signal.aborted) throw error;
      failed += error instanceof PdsFailure ? 1 / error.inARow : 1;
      if (failed < ENOUGH) throw error;
      failed = 0;
      const at = now();
      awayUntil = at + awayMs;
      state = { ok: false, detail: error.message, since: state.ok ? at : state.since, askedAt: at };
      throw error;
    }
  }

  async function traceOne(
    person: Traced,
    authority: OdsCode,
    signal: AbortSignal,
  ): Promise<TraceOutcome> {
    if (memory.wasVerified(authority, person, now() - rememberMs)) return { kind: 'verified' };
    try {
      const found = await asking(
        (pds) => pds.retrieve(person.nhsNumber, authority, true, signal),
        signal,
      );
      if (found.kind === 'unknown') return { kind: 'no-match' };
      if (found.kind === 'invalidated') return { kind: 'inactive' };
      const outcome = compared(person, found.patient);
      if (outcome.kind === 'verified') memory.rememberVerified(authority, person, now());
      return outcome;
    } catch (error) {
      if (error instanceof NumberTracingUnavailable || signal.aborted) {
        return { kind: 'not-traced' };
      }
      throw error;
    }
  }

  return {
    memory,
    get state() {
      return state;
    },
    get mayAsk() {
      return !isAway();
    },
    asking,
    deadlineMs: DEADLINE_MS,
    isCostly: true,
    async trace(people, signal, authority) {
      const outcomes = people.map((): TraceOutcome => ({ kind: 'not-traced' }));
      if (authority === undefined) return outcomes;
      const left = people.entries();
      // Each takes the next person: together they keep as many requests under way as the rate allows.
      const one = async (): Promise<void> => {
        for (const [i, person] of left) {
          if (signal.aborted) return;
          outcomes[i] = await traceOne(person, authority, signal);
        }
      };
      const atOnce = Math.min(AT_ONCE_AT_MOST, Math.max(1, Math.ceil(perSecond)));
      await Promise.all(Array.from({ length: atOnce }, one));
      return outcomes;
    },
  };
}
