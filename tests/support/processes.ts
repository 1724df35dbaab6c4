import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { START_MS, until } from './until.ts';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const cliOf = (tree: string): string => join(tree, 'service', 'cli.mjs');

/** The program behind the command cp-flags. */
export const CLI = cliOf(root);

export type Ended = { code: number | null; stdout: string; stderr: string };

/** The settings of a process, with nothing from the test's own environment. */
export const environmentOf = (environment: Record<string, string>) => ({
  PATH: process.env['PATH'],
  PORT: '0',
  REDIS_MAXMEMORY_MIB: '128',
  ...environment,
});

export function cpFlags(
  args: readonly string[],
  environment: Record<string, string>,
  tree: string = root,
  input?: string,
) {
  const child: ChildProcess = spawn(process.execPath, [cliOf(tree), ...args], {
    env: environmentOf({
      // The compiled code of a copy in a test's folder is removed with the copy.
      ...(tree !== root && { NODE_COMPILE_CACHE: join(tree, 'compiled') }),
      ...environment,
    }),
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  // A command that does not read its input may have ended before the input is written.
  child.stdin?.on('error', () => undefined).end(input);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    pid: child.pid ?? 0,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    gone: () => child.exitCode !== null || child.signalCode !== null,
  };
}

/** Runs a command until it ends, with `input` on its standard input. */
export const run = (
  args: readonly string[],
  environment: Record<string, string>,
  input?: string,
): Promise<Ended> => cpFlags(args, environment, root, input).ended;

const demoSchema = z.object({ baseUrl: z.string(), tokens: z.record(z.string(), z.string()) });

/** Starts `serve`, and waits until it reports its address. */
export async function startServing(
  args: readonly string[],
  environment: Record<string, string>,
  tree?: string,
) {
  const service = cpFlags(['serve', ...args], environment, tree);
  const address = (): string | undefined => /http:\/\/[\w.]+:[0-9]+/.exec(service.stdout())?.[0];
  const answers = () => address() !== undefined || service.gone();
  await until(answers, 'the service to answer', START_MS).catch(async (error: unknown) => {
    // Nothing else could end it.
    service.kill('SIGTERM');
    await service.ended;
    throw error;
  });
  const baseUrl = address();
  if (baseUrl === undefined) throw new Error(`the service did not start: ${service.stderr()}`);
  return {
    ...service,
    baseUrl,
    async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<Ended> {
      service.kill(signal);
      return service.ended;
    },
  };
}

/**
 * Waits until a process finds its store open. It reports its address after some seconds even if that takes longer, and
 * until then nothing can be loaded.
 */
export const untilOpen = ({ baseUrl }: { baseUrl: string }): Promise<void> =>
  until(
    async () =>
      /"store:opened":\[\{"status":"pass"/.test(await (await fetch(`${baseUrl}/_status`)).text()),
    'the store to open',
    START_MS,
  );

/** What a demo has written for people who try it. */
export const readDemo = async (dataDir: string) =>
  demoSchema.parse(JSON.parse(await readFile(join(dataDir, 'demo.json'), 'utf8')));

/** The process id of a data folder's redis-server. */
export async function redisOf(dataDir: string): Promise<number> {
  const text = await readFile(join(dataDir, 'redis', 'running.json'), 'utf8');
  return z.object({ pid: z.int() }).parse(JSON.parse(text)).pid;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Writes a list with one expected authority into a folder, as `init --live` requires. Returns its path. */
export async function writeExpected(folder: string): Promise<string> {
  const path = join(folder, 'expected.json');
  const authorities = [{ code: 'ZZ101', name: 'A Council' }];
  await writeFile(path, JSON.stringify({ area: 'North Yorkshire', kind: 'pilot', authorities }));
  return path;
}
