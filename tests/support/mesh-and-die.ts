import { promises as files, readFileSync } from 'node:fs';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import { StatementSync } from 'node:sqlite';
import { z } from 'zod';

/**
 * Processes a mailbox, and is killed before the step with this number: a change to a file, a commit or a request. If it
 * reaches the end, it prints how many steps there were.
 */
const [folder = '', connectionFile = '', dieAt = '0'] = process.argv.slice(2);
let steps = 0;
function count(): void {
  if (++steps === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
}

function counted<T extends object>(target: T, names: readonly (keyof T & string)[]): void {
  for (const name of names) {
    const real: unknown = Reflect.get(target, name);
    if (typeof real !== 'function') throw new Error(`${name} is no function`);
    Reflect.set(target, name, function call(this: unknown, ...args: unknown[]): unknown {
      count();
      const returned: unknown = Reflect.apply(real, this, args);
      return returned;
    });
  }
}
counted(files, ['open', 'rename', 'rm', 'mkdir', 'writeFile']);
counted(https, ['request']);
counted(StatementSync.prototype, ['run']);
syncBuiltinESMExports();

// Imported only now, so that it gets the functions that count.
const { openQuickClient, workItOff } = await import('./mesh-work.ts');
const connectionSchema = z.object({
  url: z.string(),
  mailbox: z.string(),
  password: z.string(),
  sharedKey: z.string(),
  tls: z.object({ cert: z.string(), key: z.string(), ca: z.string() }),
});
const connection = connectionSchema.parse(JSON.parse(readFileSync(connectionFile, 'utf8')));
const client = await openQuickClient(folder, connection);
await workItOff(client, 2);
client.close();
process.stdout.write(`${steps}\n`);
