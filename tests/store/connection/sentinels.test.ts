import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { SENTINELS } from '#schemas/wording/store.ts';
import { placeOf, type StoreAddress } from '#store/connection/address.ts';
import { connectStore, openSentinels, whenReady } from '#store/connection/connection.ts';
import { findRedisServer } from '#store/connection/redis-binary.mjs';
import { certify } from '../../support/certificates.ts';
import { createProcess, startMachines } from '../../support/machines.ts';
import { freePort } from '../../support/ports.ts';
import { until, WAIT_MS } from '../../support/test-store.ts';

let folder: string;
let ending: (() => Promise<void> | void)[];
beforeEach(async () => {
  ending = [];
  folder = await mkdtemp(join(tmpdir(), 'cpf-sentinels-'));
});
afterEach(async () => {
  for (const end of ending.toReversed()) await end();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** Starts a Redis and a sentinel that watches it, each with extra lines in its configuration. */
async function startPair(lines: { redis?: string; sentinel?: string; tls?: boolean } = {}) {
  const { binary = 'redis-server' } = findRedisServer();
  const [redis, sentinel] = [await freePort(), await freePort()];
  const listen = (port: number): string =>
    lines.tls === true ? `port 0\ntls-port ${port}\n` : `port ${port}\n`;
  const common = `bind 127.0.0.1\ndir ${folder}\n`;
  const redisFile = join(folder, 'redis.conf');
  const sentinelFile = join(folder, 'sentinel.conf');
  await writeFile(redisFile, `${listen(redis)}${common}save ""\n${lines.redis ?? ''}\n`);
  await writeFile(
    sentinelFile,
    `${listen(sentinel)}${common}${lines.sentinel ?? ''}\nsentinel monitor cp-flags 127.0.0.1 ${redis} 1\n`,
  );
  for (const [args, name] of [
    [[redisFile], 'redis'],
    [[sentinelFile, '--sentinel'], 'sentinel'],
  ] as const) {
    const process = createProcess(binary, args, join(folder, `${name}.log`));
    process.start();
    ending.push(() => process.kill());
  }
  return { redis, sentinel };
}

async function connect(address: StoreAddress): Promise<string> {
  const redis = connectStore(address, { name: 'test', commandTimeoutMs: WAIT_MS });
  ending.push(() => redis.disconnect());
  await whenReady(redis, WAIT_MS);
  return redis.ping();
}

/** Expects that waiting for a connection fails with these words. */
async function refused(redis: ReturnType<typeof connectStore>, words: string): Promise<void> {
  ending.push(() => redis.disconnect());
  await until(
    () =>
      whenReady(redis, 700).then(
        () => Promise.reject(new Error('a connection came about')),
        (error: unknown) => error instanceof Error && error.message.includes(words),
      ),
    `"${words}" to be said`,
  );
}

/** The fault that the follower of the sentinels reports, once it reports one. */
async function complaint(address: StoreAddress): Promise<string> {
  const sentinels = openSentinels(address);
  if (sentinels === undefined) throw new Error('the address names no sentinels');
  ending.push(() => sentinels.stop());
  await until(
    () => sentinels.problem !== undefined && !sentinels.problem.startsWith('0 of'),
    'a complaint',
  );
  return sentinels.problem ?? '';
}

describe('an address that names sentinels', () => {
  const host = fc.constantFrom('sentinel.example', '10.0.0.1', 'a-b');
  const hosts = fc.array(fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }), {
    minLength: 1,
    maxLength: 5,
  });

  test('reads back as written, whatever the user and password', () => {
    fc.assert(
      fc.property(
        hosts,
        fc.stringMatching(/^[\w.-]{1,20}$/),
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.boolean(),
        (sentinels, master, username, password, tls) => {
          const at = sentinels.map((one) => `${one.host}:${one.port}`).join(',');
          const user = [username, password].map(encodeURIComponent).join(':');
          const url = `redis${tls ? 's' : ''}+sentinel://${user}@${at}/${master}`;
          expect(readConfiguration({ REDIS_URL: url }).REDIS_URL).toBe(url);
          expect(placeOf(url)).toEqual({
            kind: 'sentinels',
            sentinels,
            master,
            username,
            password,
            tls,
          });
        },
      ),
    );
  });

  test.each(['redis+sentinel://10.0.0.1:26379', 'redis+sentinel:///cp-flags', 'sentinel://a/b'])(
    '%s is refused at the start, with the right form',
    (url) => {
      expect(() => readConfiguration({ REDIS_URL: url })).toThrow(
        'redis+sentinel://HOST:PORT,HOST:PORT/NAME',
      );
    },
  );

  test('needs no port if the port is the default', () => {
    expect(placeOf('redis+sentinel://a,b:1/m')).toMatchObject({
      sentinels: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 1 },
      ],
    });
  });
});

