import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type Ended, environmentOf, root } from './processes.ts';

export type CommandOrder = {
  args: readonly string[];
  environment: Record<string, string | undefined>;
  input: string | undefined;
};
type RunCommand = (
  args: readonly string[],
  environment: Record<string, string>,
  input?: string,
) => Promise<Ended>;

/**
 * Runs commands one after another in a single process, for test files with many commands: starting a process takes
 * longer than most commands. If the process itself matters, such as how it ends, use `run`, which starts one.
 */
export function commandsInTurn(): RunCommand {
  let child: ChildProcess | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  afterAll(async () => {
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });

  async function ask(order: CommandOrder): Promise<Ended> {
    child ??= fork(join(root, 'tests/support/run-commands.ts'), { execArgv: [] });
    const ended = Promise.withResolvers<Ended>();
    const broken = (): void => {
      child = undefined;
      ended.reject(new Error(`the process ended in ${order.args.join(' ')}`));
    };
    child.once('message', ended.resolve);
    child.once('exit', broken);
    child.send(order);
    try {
      return await ended.promise;
    } finally {
      child.off('message', ended.resolve);
      child.off('exit', broken);
    }
  }

  return (args, environment, input) => {
    const mine = turn.then(() => ask({ args, environment: environmentOf(environment), input }));
    turn = mine.catch(() => undefined);
    return mine;
  };
}
