import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { StoreAddress } from '#store/connection/address.ts';
import type { RedisRole, RedisUsers } from '#store/connection/embedded/data-folder.ts';
import { redisAcl } from '#store/connection/embedded/redis-configuration.ts';
import { findRedisServer } from '#store/connection/redis-binary.mjs';
import { freePort } from './ports.ts';
import { spawnOwned } from './spawn-owned.ts';
import { until } from './test-store.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** The files that docs/operating/two-rooms.md gives to operators. */
const exampleOf = (name: string): string =>
  readFileSync(join(root, 'docs/operating/two-rooms', name), 'utf8');
/** The name by which the sentinels know the primary. */
const MASTER = 'cp-flags';

/** A user's password, made from the user's name. */
const passwordOf = (user: string): string => `the password of ${user}`.replaceAll(' ', '-');
const ROLE_USERS: RedisUsers = {
  lookup: { username: 'cpf-lookup', password: passwordOf('cpf-lookup') },
  worker: { username: 'cpf-worker', password: passwordOf('cpf-worker') },
  loader: { username: 'cpf-loader', password: passwordOf('cpf-loader') },
  admin: { username: 'cpf-admin', password: passwordOf('cpf-admin') },
};
/** Puts passwords and their digests in place of the names in capitals that an example has for them. */
const withSecrets = (text: string): string =>
  text
    .replaceAll(/#([A-Z_]+)_SHA256/g, (_, name: string) => {
      const user = name.toLowerCase().replaceAll('_', '-');
      return `#${createHash('sha256').update(passwordOf(user)).digest('hex')}`;
    })
    .replaceAll('REPLICA_PASSWORD', passwordOf('cpf-replica'))
    .replaceAll('FAILOVER_PASSWORD', passwordOf('cpf-failover'))
    .replaceAll('SENTINELS_PASSWORD', passwordOf('sentinels'));

/** A machine's address. Each has its own on loopback, so the others see who is calling. */
const addressOf = (machine: number): string => `127.0.1.${machine + 1}`;

/** The ends whose packets a partition may swallow: machines, and other callers with an address of their own. */
type End = number | 'lookup' | 'worker';
const CALLERS = { lookup: '127.0.2.1', worker: '127.0.2.2' } as const;
const endOf = (address: string | undefined): End | undefined => {
  const plain = address?.replace('::ffff:', '');
  const machine = /^127\.0\.1\.(\d+)$/.exec(plain ?? '')?.[1];
  if (machine !== undefined) return Number(machine) - 1;
  return plain === CALLERS.lookup ? 'lookup' : plain === CALLERS.worker ? 'worker' : undefined;
};

/** An option for Node that makes a process call from its own address, as a separate machine would. */
export const callsFrom = (end: 'lookup' | 'worker'): string =>
  `--import=data:text/javascript,${encodeURIComponent(
    `import net from 'node:net';const c=net.Socket.prototype.connect;net.Socket.prototype.connect=function(...a){const [o]=Array.isArray(a[0])?a[0]:a;if(o&&typeof o==='object'&&o.port&&!o.path)o.localAddress='${CALLERS[end]}';return c.apply(this,a)};`,
  )}`;

const LOG_SHOWN = 4_000;
const ASKED_TO_END_EVERY_MS = 500;

type Pair = { client: Socket; server: Socket; from: End | undefined };

/** The gate between a server and all its callers. */
async function startGate(host: string, target: number, passes: (from: End | undefined) => boolean) {
  const pairs = new Set<Pair>();
  const listener = createServer({ noDelay: true }, (client) => {
    const pair: Pair = {
      client,
      from: endOf(client.remoteAddress),
      server: connect({ host: '127.0.0.1', port: target, noDelay: true }),
    };
    pairs.add(pair);
    const carry = (from: Socket, to: Socket): void => {
      from.on('data', (bytes) => void (passes(pair.from) && to.write(bytes)));
      from.on('error', () => undefined);
      // During a partition neither the end of a connection nor a break is passed on.
      from.on('close', () => {
        if (passes(pair.from)) to.destroy();
        if (client.destroyed && pair.server.destroyed) pairs.delete(pair);
      });
    };
    carry(client, pair.server);
    carry(pair.server, client);
  });
  listener.listen(0, host);
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    /** Connections that have swallowed bytes stay out of step, as after a real partition, where they time out. */
    breakCut(): void {
      for (const { client, server, from } of pairs) {
        if (passes(from)) continue;
        client.destroy();
        server.destroy();
      }
    },
    async stop(): Promise<void> {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      listener.close();
      await once(listener, 'close');
    },
  };
}
type Gate = Awaited<ReturnType<typeof startGate>>;

