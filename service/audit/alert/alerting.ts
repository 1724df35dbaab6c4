import { join } from 'node:path';
import type { AlertThresholds } from '#schemas/alert-thresholds.ts';
import type { EnumerationAlertEvent } from '#schemas/audit/audit-event.ts';
import { ALERTING } from '#schemas/wording/operations.ts';
import { eachAlone } from '#store/files/each-alone.ts';
import { type FileLock, isDamaged, lockFile } from '#store/files/sqlite.ts';
import { auditPartitions } from '#store/keys.ts';
import { readOrMakeKey } from '../../files/private-file.ts';
import { errorCode } from '../../telemetry/log.ts';
import type { ThreadState } from '../../telemetry/supervised-thread.ts';
import { CommitFile } from '../log/commit.ts';
import { type Followed, sealedRange, sealedRun, sealedSince } from '../log/sealed.ts';
import { ChildrenCounted } from './children-counted.ts';
import {
  writeBarredAlert,
  writePrivacyAlert,
  writeProtectedTwice,
  writeUntoldLook,
} from './privacy-outbox.ts';

export type AlertingSettings = {
  thresholds: AlertThresholds;
  /** File of the key with which NHS numbers are hashed. */
  numberKeyFile: string;
  /** Folder of the privacy officer's files. */
  outbox: string;
};

export type AlertingOptions = AlertingSettings & {
  /** The folder of the sealed log. */
  folder: string;
  /** Records an alert in the audit. On disk when it resolves. */
  record: (alert: EnumerationAlertEvent) => Promise<unknown>;
  /** Called with each alert once, as it is recorded. */
  onAlert: (alert: EnumerationAlertEvent) => void;
  /** Called with how many newly found sealed entries this version does not know. */
  onUnknown: (count: number) => void;
  /** Milliseconds since 1970; given in tests. */
  clock?: () => number;
};

