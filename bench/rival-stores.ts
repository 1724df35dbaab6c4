import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';

/** A store that a rival uses, on a Unix socket, filled. */
export type RivalStore = { socket: string; pid: number; stop(): Promise<void> };

const READY_WITHIN_MS = 20_000;
const AT_ONCE = 5_000;
const PLAN = JSON.stringify({
  type: 'child-protection-plan',
  authority: 'ZZ101',
  startDate: '2026-01-05',
  dateOfBirth: '2019-03-05',
});

export async function whenReady(look: () => Promise<unknown>): Promise<void> {
  const giveUpAt = performance.now() + READY_WITHIN_MS;
  for (;;) {
    try {
      await look();
      return;
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await pause(50);
    }
  }
}

export function start(program: string, args: readonly string[]) {
  const child = spawn(program, args, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    pid: child.pid ?? 0,
    async stop(signal: NodeJS.Signals) {
      child.kill(signal);
      await ended;
    },
  };
}

/** With those settings of `store/redis.conf` that cost something. */
export async function startPlainRedis(
  folder: string,
  numbers: readonly string[],
): Promise<RivalStore> {
  mkdirSync(folder, { recursive: true });
  const socket = join(folder, 'redis.sock');
  const settings = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', ''];
  const server = start('redis-server', [
    ...settings,
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
  ]);
  const redis = new Redis({ path: socket, retryStrategy: () => 50 });
  redis.on('error', () => undefined);
  await whenReady(() => redis.ping());
  for (let from = 0; from < numbers.length; from += AT_ONCE) {
    const pipeline = redis.pipeline();
    for (const number of numbers.slice(from, from + AT_ONCE)) {
      pipeline.set(`child:${number}`, `[${PLAN}]`);
    }
    await pipeline.exec();
  }
  redis.disconnect();
  return { socket, pid: server.pid, stop: () => server.stop('SIGTERM') };
}

/** Everything as PostgreSQL has it by default: fsync and synchronous commit are on. */
export async function startPostgres(
  folder: string,
  numbers: readonly string[],
): Promise<RivalStore | undefined> {
  const bin = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' }).stdout?.trim();
  const id = (what: string) =>
    Number(spawnSync('id', [what, 'postgres'], { encoding: 'utf8' }).stdout);
  const asRoot = process.getuid?.() === 0;
  if (!bin || (asRoot && !(id('-u') > 0))) return undefined;
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o711);
  const data = join(folder, 'data');
  mkdirSync(data, { mode: 0o700 });
  // PostgreSQL refuses to run as root.
  const as: string[] = asRoot
    ? ['setpriv', `--reuid=${id('-u')}`, `--regid=${id('-g')}`, '--clear-groups']
    : [];
  // Its user must be able to enter the folders above. We made one of them.
  if (asRoot) chmodSync(dirname(folder), 0o711);
  if (asRoot) for (const path of [folder, data]) chownSync(path, id('-u'), id('-g'));
  const command = [...as, join(bin, 'initdb'), '-D', data, '-U', 'postgres', '-A', 'trust'];
  const made = spawnSync(command[0] ?? '', command.slice(1), { encoding: 'utf8', cwd: '/' });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const run = [...as, join(bin, 'postgres'), '-D', data, '-k', folder, '-c', 'listen_addresses='];
  // setpriv becomes postgres, so the process id is that of postgres.
  const server = start(run[0] ?? '', run.slice(1));
  const connect = async () => {
    const client = new Client({ host: folder, user: 'postgres', database: 'postgres' });
    await client.connect();
    return client;
  };
  await whenReady(async () => (await connect()).end());
  const client = await connect();
  await client.query(`CREATE TABLE plans (nhs_number char(10) NOT NULL, plan text NOT NULL);
    CREATE TABLE audit (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), nhs_number char(10) NOT NULL, event text NOT NULL)`);
  for (let from = 0; from < numbers.length; from += AT_ONCE) {
    await client.query('INSERT INTO plans SELECT number, $2 FROM unnest($1::text[]) AS number', [
      numbers.slice(from, from + AT_ONCE),
      PLAN,
    ]);
  }
  await client.query('CREATE INDEX ON plans (nhs_number)');
  await client.query('ANALYZE plans');
  await client.end();
  return { socket: folder, pid: server.pid, stop: () => server.stop('SIGINT') };
}
