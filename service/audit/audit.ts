import type { OwnCheck } from '#schemas/status.ts';
import { ALERTING, SEALING, UNKNOWN_ENTRIES } from '#schemas/wording/operations.ts';
import type { Log } from '../telemetry/log.ts';
import { followThread, superviseThread } from '../telemetry/supervised-thread.ts';
import type { Alerting } from './alert/alerting.ts';
import { logAlert } from './alert/log-alert.ts';
import type { Sealing } from './seal/sealer.ts';
import type { Reach } from './search/searched-until.ts';
import type { ThreadMessage, ThreadSettings } from './thread.ts';

/** Plain numbers of how the sealing goes, for metrics. */
type AuditNumbers = {
  sealedEvents: number;
  unsealedEvents: number;
  /** Foreign entries for which nobody has answered. */
  foreignEntries: number;
  /** Age of the oldest event waiting to be sealed; 0 if none is. */
  oldestUnsealedMs: number;
  /** How long ago the newest part of the log was read back and found whole; absent before the first time. */
  verifiedAgoMs?: number;
  /** Sealed events in the log's second copy; absent if it has none. */
  copiedEvents?: number;
};

export type Audit = {
  /** Whether events are sealed, as a check of `/_status`. */
  check(): OwnCheck;
  /** The state of its second copy, if it should have one. */
  copyChecks(): OwnCheck[];
  /** Whether the children that users look up are counted, and how many alerts that gave in the last hour. */
  readonly alerting: { check(): OwnCheck; readonly alerts: number };
  /** Whether this version knows every entry of the log. */
  unknownCheck(): OwnCheck;
  /** How far a search reaches. */
  readonly searchedUntil: Reach | undefined;
  /** `undefined` before the first step, and if another process seals. */
  readonly numbers: AuditNumbers | undefined;
  /** Seals what there is once more and ends. */
  stop(): Promise<void>;
};

const HEARD_OF_WITHIN_MS = 30_000;
const MEMORY_MIB = 512;

/**
 * Seals audit events into the log, in a thread of its own: hashing and waiting for the disk must not delay
 * lookups.
 *
 * @param options.after nothing is sealed before it resolves
 */
export function startAudit(
  settings: ThreadSettings,
  log: Log,
  { after = Promise.resolve() }: { after?: Promise<void> | undefined } = {},
): Audit {
  let searchedUntil: Reach | undefined;
  const followed = followThread<Sealing>({
    name: 'audit-sealed',
    starting: SEALING.starting,
    silent: SEALING.silent,
    heardOfWithinMs: HEARD_OF_WITHIN_MS,
    log,
  });
  const counting = followThread<Alerting>({
    name: 'access:children-counted',
    starting: ALERTING.starting,
    silent: ALERTING.silent,
    heardOfWithinMs: HEARD_OF_WITHIN_MS,
    log,
  });
  let copySaid = new Set<string>();
  /** It is reported as such if something keeps the log from being sealed. */
  function hearOfCopy({ copy, detail }: Sealing): void {
    const said = copy === undefined || copy.ok ? copy?.remarks : [copy.detail];
    for (const sentence of said ?? []) {
      if (sentence !== detail && !copySaid.has(sentence)) log.warn(sentence);
    }
    copySaid = new Set(said);
  }
  const thread = superviseThread<ThreadMessage, 'stop'>({
    url: new URL('./thread.ts', import.meta.url),
    settings,
    memoryMib: MEMORY_MIB,
    onMessage(message) {
      switch (message.kind) {
        case 'sealing':
          hearOfCopy(message.sealing);
          return followed.hear(message.sealing);
        case 'searched-until':
          searchedUntil = message.searchedUntil;
          return;
        case 'alerting':
          return counting.hear(message.alerting);
        case 'alert':
          return logAlert(log, message.alert);
        case 'warning':
          return log.error(message.message, { count: message.count });
      }
    },
    failed: SEALING.threadFailed,
    log,
  });
  let stopped = false;
  const started = after.then(() => {
    if (stopped) return false;
    thread.start();
    return true;
  });

  function numbers(): AuditNumbers | undefined {
    const sealing = followed.state;
    if (sealing === undefined || sealing.standby) return undefined;
    const { sealed, unsealed, foreign, oldestUnsealed, verifiedAt, copy } = sealing;
    if (sealed === undefined) return undefined;
    const now = Date.now();
    return {
      sealedEvents: sealed,
      unsealedEvents: unsealed,
      foreignEntries: foreign,
      oldestUnsealedMs: oldestUnsealed === undefined ? 0 : Math.max(0, now - oldestUnsealed),
      ...(verifiedAt !== undefined && { verifiedAgoMs: Math.abs(now - Date.parse(verifiedAt)) }),
      ...(copy !== undefined && { copiedEvents: copy.events }),
    };
  }

  /** What a reader of `/_status` wants to know besides whether all is well. */
  function inNumbers(): string {
    const now = numbers();
    if (now === undefined) return '';
    return ` ${SEALING.inNumbers(now)}`;
  }

  return {
    check: () => followed.check(inNumbers()),
    copyChecks() {
      const copy = followed.state?.copy;
      return copy === undefined ? [] : [{ name: 'audit-copy', ok: copy.ok, detail: copy.detail }];
    },
    alerting: {
      check() {
        const behind = counting.state?.behind ?? 0;
        return counting.check(behind === 0 ? '' : ` ${behind} sealed events are not counted yet.`);
      },
      get alerts() {
        return counting.state?.alerts ?? 0;
      },
    },
    unknownCheck() {
      const count = counting.state?.unknown ?? 0;
      return {
        name: 'audit:known-types',
        ok: count === 0,
        detail: count === 0 ? UNKNOWN_ENTRIES.none : UNKNOWN_ENTRIES.some(count),
      };
    },
    get searchedUntil() {
      return searchedUntil;
    },
    get numbers() {
      return numbers();
    },
    async stop() {
      stopped = true;
      if (await started) await thread.stop('stop');
    },
  };
}
