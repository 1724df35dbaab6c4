import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { isAlive, redisOf, root } from '../../support/processes.ts';
import { until } from '../../support/service.ts';
import { startStopwatch } from '../../support/stopwatch.ts';
import { START_MS } from '../../support/until.ts';

/** Each command in the documents can be stopped by the pid it gave, and everything it started stops with it. */

const COMMAND = join(root, 'service', 'cp-flags');
const SETUP = join(root, 'service', 'setup.mjs');
/** The limit stated in docs/operating.md. */
const STOPS_WITHIN_MS = 20_000;
/** Long enough for a request on a busy machine, and no longer, since each of three tests waits for the end of it. */
const DRAINS_FOR_MS = 10_000;
/** npm puts a shell in between that does not pass signals on. */
const BY_NPM = ['sh', '-c', '"$@"; exit $?', 'sh'] as const;

let folder: string;
let dataDir: string;
let started: ChildProcess[];
let redis: number | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-signals-'));
  dataDir = join(folder, 'data');
  started = [];
  redis = undefined;
});
afterEach(async () => {
  // These are left only if a test failed.
  for (const { pid } of started) if (pid !== undefined) endGroup(pid);
  if (redis !== undefined && isAlive(redis)) process.kill(redis, 'SIGKILL');
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has already ended.
  }
}

function start(
  [program = '', ...args]: readonly string[],
  environment: Record<string, string> = {},
  stdio: SpawnOptions['stdio'] = ['ignore', 'pipe', 'pipe'],
) {
  const child = spawn(program, args, {
    cwd: root,
    detached: true,
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      REDIS_MAXMEMORY_MIB: '128',
      DATA_DIR: dataDir,
      ...environment,
    },
    stdio,
  });
  started.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  }
  // The streams close only once every process that writes to them has ended.
  const allEnded = once(child, 'close') as Promise<[number | null]>;
  return {
    child,
    allEnded,
    async says(words: RegExp): Promise<string> {
      const isSaid = () => words.test(said) || child.exitCode !== null;
      await until(isSaid, `"${words}" to be said`, START_MS);
      const [found] = words.exec(said) ?? [];
      if (found === undefined) throw new Error(said);
      return found;
    },
  };
}

const ANSWERS = /http:\/\/127\.0\.0\.1:[0-9]+/;

async function redisRuns(): Promise<void> {
  redis = await redisOf(dataDir);
  expect(isAlive(redis)).toBe(true);
}

/** An orderly stop also removes the file that says where Redis is. */
async function stoppedInOrder(): Promise<void> {
  await until(() => !existsSync(join(dataDir, 'redis', 'running.json')), 'the stop to be over');
  expect(isAlive(redis ?? 0)).toBe(false);
}