/** A server process that can be started, stopped and started again. */
export function createProcess(binary: string, args: readonly string[], log: string) {
  let child: ChildProcess | undefined;
  let gone: Promise<unknown> = Promise.resolve();
  return {
    get pid() {
      return child?.pid ?? 0;
    },
    get runs() {
      return child !== undefined && child.exitCode === null && child.signalCode === null;
    },
    start(): void {
      child = spawnOwned(binary, [...args, '--logfile', log]);
      gone = once(child, 'exit');
    },
    signal: (name: NodeJS.Signals): void => void child?.kill(name),
    async kill(name: NodeJS.Signals = 'SIGKILL'): Promise<void> {
      if (!this.runs) return;
      const ask = (): void => {
        child?.kill('SIGCONT');
        child?.kill(name);
      };
      ask();
      // Redis does not end while it is writing its first append-only file.
      const again = setInterval(ask, ASKED_TO_END_EVERY_MS);
      await gone;
      clearInterval(again);
    },
  };
}
type ServerProcess = ReturnType<typeof createProcess>;

export type Machine = {
  place: number;
  /** The server, at the address that all others use for it. */
  at: { host: string; port: number };
  redis: ServerProcess;
  sentinel: ServerProcess;
  /** Connects to the server itself, whatever is partitioned. */
  admin: Redis;
};

/**
 * Three machines, each with a server and a sentinel: a primary and two replicas that copy it, with everything on disk
 * at once. All traffic between them goes through gates, which a partition closes.
 *
 * @param options.binary a redis-server or valkey-server of another version
 */