test('REDIS_REPLICAS without a separate Redis is refused at the start', () => {
  expect(() => readConfiguration({ REDIS_REPLICAS: '1' })).toThrow(
    'REDIS_URL: required, because REDIS_REPLICAS is set',
  );
});

test('a wrong primary name is reported as such', async () => {
  const { sentinel } = await startPair();
  expect(await complaint({ url: `redis+sentinel://127.0.0.1:${sentinel}/other` })).toBe(
    SENTINELS.unknownMaster('other'),
  );
});

test('sentinels that refuse the password are named as the reason', async () => {
  const { sentinel } = await startPair({ sentinel: 'requirepass secret' });
  const url = `redis+sentinel://127.0.0.1:${sentinel}/cp-flags`;
  expect(await complaint({ url })).toBe(SENTINELS.notAccepted);
  const right = { url, sentinel: { password: 'secret' } };
  expect(await connect(right)).toBe('PONG');
});

test('sentinels that nobody can reach are named as the reason', async () => {
  const port = await freePort();
  const redis = connectStore(
    { url: `redis+sentinel://127.0.0.1:${port}/cp-flags` },
    { name: 'test' },
  );
  await refused(redis, '0 of 1 sentinels of REDIS_URL are reached');
});

test('servers and sentinels are reached over TLS, each with its own certificate', async () => {
  const authority = certify('authority');
  const others = certify('authority of the sentinels');
  const server = certify('server', { issuer: authority });
  const client = certify('client', { issuer: authority });
  const watcher = certify('sentinel', { issuer: others });
  const ours = certify('client of sentinels', { issuer: others });
  const files = { authority, others, server, watcher };
  for (const [name, { cert, key }] of Object.entries(files)) {
    await writeFile(join(folder, `${name}.crt`), cert);
    await writeFile(join(folder, `${name}.key`), key);
  }
  const tls = (name: string, ca: string): string =>
    `tls-cert-file ${folder}/${name}.crt\ntls-key-file ${folder}/${name}.key\ntls-ca-cert-file ${folder}/${ca}.crt\ntls-auth-clients yes\n`;
  const { sentinel } = await startPair({
    tls: true,
    redis: tls('server', 'authority'),
    sentinel: tls('watcher', 'others'),
  });
  const address: StoreAddress = {
    url: `rediss+sentinel://127.0.0.1:${sentinel}/cp-flags`,
    tls: { ca: authority.cert, cert: client.cert, key: client.key },
    sentinel: { tls: { ca: others.cert, cert: ours.cert, key: ours.key } },
  };
  expect(await connect(address)).toBe('PONG');
  // No sentinel answers if only the servers' certificates are trusted.
  const redis = connectStore({ ...address, sentinel: {} }, { name: 'test' });
  await refused(redis, 'sentinels');
});

test.skipIf(process.platform !== 'linux')(
  'a sentinel that was cut off and names the former primary is not believed',
  async () => {
    const machines = await startMachines();
    ending.push(() => machines.stop());
    const sentinels = openSentinels(machines.addressOf('worker'));
    if (sentinels === undefined) throw new Error('the address names no sentinels');
    ending.push(() => sentinels.stop());
    await until(() => sentinels.primary !== undefined, 'the primary to be known');
    await until(() => sentinels.agree(), 'all to agree');
    const former = sentinels.primary;
    // The test process runs on none of the machines, so it can still reach all of them.
    machines.partition([0]);
    await until(() => sentinels.primary !== former, 'another to be named');
    expect(sentinels.failovers).toBe(1);
    const { primary } = sentinels;
    const words = await machines
      .sentinelOf(0)
      .call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'cp-flags');
    expect(words).toEqual([former?.host, String(former?.port)]);
    // That sentinel is out of date, and the others outvote it.
    await until(() => sentinels.agree(), 'the others to agree');
    expect(sentinels.primary).toBe(primary);
    machines.heal();
    await until(machines.knowEachOther, 'the sentinels to know each other');
    await until(machines.inStep, 'the replicas to be in step');
    // While one sentinel runs a failover, no answer about the primary is certain. The command is refused while this
    // sentinel still sees the previous primary. If the failover ends before all sentinels have been asked, the loop
    // starts another.
    await until(async () => {
      const begun = await machines
        .sentinelOf(1)
        .call('SENTINEL', 'FAILOVER', 'cp-flags')
        .catch(() => undefined);
      return begun === 'OK' && !(await sentinels.agree());
    }, 'the primary to be in doubt');
  },
);
