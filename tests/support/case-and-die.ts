/**
 * Opens a case, ends it and erases its notes, and is killed before the step with this number: a commit or a call to
 * Redis. If it reaches the end, it prints how many steps there were.
 */
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Redis } from 'ioredis';
import { Cases } from '#service/audit/cases/cases.ts';
import { connectStore, type StoreAddress, whenReady } from '#store/connection/connection.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { ACCESS, OFFICER } from './case-access.ts';
import { WAIT_MS } from './until.ts';

const [casesFile = '', anchorFolder = '', dieAt = '0'] = process.argv.slice(2);
const address = JSON.parse(readFileSync(0, 'utf8')) as StoreAddress;
const redis = connectStore(address, { name: 'case-and-die', commandTimeoutMs: WAIT_MS });
await whenReady(redis, WAIT_MS);
const store = createStore(redis, Anchor.open(anchorFolder));
const cases = Cases.open(casesFile, (event) => store.appendEvent(event));

let steps = 0;
function counted<T extends object>(
  target: T,
  name: keyof T & string,
  counts: (arg: unknown) => boolean,
): void {
  const real: unknown = Reflect.get(target, name);
  if (typeof real !== 'function') throw new Error(`${name} is no function`);
  Reflect.set(target, name, function call(this: unknown, ...args: unknown[]): unknown {
    if (counts(args[0]) && ++steps === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
    const returned: unknown = Reflect.apply(real, this, args);
    return returned;
  });
}
counted(DatabaseSync.prototype, 'exec', (sql) => sql === 'COMMIT');
counted(Redis.prototype, 'sendCommand', () => true);

const opened = await cases.open(ACCESS, 'inquire', OFFICER, 'first');
if (opened.kind !== 'taken') throw new Error('the case was not opened');
await cases.step(opened.id, 'explain', OFFICER, 'second');
const found = cases.find(opened.id);
if (found === undefined) throw new Error('the case is not there');
await cases.erase(found, OFFICER.event);
process.stdout.write(`${steps}\n`);
cases.close();
redis.disconnect();
process.exit();
