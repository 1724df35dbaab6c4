import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectStore } from '#store/connection/connection.ts';
import { findRedisServer } from '#store/connection/redis-binary.mjs';
import { freePort } from './ports.ts';
import { spawnOwned } from './spawn-owned.ts';
import { until, WAIT_MS } from './test-store.ts';

const CONFIGURATION = fileURLToPath(new URL('../../store/redis.conf', import.meta.url));

/** A separate redis-server with its own port and folder and no users, like the ones that REDIS_URL names. */
export async function startRedisServer() {
  const { binary = 'redis-server' } = findRedisServer();
  const folder = await mkdtemp(join(tmpdir(), 'cpf-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const connections: ReturnType<typeof connectStore>[] = [];
  let child: ChildProcess;

  function connect(commandTimeoutMs?: number) {
    const redis = connectStore({ url }, { name: 'test', commandTimeoutMs });
    connections.push(redis);
    return redis;
  }
  async function start(): Promise<void> {
    // It has its own file, which `CONFIG REWRITE` may change.
    const file = join(folder, 'redis.conf');
    writeFileSync(file, `include ${CONFIGURATION}\n`, { flag: 'a' });
    const placed = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder];
    const args = [file, ...placed, '--maxmemory', '128mb', '--repl-diskless-sync-delay', '0'];
    child = spawnOwned(binary, args);
    const own = `process_id:${child.pid}\r`;
    await until(
      async () =>
        (await admin.ping().catch(() => '')) === 'PONG' &&
        (await admin.info('server').catch(() => '')).includes(own),
      'our own Redis to answer',
    );
  }
  async function kill(): Promise<void> {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await gone;
  }
  const admin = connect(WAIT_MS);
  await start();
  return {
    url,
    port,
    admin,
    connect,
    kill,
    start,
    signal: (name: NodeJS.Signals): void => void child.kill(name),
    async restart(): Promise<void> {
      await kill();
      await start();
    },
    /** Copies another server until told otherwise. */
    async replicate(primary: { port: number; admin: typeof admin }): Promise<void> {
      await admin.replicaof('127.0.0.1', primary.port);
      await until(
        async () => /slave0:[^\r]*state=online/.test(await primary.admin.info('replication')),
        'the replica to be in step',
      );
      // The primary reports the replica as online before the replica has read the copy. Until the copy is in the
      // replica's own file, a restart would leave it empty.
      await until(async () => {
        const replication = await admin.info('replication');
        const persistence = await admin.info('persistence');
        return (
          replication.includes('master_link_status:up') &&
          persistence.includes('aof_rewrite_in_progress:0') &&
          !persistence.includes('aof_rewrite_scheduled:1')
        );
      }, 'the copy to be on disk');
    },
    /**
     * Waits until everything that the primary had written at the time of the call has been copied, whichever connection
     * wrote it.
     */
    async catchUp(primary: { admin: typeof admin }): Promise<void> {
      const offset = (info: string, name: string) =>
        Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
      const written = offset(await primary.admin.info('replication'), 'master_repl_offset');
      await until(
        async () => offset(await admin.info('replication'), 'slave_repl_offset') >= written,
        'the replica to have copied all',
      );
    },
    promote: () => admin.replicaof('NO', 'ONE'),
    async stop(): Promise<void> {
      for (const redis of connections) redis.disconnect();
      if (child.exitCode === null && child.signalCode === null) await kill();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
export type TestRedisServer = Awaited<ReturnType<typeof startRedisServer>>;
