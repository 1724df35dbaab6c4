import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

const STARTS_WITHIN_MS = 60_000;

/**
 * Starts a TypeScript program with the Node that runs this one and waits until a line of its output matches.
 *
 * @throws if it ends, or prints no such line within a minute
 */
export async function startProcess(
  script: string,
  args: readonly string[],
  options: {
    environment?: Record<string, string>;
    until: RegExp;
    nodeOptions?: string[];
    checkout?: string;
  },
): Promise<{ child: ChildProcess; said: RegExpExecArray; stop(): Promise<void> }> {
  const { checkout = root, nodeOptions = [] } = options;
  const child = spawn(process.execPath, [...nodeOptions, join(checkout, script), ...args], {
    cwd: checkout,
    env: {
      PATH: process.env['PATH'],
      NODE_OPTIONS: process.env['NODE_OPTIONS'],
      // As started by npm, it ends with this process, whatever ends this process.
      npm_lifecycle_event: 'bench',
      ...options.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let output = '';
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  const said = await new Promise<RegExpExecArray>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${script} did not start`)), STARTS_WITHIN_MS);
    child.once('exit', () => reject(new Error(`${script} ended: ${complaints}`)));
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const match = options.until.exec(output);
      if (match === null) return;
      clearTimeout(timer);
      resolve(match);
    });
  });
  return {
    child,
    said,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** The processor time that all threads of a process have used, in microseconds, without its children. */
export function cpuMicroseconds(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      const [onCpu] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
      nanoseconds += Number(onCpu);
    } catch {
      // A thread that has just ended.
    }
  }
  return nanoseconds / 1_000;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}

export type Spread = { median: number; least: number; most: number };

export function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}
