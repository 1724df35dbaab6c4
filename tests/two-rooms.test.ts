import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { configurationSchema, readConfiguration } from '#schemas/configuration.ts';
import { createCommits } from '#service/audit/copy/commits.ts';
import { s3Place } from '#service/audit/copy/s3-place.ts';
import { parseWitnesses } from '#service/audit/witness/witnesses-file.ts';
import { placeOf } from '#store/connection/address.ts';
import { findRedisServer } from '#store/connection/redis-binary.mjs';
import { BUCKET, startBucket } from './support/bucket.ts';
import { createProcess } from './support/machines.ts';
import { freePort } from './support/ports.ts';
import { root } from './support/processes.ts';
import { until } from './support/test-store.ts';

/** The files for "Two rooms" fit together and with the pages about them, and everything they name exists. */

const FOLDER = join(root, 'docs/operating/two-rooms');
const ONE_MACHINE = '../one-machine/cp-flags.env';
const textOf = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');
const pages = ['topologies.md', 'operating/two-rooms.md', 'second-copy.md']
  .map((name) => readFileSync(join(root, 'docs', name), 'utf8'))
  .join('\n');
const KNOWN = new Set(Object.keys(configurationSchema.shape));

/** The settings in a file, read as systemd, a shell and Compose read them; `all`: also those behind a #. */
function settingsOf(name: string, { all = false } = {}): Record<string, string> {
  const text = all ? textOf(name).replaceAll(/^#(?=[A-Z_]+=)/gm, '') : textOf(name);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const [, key = '', quoted, plain = ''] = /^([A-Z_]+)=(?:"([^"]*)"|(\S*))$/.exec(line) ?? [];
      return [key, quoted ?? plain];
    }),
  );
}

let folder: string;
const ending: (() => Promise<void> | void)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-two-rooms-'));
});
afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
  await rm(folder, { recursive: true, force: true });
});

test.for([
  ['lookup', 'lookup.env', 2],
  ['worker', 'worker.env', 2],
  ['all', ONE_MACHINE, 0],
] as const)(
  'every setting of a process with the role %s, in %s, is known and valid',
  ([role, file, replicas]) => {
    for (const settings of [settingsOf(file), settingsOf(file, { all: true })]) {
      expect(Object.keys(settings).filter((name) => !KNOWN.has(name))).toEqual([]);
      expect(readConfiguration({ ...settings, ROLE: role }).REDIS_REPLICAS).toBe(replicas);
    }
  },
);

/** Read by workers only. That of expected authorities is read once, by `init`. */
const OF_WORKERS = new Set([
  'TRACING_REGISTER_FILE',
  'NOTIFICATIONS_FILE',
  'MESH_MAILBOXES_FILE',
  'AUDIT_WITNESSES',
  'EXPECTED_AUTHORITIES_FILE',
]);

test.for([
  ['lookup', 'lookup.env'],
  ['worker', 'worker.env'],
  ['all', ONE_MACHINE],
])(
  'every file that operators write for a process with the role %s is named in %s, also behind a #',
  ([role, file = '']) => {
    const settings = readFileSync(join(root, 'docs/operating/settings.md'), 'utf8');
    const [, table = ''] = settings.split('| Setting | Described in |');
    const files = [...table.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name = '']) => name);
    expect(files).toContain('SIGN_IN_FILE');
    const read = files.filter((name) => role !== 'lookup' || !OF_WORKERS.has(name));
    const named = Object.keys(settingsOf(file, { all: true }));
    // docs/operating/two-rooms.md has the command that adds it to the administrator's settings.
    if (role === 'worker') named.push('EXPECTED_AUTHORITIES_FILE');
    expect(read.filter((name) => !named.includes(name))).toEqual([]);
  },
);

