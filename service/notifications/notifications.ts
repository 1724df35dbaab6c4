import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { GateCheck } from '#store/gate.ts';
import { errorFields, type Log } from '../log.ts';
import type { Directory, NotifierOptions, Notifying } from './notifier.ts';
import type { NotifierOrder } from './thread.ts';

/** Plain numbers of how authorities are told, for whoever measures. */
export type NotificationNumbers = {
  /** Sealed events that have not been read yet. */
  behindEvents: number;
  /** Age in milliseconds of the oldest access that no notification tells of; 0 where there is none. */
  lagMs: number;
  /** Notifications that wait to be written into the outbox. */
  unwritten: number;
  /** Events of the log that could not be read. */
  unreadable: number;
};

export type Notifications = {
  /** Whether authorities are told, as a check of `/_status`. */
  check(): GateCheck;
  /** `undefined` before the first step, and where another process does it. */
  readonly numbers: NotificationNumbers | undefined;
  stop(): Promise<void>;
};

export type NotificationsOptions = Omit<NotifierOptions, 'clock'> & {
  /** `undefined` before the authorities have been read. */
  directory: () => Directory | undefined;
};

const DIRECTORY_EVERY_MS = 1_000;
const STARTED_AGAIN_AFTER_MS = 1_000;
const HEARD_OF_WITHIN_MS = 60_000;
const ENDS_WITHIN_MS = 5_000;
const MEMORY_MIB = 256;

/**
 * Tells authorities of accesses to their children, in a thread of its own: reading the log and waiting for
 * the disk must hold up neither lookups nor the sealing. A thread that ends unasked is started again.
 */
export function startNotifications(
  { directory, ...options }: NotificationsOptions,
  log: Log,
): Notifications {
  let notifying: Notifying | undefined;
  let since = new Date().toISOString();
  let heardAt = performance.now();
  let stopping = false;
  let worker: Worker;
  let running: Promise<void>;
  const order = (one: NotifierOrder): void => worker.postMessage(one, []);

  function hear(told: Notifying): void {
    heardAt = performance.now();
    if (told.problem !== (notifying?.problem ?? false)) since = told.at;
    if (told.detail !== notifying?.detail) log[told.problem ? 'error' : 'info'](told.detail);
    notifying = told;
  }

  function numbers(): NotificationNumbers | undefined {
    if (notifying === undefined || notifying.standby) return undefined;
    const { behind, oldestUntold, unwritten, unreadable } = notifying;
    const lagMs =
      oldestUntold === undefined ? 0 : Math.max(0, Date.now() - Date.parse(oldestUntold));
    return { behindEvents: behind, lagMs, unwritten, unreadable };
  }

  function inNumbers(): string {
    const now = numbers();
    if (now === undefined) return '';
    const { behindEvents, lagMs, unwritten, unreadable } = now;
    const parts = [
      ...(behindEvents > 0 ? [`${behindEvents} sealed events are not read yet`] : []),
      ...(lagMs > 0 ? [`the oldest access not told of is ${lagMs} ms old`] : []),
      ...(unwritten > 0 ? [`${unwritten} notifications wait for the outbox`] : []),
      ...(unreadable > 0 ? [`${unreadable} events could not be read`] : []),
    ].join('; ');
    return parts === '' ? '' : ` ${parts[0]?.toUpperCase()}${parts.slice(1)}.`;
  }

  function tellDirectory(): void {
    const newest = directory();
    if (newest !== undefined) order({ kind: 'directory', directory: newest });
  }

  function start(): void {
    worker = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData: options,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
    });
    worker.on('message', hear);
    worker.on('error', (error) => {
      log.error('telling authorities failed and is started again', errorFields(error));
    });
    running = new Promise((resolve) => {
      worker.once('exit', () => {
        resolve();
        if (!stopping) void delay(STARTED_AGAIN_AFTER_MS).then(() => stopping || start());
      });
    });
    tellDirectory();
  }
  start();
  const timer = setInterval(tellDirectory, DIRECTORY_EVERY_MS).unref();

  return {
    check() {
      const name = 'notifications';
      if (performance.now() - heardAt > HEARD_OF_WITHIN_MS) {
        const detail =
          'Telling authorities has not been heard of for a minute. Nothing is lost. Restart this process if that does not pass.';
        return { name, ok: false, detail, since };
      }
      const detail = notifying?.detail ?? 'Telling authorities is starting.';
      return { name, ok: notifying?.problem !== true, detail: `${detail}${inNumbers()}`, since };
    },
    get numbers() {
      return numbers();
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      order({ kind: 'stop' });
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
