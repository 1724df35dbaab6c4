import type { Redis } from 'ioredis';
import { type ReplicaRule, type Requirement, WAIT_MS } from './acknowledged.ts';
import { information } from './reply.ts';

/**
 * A connection that carries one group of commands at a time and waits for the replicas after it, which blocks
 * it meanwhile. Commands that arrive until then form the next group: the busier, the larger.
 */
export type Lane = {
  readonly redis: Redis;
  /** The run of the connected server, if it is a primary; read again at each connection. */
  readonly run: string | undefined;
  /** Whether a group is on its way. */
  readonly busy: boolean;
  /**
   * Sends a group in one write, followed by `WAIT`.
   *
   * @param required what it needs to count
   * @param group sends the commands; called at once
   * @param waitMs how long the replicas have; default {@link WAIT_MS}
   * @returns what `group` returned, and whether the replicas have acknowledged all of it; the latter never
   * rejects
   */
  send<T>(
    required: Requirement,
    group: (redis: Redis) => T,
    waitMs?: number,
  ): { sent: T; acknowledged: Promise<boolean> };
};

export type Lanes = {
  /** One that is free and connected to this run; `busy` if all of them are in use, else `none`. */
  free(run: string): Lane | 'busy' | 'none';
  /** Calls this whenever one becomes free or is connected again. */
  onFree(listener: () => void): void;
};

/** @param onFree called whenever it becomes free or is connected again */
export function createLane(
  redis: Redis,
  sentinels: ReplicaRule['sentinels'],
  onFree: () => void = () => undefined,
): Lane {
  let run: string | undefined;
  let busy = false;

  async function ask(): Promise<void> {
    const { stream } = redis;
    try {
      const server = information(await redis.info('server', 'replication'));
      if (stream !== redis.stream || redis.status !== 'ready') return;
      run = server.get('role') === 'master' ? server.get('run_id') : undefined;
      onFree();
    } catch {
      // It is asked again once it is connected again.
      stream.destroy();
    }
  }
  redis.on('ready', () => void ask());
  redis.on('close', () => {
    run = undefined;
    onFree();
  });
  if (redis.status === 'ready') void ask();

  async function settle(
    acknowledging: Promise<number>,
    { wait, agreement }: Requirement,
  ): Promise<boolean> {
    const { stream } = redis;
    try {
      if ((await acknowledging) < wait) return false;
      if (!agreement) return true;
      // This makes a lane leave at once if another primary is named, so that it is connected to the confirmed
      // one.
      return (await sentinels?.agree()) === true && stream === redis.stream && !stream.destroyed;
    } catch {
      return false;
    } finally {
      busy = false;
      // In a turn of its own: the answers of this group are read first.
      setImmediate(onFree);
    }
  }

  return {
    redis,
    get run() {
      return run;
    },
    get busy() {
      return busy;
    },
    send(required, group, waitMs = WAIT_MS) {
      busy = true;
      redis.stream.cork();
      const sent = group(redis);
      const acknowledging =
        required.wait === 0 ? redis.ping().then(() => 0) : redis.wait(required.wait, waitMs);
      redis.stream.uncork();
      return { sent, acknowledged: settle(acknowledging, required) };
    },
  };
}

/** One lane for each connection. */
export function createLanes(
  connections: readonly Redis[],
  sentinels: ReplicaRule['sentinels'],
): Lanes {
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const lanes = connections.map((redis) => createLane(redis, sentinels, tell));
  return {
    free(run) {
      const usable = lanes.filter((lane) => lane.run === run);
      return usable.find(({ busy }) => !busy) ?? (usable.length === 0 ? 'none' : 'busy');
    },
    onFree: (listener) => void listeners.add(listener),
  };
}
