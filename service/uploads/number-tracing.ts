import { readFile } from 'node:fs/promises';
import { importPKCS8 } from 'jose';
import { createPdsClient } from '#loaders/check/tracing/pds/client.ts';
import { TracingMemory } from '#loaders/check/tracing/pds/memory.ts';
import { createPdsTracer, type PdsTracer } from '#loaders/check/tracing/pds/pds-tracer.ts';
import { createTokens } from '#loaders/check/tracing/pds/token.ts';
import { openRegister, RegisterError } from '#loaders/check/tracing/register.ts';
import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { numberKeyFile, tracingMemoryFile } from '../files/data-folder.ts';
import { readOrMakeKey } from '../files/private-file.ts';

const DAY_MS = 86_400_000;
/** While PDS is away it is asked again less often than whether somebody waits for it. */
const AWAY_FOR_LOOKS = 6;
const SHORTEST_KEY_BITS = 2048;

/**
 * What NHS numbers in uploads are traced with; `undefined` where they are not, which only a demo may do.
 *
 * @throws {ConfigurationError} for a live dataset without tracing, and for a register or key that cannot be used
 */
export async function openNumberTracer(
  configuration: Configuration,
  kind: Dataset['kind'] | undefined,
): Promise<NumberTracer | PdsTracer | undefined> {
  const { TRACING, TRACING_REGISTER_FILE } = configuration;
  if (TRACING === 'pds') return openPds(configuration);
  if (TRACING === 'none' || TRACING_REGISTER_FILE === undefined) {
    if (kind !== 'live') return undefined;
    throw new ConfigurationError(
      'TRACING: must be register or pds, because the dataset is live: a flag under a wrong number hides one child and marks another. Set TRACING_REGISTER_FILE, or PDS_URL and what belongs to it.',
    );
  }
  try {
    return await openRegister(TRACING_REGISTER_FILE);
  } catch (error) {
    if (!(error instanceof RegisterError)) throw error;
    throw new ConfigurationError(`TRACING_REGISTER_FILE: ${error.message}`);
  }
}

/** Whether numbers are traced in the Personal Demographics Service. */
export const isPds = (tracer: NumberTracer | PdsTracer | undefined): tracer is PdsTracer =>
  tracer !== undefined && 'asking' in tracer;

async function openPds(configuration: Configuration): Promise<PdsTracer> {
  const { PDS_URL = '', PDS_API_KEY = '', PDS_KEY_ID = '', PDS_KEY_FILE = '' } = configuration;
  const { PDS_TOKEN_URL, PDS_PER_SECOND, PDS_REMEMBER_DAYS } = configuration;
  const privateKey = await readPrivateKey(PDS_KEY_FILE);
  const key = await readOrMakeKey(numberKeyFile(configuration));
  const memory = TracingMemory.open(tracingMemoryFile(configuration), key);
  const client = createPdsClient({
    url: PDS_URL,
    tokens: createTokens({
      tokenUrl: PDS_TOKEN_URL ?? new URL('/oauth2/token', PDS_URL).href,
      apiKey: PDS_API_KEY,
      keyId: PDS_KEY_ID,
      privateKey,
    }),
    rate: memory.rate(PDS_PER_SECOND),
  });
  return createPdsTracer({
    client,
    memory,
    rememberMs: PDS_REMEMBER_DAYS * DAY_MS,
    perSecond: PDS_PER_SECOND,
    awayMs: configuration.REREAD_SECONDS * AWAY_FOR_LOOKS * 1_000,
  });
}

async function readPrivateKey(path: string) {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch {
    throw new ConfigurationError('PDS_KEY_FILE: cannot be read.');
  }
  const key = await importPKCS8(pem, 'RS512').catch(() => undefined);
  const { modulusLength = 0 } = (key?.algorithm ?? {}) as { modulusLength?: number };
  if (key === undefined || modulusLength < SHORTEST_KEY_BITS) {
    throw new ConfigurationError(
      'PDS_KEY_FILE: must be an RSA private key of 2048 bits or more, PEM in PKCS #8 ("BEGIN PRIVATE KEY").',
    );
  }
  return key;
}
