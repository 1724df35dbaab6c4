import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { durationText } from '#schemas/wording/durations.ts';
import { DURABILITY, READINESS } from '#schemas/wording/store.ts';
import { settingFiles } from './support/live.ts';
import { run, startServing, untilOpen, writeExpected } from './support/processes.ts';
import { testNumber } from './support/rows.ts';
import { claims, testFolder, until } from './support/service.ts';
import { startTestStore } from './support/test-store.ts';
import { untilAnswered } from './support/until.ts';

const compose = z
  .object({
    services: z.record(
      z.string(),
      z.object({
        image: z.string(),
        mem_limit: z.string(),
        pids_limit: z.int().positive(),
        deploy: z.object({ replicas: z.int() }).optional(),
        healthcheck: z.object({ test: z.array(z.string()) }).optional(),
        profiles: z.array(z.string()).optional(),
        volumes: z.array(z.string()).optional(),
        environment: z.record(z.string(), z.string()).optional(),
        command: z.array(z.string()).optional(),
        networks: z.array(z.string()),
        secrets: z.array(z.string()).optional(),
        ports: z.array(z.string()).optional(),
        depends_on: z.record(z.string(), z.unknown()).optional(),
        read_only: z.literal(true),
        cap_drop: z.tuple([z.literal('ALL')]),
      }),
    ),
    networks: z.record(z.string(), z.unknown()),
    secrets: z.record(z.string(), z.object({ file: z.string() })),
    volumes: z.record(z.string(), z.unknown()),
  })
  .parse(
    parse(readFileSync(new URL('../docker-compose.yml', import.meta.url), 'utf8'), { merge: true }),
  );
const services = Object.entries(compose.services);

test('the two-room compose file mounts only files that exist, and grants no more than it needs', () => {
  const file = new URL('../docs/operating/two-rooms/docker-compose.yml', import.meta.url);
  const service = z.object({
    mem_limit: z.string(),
    pids_limit: z.int().positive(),
    read_only: z.literal(true),
    cap_drop: z.tuple([z.literal('ALL')]),
    command: z.array(z.string()),
    volumes: z.array(z.string()),
  });
  const rooms = z
    .object({
      services: z.object({ redis: service, sentinel: service }),
      volumes: z.record(z.string(), z.unknown()),
    })
    .parse(parse(readFileSync(file, 'utf8'), { merge: true }));
  for (const { volumes } of Object.values(rooms.services)) {
    for (const [from = ''] of volumes.map((volume) => volume.split(':'))) {
      if (from.startsWith('.')) expect(existsSync(new URL(from, file)), from).toBe(true);
      else if (!from.startsWith('$')) expect(rooms.volumes).toHaveProperty(from);
    }
  }
});

test.each(services)('%s in the compose file names only things that exist', (_, service) => {
  for (const name of service.networks) expect(compose.networks).toHaveProperty(name);
  for (const name of service.secrets ?? []) expect(compose.secrets).toHaveProperty(name);
  for (const name of Object.keys(service.depends_on ?? {})) {
    expect(compose.services).toHaveProperty(name);
  }
});

const fileOf = (path: string): URL => new URL(`../${path}`, import.meta.url);

test.each(services)(
  '%s in the compose file mounts only things that exist',
  (_, { volumes = [] }) => {
    for (const volume of volumes) {
      const [from = ''] = volume.split(':');
      if (from.startsWith('./')) expect(existsSync(fileOf(from)), from).toBe(true);
      else if (!from.startsWith('$')) expect(compose.volumes).toHaveProperty(from);
    }
  },
);

