import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  DataFolderInUse,
  type EmbeddedRedis,
  findEmbeddedRedis,
  startEmbeddedRedis,
} from '#store/connection/embedded-redis.ts';

let dataDir: string;
let running: EmbeddedRedis[];
let clients: Redis[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'cp flags data '));
  running = [];
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.disconnect();
  for (const redis of running) await redis.stop();
  await rm(dataDir, { recursive: true, maxRetries: 5 });
});

async function start(options: { restart?: boolean; maxmemoryMb?: number } = {}) {
  const redis = await startEmbeddedRedis({ dataDir, ...options });
  running.push(redis);
  return redis;
}

function client(redis: Pick<EmbeddedRedis, 'socketPath' | 'users'>): Redis {
  const made = new Redis({
    path: redis.socketPath,
    ...redis.users.admin,
    retryStrategy: () => 10,
    // Redis may take any length of time to start again.
    maxRetriesPerRequest: null,
  });
  // These tests end Redis while its clients are connected.
  made.on('error', () => {});
  clients.push(made);
  return made;
}

/** Starts Redis on the same folder from another process, which the test can then kill. */
async function otherOwner() {
  const store = new URL('../../../store/connection/embedded-redis.ts', import.meta.url).href;
  const program = `
    const { startEmbeddedRedis } = await import(${JSON.stringify(store)});
    const redis = await startEmbeddedRedis({ dataDir: ${JSON.stringify(dataDir)} });
    console.log(redis.pid);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [pid] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, redisPid: Number(pid.toString()) };
}

/** A zombie, a process that has ended but has not been waited for, counts as ended. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

test('a second start on a folder in use by this process is refused with a message', async () => {
  const first = await start();
  const second = startEmbeddedRedis({ dataDir });
  await expect(second).rejects.toThrow(DataFolderInUse);
  await expect(second).rejects.toThrow(`${dataDir} is in use by another process (${process.pid})`);
  expect(await client(first).ping()).toBe('PONG');
  // The refused start must not have released the first one's lock.
  await expect(startEmbeddedRedis({ dataDir })).rejects.toThrow(DataFolderInUse);
});

test('a folder held by another process is refused, and free once that process is killed', async () => {
  const { child, redisPid } = await otherOwner();
  await expect(startEmbeddedRedis({ dataDir })).rejects.toThrow(`(${child.pid})`);
  const found = await findEmbeddedRedis(dataDir);
  if (found === undefined) throw new Error('the running Redis was not found');
  await client(found).set('acknowledged', 'before the owner was killed');

  child.kill('SIGKILL');
  await once(child, 'exit');

  const redis = await start();
  expect(isAlive(redisPid)).toBe(false);
  expect(await client(redis).get('acknowledged')).toBe('before the owner was killed');
  expect(redis.users).toEqual(found.users);
  await expect(stat(dirname(found.socketPath))).rejects.toThrow('ENOENT');
});

test('if another program has reused the process id, it is left alone', async () => {
  await start().then((redis) => redis.stop());
  const record = { pid: process.pid, ownerPid: process.pid, socketPath: '/nowhere/redis.sock' };
  await writeFile(join(dataDir, 'redis', 'running.json'), JSON.stringify(record));
  expect(await findEmbeddedRedis(dataDir)).toBeUndefined();
  expect(await client(await start()).ping()).toBe('PONG');
});

test('after kill -9, Redis runs again on the same socket with every acknowledged write', async () => {
  const redis = await start();
  const admin = client(redis);
  const killed = redis.pid;
  for (let n = 0; n < 100; n += 1) await admin.rpush('written', n);
  process.kill(killed, 'SIGKILL');
  expect(await admin.llen('written')).toBe(100);
  expect(redis.pid).not.toBe(killed);
});

test('writes by functions are still there after a restart', async () => {
  const redis = await start();
  const before = client(redis);
  await before.call(
    'FUNCTION',
    'LOAD',
    `#!lua name=two
redis.register_function('two', function(keys)
  redis.call('SET', keys[1], 'a')
  redis.call('SET', keys[2], 'b')
end)`,
  );
  await before.call('FCALL', 'two', '2', 'one', 'other');
  await redis.stop();
  const after = client(await start());
  expect(await after.mget('one', 'other')).toEqual(['a', 'b']);
});

test('stop() right after a kill leaves no Redis behind', async () => {
  const redis = await start();
  const { pid } = redis;
  process.kill(pid, 'SIGKILL');
  await redis.stop();
  await redis.exited;
  expect(isAlive(redis.pid)).toBe(false);
  expect(await findEmbeddedRedis(dataDir)).toBeUndefined();
});

test('with restarts turned off, the end of Redis is reported and final', async () => {
  const redis = await start({ restart: false });
  process.kill(redis.pid, 'SIGKILL');
  await redis.exited;
  expect(await findEmbeddedRedis(dataDir)).toBeUndefined();
});

test('stop() may be called twice at once, keeps the data and frees the folder', async () => {
  const first = await start();
  await client(first).set('kept', 'yes');
  await Promise.all([first.stop(), first.stop()]);
  await first.stop();
  await first.exited;
  expect(isAlive(first.pid)).toBe(false);

  const second = await start();
  expect(second.users).toEqual(first.users);
  expect(await client(second).get('kept')).toBe('yes');
});

test('only the owner of the process can read the files that Redis keeps', async () => {
  const redis = await start();
  await client(redis).set('a', 'write');
  expect(await modeOf(join(dataDir, 'store.lock'))).toBe('600');
  expect(await modeOf(join(dataDir, 'redis'))).toBe('700');
  expect(await modeOf(dirname(redis.socketPath))).toBe('700');
  expect(await modeOf(redis.socketPath)).toBe('700');
  const entries = await readdir(join(dataDir, 'redis'), { recursive: true, withFileTypes: true });
  const modes = entries.map(async (entry) => [
    entry.name,
    entry.isDirectory() ? 'folder' : 'file',
    await modeOf(join(entry.parentPath, entry.name)),
  ]);
  for (const [name, kind, mode] of await Promise.all(modes)) {
    expect([name, mode]).toEqual([name, kind === 'folder' ? '700' : '600']);
  }
  expect(entries.map((entry) => entry.name)).toContain('appendonly.aof.manifest');
});

test('the settings that our promises depend on are in force', async () => {
  const redis = await start({ maxmemoryMb: 64 });
  const admin = client(redis);
  const inForce = {
    port: '0',
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    maxmemory: `${64 * 1024 * 1024}`,
    'maxmemory-policy': 'noeviction',
    'slowlog-log-slower-than': '-1',
    'slowlog-max-len': '0',
    'latency-monitor-threshold': '0',
    'crash-log-enabled': 'no',
    'aof-load-truncated': 'yes',
    'auto-aof-rewrite-percentage': '100',
    'auto-aof-rewrite-min-size': `${256 * 1024 * 1024}`,
    'aof-use-rdb-preamble': 'yes',
    rdbcompression: 'no',
    'enable-debug-command': 'no',
    'protected-mode': 'yes',
  };
  for (const [name, value] of Object.entries(inForce)) {
    expect(await admin.config('GET', name)).toEqual([name, value]);
  }
});

test('nobody can connect without a password', async () => {
  const redis = await start();
  const stranger = new Redis({ path: redis.socketPath, lazyConnect: true });
  clients.push(stranger);
  stranger.on('error', () => {});
  await expect(stranger.get('a')).rejects.toThrow('NOAUTH');
});

test('every role connects with its own password', async () => {
  const redis = await start();
  for (const user of Object.values(redis.users)) {
    const connection = new Redis({ path: redis.socketPath, ...user, lazyConnect: true });
    clients.push(connection);
    await connection.connect();
    expect(connection.status).toBe('ready');
  }
});

test('a data folder works even if its path is too long for a socket address', async () => {
  const long = join(dataDir, 'long '.repeat(40), 'path');
  const redis = await startEmbeddedRedis({ dataDir: long });
  running.push(redis);
  expect(await client(redis).ping()).toBe('PONG');
});

test('the message of a refused start names a folder that cannot be written', async () => {
  await writeFile(join(dataDir, 'file'), '');
  const inside = join(dataDir, 'file', 'data');
  await expect(startEmbeddedRedis({ dataDir: inside })).rejects.toThrow(
    `The data folder ${inside} cannot be written`,
  );
});

test('without redis-server on PATH, the message of the refused start says what is needed and what to do', async () => {
  vi.stubEnv('PATH', dataDir);
  await expect(startEmbeddedRedis({ dataDir })).rejects.toThrow(
    /redis-server 7\.0 or later .* is not on PATH\. Run "npm run setup"/,
  );
});

test('a Redis that cannot start is refused with the reason from its own log, and its folder is freed', async () => {
  const first = await start();
  await client(first).set('a', 'b');
  await first.stop();
  const manifest = join(dataDir, 'redis', 'appendonlydir', 'appendonly.aof.manifest');
  await writeFile(manifest, 'not a manifest\n');
  await expect(startEmbeddedRedis({ dataDir })).rejects.toThrow(/ended while starting.*manifest/is);
  await expect(startEmbeddedRedis({ dataDir })).rejects.not.toThrow(DataFolderInUse);
});
