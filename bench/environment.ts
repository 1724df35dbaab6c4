import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ACTIVITY_UNSCHEDULED } from '#schemas/people/care-setting.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { dataFolder, type RedisRole, readRunning } from '#store/connection/embedded/data-folder.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { copyNation, type Nation } from './nation.ts';
import { startProcess } from './processes.ts';
import { startReplicated } from './replicated-redis.ts';

/** Ten million rows take a quarter of a minute, on a busy machine several times as long. */
const ANSWERS_WITHIN_MS = 180_000;
const TOKEN_SECONDS = 86_400;
const USERS = 40;
const ISSUER_FILE = 'demo-issuer.json';
const MAXMEMORY_MIB = 16_384;

/** A service of real, separate processes: lookup processes, a worker, the Redis that the worker started. */
export type Environment = {
  /** Of each lookup process. */
  baseUrls: string[];
  workerUrl: string;
  /** Tokens of users in an emergency department. */
  tokens: string[];
  /** As the k6 scripts read it. */
  numbersFile: string;
  /** Where the first lookup process writes what `tail-probe.ts` recorded. */
  tailFile: string;
  dataDir: string;
  /**
   * How long a process takes from its start until it answers: the first lookup process, and the worker with its Redis.
   */
  readyMs: number;
  workerReadyMs: number;
  /** Process ids by what they are; Redis has a new one after it was killed. */
  pids(): Promise<Record<string, number>>;
  /** A token with which an authority sends its uploads. */
  uploadToken(authority: { code: string; name: string }): Promise<string>;
  stop(): Promise<void>;
};

type EnvironmentOptions = {
  lookups?: number;
  environment?: Record<string, string>;
  nodeOptions?: string[];
  /** Answers wait for one replica. */
  replicated?: boolean;
  /** Called with the copy of the nation's data before anything runs on it. */
  prepare?: ((dataDir: string) => Promise<void>) | undefined;
};

export async function startEnvironment(
  nation: Nation,
  {
    lookups = 1,
    environment = {},
    nodeOptions = [],
    replicated = false,
    prepare,
  }: EnvironmentOptions = {},
): Promise<Environment> {
  const folder = mkdtempSync(join(tmpdir(), 'cpf-bench-'));
  const dataDir = join(folder, 'data');
  copyNation(nation, dataDir);
  await prepare?.(dataDir);
  const common = { PORT: '0', LOG_LEVEL: 'error', ...environment };
  const until = /answers on (http:\/\/[\d.]+:[0-9]+)/;
  const started: { stop(): Promise<void> }[] = [];
  async function stop(): Promise<void> {
    for (const process of started.toReversed()) await process.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  try {
    const issuer = await openDemoIssuer(dataDir);
    const servers = replicated ? await startReplicated(dataDir, MAXMEMORY_MIB) : undefined;
    if (servers !== undefined) started.push(servers);
    const redisOf = (role: RedisRole): Record<string, string> =>
      servers === undefined ? {} : { REDIS_URL: servers.url(role), REDIS_REPLICAS: '1' };
    let beganAt = performance.now();
    const worker = await startProcess('service/cli.mjs', ['serve'], {
      environment: {
        ...common,
        ROLE: 'worker',
        DATA_DIR: dataDir,
        REDIS_MAXMEMORY_MIB: String(MAXMEMORY_MIB),
        ...redisOf('admin'),
      },
      until,
    });
    started.push(worker);
    const workerReadyMs = performance.now() - beganAt;
    let readyMs = 0;
    const tailFile = join(folder, 'tail.json');
    const redis = servers === undefined ? await findEmbeddedRedis(dataDir) : undefined;
    if (servers === undefined && redis === undefined) {
      throw new Error('the worker has started no Redis');
    }
    const { username, password } = redis?.users.lookup ?? {};
    const processes: Awaited<ReturnType<typeof startProcess>>[] = [];
    for (let i = 0; i < lookups; i++) {
      const ownDir = join(folder, `lookup-${i}`);
      mkdirSync(ownDir);
      copyFileSync(join(dataDir, ISSUER_FILE), join(ownDir, ISSUER_FILE));
      beganAt = performance.now();
      const process = await startProcess('service/cli.mjs', ['serve'], {
        environment: {
          ...common,
          ROLE: 'lookup',
          DATA_DIR: ownDir,
          TAIL_FILE: tailFile,
          REDIS_URL: `unix://${username}:${password}@localhost${redis?.socketPath}`,
          ...redisOf('lookup'),
        },
        until,
        nodeOptions,
      });
      started.push(process);
      processes.push(process);
      await untilReady(process.said[1] ?? '');
      if (i === 0) readyMs = performance.now() - beganAt;
    }
    const organisation = { code: 'ZZH01', name: 'Northgate General Hospital' };
    const tokens = await Promise.all(
      Array.from({ length: USERS }, (_, i) => {
        const role = { id: `bench-${i}`, code: 'R8000', name: 'Clinical Practitioner' };
        const roles = [{ ...role, organisation, activities: [ACTIVITY_UNSCHEDULED] }];
        const user = { sub: `bench-${i}`, client_id: 'bench', name: `Bench Nurse ${i}` };
        return issuer.sign({ ...user, roles }, TOKEN_SECONDS);
      }),
    );
    const numbersFile = join(folder, 'numbers.json');
    const { held, notHeld } = nation;
    writeFileSync(numbersFile, JSON.stringify({ held, notHeld }), { mode: 0o600 });
    const baseUrls = processes.map(({ said }) => said[1] ?? '');
    return {
      baseUrls,
      workerUrl: worker.said[1] ?? '',
      tokens,
      numbersFile,
      tailFile,
      dataDir,
      readyMs,
      workerReadyMs,
      async pids() {
        const running = await readRunning(dataFolder(dataDir));
        return {
          ...Object.fromEntries(
            processes.map(({ child }, i) => [
              i === 0 ? 'lookup' : `lookup ${i + 1}`,
              child.pid ?? 0,
            ]),
          ),
          worker: worker.child.pid ?? 0,
          ...(running !== undefined && { redis: running.pid }),
          ...servers?.pids,
        };
      },
      uploadToken: ({ code, name }) =>
        issuer.sign(
          {
            sub: `bench-${code}`,
            client_id: 'bench',
            name: 'Bench Data Officer',
            roles: [
              {
                id: `bench-${code}`,
                code: 'R9535',
                name: 'Child Protection Worker',
                organisation: { code, name },
                activities: [],
              },
            ],
            scope: 'upload',
          },
          TOKEN_SECONDS,
        ),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits until `/_status` says that lookups can be answered. */
async function untilReady(baseUrl: string): Promise<void> {
  const giveUpAt = performance.now() + ANSWERS_WITHIN_MS;
  for (;;) {
    const response = await fetch(`${baseUrl}/_status`).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    if (performance.now() > giveUpAt) throw new Error(`${baseUrl} does not get ready`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
