import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { run } from './service/processes.ts';

const compose = z
  .object({
    services: z.record(
      z.string(),
      z.object({
        image: z.string(),
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
