import { Readable } from 'node:stream';
import { runCommandLine } from '#service/cli/commands.ts';
import type { CommandOrder } from './commands.ts';

/** Runs the commands that its parent asks for, each as if this process had been started for it. */

// A failed command ends its process a second later, whatever it is still waiting for. This process must go on.
process.execve = undefined as never;
process.exit = (() => undefined) as never;

/** An encoding, and a function that is called once the text is written. */
type Writing = string | (() => void) | undefined;

const { log, error } = console;
const exitCode = (): number => Number(process.exitCode ?? 0);

async function run({ args, environment, input }: CommandOrder): Promise<void> {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment);
  process.argv = [process.execPath, 'cp-flags', ...args];
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    value: Readable.from(input === undefined ? [] : [input]),
  });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].removeAllListeners('error');
    process[name].write = (chunk: string | Uint8Array, ...more: Writing[]) => {
      written[name] += Buffer.from(chunk as string).toString();
      for (const each of more) if (typeof each === 'function') each();
      return true;
    };
  }
  Object.assign(console, { log, error });
  process.exitCode = undefined;
  await runCommandLine();
  process.send?.({ ...written, code: exitCode() });
}

process.on('message', (order: CommandOrder) => void run(order));