describe('serve', () => {
  test.for([
    ['is told to', 'SIGTERM'],
    // This leaves npx's shell running.
    ['is killed', 'SIGKILL'],
  ] as const)('started as npx cp-flags stops in order once npx %s', async ([, signal]) => {
    const npx = start(['npx', 'cp-flags', 'serve'], {
      HOME: folder,
      npm_config_cache: join(folder, 'npm'),
    });
    await npx.says(ANSWERS);
    await redisRuns();
    npx.child.kill(signal);
    await npx.allEnded;
    await stoppedInOrder();
  });

  test.for([
    ['becomes the shell', 'exec "$0" serve'],
    ['runs beside it', '"$0" serve; exit $?'],
  ] as const)(
    'stops even if npx ended before that could be seen, and the command %s',
    async ([, command]) => {
      const npm = `sh -c 'kill -9 "$PPID"; ${command}' "$0" & wait`;
      const orphan = start(['sh', '-c', npm, COMMAND], { npm_lifecycle_event: 'npx' });
      // If its Redis started, that holds the output open too, so this waits for both.
      await orphan.allEnded;
      expect(existsSync(join(dataDir, 'redis', 'running.json'))).toBe(false);
    },
  );

  test.for(['SIGINT', 'SIGQUIT', 'SIGHUP'] as const)(
    'started as service/cp-flags drains and ends by the pid that the shell gave at a %s, and counts a repeated one once',
    async (signal) => {
      const service = start([COMMAND, 'serve'], { DRAIN_SECONDS: String(DRAINS_FOR_MS / 1_000) });
      const baseUrl = await service.says(ANSWERS);
      await redisRuns();
      const toldAt = performance.now();
      service.child.kill(signal);
      // npm passes the signal on. A second signal of the same kind might be merged with the first.
      service.child.kill('SIGTERM');
      let isDraining = false;
      await until(async () => {
        const status = await fetch(`${baseUrl}/_status`).then(
          (response) => response.text(),
          () => '',
        );
        isDraining = status.includes('"process":[{"status":"fail"');
        return isDraining || service.child.exitCode !== null;
      }, 'the status to say that it is stopping');
      expect(isDraining).toBe(true);
      expect((await service.allEnded)[0]).toBe(0);
      // A timer may be early by a millisecond.
      expect(performance.now() - toldAt).toBeGreaterThan(DRAINS_FOR_MS - 10);
      await stoppedInOrder();
    },
  );

  test('stops within the stated time if its Redis no longer answers, and ends Redis too', async () => {
    const service = start([COMMAND, 'serve', '--demo']);
    await service.says(/Ctrl-C stops everything/);
    await redisRuns();
    process.kill(redis ?? 0, 'SIGSTOP');
    const read = startStopwatch();
    service.child.kill('SIGTERM');
    expect((await service.allEnded)[0]).toBe(0);
    expect(read()).toBeLessThan(STOPS_WITHIN_MS);
    await stoppedInOrder();
  });

  test('does not wait for a silent collector of metrics and traces', async () => {
    const mute = createServer(() => undefined);
    await new Promise<void>((resolve) => void mute.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = mute.address() as AddressInfo;
      const service = start([COMMAND, 'serve'], {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
      });
      await service.says(ANSWERS);
      await redisRuns();
      const read = startStopwatch();
      service.child.kill('SIGTERM');
      expect((await service.allEnded)[0]).toBe(0);
      // Each attempt to send would wait a minute.
      expect(read()).toBeLessThan(45_000);
    } finally {
      mute.close();
    }
  });

  test('that is killed also ends a Redis that no longer answers', async () => {
    const service = start([COMMAND, 'serve']);
    await service.says(ANSWERS);
    await redisRuns();
    process.kill(redis ?? 0, 'SIGSTOP');
    service.child.kill('SIGKILL');
    await until(() => !isAlive(redis ?? 0), 'Redis to end');
  });

  test('that is killed ends its Redis', async () => {
    const service = start([COMMAND, 'serve']);
    await service.says(ANSWERS);
    await redisRuns();
    service.child.kill('SIGKILL');
    await until(() => !isAlive(redis ?? 0), 'Redis to end');
  });

  test('stops in order if npm start, or the set-up step under it, is killed', async () => {
    const npm = start([...BY_NPM, process.execPath, SETUP, 'start'], {
      npm_lifecycle_event: 'start',
    });
    await npm.says(/Ctrl-C stops everything/);
    await redisRuns();
    npm.child.kill('SIGKILL');
    await npm.allEnded;
    await stoppedInOrder();
  });
});

test('a demo whose npm forwards no signals, as npm 9 does, stops in order by the pid that it prints', async () => {
  const npm9 = `process.on('SIGTERM', () => undefined);
    require('node:child_process').spawn('sh', ['-c', 'exec "$@"', 'sh', ...process.argv.slice(1)], { stdio: 'inherit' })
      .on('exit', (code) => process.exit(code ?? 1));`;
  const npm = start([process.execPath, '-e', npm9, process.execPath, SETUP, 'start'], {
    npm_lifecycle_event: 'start',
  });
  const pid = Number((await npm.says(/kill \d+/)).slice('kill '.length));
  await redisRuns();
  npm.child.kill('SIGTERM');
  expect(isAlive(pid)).toBe(true);
  process.kill(pid, 'SIGTERM');
  expect((await npm.allEnded)[0]).toBe(0);
  await stoppedInOrder();
});

