/** Takes an authority's lock and is killed while holding it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { odsCodeSchema } from '#schemas/authority.ts';
import { connectStore, type StoreAddress, whenReady } from '#store/connection/connection.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { WAIT_MS } from './until.ts';

const [code, dataDir = ''] = process.argv.slice(2);
const address = JSON.parse(readFileSync(0, 'utf8')) as StoreAddress;
const redis = connectStore(address, { name: 'lock-and-die', commandTimeoutMs: WAIT_MS });
await whenReady(redis, WAIT_MS);
const store = createStore(redis, Anchor.open(join(dataDir, 'anchor')));
const lock = await store.lockAuthority(odsCodeSchema.parse(code));
if (lock === undefined) throw new Error('the authority was locked');
process.kill(process.pid, 'SIGKILL');
