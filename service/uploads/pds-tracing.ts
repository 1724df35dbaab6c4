import { importPKCS8 } from 'jose';
import { createPdsClient } from '#loaders/check/tracing/pds/client.ts';
import { TracingMemory } from '#loaders/check/tracing/pds/memory.ts';
import { createPdsTracer, type PdsTracer } from '#loaders/check/tracing/pds/pds-tracer.ts';
import { createTokens } from '#loaders/check/tracing/pds/token.ts';
import { ConfigurationError } from '#schemas/configuration.ts';
import { numberKeyFile, tracingMemoryFile } from '../files/data-folder.ts';
import { readOrMakeKey } from '../files/private-file.ts';
import { readSettingText } from '../files/setting-file.ts';
import type { LoadConfiguration } from './load-settings.ts';

const DAY_MS = 86_400_000;
/** While PDS is away, waiting records are checked this many times before it is asked again. */
const AWAY_FOR_LOOKS = 6;
const SHORTEST_KEY_BITS = 2048;

/**
 * Traces numbers in the Personal Demographics Service.
 *
 * @throws {ConfigurationError} for a key that cannot be used
 */
export async function openPdsTracer(configuration: LoadConfiguration): Promise<PdsTracer> {
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
  const pem = await readSettingText('PDS_KEY_FILE', path);
  const key = await importPKCS8(pem, 'RS512').catch(() => undefined);
  const { modulusLength = 0 } = (key?.algorithm ?? {}) as { modulusLength?: number };
  if (key === undefined || modulusLength < SHORTEST_KEY_BITS) {
    throw new ConfigurationError(
      'PDS_KEY_FILE: must be an RSA private key of 2048 bits or more, PEM in PKCS #8 ("BEGIN PRIVATE KEY").',
    );
  }
  return key;
}
