import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { GateCheck } from '#store/gate.ts';
import { errorFields, type Log } from '../log.ts';
import type { Reach } from './coverage.ts';
import type { Sealing } from './sealer.ts';
import type { ThreadMessage, ThreadSettings } from './thread.ts';

/** Plain numbers of how the sealing goes, for whoever measures. */
export type AuditNumbers = {
  sealedEvents: number;
  unsealedEvents: number;
  /** Age of the oldest event that waits to be sealed; 0 where none does. */
  oldestUnsealedMs: number;
  /** How long ago the newest part of the log was read back and found whole; absent before the first time. */
  verifiedAgoMs?: number;
};

export type Audit = {
  /** Whether events are sealed, as a check of `/_status`. */
  check(): GateCheck;
  /** How far a search reaches. */
  readonly coverage: Reach | undefined;
  /** `undefined` before the first step, and where another process seals. */
  readonly numbers: AuditNumbers | undefined;
  /** Seals what there is once more and ends. */
  stop(): Promise<void>;
};

const STARTED_AGAIN_AFTER_MS = 1_000;
const HEARD_OF_WITHIN_MS = 30_000;
const ENDS_WITHIN_MS = 5_000;
const MEMORY_MIB = 512;

/**
 * Seals audit events into the log, in a thread of its own: hashing and waiting for the disk must not hold up
 * lookups. A thread that ends unasked is started again.
 */
export function startAudit(settings: ThreadSettings, log: Log): Audit {
  let sealing: Sealing | undefined;
  let coverage: Reach | undefined;
  let since = new Date().toISOString();
  let heardAt = performance.now();
  let stopping = false;
  let worker: Worker;
  let running: Promise<void>;

  function hear(told: Sealing): void {
    const problem = sealing?.problem ?? false;
    heardAt = performance.now();
    if (told.problem !== problem) since = new Date().toISOString();
    if (told.detail !== sealing?.detail) log[told.problem ? 'error' : 'info'](told.detail);
    sealing = told;
  }

  function numbers(): AuditNumbers | undefined {
    if (sealing === undefined || sealing.standby) return undefined;
    const { sealed, unsealed, oldestUnsealed, verifiedAt } = sealing;
    const now = Date.now();
    return {
      sealedEvents: sealed,
      unsealedEvents: unsealed,
      oldestUnsealedMs: oldestUnsealed === undefined ? 0 : Math.max(0, now - oldestUnsealed),
      ...(verifiedAt !== undefined && { verifiedAgoMs: Math.max(0, now - Date.parse(verifiedAt)) }),
    };
  }

  /** What somebody who looks at `/_status` wants to know beside whether it is well. */
  function inNumbers(): string {
    const now = numbers();
    if (now === undefined) return '';
    const { sealedEvents, unsealedEvents, oldestUnsealedMs, verifiedAgoMs } = now;
    const waits = unsealedEvents === 0 ? '' : `, ${unsealedEvents} wait, ${oldestUnsealedMs} ms`;
    const verified =
      verifiedAgoMs === undefined ? '' : `; the newest were verified ${verifiedAgoMs} ms ago`;
    return ` ${sealedEvents} events are sealed${waits}${verified}.`;
  }

  function start(): void {
    worker = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData: settings,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
    });
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'sealing') hear(message.sealing);
      else if (message.kind === 'coverage') coverage = message.coverage;
      else log.error(message.message, { count: message.count });
    });
    worker.on('error', (error) => {
      log.error('the sealing of audit events failed and is started again', errorFields(error));
    });
    running = new Promise((resolve) => {
      worker.once('exit', () => {
        resolve();
        if (!stopping) void delay(STARTED_AGAIN_AFTER_MS).then(() => stopping || start());
      });
    });
  }
  start();

  return {
    check() {
      const name = 'audit-sealed';
      const silent = performance.now() - heardAt > HEARD_OF_WITHIN_MS;
      if (silent) {
        const detail =
          'The sealing of audit events has not been heard of for 30 s. Events wait in Redis meanwhile. Restart this process if that does not pass.';
        return { name, ok: false, detail, since };
      }
      if (sealing === undefined) {
        return { name, ok: true, detail: 'The sealing of audit events is starting.', since };
      }
      return { name, ok: !sealing.problem, detail: `${sealing.detail}${inNumbers()}`, since };
    },
    get coverage() {
      return coverage;
    },
    get numbers() {
      return numbers();
    },
    async stop() {
      stopping = true;
      worker.postMessage('stop', []);
      const patience = new AbortController();
      await Promise.race([
        running,
        delay(ENDS_WITHIN_MS, undefined, { signal: patience.signal }).catch(() => undefined),
      ]);
      patience.abort();
      await worker.terminate();
    },
  };
}
