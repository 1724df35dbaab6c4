import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeWhole } from '../files/whole-file.ts';
import {
  dataFolder,
  ensureUsers,
  lockFolder,
  prepareFolder,
  type RedisUsers,
  readRunning,
  readUsers,
} from './embedded/data-folder.ts';
import { redisAcl, redisConfiguration } from './embedded/redis-configuration.ts';
import {
  endOrphan,
  launchRedis,
  ping,
  SOCKET_FOLDER_PREFIX,
  superviseRedis,
  untilReady,
} from './embedded/redis-process.ts';
import { findRedisServer, NEEDED_REDIS } from './redis-binary.mjs';

export { DataFolderInUse, type RedisRole } from './embedded/data-folder.ts';

export type EmbeddedRedis = {
  /** Absolute path of the Unix socket; the same after a restart of Redis. */
  socketPath: string;
  /** Redis ACL users by role, with their random passwords. */
  users: RedisUsers;
  /** Process id of redis-server (tests send it signals); another one after a restart. */
  readonly pid: number;
  /**
   * Resolves when redis-server is gone for good: stopped, or ended with `restart: false`. Never rejects.
   */
  exited: Promise<void>;
  /** Stops Redis cleanly, releases the lock. Idempotent. */
  stop(): Promise<void>;
};

/**
 * Starts the private redis-server of a data folder: a Unix socket in a folder of its own, no TCP port, every
 * write on disk before it is answered.
 *
 * The folder is locked first, because two servers on one folder lose data. A redis-server left behind by an
 * owner that was killed is ended cleanly before the new one starts. One that ends unasked is started again on
 * the same socket; clients only have to reconnect.
 *
 * @param options.dataDir made if absent; the files of Redis are in its folder `redis`
 * @param options.maxmemoryMb megabytes, default 1024; beyond it writes are refused, none is evicted
 * @param options.restart default true
 * @throws DataFolderInUse when another process holds the folder
 * @throws Error with a sentence for the user, when there is no redis-server, the folder can't be written, or
 * Redis doesn't get ready
 */
export async function startEmbeddedRedis(options: {
  dataDir: string;
  maxmemoryMb?: number;
  restart?: boolean;
}): Promise<EmbeddedRedis> {
  const { binary } = findRedisServer();
  if (binary === undefined) {
    throw new Error(`${NEEDED_REDIS} is not on PATH. Run "npm run setup", or set REDIS_URL.`);
  }
  const folder = dataFolder(options.dataDir);
  await prepareFolder(folder);
  const lock = await lockFolder(folder);
  try {
    await endOrphan(folder);
    const users = await ensureUsers(folder);
    const socketPath = join(await makeSocketFolder(), 'redis.sock');
    const settings = await redisConfiguration(folder, socketPath, options.maxmemoryMb ?? 1024);
    await writeWhole(folder.configuration, settings, 0o600);
    await writeWhole(folder.acl, await redisAcl(users), 0o600);

    const launch = () => launchRedis(binary, folder, socketPath);
    const first = await launch();
    await untilReady(first, socketPath, users.admin, folder);
    const redis = superviseRedis(first, launch, options.restart ?? true);

    const stop = async () => {
      await redis.stop();
      await endOrphan(folder);
      lock.close();
    };
    let stopped: Promise<void> | undefined;
    return {
      socketPath,
      users,
      get pid() {
        return redis.pid();
      },
      exited: redis.exited,
      stop: () => (stopped ??= stop()),
    };
  } catch (error) {
    await endOrphan(folder);
    lock.close();
    throw error;
  }
}

/**
 * How a command finds the running embedded Redis of a data folder.
 *
 * @returns undefined if none is running there
 */
export async function findEmbeddedRedis(
  dataDir: string,
): Promise<{ socketPath: string; users: RedisUsers } | undefined> {
  const folder = dataFolder(dataDir);
  const running = await readRunning(folder);
  const users = await readUsers(folder);
  if (running === undefined || users === undefined) return undefined;
  const state = await ping(running.socketPath, users.admin);
  return state === 'absent' ? undefined : { socketPath: running.socketPath, users };
}

/** A Unix socket's address holds 103 bytes on macOS, 107 on Linux; the rest of it takes 22. */
const LONGEST_TMPDIR = 80;

/** Private (0700) and short, wherever the data folder is. */
function makeSocketFolder(): Promise<string> {
  const parent = Buffer.byteLength(tmpdir()) > LONGEST_TMPDIR ? '/tmp' : tmpdir();
  return mkdtemp(join(parent, SOCKET_FOLDER_PREFIX));
}
