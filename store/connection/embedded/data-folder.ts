import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { DATA_FOLDER } from '#schemas/wording/store.ts';
import { type FileLock, lockFile } from '../../files/sqlite.ts';
import { writeWhole } from '../../files/whole-file.ts';

export const REDIS_ROLES = ['lookup', 'worker', 'loader', 'admin'] as const;
export type RedisRole = (typeof REDIS_ROLES)[number];
export type RedisUser = { username: string; password: string };
export type RedisUsers = Record<RedisRole, RedisUser>;

/** Another process holds the data folder. The message is the sentence for the user. */
export class DataFolderInUse extends Error {}

export type DataFolder = ReturnType<typeof dataFolder>;

/** Where everything of a data folder's Redis lies. Absolute paths; touches nothing. */
export function dataFolder(dataDir: string) {
  const root = resolve(dataDir);
  const redis = join(root, 'redis');
  return {
    root,
    redis,
    lock: join(root, 'store.lock'),
    log: join(redis, 'redis.log'),
    configuration: join(redis, 'redis.conf'),
    acl: join(redis, 'users.acl'),
    credentials: join(redis, 'credentials.json'),
    running: join(redis, 'running.json'),
  };
}

/** @throws Error whose message is for the user, when the folder can't be written */
export async function prepareFolder(folder: DataFolder): Promise<void> {
  try {
    await mkdir(folder.redis, { recursive: true, mode: 0o700 });
    await chmod(folder.redis, 0o700);
    const log = await open(folder.log, 'a', 0o600);
    await log.chmod(0o600);
    await log.close();
  } catch (error) {
    throw new Error(DATA_FOLDER.notWritable(folder.root), { cause: error });
  }
}

/** Locks the folder until `close()` is called or the process dies. @throws {DataFolderInUse} */
export async function lockFolder(folder: DataFolder): Promise<FileLock> {
  const lock = lockFile(folder.lock);
  if (lock !== undefined) return lock;
  const owner = (await readRunning(folder))?.ownerPid;
  throw new DataFolderInUse(DATA_FOLDER.inUse(folder.root, owner));
}

/** Undefined if absent or invalid: these files can be written again. */
async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

const user = z.object({ username: z.string(), password: z.string() });
const users = z.object({ lookup: user, worker: user, loader: user, admin: user });

export const readUsers = (folder: DataFolder): Promise<RedisUsers | undefined> =>
  readJson(folder.credentials, users);

/** The users kept in the folder; made when there are none, so that they outlive a restart. */
export async function ensureUsers(folder: DataFolder): Promise<RedisUsers> {
  const kept = await readUsers(folder);
  if (kept !== undefined) return kept;
  const made = (role: RedisRole): RedisUser => ({
    username: `cpf-${role}`,
    password: randomBytes(32).toString('base64url'),
  });
  const fresh: RedisUsers = {
    lookup: made('lookup'),
    worker: made('worker'),
    loader: made('loader'),
    admin: made('admin'),
  };
  await writeWhole(folder.credentials, JSON.stringify(fresh, null, 2), 0o600);
  return fresh;
}

const running = z.object({
  pid: z.int().positive(),
  ownerPid: z.int().positive(),
  socketPath: z.string(),
});
type Running = z.infer<typeof running>;

/** The redis-server last started for the folder; it may have ended since. */
export const readRunning = (folder: DataFolder): Promise<Running | undefined> =>
  readJson(folder.running, running);

export const writeRunning = (folder: DataFolder, record: Running): Promise<void> =>
  writeWhole(folder.running, JSON.stringify(record), 0o600);
