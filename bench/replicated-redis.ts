import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { dataFolder, type RedisRole, readUsers } from '#store/connection/embedded/data-folder.ts';
import { redisAcl } from '#store/connection/embedded/redis-configuration.ts';
import { root } from './processes.ts';
import { start, whenReady } from './rival-stores.ts';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

/**
 * The Redis of a data folder as a separate server, and one replica of it, on this machine: the cost of an
 * answer that also waits for another's disk.
 */
export async function startReplicated(dataDir: string, maxmemoryMib: number) {
  const folder = dataFolder(dataDir);
  const users = await readUsers(folder);
  if (users === undefined) throw new Error('the data folder has no users of Redis');
  const acl = join(dataDir, 'replicated.acl');
  writeFileSync(acl, await redisAcl(users), { mode: 0o600 });
  const { username, password } = users.admin;
  async function serve(dir: string, of?: number) {
    mkdirSync(dir, { recursive: true });
    const port = await freePort();
    const file = join(dir, 'replicated.conf');
    const follows =
      of === undefined
        ? ''
        : `replicaof 127.0.0.1 ${of}\nmasteruser ${username}\nmasterauth ${password}\n`;
    writeFileSync(
      file,
      `include ${join(root, 'store/redis.conf')}\nport ${port}\nbind 127.0.0.1\ndir ${dir}\naclfile ${acl}\nmaxmemory ${maxmemoryMib}mb\nrepl-diskless-sync-delay 0\n${follows}`,
      { mode: 0o600 },
    );
    const server = start('redis-server', [file]);
    const redis = new Redis({ port, username, password, retryStrategy: () => 50 });
    redis.on('error', () => undefined);
    await whenReady(() => redis.ping());
    return { port, redis, server };
  }
  const primary = await serve(folder.redis);
  const replica = await serve(join(dataDir, 'replica'), primary.port);
  await whenReady(async () => {
    if (!(await primary.redis.info('replication')).includes('state=online')) throw new Error();
  });
  primary.redis.disconnect();
  replica.redis.disconnect();
  return {
    url: (role: RedisRole): string =>
      `redis://${users[role].username}:${users[role].password}@127.0.0.1:${primary.port}`,
    pids: { redis: primary.server.pid, replica: replica.server.pid },
    async stop(): Promise<void> {
      await replica.server.stop('SIGTERM');
      await primary.server.stop('SIGTERM');
    },
  };
}
