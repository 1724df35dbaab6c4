import { join } from 'node:path';
import { loadFile } from '#loaders/load/load.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { createStore, type Store } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { WAIT_MS } from './until.ts';
import { RECEIVED_AT } from './upload-model.ts';

/** Loads standard input, and is killed once the first batch of rows is applied. */
const [dataDir = '', spoolDir = ''] = process.argv.slice(2);
const found = await findEmbeddedRedis(dataDir);
if (found === undefined) throw new Error('no Redis is running for this folder');
const redis = connectStore(
  { socketPath: found.socketPath, ...found.users.loader },
  { name: 'load-and-die', commandTimeoutMs: WAIT_MS },
);
await whenReady(redis, WAIT_MS);
const anchor = Anchor.open(join(dataDir, 'anchor'));
const real = createStore(redis, anchor);
const store: Store = {
  ...real,
  applyRows: async (lock, rows) => {
    await real.applyRows(lock, rows);
    process.stdout.write(`${rows.length} rows applied\n`, () =>
      process.kill(process.pid, 'SIGKILL'),
    );
    return new Promise(() => undefined);
  },
};
await loadFile(
  store,
  anchor,
  { name: 'upload.xml', stream: process.stdin },
  { spoolDir, addAuthority: true, by: 'test', now: () => RECEIVED_AT },
);
