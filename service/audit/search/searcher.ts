import { Worker } from 'node:worker_threads';
import { causeOf } from '#store/errors.ts';
import type { AuditPlaces } from './search.ts';
import type { Searched, SearchOrder, ThreadOrders } from './search-thread.ts';

/** Searches one after the other, in a thread: SQLite calls block, and lookups must not wait for them. */
export type Searcher = {
  /** Never rejects. */
  ask<Kind extends keyof ThreadOrders>(
    kind: Kind,
    order: ThreadOrders[Kind],
  ): Promise<Answered<Kind>>;
  search(order: SearchOrder): Promise<Answered<'search'>>;
  stop(): Promise<void>;
};

/** `busy` if too many wait. */
type Answered<Kind extends keyof ThreadOrders> =
  | Searched<Kind>
  | { kind: 'busy' }
  | { kind: 'too-slow' };

const failed = (error: unknown): { kind: 'failed'; cause: string } => ({
  kind: 'failed',
  cause: causeOf(error),
});

const WAITING_AT_MOST = 16;
const SEARCH_DEADLINE_MS = 10_000;
const MEMORY_MIB = 256;

export function createSearcher(places: AuditPlaces): Searcher {
  let worker: Worker | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let stopped = false;

  function start(): Worker {
    const started = new Worker(new URL('./search-thread.ts', import.meta.url), {
      workerData: places,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
    });
    // An idle thread must not keep a process from ending.
    started.unref();
    const forget = (): void => {
      if (worker === started) worker = undefined;
    };
    // An error comes before the exit, and the next search must not go to a thread that is ending.
    started.on('error', forget).on('exit', forget);
    return started;
  }

  function run<Kind extends keyof ThreadOrders>(
    kind: Kind,
    order: ThreadOrders[Kind],
  ): Promise<Searched<Kind> | { kind: 'too-slow' }> {
    if (stopped) return Promise.resolve({ kind: 'failed', cause: 'the service stops' });
    worker ??= start();
    const thread = worker;
    return new Promise((resolve) => {
      const settle = (outcome: Searched<Kind> | { kind: 'too-slow' }): void => {
        clearTimeout(timer);
        thread.off('message', settle).off('error', onError).off('exit', onExit);
        resolve(outcome);
      };
      const onError = (error: unknown): void => settle(failed(error));
      const onExit = (): void => settle({ kind: 'failed', cause: 'the thread ended' });
      const timer = setTimeout(() => {
        worker = undefined;
        settle({ kind: 'too-slow' });
        void thread.terminate();
      }, SEARCH_DEADLINE_MS);
      thread.on('message', settle).on('error', onError).on('exit', onExit);
      try {
        thread.postMessage({ kind, order }, []);
      } catch (error) {
        onError(error);
      }
    });
  }

  async function ask<Kind extends keyof ThreadOrders>(
    kind: Kind,
    order: ThreadOrders[Kind],
  ): Promise<Answered<Kind>> {
    if (waiting >= WAITING_AT_MOST) return { kind: 'busy' };
    waiting++;
    // Settled before the next one begins, which must not fail with this one.
    const turn = queue
      .then(() => run(kind, order))
      .catch((error: unknown) => failed(error))
      .finally(() => {
        waiting--;
      });
    queue = turn;
    return turn;
  }

  return {
    ask,
    search: (order) => ask('search', order),
    async stop() {
      stopped = true;
      await worker?.terminate();
    },
  };
}