test.each(services)('%s in the compose file is published to this machine only', (_, { ports }) => {
  for (const port of ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
});

test('Prometheus scrapes the metrics port of every process in the service', () => {
  const prometheus = z
    .object({
      scrape_configs: z.tuple([
        z.object({
          job_name: z.literal('cp-flags'),
          dns_sd_configs: z.tuple([z.object({ names: z.array(z.string()), port: z.int() })]),
        }),
      ]),
    })
    .parse(parse(readFileSync(fileOf('docs/operating/prometheus.yml'), 'utf8')));
  const [{ names, port }] = prometheus.scrape_configs[0].dns_sd_configs;
  expect(names).toEqual(['lookup', 'worker']);
  for (const name of names) {
    const { environment, networks, ports } = compose.services[name] ?? {};
    expect(environment?.['METRICS_PORT']).toBe(String(port));
    expect(networks).toContain('metrics');
    expect(ports?.join()).not.toContain(String(port));
  }
});

test('Prometheus and Grafana start only with their profile, and reach no store', () => {
  const profiled = services.filter(([, { profiles }]) => profiles?.includes('observability'));
  expect(profiled.map(([name]) => name)).toEqual(['prometheus', 'grafana']);
  for (const [, { networks }] of profiled) expect(networks).not.toContain('store');
});

test('Redis publishes no port', () => {
  expect(compose.services['redis']?.ports).toBeUndefined();
});

test.each(
  services.flatMap(([name, { image, command }]) =>
    image === 'cp-flags' && command !== undefined ? [[name, command] as const] : [],
  ),
)('%s in the compose file runs a command that exists', async (_, command) => {
  const { code, stderr } = await run([...command, '--help'], {});
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('two workers and two lookup processes run, and none can use up the machine', () => {
  // The schema above requires `pids_limit` and `mem_limit` of each service.
  for (const name of ['lookup', 'worker']) {
    expect(compose.services[name]?.deploy?.replicas).toBe(2);
    expect(compose.services[name]?.healthcheck?.test.join()).toContain('/metrics');
  }
});

const SETTINGS = '/run/cp-flags/settings';
const CHILD = testNumber(601);

/**
 * Runs the services of the compose file as processes, with its mounts in a folder and a Redis that has the same users.
 */
async function composed() {
  const store = await startTestStore();
  const folder = await testFolder();
  const settings = join(folder, 'settings');
  await mkdir(settings);
  const { users, socketPath } = store.server;

  async function environmentOf(name: string, more: Record<string, string> = {}) {
    const { environment = {}, volumes = [] } = compose.services[name] ?? {};
    if (Object.values(environment).some((value) => value.startsWith(SETTINGS))) {
      expect(volumes).toContain(`\${CP_FLAGS_SETTINGS:-./settings}:${SETTINGS}:ro`);
    }
    const [, role = ''] = /cpf-(\w+)@/.exec(environment['REDIS_URL'] ?? '') ?? [];
    const passwordFile = join(folder, `redis-${role}`);
    await writeFile(passwordFile, users[role as keyof typeof users].password);
    const dataDir = join(folder, volumes.find((volume) => volume.endsWith(':/data')) ?? '');
    const own = {
      REDIS_URL: `unix://cpf-${role}@socket${socketPath}`,
      REDIS_PASSWORD_FILE: passwordFile,
      DATA_DIR: dataDir.replace(':/data', ''),
      METRICS_PORT: '0',
    };
    const mounted = Object.entries(environment).map(([key, value]) => [
      key,
      value.replace(SETTINGS, settings),
    ]);
    return { ...(Object.fromEntries(mounted) as Record<string, string>), ...own, ...more };
  }
  return {
    settings,
    folder,
    environmentOf,
    async stop(): Promise<void> {
      await store.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

test('with its settings in place and nothing else changed, it answers lookups of live data', async () => {
  const { settings, folder, environmentOf, stop } = await composed();
  const serving: Awaited<ReturnType<typeof startServing>>[] = [];
  try {
    const keys = await generateKeyPair('ES256', { extractable: true });
    const issuer = { issuer: 'https://id.example', audience: 'cp-flags', algorithms: ['ES256'] };
    const put = settingFiles(() => settings);
    await put('jwks.json', { keys: [await exportJWK(keys.publicKey)] });
    await put('issuers.json', [{ ...issuer, jwksFile: 'jwks.json' }]);
    await put('organisations.json', [
      { code: 'RJ1', name: 'A hospital', setting: 'emergency-department' },
    ]);
    await put('expected-authorities.json', readFileSync(await writeExpected(folder), 'utf8'));
    await put(
      'register.csv',
      `nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n${CHILD},,,2019-03-05,Given,Family\n`,
    );

    const made = await run(compose.services['init']?.command ?? [], await environmentOf('init'));
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const envFile = {
      DATASET_ID: /DATASET_ID=([\w-]+)/.exec(made.stdout)?.[1] ?? '',
      PUBLIC_URL: 'https://flags.example',
      MINIMUM_COVERAGE: '0.5',
      MINIMUM_COVERAGE_ACCEPTED_BY: 'C. Officer',
    };
    const worker = await startServing([], await environmentOf('worker', envFile));
    serving.push(worker);
    await untilOpen(worker);
    const lookup = await startServing([], await environmentOf('lookup', envFile));
    serving.push(lookup);

    const loader = await environmentOf('inbox', envFile);
    const phone = ['--name', 'A Council', '--emergency', '02079460199'];
    expect((await run(['authority', 'set', 'ZZ101', ...phone], loader)).code).toBe(0);
    const upload = join(folder, 'ZZ101-1-202611270200.csv');
    await writeFile(
      upload,
      `nhs_number,local_id,date_of_birth,given_name,family_name,plan_type,start_date,end_date,delete_date\n${CHILD},L1,2019-03-05,Given,Family,child-protection-plan,2026-01-05,,\n`,
    );
    const described = ['--authority', 'ZZ101', '--sequence', '1', '--rows', '1'];
    const created = ['--created', new Date(Date.now() - 60_000).toISOString()];
    const loaded = await run(['load', upload, ...described, ...created], loader);
    expect({ code: loaded.code, stderr: loaded.stderr }).toEqual({ code: 0, stderr: '' });

    await until(
      async () => (await fetch(`${lookup.baseUrl}/_status`)).status === 200,
      'the lookup process to be ready',
    );
    const token = await new SignJWT({ ...claims({ organisation: 'RJ1' }) })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(issuer.issuer)
      .setAudience(issuer.audience)
      .setExpirationTime('5m')
      .sign(keys.privateKey);
    const answer = await untilAnswered(() =>
      fetch(`${lookup.baseUrl}/lookup`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'x-request-id': crypto.randomUUID(),
        },
        body: JSON.stringify({ nhsNumber: CHILD }),
      }),
    );
    expect(await answer.json()).toMatchObject({ checked: true, outcome: 'flagged' });
    for (const { baseUrl } of serving) {
      await until(async () => {
        const said = await (await fetch(`${baseUrl}/_status`)).json();
        return z.object({ status: z.string() }).parse(said).status === 'pass';
      }, 'a process that has nothing to report');
    }
    // Levels 40 and above need somebody's attention; a good first start logs none of them. On a busy machine a poll or
    // the worker's report may be late, which has passed, as the status has just said.
    const logged = serving.flatMap((each) => `${each.stdout()}${each.stderr()}`.split('\n'));
    expect(logged.filter((line) => line.includes('"level":30'))).not.toEqual([]);
    const complaints = logged.filter((line) => /"level":[4-9]/.test(line));
    const [reportLate = ''] = DURABILITY.saidLongAgo(0).split(durationText(0));
    const late = [READINESS.unreachable, reportLate].map((words) => `"msg":"Not ready: ${words}`);
    expect(complaints.filter((line) => !late.some((words) => line.includes(words)))).toEqual([]);
  } finally {
    await Promise.all(serving.map((each) => each.stop('SIGTERM')));
    await stop();
  }
});
