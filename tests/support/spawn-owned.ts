import { type ChildProcess, spawn } from 'node:child_process';
import { Writable } from 'node:stream';

/** Leaves a second shell behind, which kills the program if the pipe of its owner closes without a message. */
const LAUNCH = '{ read -r ended <&3 || kill -9 "$$"; } 2>/dev/null & exec "$0" "$@" 3<&-';

/** Starts a program that ends with this process, whatever ends this process. Its output is not read. */
export function spawnOwned(program: string, args: readonly string[]): ChildProcess {
  const child = spawn('sh', ['-c', LAUNCH, program, ...args], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const lifeline = child.stdio[3];
  if (lifeline instanceof Writable) {
    lifeline.on('error', () => undefined);
    // Another program may soon have its process id.
    child.once('exit', () => lifeline.end('ended\n'));
  }
  return child;
}
