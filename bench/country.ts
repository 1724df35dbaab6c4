import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GenerateOptions, generateEngland } from '#loaders/synthetic/generate.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { londonDate } from '#schemas/calendar.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { type EmbeddedRedis, startEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { startStoreVerifier } from '#store/trust/verifier.ts';
import { root } from './processes.ts';

const REDIS_ANSWERS_WITHIN_MS = 10_000;
const COMMAND_TIMEOUT_MS = 60_000;
const MAXMEMORY_MB = 16_384;

/** A temporary folder of a measurement, removed however it ends. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'cpf-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const NATION: GenerateOptions = {
  seed: 1,
  authorities: 153,
  plans: 230_000,
  deltas: 0,
  date: londonDate(Date.now()),
  changes: 0.01,
  numbers: 'test',
  format: 'csv',
  badRate: 0,
};

/** Writes the first files of a synthetic country; gives their paths and the authorities. */
export function writeCountry(folder: string, options: GenerateOptions) {
  const england = generateEngland(options);
  mkdirSync(folder, { recursive: true });
  const paths: string[] = [];
  for (const file of england.files()) {
    const path = join(folder, file.name);
    if (!existsSync(path)) {
      const pieces = file.text();
      for (;;) {
        const step = pieces.next();
        if (step.done === true) {
          const rowCount = step.value.records;
          if (file.format === 'csv') writeFileSync(`${path}.json`, JSON.stringify({ rowCount }));
          break;
        }
        writeFileSync(path, step.value, { flag: 'a' });
      }
    }
    paths.push(path);
  }
  return { paths, authorities: england.authorities, people: england.people };
}

export type Country = ReturnType<typeof writeCountry>;

export async function connectAdmin(server: Pick<EmbeddedRedis, 'socketPath' | 'users'>) {
  const redis = connectStore(
    { socketPath: server.socketPath, ...server.users.admin },
    { name: 'bench', commandTimeoutMs: COMMAND_TIMEOUT_MS },
  );
  await whenReady(redis, REDIS_ANSWERS_WITHIN_MS);
  return redis;
}

/** A Redis as the product starts it, with an empty dataset that knows the authorities. */
export async function startStore(dataDir: string, authorities: Country['authorities']) {
  const server = await startEmbeddedRedis({ dataDir, maxmemoryMb: MAXMEMORY_MB });
  const redis = await connectAdmin(server);
  const anchor = Anchor.open(join(dataDir, 'anchor'));
  const store = createStore(redis, anchor);
  await store.createDataset('demo', 'bench');
  // Nothing is loaded into a store that nobody has opened.
  const verifier = startStoreVerifier(redis, anchor, {
    resume: () => Promise.resolve({ kind: 'resumed' }),
  });
  await verifier.look();
  if (!verifier.state.opened) throw new Error(`the store did not open: ${verifier.state.detail}`);
  await verifier.stop();
  await addAuthorities(store, authorities);
  return {
    server,
    redis,
    async stop(): Promise<void> {
      redis.disconnect();
      anchor.close();
      await server.stop();
    },
  };
}

export async function addAuthorities(
  store: ReturnType<typeof createStore>,
  authorities: Country['authorities'],
): Promise<void> {
  for (const { code, name, officeHoursPhone, emergencyDutyTeamPhone } of authorities) {
    const details = { name, officeHoursPhone, emergencyDutyTeamPhone };
    await store.setAuthority(odsCodeSchema.parse(code), details, 'bench');
  }
}

export type Used = { milliseconds: number; cpuMs: number; peakMib: number };

/**
 * Runs a command of the command line to its end.
 *
 * @returns how long it took, from before its start to after its end, its processor time and peak memory
 * @throws its error output, if its exit code is not 0
 */
export async function cpFlags(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<Used> {
  return withFolder(async (folder) => {
    const usage = join(folder, 'usage.json');
    const hook = join(root, 'bench', 'usage.ts');
    const program = join(root, 'service', 'cli.mjs');
    const milliseconds = await timed(process.execPath, ['--import', hook, program, ...args], {
      PATH: process.env['PATH'] ?? '',
      USAGE_FILE: usage,
      ...environment,
    });
    const { cpuMs, peakMib } = JSON.parse(readFileSync(usage, 'utf8')) as Omit<
      Used,
      'milliseconds'
    >;
    return { milliseconds, cpuMs, peakMib };
  });
}

/** Like {@link cpFlags}, for any program; `input` is a file descriptor to read from. */
export async function timed(
  program: string,
  args: readonly string[],
  environment: Record<string, string>,
  input?: number,
): Promise<number> {
  const began = performance.now();
  const child = spawn(program, args, {
    cwd: root,
    env: environment,
    stdio: [input ?? 'ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const keep = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-10_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0)
    throw new Error(`${program} ${args.slice(0, 3).join(' ')} ended with ${code}: ${said}`);
  return performance.now() - began;
}
