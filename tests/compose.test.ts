import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { run } from './support/processes.ts';

const compose = z
  .object({
    services: z.record(
      z.string(),
      z.object({
        image: z.string(),
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

test.each(services)('%s of the compose file names only what there is', (_, service) => {
  for (const name of service.networks) expect(compose.networks).toHaveProperty(name);
  for (const name of service.secrets ?? []) expect(compose.secrets).toHaveProperty(name);
  for (const name of Object.keys(service.depends_on ?? {})) {
    expect(compose.services).toHaveProperty(name);
  }
});

const fileOf = (path: string): URL => new URL(`../${path}`, import.meta.url);

test.each(services)('%s of the compose file mounts only what there is', (_, { volumes = [] }) => {
  for (const volume of volumes) {
    const [from = ''] = volume.split(':');
    if (from.startsWith('./')) expect(existsSync(fileOf(from)), from).toBe(true);
    else if (!from.startsWith('$')) expect(compose.volumes).toHaveProperty(from);
  }
});

test.each(services)('%s of the compose file is published to this machine alone', (_, { ports }) => {
  for (const port of ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
});

test('Prometheus scrapes the very port on which each process of the service gives metrics', () => {
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

test('Prometheus and Grafana run by the profile alone, and reach no store', () => {
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
)('%s of the compose file runs a command that there is', async (_, command) => {
  const { code, stderr } = await run([...command, '--help'], {});
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});