describe('when nothing can be written', () => {
  test.for(['stdout', 'stderr'] as const)(
    '%s on a full disk and the other closed, serve still answers and stops in order',
    async (full) => {
      const disk = openSync('/dev/full', 'w');
      const service = start(
        [COMMAND, 'serve'],
        { LOG_LEVEL: 'debug' },
        full === 'stdout' ? ['ignore', disk, 'pipe'] : ['ignore', 'pipe', disk],
      );
      closeSync(disk);
      const baseUrl = await service.says(ANSWERS);
      await redisRuns();
      service.child.stdout?.destroy();
      service.child.stderr?.destroy();
      for (let i = 0; i < 3; i++) {
        expect((await fetch(`${baseUrl}/lookup`, { method: 'POST' })).status).not.toBe(200);
      }
      expect((await fetch(`${baseUrl}/_ping`)).status).toBe(200);
      service.child.kill('SIGTERM');
      expect((await once(service.child, 'exit'))[0]).toBe(0);
      await stoppedInOrder();
    },
  );

  test('a command whose output is lost fails and says so', async () => {
    const disk = openSync('/dev/full', 'w');
    const command = start([COMMAND, '--version'], {}, ['ignore', disk, 'pipe']);
    closeSync(disk);
    await command.says(/could not be written \(ENOSPC\)/);
    expect((await command.allEnded)[0]).toBe(1);
  });
});

test('a process started by npm, such as watch, ends with it; any other, such as serve, outlives its shell', async () => {
  const inbox = join(folder, 'inbox');
  await mkdir(inbox);
  const both = 'npm_lifecycle_event=npx "$0" watch "$1" & echo "watch is $!"; "$0" serve; exit $?';
  const shell = start(['sh', '-c', both, COMMAND, inbox]);
  const watch = Number((await shell.says(/watch is \d+/)).slice('watch is '.length));
  await shell.says(/cp-flags watches/);
  const baseUrl = await shell.says(ANSWERS);
  await redisRuns();
  shell.child.kill('SIGTERM');
  await until(() => !isAlive(watch), 'watch to end');
  expect((await fetch(`${baseUrl}/_ping`)).status).toBe(200);
  process.kill(-(shell.child.pid ?? 0), 'SIGTERM');
  await shell.allEnded;
  await stoppedInOrder();
});

/** What they run ends by itself, within minutes. */
const SHORT_SCRIPTS = ['setup', 'check', 'format'];

test.for(Object.entries(packageJson.scripts).filter(([name]) => !SHORT_SCRIPTS.includes(name)))(
  'npm run %s passes npm’s signal on, since its shell becomes what it runs last and longest',
  ([, script]) => {
    expect(script).toMatch(/^(?:node service\/setup\.mjs(?: \w+)? && )?exec [^&|;]+$/);
  },
);

test.for([
  [
    'a benchmark',
    'its service',
    'bench/processes.ts',
    `startProcess('bench/service.ts', [], { until: /^service/m }).then(({ child }) => child.pid)`,
  ],
  [
    'a test',
    'its Redis',
    'tests/support/redis-server.ts',
    `startRedisServer().then(({ admin }) => admin.info('server')).then((info) => /process_id:(\\d+)/.exec(info)[1])`,
  ],
] as const)('%s that is killed leaves nothing running: %s ends', async ([, , module, begin]) => {
  const program = `const m = await import('./${module}'); console.log('started', await m.${begin});`;
  const parent = start([process.execPath, '--input-type=module', '-e', program]);
  const pid = Number((await parent.says(/started \d+/)).slice('started '.length));
  expect(isAlive(pid)).toBe(true);
  parent.child.kill('SIGKILL');
  await until(() => !isAlive(pid), 'its end');
});

test('before set-up, the command says what to do', async () => {
  await mkdir(join(folder, 'service'));
  await copyFile(COMMAND, join(folder, 'service', 'cp-flags'));
  const command = start([join(folder, 'service', 'cp-flags'), 'serve']);
  await command.says(/npm run setup/);
  expect((await command.allEnded)[0]).toBe(1);
});
