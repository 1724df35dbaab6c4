/**
 * Decides about a message, and is killed before the step with this number: a change to the mailbox's file or a call to
 * Redis. If it reaches the end, it prints how many steps there were.
 */
import { readFileSync } from 'node:fs';
import { StatementSync } from 'node:sqlite';
import { Redis } from 'ioredis';
import { decideMessage } from '#service/mesh/decide-message.ts';
import { connectStore, type StoreAddress, whenReady } from '#store/connection/connection.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { WAIT_MS } from './until.ts';

const [folder = '', localId = '', what = 'resend', anchorFolder = '', dieAt = '0'] =
  process.argv.slice(2);
const address = JSON.parse(readFileSync(0, 'utf8')) as StoreAddress;
const redis = connectStore(address, { name: 'decide-and-die', commandTimeoutMs: WAIT_MS });
await whenReady(redis, WAIT_MS);
const store = createStore(redis, Anchor.open(anchorFolder));

let steps = 0;
function counted<T extends object>(target: T, name: keyof T & string): void {
  const real: unknown = Reflect.get(target, name);
  if (typeof real !== 'function') throw new Error(`${name} is no function`);
  Reflect.set(target, name, function call(this: unknown, ...args: unknown[]): unknown {
    if (++steps === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
    const returned: unknown = Reflect.apply(real, this, args);
    return returned;
  });
}
counted(StatementSync.prototype, 'run');
counted(Redis.prototype, 'sendCommand');

const named = { by: 'An Operator', reason: 'a test' };
await decideMessage(store, folder, { localId, what: what === 'drop' ? 'drop' : 'resend', named });
process.stdout.write(`${steps}\n`);
process.exit();
