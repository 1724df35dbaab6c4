import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';

/** The keys of an issuer as they are now. */
export type IssuerKeys = {
  find: JWTVerifyGetKey;
  /** Rises whenever the keys may have changed: what was verified with an earlier set is not trusted. */
  readonly version: number;
  /** Why newer keys could not be had, if so: a sentence. */
  readonly problem: string | undefined;
  /** How long these keys count though they can be fetched no more; absent where they are in a file. */
  readonly remainingMs?: number;
  stop: () => void;
};

/** No keys are at hand to judge a token by, and that is not the token's fault. */
export class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

/** Public keys only: a private or shared key among them is a mistake to stop at, not to work with. */
export const publicKeysSchema = z.object({
  keys: z
    .array(
      z
        .looseObject({
          kty: z.enum(['RSA', 'EC', 'OKP'], { error: 'must be a public RSA, EC or OKP key' }),
        })
        .refine((key) => !('d' in key), { error: 'must not be a private key' }),
    )
    .min(1)
    .max(100),
});

export type RemoteKeysOptions = {
  /** How often the keys are fetched again. Default 300,000. */
  refreshMs?: number;
  /** Between fetches that tokens of unknown keys, or failures, bring about. Default 30,000. */
  cooldownMs?: number;
  /** Default 1,500: a lookup may be waiting. */
  fetchDeadlineMs?: number;
  /** How long keys count that could not be fetched again. Default 24 hours. */
  keepMs?: number;
  onProblem?: (sentence: string) => void;
};

const LARGEST_JWKS_BYTES = 256 * 1024;

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (response.body === null) return '';
  const body: AsyncIterable<Uint8Array> = response.body;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > LARGEST_JWKS_BYTES) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function fetchKeys(url: string, deadlineMs: number): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    // An answer from elsewhere is not this issuer's.
    redirect: 'error',
    signal: AbortSignal.timeout(deadlineMs),
  });
  if (response.status !== 200) throw new Error('not answered with 200');
  return publicKeysSchema.parse(JSON.parse(await readBounded(response)));
}

/**
 * Keys published at an address: fetched at once and every few minutes, and when a token names a key that
 * is not among them, but not more often than the cooldown allows, since anybody can make up such a token.
 * While they cannot be fetched the last ones count, for a day; no request waits but one that names an
 * unknown key, and that only as long as a fetch may take.
 */
export function remoteKeys(url: string, options: RemoteKeysOptions = {}): IssuerKeys {
  const {
    refreshMs = 300_000,
    cooldownMs = 30_000,
    fetchDeadlineMs = 1_500,
    keepMs = 86_400_000,
    onProblem,
  } = options;
  let keys: JWTVerifyGetKey | undefined;
  let text = '';
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let version = 0;
  let problem: string | undefined;
  let fetching: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function fetchOnce(): Promise<void> {
    triedAt = performance.now();
    try {
      const fetched = await fetchKeys(url, fetchDeadlineMs);
      const now = JSON.stringify(fetched);
      if (now !== text) {
        keys = createLocalJWKSet(fetched);
        text = now;
        version++;
      }
      fetchedAt = performance.now();
      problem = undefined;
    } catch (error) {
      const why = error instanceof z.ZodError ? 'are no public keys' : 'cannot be fetched';
      const sentence = `The keys at ${url} ${why}; those fetched before count for ${keepMs / 3_600_000} hours.`;
      if (problem !== sentence) onProblem?.(sentence);
      problem = sentence;
    }
  }

  function refresh(): Promise<void> {
    fetching ??= fetchOnce().finally(() => {
      fetching = undefined;
      clearTimeout(timer);
      const nextMs = problem === undefined ? refreshMs : cooldownMs;
      if (!stopped) timer = setTimeout(() => void refresh(), nextMs).unref();
    });
    return fetching;
  }
  void refresh();

  /** Resolves once the keys are as new as may be asked for now. */
  async function renewed(): Promise<void> {
    if (fetching !== undefined || performance.now() - triedAt >= cooldownMs) await refresh();
  }

  const inForce = (): JWTVerifyGetKey | undefined =>
    performance.now() - fetchedAt < keepMs ? keys : undefined;

  const find: JWTVerifyGetKey = async (header, token) => {
    if (inForce() === undefined) await renewed();
    const before = inForce();
    if (before === undefined) throw new KeysUnavailable();
    try {
      return await before(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await renewed();
      const after = inForce();
      if (after === undefined || after === before) throw error;
      return after(header, token);
    }
  };

  return {
    find,
    get version() {
      return version;
    },
    get problem() {
      return problem;
    },
    get remainingMs() {
      return Math.max(0, fetchedAt + keepMs - performance.now());
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
