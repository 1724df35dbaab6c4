import { setTimeout as delay } from 'node:timers/promises';
import type { OwnCheck } from '#schemas/status.ts';
import { WITNESSING } from '#schemas/wording/operations.ts';
import type { Log } from '../../telemetry/log.ts';
import { followThread, superviseThread } from '../../telemetry/supervised-thread.ts';
import type { ThreadSettings } from './thread.ts';
import type { Witnessing } from './witnessing.ts';

type WitnessNumbers = {
  /** How long ago enough witnesses had cosigned a checkpoint; since the start if they never have. */
  witnessedAgoMs: number;
  /** A witness's knowledge of the log contradicts what is here. */
  contradicted: boolean;
  witnesses: Witnessing['witnesses'];
};

export type WitnessedLog = {
  /** Whether enough witnesses cosign, as a check of `/_status`. */
  check(): OwnCheck;
  readonly numbers: WitnessNumbers;
  /** Resolves once each witness has said how far the log had got, or after the time limit. */
  readonly compared: Promise<void>;
  stop(): Promise<void>;
};

const HEARD_OF_WITHIN_MS = 30_000;
const MEMORY_MIB = 128;
/** Lookups must not wait for a witness that is away. */
const COMPARED_WITHIN_MS = 5_000;

/**
 * Asks witnesses to cosign the log's checkpoints, in a thread of its own: reading the log's files and waiting
 * for the disk must delay neither lookups nor the sealing.
 */
export function startWitnessedLog(settings: ThreadSettings, log: Log): WitnessedLog {
  const startedAt = Date.now();
  const waiting = new AbortController();
  const followed = followThread<Witnessing>({
    name: 'audit-witnessed',
    starting: WITNESSING.starting,
    silent: WITNESSING.silent,
    heardOfWithinMs: HEARD_OF_WITHIN_MS,
    log,
  });
  const thread = superviseThread<Witnessing, 'stop'>({
    url: new URL('./thread.ts', import.meta.url),
    settings,
    memoryMib: MEMORY_MIB,
    onMessage(state) {
      followed.hear(state);
      if (state.asked) waiting.abort();
    },
    failed: WITNESSING.threadFailed,
    log,
  });
  thread.start();
  const compared = delay(COMPARED_WITHIN_MS, undefined, { signal: waiting.signal }).catch(
    () => undefined,
  );

  return {
    check() {
      const witnessed = followed.state?.witnessed;
      return followed.check(witnessed === undefined ? '' : ` ${WITNESSING.upTo(witnessed.size)}`);
    },
    compared,
    get numbers() {
      const { witnessed, contradicted = false, witnesses = [] } = followed.state ?? {};
      const witnessedAgoMs = Math.abs(Date.now() - (witnessed?.at ?? startedAt));
      return { witnessedAgoMs, contradicted, witnesses };
    },
    async stop() {
      waiting.abort();
      await thread.stop('stop');
    },
  };
}
