import { promises as files } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Redis } from 'ioredis';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { keys } from '#store/keys.ts';
import { Anchor } from '#store/trust/anchor.ts';

/**
 * Runs `cp-flags purge`, or `serve` with a worker that purges by itself, and is killed before the step with this name and
 * number: a write to the anchor (`journal`, `anchor`), a change to a file of the second copy (`copy`), or a call to Redis.
 * The steps of a worker count from the journal of its purge. If there is no such step, it ends as the command does.
 */
const [command = '', point = '', nth = '1'] = process.argv.slice(2);
const steps = new Map<string, number>();
let purging = command === 'purge';
function reach(step: string): void {
  purging ||= step === 'journal';
  if (!purging) return;
  const reached = (steps.get(step) ?? 0) + 1;
  steps.set(step, reached);
  if (step === point && reached === Number(nth)) process.kill(process.pid, 'SIGKILL');
}

function before<T extends object>(
  target: T,
  name: keyof T & string,
  stepOf: (args: unknown[]) => string | undefined,
): void {
  const real: unknown = Reflect.get(target, name);
  if (typeof real !== 'function') throw new Error(`${name} is no function`);
  Reflect.set(target, name, function call(this: unknown, ...args: unknown[]): unknown {
    const step = stepOf(args);
    if (step !== undefined) reach(step);
    const returned: unknown = Reflect.apply(real, this, args);
    return returned;
  });
}

const CALLS: Partial<Record<string, string>> = {
  [keys.workerState]: 'mark',
  [FUNCTIONS.changeAuthority]: 'authority',
  [FUNCTIONS.removeRows]: 'rows',
  [FUNCTIONS.appendEvent]: 'event',
};
const copy = process.env['AUDIT_COPY'] ?? '';
before(Anchor.prototype, 'beginLoad', () => 'journal');
before(Anchor.prototype, 'commitLoad', () => 'anchor');
for (const name of ['open', 'rename', 'link', 'mkdir', 'rm'] as const) {
  before(files, name, ([path]) => (String(path).startsWith(copy) ? 'copy' : undefined));
}
before(Redis.prototype, 'sendCommand', ([call]) => {
  const { args } = call as { args: unknown[] };
  return CALLS[String(args[0])];
});
syncBuiltinESMExports();

process.argv.splice(2, 3, command);
// Imported only now, so that it gets the functions that count.
const { runCommandLine } = await import('#service/cli/commands.ts');
await runCommandLine();