test('every setting shown on the pages is known to the program', () => {
  const blocks = [...pages.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block = '']) => block);
  const shown = [...blocks.join('').matchAll(/^([A-Z][A-Z_]+)=/gm)].map(([, name = '']) => name);
  const named = [...pages.matchAll(/`((?:REDIS|AUDIT|DATASET|METRICS|MESH)_[A-Z_]+)/g)].map(
    ([, name = '']) => name,
  );
  expect(shown).toContain('AUDIT_COPY');
  const own = new Set(['REDISCLI_AUTH']);
  const unknown = [...shown, ...named].filter((name) => !KNOWN.has(name) && !own.has(name));
  expect(unknown).toEqual([]);
});

test('the settings fit the servers and sentinels whose files are beside them', () => {
  const sentinel = textOf('sentinel.conf');
  const redis = textOf('redis.conf');
  for (const role of ['lookup', 'worker'] as const) {
    const settings = settingsOf(`${role}.env`);
    const place = placeOf(settings['REDIS_URL'] ?? '');
    if (place.kind !== 'sentinels') throw new Error('it names no sentinels');
    expect(place.username).toBe(`cpf-${role}`);
    expect(sentinel).toContain(
      `sentinel monitor ${place.master} ${place.sentinels[0]?.host} 6379 2\n`,
    );
    expect(new Set(place.sentinels.map(({ port }) => port))).toEqual(new Set([26_379]));
    expect(sentinel).toContain('\nport 26379\n');
    expect(redis).toContain('\nport 6379\n');
    expect(sentinel).toContain(`\nuser ${settings['REDIS_SENTINEL_USERNAME']} on `);
    expect(settings['REDIS_REPLICAS']).toBe(String(place.sentinels.length - 1));
    for (const { host } of place.sentinels) expect(pages).toContain(`| ${host}, `);
  }
});

test('a worker accepts the witnesses file', () => {
  expect(parseWitnesses(textOf('witnesses'))).toMatchObject({ kind: 'witnesses' });
});

test('the compose file runs both processes with these settings, and a data folder that they can write to', () => {
  const process = z.object({
    env_file: z.tuple([z.string()]),
    environment: z.record(z.string(), z.string()),
    volumes: z.array(z.string()),
    healthcheck: z.object({ test: z.array(z.string()) }),
    network_mode: z.literal('host'),
  });
  const { services } = z
    .object({ services: z.object({ lookup: process, worker: process }) })
    .parse(parse(textOf('docker-compose.yml'), { merge: true }));
  for (const [role, { env_file, environment, volumes, healthcheck }] of Object.entries(services)) {
    expect(env_file).toEqual([`\${CP_FLAGS_SETTINGS:-/etc/cp-flags}/${role}.env`]);
    expect(environment).toEqual({ ROLE: role, DATA_DIR: '/data' });
    expect(volumes).toContain(`${role}-data:/data`);
    expect(healthcheck.test.join()).toContain(
      `:${settingsOf(`${role}.env`)['METRICS_PORT']}/metrics`,
    );
  }
});

test('the pages’ commands make users, passwords and files with which a server starts', async () => {
  const [block = ''] = /^umask 077; mkdir -p two-rooms[^]*?(?=^```)/m.exec(pages) ?? [];
  for (const name of ['store', 'docs']) symlinkSync(join(root, name), join(folder, name));
  execFileSync('bash', ['-euo', 'pipefail', '-c', block], { cwd: folder });
  const made = join(folder, 'two-rooms');
  const texts = ['users.acl', 'redis.conf', 'sentinel.conf'].map((name) =>
    readFileSync(join(made, name), 'utf8'),
  );
  expect(texts.join('')).not.toMatch(/_SHA256|_PASSWORD/);
  for (const role of ['lookup', 'worker']) {
    const { REVOCATIONS_FILE = '', ...settings } = settingsOf(`${role}.env`, { all: true });
    expect(readFileSync(join(made, basename(REVOCATIONS_FILE)), 'utf8')).toBe('[]\n');
    for (const path of Object.values(settings)) {
      const [, secret] =
        /^\/etc\/cp-flags\/secrets\/((?:redis|sentinel|session).*)$/.exec(path) ?? [];
      if (secret !== undefined) expect(readdirSync(join(made, 'secrets'))).toContain(secret);
    }
  }

  const port = await freePort();
  const conf = join(made, 'redis.conf');
  const placed = readFileSync(conf, 'utf8')
    .replace('/opt/cp-flags', root)
    .replace('port 6379', `port ${port}`)
    .replace('bind * -::*', 'bind 127.0.0.1')
    .replace('/var/lib/cp-flags-redis', made)
    .replace('/etc/cp-flags-redis', made);
  writeFileSync(conf, placed);
  const { binary = 'redis-server' } = findRedisServer();
  const server = createProcess(binary, [conf], join(made, 'redis.log'));
  server.start();
  ending.push(() => server.kill());
  const passwordOf = (name: string): string =>
    readFileSync(join(made, 'secrets', name), 'utf8').trim();
  const as = (username: string, secret: string): Redis => {
    const redis = new Redis({
      port,
      username,
      password: passwordOf(secret),
      enableReadyCheck: false,
    });
    redis.on('error', () => undefined);
    ending.push(() => redis.disconnect());
    return redis;
  };
  const users = [
    ...['lookup', 'worker', 'loader', 'admin'].map(
      (role) => [`cpf-${role}`, `redis-${role}`] as const,
    ),
    ['cpf-replica', 'replica'] as const,
    ['cpf-failover', 'failover'] as const,
  ];
  for (const [user, secret] of users) {
    const redis = as(user, secret);
    await until(
      async () => (await redis.ping().catch(() => '')) === 'PONG',
      `${user} to be let in`,
    );
  }
});

