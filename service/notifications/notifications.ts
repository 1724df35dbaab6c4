import type { OwnCheck } from '#schemas/status.ts';
import { NOTIFYING } from '#schemas/wording/operations.ts';
import type { Log } from '../telemetry/log.ts';
import { followThread, superviseThread } from '../telemetry/supervised-thread.ts';
import type { Directory, NotifierOptions, Notifying } from './notifier.ts';
import type { NotifierOrder } from './thread.ts';

/** Plain numbers of how authorities are notified, for metrics. */
type NotificationNumbers = {
  /** Sealed events that have not been read yet. */
  behindEvents: number;
  /** Age in milliseconds of the oldest access that no notification reports; 0 if there is none. */
  lagMs: number;
  /** Notifications waiting to be written into the outbox. */
  unwritten: number;
  /** Events of the log that could not be read. */
  unreadable: number;
};

export type Notifications = {
  /** Whether authorities are notified, as a check of `/_status`. */
  check(): OwnCheck;
  /** `undefined` before the first step, and if another process does it. */
  readonly numbers: NotificationNumbers | undefined;
  stop(): Promise<void>;
};

type NotificationsOptions = Omit<NotifierOptions, 'clock'> & {
  /** `undefined` before the authorities have been read. */
  directory: () => Directory | undefined;
};

const DIRECTORY_EVERY_MS = 1_000;
const HEARD_OF_WITHIN_MS = 60_000;
const MEMORY_MIB = 256;

/**
 * Notifies authorities of accesses to their children, in a thread of its own: reading the log and waiting for
 * the disk must delay neither lookups nor the sealing.
 */
export function startNotifications(
  { directory, ...options }: NotificationsOptions,
  log: Log,
): Notifications {
  const followed = followThread<Notifying>({
    name: 'notifications',
    starting: NOTIFYING.starting,
    silent: NOTIFYING.silent,
    heardOfWithinMs: HEARD_OF_WITHIN_MS,
    log,
  });
  const thread = superviseThread<Notifying, NotifierOrder>({
    url: new URL('./thread.ts', import.meta.url),
    settings: options,
    memoryMib: MEMORY_MIB,
    onMessage: followed.hear,
    onStart: tellDirectory,
    failed: NOTIFYING.threadFailed,
    log,
  });

  function numbers(): NotificationNumbers | undefined {
    const notifying = followed.state;
    if (notifying === undefined || notifying.standby) return undefined;
    const { behind, oldestUntold, unwritten, unreadable } = notifying;
    const lagMs =
      oldestUntold === undefined ? 0 : Math.max(0, Date.now() - Date.parse(oldestUntold));
    return { behindEvents: behind, lagMs, unwritten, unreadable };
  }

  function tellDirectory(): void {
    const newest = directory();
    if (newest !== undefined) thread.send({ kind: 'directory', directory: newest });
  }

  thread.start();
  const timer = setInterval(tellDirectory, DIRECTORY_EVERY_MS).unref();

  return {
    check: () => {
      const now = numbers();
      return followed.check(now === undefined ? '' : NOTIFYING.inNumbers(now));
    },
    get numbers() {
      return numbers();
    },
    stop() {
      clearInterval(timer);
      return thread.stop({ kind: 'stop' });
    },
  };
}
