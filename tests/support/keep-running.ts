import { type ChildProcess, spawn } from 'node:child_process';
import { CLI } from './processes.ts';

const ERRORS_KEPT = 6_000;

/** A process of the service that is restarted whenever it ends, as a supervisor would do. */
export type Kept = {
  pid: () => number;
  kill: () => void;
  /** Its address, or `undefined` until it has reported one. */
  address: () => string | undefined;
  /** The last part of what it wrote to stderr. */
  errors: () => string;
  stop: () => Promise<void>;
  /** Kills it, and does not start it again. */
  abandon: () => Promise<void>;
};

/** Starts `cp-flags serve` with these settings, and again whenever it ends, until it is stopped. */
export function keepRunning(environment: Record<string, string>): Kept {
  let child: ChildProcess;
  let address: string | undefined;
  let stopping = false;
  let errors = '';
  let gone: Promise<void>;
  const start = (): void => {
    address = undefined;
    child = spawn(process.execPath, [CLI, 'serve'], {
      env: { PATH: process.env['PATH'], PORT: '0', LOG_LEVEL: 'warn', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout?.on('data', (chunk: Buffer) => {
      address ??= /http:\/\/[\w.]+:[0-9]+/.exec(chunk.toString())?.[0];
    });
    child.stderr?.on('data', (chunk: Buffer) => (errors = (errors + chunk).slice(-ERRORS_KEPT)));
    gone = new Promise((resolve) => {
      child.once('close', () => {
        if (!stopping) start();
        resolve();
      });
    });
  };
  start();
  return {
    pid: () => child.pid ?? 0,
    kill: () => void child.kill('SIGKILL'),
    address: () => address,
    errors: () => errors,
    async abandon() {
      stopping = true;
      child.kill('SIGKILL');
      await gone;
    },
    async stop() {
      stopping = true;
      // It may have been paused.
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      await gone;
    },
  };
}
