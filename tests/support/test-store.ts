import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sealedRange } from '#service/audit/log/sealed.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { type RedisRole, startEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { type StoreVerifier, startStoreVerifier } from '#store/trust/verifier.ts';
import { until, WAIT_MS } from './until.ts';

export { until, WAIT_MS };

/**
 * A Redis for one test, with its data folder, its anchor and connections by role. `kind` creates a dataset and opens
 * it. `stop` ends everything and removes the folder.
 */
export async function startTestStore(
  options: { kind?: 'demo' | 'live'; maxmemoryMb?: number; dataDir?: string } = {},
) {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'cpf-test-')));
  const server = await startEmbeddedRedis({
    dataDir,
    ...(options.maxmemoryMb !== undefined && { maxmemoryMb: options.maxmemoryMb }),
  });
  const anchor = Anchor.open(join(dataDir, 'anchor'));
  const connections: ReturnType<typeof connectStore>[] = [];
  const verifiers: StoreVerifier[] = [];

  /** Commands wait long enough to be carried out on any machine. */
  async function connect(role: RedisRole) {
    const redis = connectStore(
      { socketPath: server.socketPath, ...server.users[role] },
      { name: `test-${role}`, commandTimeoutMs: WAIT_MS },
    );
    connections.push(redis);
    await whenReady(redis, WAIT_MS);
    return redis;
  }

  const admin = await connect('admin');
  const store = createStore(await connect('loader'), anchor);
  const adminStore = createStore(admin, anchor);
  const problems: string[] = [];

  async function keep(
    replaced?: () => Promise<boolean>,
    sealed: Parameters<typeof startStoreVerifier>[2]['sealed'] = () =>
      sealedRange(join(dataDir, 'audit')),
  ): Promise<StoreVerifier> {
    const verifier = startStoreVerifier(await connect('worker'), anchor, {
      resume: () => Promise.reject(new Error('nothing to resume is expected here')),
      replaced,
      sealed,
    });
    verifier.onChange((state) => problems.push(state.detail));
    verifiers.push(verifier);
    return verifier;
  }

  if (options.kind !== undefined) {
    await adminStore.createDataset(options.kind, 'test');
    const verifier = await keep();
    await until(() => verifier.state.opened, 'the store to open');
  }

  async function disconnect(): Promise<void> {
    for (const verifier of verifiers.splice(0)) await verifier.stop();
    for (const redis of connections.splice(0)) redis.disconnect();
    anchor.close();
    await server.stop();
  }

  return {
    dataDir,
    server,
    anchor,
    admin,
    /** The store as the loader's user sees it. */
    store,
    adminStore,
    /** What the store verifiers said, in order. */
    problems,
    connect,
    keep,
    /** Ends everything, and keeps the data folder. */
    disconnect,
    async stop(): Promise<void> {
      await disconnect();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
export type TestStore = Awaited<ReturnType<typeof startTestStore>>;
