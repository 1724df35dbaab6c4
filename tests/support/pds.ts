import { generateKeyPairSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CryptoKey, importPKCS8, importSPKI } from 'jose';
import { createPdsClient } from '#loaders/check/tracing/pds/client.ts';
import { TracingMemory } from '#loaders/check/tracing/pds/memory.ts';
import { createPdsTracer, type PdsTracerOptions } from '#loaders/check/tracing/pds/pds-tracer.ts';
import { createTokens } from '#loaders/check/tracing/pds/token.ts';
import { type MadeUpPds, startMadeUpPds } from '#loaders/synthetic/made-up-pds.ts';
import { WAIT_MS } from './until.ts';
import { temporaryFolder } from './upload-loading.ts';

type KeyPair = { pem: string; privateKey: CryptoKey; publicKey: CryptoKey };

export async function keyPair(): Promise<KeyPair> {
  // RS512 does not accept a shorter key, and a longer one would only take more time.
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return {
    pem: privateKey,
    privateKey: await importPKCS8(privateKey, 'RS512'),
    publicKey: await importSPKI(publicKey, 'RS512'),
  };
}

export type TestPds = {
  pds: MadeUpPds;
  keys: KeyPair;
  /** Those of a process that traces numbers with it. */
  settings: Record<string, string>;
  /** A tracer that has its own memory unless it is given one. */
  tracer(
    options?: Partial<PdsTracerOptions> & {
      requestDeadlineMs?: number;
      backOffMs?: number;
      apiKey?: string;
    },
  ): ReturnType<typeof createPdsTracer> & { memory: TracingMemory };
  memory(): TracingMemory;
  stop(): Promise<void>;
};

/** A simulated PDS, and tracers that use it. */
export async function startTestPds(): Promise<TestPds> {
  const keys = await keyPair();
  const pds = await startMadeUpPds({ apiKey: 'test-key', publicKey: keys.publicKey });
  const folder = temporaryFolder();
  const keyFile = join(folder, 'key.pem');
  writeFileSync(keyFile, keys.pem);
  const memories: TracingMemory[] = [];
  const memory = (): TracingMemory => {
    const opened = TracingMemory.open(join(folder, `memory-${memories.length}.sqlite`), 'test');
    memories.push(opened);
    return opened;
  };
  return {
    pds,
    keys,
    settings: {
      TRACING: 'pds',
      PDS_URL: pds.url,
      PDS_API_KEY: 'test-key',
      PDS_KEY_ID: 'k1',
      PDS_KEY_FILE: keyFile,
      PDS_PER_SECOND: '1000',
    },
    memory,
    tracer({ requestDeadlineMs = WAIT_MS, backOffMs = 1, apiKey = 'test-key', ...options } = {}) {
      const { memory: remembered = memory(), perSecond = 1_000, now } = options;
      const { privateKey } = keys;
      const { tokenUrl, url } = pds;
      const client = createPdsClient({
        url,
        tokens: createTokens({ tokenUrl, apiKey, keyId: 'k1', privateKey }, now),
        rate: remembered.rate(perSecond),
        requestDeadlineMs,
        backOffMs,
      });
      const tracer = createPdsTracer({
        client,
        memory: remembered,
        rememberMs: 90 * 86_400_000,
        perSecond,
        awayMs: 50,
        ...options,
      });
      return Object.assign(tracer, { memory: remembered });
    },
    async stop() {
      for (const each of memories) each.close();
      await pds.close();
      rmSync(folder, { recursive: true, maxRetries: 5 });
    },
  };
}
