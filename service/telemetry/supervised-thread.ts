import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { OwnCheck } from '#schemas/status.ts';
import { errorFields, type Log } from './log.ts';

/** The state of a thread's work, as it reports it. */
export type ThreadState = { problem: boolean; detail: string };

type SupervisedThreadOptions<Message> = {
  /** The address of its program. */
  url: URL;
  settings: unknown;
  memoryMib: number;
  onMessage: (message: Message) => void;
  /** Called whenever it has been started, for the first time or again. */
  onStart?: (() => void) | undefined;
  /** What is logged when it ended by a fault. */
  failed: string;
  log: Log;
};

const STARTED_AGAIN_AFTER_MS = 1_000;
const ENDS_WITHIN_MS = 5_000;
const IS_ENDED_WITHIN_MS = 1_000;

async function withinMs(ended: Promise<unknown>, patienceMs: number): Promise<void> {
  const patience = new AbortController();
  await Promise.race([
    ended,
    delay(patienceMs, undefined, { signal: patience.signal }).catch(() => undefined),
  ]);
  patience.abort();
}

/** A thread for work that must delay neither lookups nor other work. One that ends unasked is started again. */
export function superviseThread<Message, Order>(options: SupervisedThreadOptions<Message>) {
  const { url, settings, memoryMib, onMessage, onStart, failed, log } = options;
  let stopping = false;
  let worker: Worker;
  let running: Promise<void>;
  const send = (order: Order): void => worker.postMessage(order, []);

  const begin = (): Worker =>
    new Worker(url, {
      workerData: settings,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: memoryMib },
    });

  async function startAgain(): Promise<void> {
    await delay(STARTED_AGAIN_AFTER_MS);
    if (stopping) return;
    let begun: Worker;
    try {
      begun = begin();
    } catch (error) {
      log.error(failed, errorFields(error));
      return startAgain();
    }
    follow(begun);
  }

  function follow(begun: Worker): void {
    worker = begun;
    worker.on('message', onMessage);
    worker.on('error', (error) => log.error(failed, errorFields(error)));
    running = new Promise((resolve) => {
      worker.once('exit', () => {
        resolve();
        if (!stopping) void startAgain();
      });
    });
    onStart?.();
  }

  return {
    start: () => follow(begin()),
    send,
    /**
     * Asks it to end, and ends it if it does not within five seconds. One with a hanging file call cannot be
     * ended, and is left until the process ends.
     */
    async stop(order: Order): Promise<void> {
      stopping = true;
      send(order);
      await withinMs(running, ENDS_WITHIN_MS);
      await withinMs(worker.terminate(), IS_ENDED_WITHIN_MS);
    },
  };
}

/**
 * Follows a thread's reports, for the log and as a check of `/_status`.
 *
 * @param options.starting used before the thread's first report
 * @param options.silent used if it has not reported for too long
 */
export function followThread<State extends ThreadState>(options: {
  name: OwnCheck['name'];
  starting: string;
  silent: string;
  heardOfWithinMs: number;
  log: Log;
}) {
  const { name, starting, silent, heardOfWithinMs, log } = options;
  let state: State | undefined;
  let since = new Date().toISOString();
  let heardAt = performance.now();
  return {
    get state() {
      return state;
    },
    hear(told: State): void {
      heardAt = performance.now();
      const turned = told.problem !== (state?.problem ?? false);
      if (turned) since = new Date().toISOString();
      if (turned || told.detail !== state?.detail)
        log[told.problem ? 'error' : 'info'](told.detail);
      state = told;
    },
    /** @param more added to the thread's last report */
    check(more: string): OwnCheck {
      if (performance.now() - heardAt > heardOfWithinMs) {
        return { name, ok: false, detail: silent, since };
      }
      if (state === undefined) return { name, ok: true, detail: starting, since };
      return { name, ok: !state.problem, detail: `${state.detail}${more}`, since };
    },
  };
}