export async function startMachines(options: { binary?: string; count?: number } = {}) {
  const { count = 3 } = options;
  const binary = options.binary ?? findRedisServer().binary ?? 'redis-server';
  const folder = await mkdtemp(join(tmpdir(), 'cpf-machines-'));
  const cut = new Set<string>();
  const passes = (from: End | undefined, to: End): boolean =>
    from === undefined || !cut.has(`${from} ${to}`);
  const gates: Gate[] = [];

  async function gateTo(place: number, port: number): Promise<Gate> {
    const gate = await startGate(addressOf(place), port, (from) => passes(from, place));
    gates.push(gate);
    return gate;
  }

  const places = Array.from({ length: count }, (_, place) => place);
  const ports = await Promise.all(
    places.map(async (place) => {
      const [redis, sentinel] = [await freePort(), await freePort()];
      const [redisGate, sentinelGate] = [await gateTo(place, redis), await gateTo(place, sentinel)];
      return { redis, sentinel, redisGate: redisGate.port, sentinelGate: sentinelGate.port };
    }),
  );
  const first = ports[0];
  if (first === undefined) throw new Error('at least one machine is needed');

  const users = `${await redisAcl(ROLE_USERS)}${withSecrets(exampleOf('servers.acl'))}`;
  const machines = places.map((place): Machine => {
    const own = ports[place] ?? first;
    const host = addressOf(place);
    const at = { host, port: own.redisGate };
    const home = join(folder, String(place));
    mkdirSync(home);
    const redisFile = join(home, 'redis.conf');
    writeFileSync(join(home, 'users.acl'), users);
    writeFileSync(
      redisFile,
      withSecrets(exampleOf('redis.conf'))
        .replace('/opt/cp-flags/', root)
        .replace('bind * -::*', `bind 127.0.0.1\nbind-source-addr ${host}`)
        .replace('port 6379', `port ${own.redis}`)
        .replace('/var/lib/cp-flags-redis', home)
        .replace('/etc/cp-flags-redis/users.acl', join(home, 'users.acl'))
        .replace('10.0.1.1\n', `${host}\nreplica-announce-port ${own.redisGate}\n`)
        .replace(
          '# replicaof 10.0.1.1 6379',
          place === 0 ? '' : `replicaof ${addressOf(0)} ${first.redisGate}`,
        ),
    );
    const sentinelFile = join(home, 'sentinel.conf');
    writeFileSync(
      sentinelFile,
      withSecrets(exampleOf('sentinel.conf'))
        .replace('bind * -::*', `bind 127.0.0.1\nbind-source-addr ${host}`)
        .replace('port 26379', `port ${own.sentinel}`)
        .replace('/var/lib/cp-flags-sentinel', home)
        .replace(
          'announce-ip 10.0.1.1',
          `announce-ip ${host}\nsentinel announce-port ${own.sentinelGate}`,
        )
        .replace('cp-flags 10.0.1.1 6379', `cp-flags ${addressOf(0)} ${first.redisGate}`),
    );
    const admin = new Redis({
      host: '127.0.0.1',
      port: own.redis,
      ...ROLE_USERS.admin,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: 2_000,
      retryStrategy: () => 50,
    });
    admin.on('error', () => undefined);
    return {
      place,
      at,
      redis: createProcess(binary, [redisFile], join(home, 'redis.log')),
      sentinel: createProcess(binary, [sentinelFile, '--sentinel'], join(home, 'sentinel.log')),
      admin,
    };
  });

  const ask = async (machine: Machine, section: string): Promise<string> =>
    machine.admin.info(section).catch(() => '');

  /** The primary's machine, if one of them says right now that it is the primary and is being copied. */
  async function findPrimary(): Promise<Machine | undefined> {
    for (const machine of machines) {
      const replication = await ask(machine, 'replication');
      const replicas = /connected_slaves:(\d+)/.exec(replication)?.[1];
      if (replication.includes('role:master') && Number(replicas) > 0) return machine;
    }
    return undefined;
  }

  /** Waits for a primary, and returns its machine. */
  async function primary(): Promise<Machine> {
    let found: Machine | undefined;
    await until(async () => (found = await findPrimary()) !== undefined, 'a primary');
    return found as Machine;
  }

  async function inStep(): Promise<boolean> {
    const now = await findPrimary();
    if (now === undefined) return false;
    const replication = await ask(now, 'replication');
    return (replication.match(/state=online,offset=\d+,lag=[01]\b/g) ?? []).length === count - 1;
  }

  for (const { redis } of machines) redis.start();
  await until(inStep, 'the replicas to be in step');
  for (const { sentinel } of machines) sentinel.start();
  const sentinelClients = ports.map(({ sentinel }) => {
    const redis = new Redis({
      username: 'sentinels',
      password: passwordOf('sentinels'),
      host: '127.0.0.1',
      port: sentinel,
      enableReadyCheck: false,
      commandTimeout: 2_000,
      retryStrategy: () => 50,
    });
    redis.on('error', () => undefined);
    return redis;
  });
  const knowEachOther = async (): Promise<boolean> => {
    const words = await Promise.all(
      sentinelClients.map((redis) => redis.call('SENTINEL', 'MASTER', MASTER).catch(() => [])),
    );
    return words.every((word) => {
      const text = JSON.stringify(word);
      return (
        text.includes(`"num-other-sentinels","${count - 1}"`) &&
        text.includes(`"num-slaves","${count - 1}"`)
      );
    });
  };
  await until(knowEachOther, 'the sentinels to know each other');

  /** What each server says about its role, and the last lines that it and its sentinel logged. */
  async function describe(): Promise<string> {
    const all = machines.map(async (machine) => {
      const logs = ['redis.log', 'sentinel.log'].map((name) =>
        readFileSync(join(folder, String(machine.place), name), 'utf8').slice(-LOG_SHOWN),
      );
      return [`machine ${machine.place}`, await ask(machine, 'replication'), ...logs].join('\n');
    });
    return (await Promise.all(all)).join('\n');
  }

  const addresses = ports.map(({ sentinelGate }, place) => `${addressOf(place)}:${sentinelGate}`);
  return {
    machines,
    folder,
    /** How a process with this role reaches the primary, and the sentinels. */
    addressOf: (role: RedisRole): StoreAddress => ({
      url: `redis+sentinel://${ROLE_USERS[role].username}@${addresses.join(',')}/${MASTER}`,
      password: ROLE_USERS[role].password,
      sentinel: { username: 'cpf-sentinel', password: passwordOf('cpf-sentinel') },
      replicas: count - 1,
    }),
    /** The settings with which a process of the service does the same, with its secrets in a folder. */
    settingsOf(role: RedisRole, secrets: string): Record<string, string> {
      const { url = '', password = '', sentinel, replicas } = this.addressOf(role);
      const inFile = (name: string, secret: string): string => {
        const path = join(secrets, `${role}-${name}`);
        writeFileSync(path, secret, { mode: 0o600 });
        return path;
      };
      return {
        REDIS_URL: url,
        REDIS_PASSWORD_FILE: inFile('redis', password),
        REDIS_SENTINEL_USERNAME: sentinel?.username ?? '',
        REDIS_SENTINEL_PASSWORD_FILE: inFile('sentinel', sentinel?.password ?? ''),
        REDIS_REPLICAS: String(replicas),
      };
    },
    primary,
    describe,
    inStep,
    knowEachOther,
    /** Connects to a machine's sentinel, whatever is partitioned. */
    sentinelOf: (place: number): Redis => sentinelClients[place] as Redis,
    /** Swallows every byte between these ends and all others, in both directions. */
    partition(some: readonly End[]): void {
      const all: End[] = [...places, 'lookup', 'worker'];
      for (const one of some) {
        for (const other of all) {
          if (some.includes(other)) continue;
          cut.add(`${one} ${other}`);
          cut.add(`${other} ${one}`);
        }
      }
    },
    heal(): void {
      for (const gate of gates) gate.breakCut();
      cut.clear();
    },
    async stop(): Promise<void> {
      for (const { admin } of machines) admin.disconnect();
      for (const redis of sentinelClients) redis.disconnect();
      await Promise.all(machines.flatMap(({ redis, sentinel }) => [redis.kill(), sentinel.kill()]));
      await Promise.all(gates.map((gate) => gate.stop()));
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
export type Machines = Awaited<ReturnType<typeof startMachines>>;