const policySchema = z.object({
  Statement: z.array(
    z.object({
      Effect: z.literal('Allow'),
      Action: z.union([z.string(), z.array(z.string())]),
      Resource: z.union([z.string(), z.array(z.string())]),
    }),
  ),
});
const allowedBy = (name: string) =>
  policySchema.parse(JSON.parse(textOf(name))).Statement.map(({ Action, Resource }) => ({
    actions: [Action].flat(),
    resources: [Resource].flat(),
  }));

test('the bucket’s rights are the ones that the second copy uses: only the pruner may delete, and only from the log', async () => {
  const bucket = await startBucket();
  ending.push(() => bucket.close());
  const file = join(folder, 'credentials');
  writeFileSync(file, 'access\nsecret\n');
  const settings = {
    bucket: BUCKET,
    prefix: 'live',
    endpoint: bucket.endpoint,
    region: 'eu-west-2',
  };
  const place = s3Place({ ...settings, credentialsFile: file, pruneCredentialsFile: file }, 10_000);
  const commits = createCommits(place);
  await commits.check();
  await place.replace('state/1', Buffer.from('state'));
  const common = {
    log: 'log',
    dataset: 'dataset',
    origin: 'origin',
    root: '',
    numbers: [],
    epoch: 1,
  };
  for (const from of [0, 1]) {
    await commits.add({ ...common, from, size: from + 1, entries: [Buffer.from('entry')] });
  }
  for (const size of [1, 2]) {
    const base = { log: 'log', size, numbers: [], edge: [] };
    await commits.prune(base, Number.POSITIVE_INFINITY);
  }
  const folders = new Set(bucket.deleted.map((name) => name.split('/').slice(0, 2).join('/')));

  const [worker, pruner] = [allowedBy('bucket-worker.json'), allowedBy('bucket-pruner.json')];
  const actions = (policy: typeof worker): string[] => policy.flatMap((each) => each.actions);
  expect(new Set([...actions(worker), ...actions(pruner)])).toEqual(bucket.actions);
  expect(actions(worker)).not.toContain('s3:DeleteObject');
  expect(actions(pruner)).toEqual(['s3:DeleteObject']);
  const { AUDIT_COPY } = settingsOf('worker.env');
  expect(AUDIT_COPY).toBe(`s3://${BUCKET}/live`);
  expect(pruner.flatMap(({ resources }) => resources)).toEqual(
    [...folders].map((each) => `arn:aws:s3:::${BUCKET}/${each}/*`),
  );
});