export type Alerting = ThreadState & {
  /** Alerts of the last hour. */
  alerts: number;
  /** Sealed events that have not been counted yet. */
  behind: number;
  /** Unknown entries found by this process, if the last was found within a day. */
  unknown: number;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const COUNTED_AT_ONCE = 4_096;
const LOCK = 'enumeration.lock';
const EXPIRED_EVERY_MS = HOUR_MS;

/**
 * Follows the sealed log, counts the children that each user looks up, and alerts: in the audit, and to the privacy
 * officer, who also gets the alerts of lookup processes. It works in steps, and none throws. What could not be recorded
 * or written is tried again at the next step, by whichever process is counting: one at a time does.
 */
export function createAlerting(options: AlertingOptions) {
  const { folder, outbox, thresholds, numberKeyFile, record, onAlert, onUnknown } = options;
  const clock = options.clock ?? Date.now;
  let lock: FileLock | undefined;
  let counted: ChildrenCounted | undefined;
  let expireAt = Number.NEGATIVE_INFINITY;
  let unknown = { count: 0, at: Number.NEGATIVE_INFINITY };

  const unknownLately = (): number => (clock() - unknown.at < DAY_MS ? unknown.count : 0);

  function close(): void {
    counted?.close();
    counted = undefined;
    lock?.close();
    lock = undefined;
  }

  const idle = (detail: string) => ({
    more: false,
    alerting: { problem: false, detail, alerts: 0, behind: 0, unknown: unknownLately() },
  });

  /** Counts some events, and returns how many wait. @param lately as {@link sealedRun} takes it */
  function count(file: ChildrenCounted, lately: readonly Followed[]): number {
    const range = sealedRange(folder);
    if (range === undefined) return 0;
    const { dataset, size } = range;
    let position = file.position(dataset, size);
    if (position === undefined) {
      position = sealedSince(folder, range, clock() - DAY_MS);
      file.begin(dataset, position);
    }
    const from = Math.max(position, range.minimumIndex);
    const events: Followed[] = [];
    for (const bundle of sealedRun(folder, range, from, lately)) {
      events.push(...bundle);
      if (events.length >= COUNTED_AT_ONCE) break;
    }
    // First, so that a crash in between gives one alert too many rather than one too few.
    noteForged(events);
    noteUnknown(events);
    file.count(events, clock());
    return size - ((events.at(-1)?.index ?? from - 1) + 1);
  }

  /**
   * Records entries that this version does not know. A newer version or an intruder wrote them: a person must
   * find out.
   */
  function noteUnknown(events: readonly Followed[]): void {
    const found = events.filter((one) => one.event !== undefined && one.isUnknown === true).length;
    if (found === 0) return;
    unknown = { count: unknownLately() + found, at: clock() };
    onUnknown(found);
  }

  /** Entries sealed as events that turn out not to be events when read. */
  function noteForged(events: readonly Followed[]): void {
    const entries = events.flatMap((one) =>
      one.event !== undefined && one.isForged === true
        ? [{ stream: auditPartitions.indexOf(one.event.partition), number: one.event.number }]
        : [],
    );
    if (entries.length === 0) return;
    const commits = CommitFile.open(folder);
    try {
      commits.noteForeign(entries);
    } finally {
      commits.close();
    }
  }

  async function recordAlerts(file: ChildrenCounted): Promise<void> {
    await eachAlone(file.unrecorded(), async (alert) => {
      await record(alert);
      file.recorded(alert.auditId);
      onAlert(alert);
    });
  }

  async function writeAlerts(file: ChildrenCounted): Promise<void> {
    const alerts = file.unwritten().map(({ alert, at }) => async () => {
      await writePrivacyAlert(outbox, alert, new Date(at).toISOString());
      file.written(alert.auditId);
    });
    const barred = file.unwrittenBarred().map((attempt) => async () => {
      await writeBarredAlert(outbox, attempt);
      file.writtenBarred(attempt.auditId);
    });
    const twice = file.unwrittenTwice().map((second) => async () => {
      await writeProtectedTwice(outbox, second);
      file.writtenTwice(second.auditId);
    });
    const untold = file.unwrittenUntold().map((look) => async () => {
      await writeUntoldLook(outbox, look);
      file.writtenUntold(look.auditId);
    });
    await eachAlone([...alerts, ...barred, ...twice, ...untold], (write) => write());
  }

  return {
    /**
     * True if there is more to count at once.
     *
     * @param lately as {@link sealedRun} takes it
     */
    async step(lately: readonly Followed[]): Promise<{ more: boolean; alerting: Alerting }> {
      let [alerts, behind] = [0, 0];
      const problems: string[] = [];
      try {
        if (sealedRange(folder) === undefined) return idle(ALERTING.noLog);
        lock ??= lockFile(join(folder, LOCK));
        if (lock === undefined) {
          return idle(ALERTING.standby);
        }
        counted ??= ChildrenCounted.open(folder, {
          thresholds,
          numberKey: await readOrMakeKey(numberKeyFile),
        });
        const file = counted;
        behind = count(file, lately);
        if (performance.now() >= expireAt) {
          file.expire();
          expireAt = performance.now() + EXPIRED_EVERY_MS;
        }
        await writeAlerts(file).catch((error: unknown) =>
          problems.push(ALERTING.outboxFailed(outbox, errorCode(error))),
        );
        await recordAlerts(file).catch((error: unknown) =>
          problems.push(ALERTING.auditFailed(errorCode(error))),
        );
        alerts = file.alertsSince(clock() - HOUR_MS);
      } catch (error) {
        close();
        if (isDamaged(error)) ChildrenCounted.remove(folder);
        problems.push(ALERTING.failed(errorCode(error)));
      }
      const alerting = {
        problem: problems.length > 0,
        detail: problems.length > 0 ? problems.join(' ') : ALERTING.counted,
        alerts,
        behind,
        unknown: unknownLately(),
      };
      return { more: behind > 0 && problems.length === 0, alerting };
    },
    close,
  };
}
