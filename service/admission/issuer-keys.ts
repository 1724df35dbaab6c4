// By hand around jose's local key set, since its remote one (6.2) starts its cooldown only with a fetch that
// succeeds, so that each made-up token would cause a request to an issuer that is down; it reads answers of
// any size, and reports neither changed keys nor why they could not be fetched.

import { createLocalJWKSet, errors, type JWK, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { parseJson } from '#schemas/json.ts';
import { ADMISSION } from '#schemas/wording/operations.ts';
import { readBounded } from '#store/files/bounded-body.ts';

/** The present keys of an issuer. */
export type IssuerKeys = {
  find: JWTVerifyGetKey;
  /** Rises whenever the keys may have changed: anything verified with an earlier set is no longer trusted. */
  readonly version: number;
  /** Whether a token of this issuer can be judged now. */
  readonly usable: boolean;
  /** Why newer keys could not be fetched, if so, and what that means for tokens: sentences. */
  readonly problem: string | undefined;
  /** Unused keys of the set: what each is. */
  readonly passedOver: readonly string[];
  /** How long these keys count if they can no longer be fetched; absent if they are in a file. */
  readonly remainingMs?: number;
  stop: () => void;
};

/** No keys are available to judge a token, which is not the token's fault. */
export class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

const SECRET_MEMBERS = ['d', 'k', 'priv'];
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * A set of keys, each of any kind. A private or shared key among them is a mistake that stops the start:
 * anybody who can read the set could sign tokens.
 */
export const keySetSchema = z.object({
  keys: z
    .array(
      z
        .unknown()
        .refine(
          (key) => !(isObject(key) && SECRET_MEMBERS.some((name) => Object.hasOwn(key, name))),
          {
            error: 'must not be a private or shared key',
          },
        ),
    )
    .min(1)
    .max(100),
});

/** What is wrong with a set of keys, as the end of a sentence. */
export class UnusableKeys extends Error {
  override name = 'UnusableKeys';
}

export type KeySet = { find: JWTVerifyGetKey; keys: readonly JWK[]; passedOver: readonly string[] };

/** Shorter RSA keys verify nothing (RFC 7518 section 3.3). */
const SHORTEST_RSA_BITS = 2048;

/** Whether a token that is signed by `alg` and names this key could be verified with it. */
async function fits(key: JWK, alg: string): Promise<boolean> {
  try {
    const { kid } = key;
    const found = await createLocalJWKSet({ keys: [key] })({
      alg,
      ...(kid !== undefined && { kid }),
    });
    const { modulusLength } = found.algorithm as { modulusLength?: number };
    return modulusLength === undefined || modulusLength >= SHORTEST_RSA_BITS;
  } catch {
    return false;
  }
}

/** A key in words that are safe to show: a set may hold anything. */
function described(key: unknown, index: number): string {
  const textOf = (name: string): string | undefined => {
    const value = isObject(key) ? key[name] : undefined;
    return typeof value === 'string' && /^[\w.:+/=-]{1,64}$/.test(value) ? value : undefined;
  };
  return `${textOf('kid') ?? `number ${index + 1}`} (${textOf('kty') ?? 'of no known kind'})`;
}

/**
 * The keys of a set that can verify tokens signed by one of the algorithms. A key that is unknown, incomplete
 * or for other uses is ignored (RFC 7517 section 5), so that a key of a new kind does not affect the others.
 *
 * @throws {UnusableKeys} if none is left
 */
export async function usableKeys(
  { keys }: z.infer<typeof keySetSchema>,
  algorithms: readonly string[],
): Promise<KeySet> {
  const usable: JWK[] = [];
  const passedOver: string[] = [];
  for (const [index, key] of keys.entries()) {
    const fitting = isObject(key) && (await Promise.all(algorithms.map((alg) => fits(key, alg))));
    if (fitting && fitting.includes(true)) usable.push(key);
    else passedOver.push(described(key, index));
  }
  if (usable.length === 0) {
    throw new UnusableKeys(`holds no key for ${algorithms.join(', ')}, but ${listed(passedOver)}`);
  }
  return { find: createLocalJWKSet({ keys: usable }), keys: usable, passedOver };
}

const LISTED_AT_MOST = 5;

/** A list of keys in words, of limited length. */
export function listed(keys: readonly string[]): string {
  const more = keys.length - LISTED_AT_MOST;
  return `${keys.slice(0, LISTED_AT_MOST).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

type RemoteKeysOptions = {
  /** How often the keys are fetched again. Default 300,000. */
  refreshMs?: number;
  /** Between fetches caused by tokens with unknown keys, or by failures. Default 30,000. */
  cooldownMs?: number;
  /** Default 1,500: a lookup may be waiting. */
  fetchDeadlineMs?: number;
  /** How long keys count that could not be fetched again. Default 24 hours. */
  keepMs?: number;
  onProblem?: (sentence: string) => void;
};

const LARGEST_JWKS_BYTES = 256 * 1024;

async function fetchKeys(
  url: string,
  algorithms: readonly string[],
  deadlineMs: number,
): Promise<KeySet> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    // An answer from elsewhere is not this issuer's.
    redirect: 'manual',
    signal: AbortSignal.timeout(deadlineMs),
  });
  if (response.status !== 200) throw new UnusableKeys(`has status ${response.status} and not 200`);
  const body = await readBounded(response, LARGEST_JWKS_BYTES);
  if (body === undefined) throw new UnusableKeys('is larger than 256 KiB');
  const content = parseJson(body.toString('utf8'));
  if (content === undefined) throw new UnusableKeys('is not JSON');
  const parsed = keySetSchema.safeParse(content);
  if (parsed.success) return usableKeys(parsed.data, algorithms);
  const [issue] = parsed.error.issues;
  throw new UnusableKeys(
    `is no set of public keys (${issue?.path.join('.') || 'as a whole'}: ${issue?.message})`,
  );
}

const UNREACHABLE: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was broken off',
  UND_ERR_SOCKET: 'the connection was broken off',
  ENOTFOUND: 'its host name was not found',
  EAI_AGAIN: 'its host name could not be looked up',
};
const OF_TLS = /^(?:ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_)/;

/** Why keys could not be fetched, as a sentence without its full stop. Nothing received is repeated. */
function reasonOf(error: unknown, deadlineMs: number): string {
  if (error instanceof UnusableKeys) return `the answer ${error.message}`;
  if (!(error instanceof Error)) return 'the request failed';
  if (error.name === 'TimeoutError') return `no whole answer came within ${deadlineMs / 1_000} s`;
  const cause: unknown = error.cause;
  const code = isObject(cause) && typeof cause['code'] === 'string' ? cause['code'] : undefined;
  if (code === undefined) return `the request failed (${error.name})`;
  if (OF_TLS.test(code)) return `TLS failed (${code}); see its certificate and NODE_EXTRA_CA_CERTS`;
  return UNREACHABLE[code] ?? `the request failed (${code})`;
}

/**
 * Keys published at an address: fetched at once and every few minutes, and when a token names an unknown key,
 * but no more often than the cooldown allows, since anybody can make up such a token. While they cannot be
 * fetched the last ones count, for a day. Only a request that names an unknown key waits, and only as long as
 * a fetch may take.
 */
export function remoteKeys(
  url: string,
  algorithms: readonly string[],
  options: RemoteKeysOptions = {},
): IssuerKeys {
  const {
    refreshMs = 300_000,
    cooldownMs = 30_000,
    fetchDeadlineMs = 1_500,
    keepMs = 86_400_000,
    onProblem,
  } = options;
  let keys: KeySet | undefined;
  let text = '';
  /** When the keys were last fetched, on a clock that never goes back, and as people write it. */
  let fetched: { at: number; date: Date } | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let version = 0;
  let reason: string | undefined;
  let said: string | undefined;
  let fetching: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const remainingMs = (): number =>
    fetched === undefined ? 0 : Math.max(0, fetched.at + keepMs - performance.now());
  const inForce = (): KeySet | undefined => (remainingMs() > 0 ? keys : undefined);

  function problem(): string | undefined {
    const why = reason === undefined ? '' : `: ${reason}`;
    if (inForce() === undefined) {
      return ADMISSION.keysNotFetched(url, fetched?.date.toISOString(), why);
    }
    if (reason === undefined || fetched === undefined) return undefined;
    const until = new Date(fetched.date.getTime() + keepMs).toISOString();
    return ADMISSION.keysNotFetchedAgain(url, until, why);
  }

  async function fetchOnce(): Promise<void> {
    triedAt = performance.now();
    try {
      const now = await fetchKeys(url, algorithms, fetchDeadlineMs);
      const nowText = JSON.stringify(now.keys);
      if (nowText !== text) {
        text = nowText;
        version++;
      } else if (keys !== undefined) {
        // The same keys: their imported forms are kept.
        now.find = keys.find;
      }
      keys = now;
      fetched = { at: performance.now(), date: new Date() };
      reason = undefined;
    } catch (error) {
      reason = reasonOf(error, fetchDeadlineMs);
    }
    const sentence = problem();
    if (sentence !== undefined && sentence !== said) onProblem?.(sentence);
    said = sentence;
  }

  function refresh(): Promise<void> {
    fetching ??= fetchOnce().finally(() => {
      fetching = undefined;
      clearTimeout(timer);
      const nextMs = reason === undefined ? refreshMs : cooldownMs;
      if (!stopped) timer = setTimeout(() => void refresh(), nextMs).unref();
    });
    return fetching;
  }
  void refresh();

  /** Resolves once the keys are as new as may be asked for now. */
  async function renewed(): Promise<void> {
    if (fetching !== undefined || performance.now() - triedAt >= cooldownMs) await refresh();
  }

  const find: JWTVerifyGetKey = async (header, token) => {
    if (inForce() === undefined) await renewed();
    const before = inForce()?.find;
    if (before === undefined) throw new KeysUnavailable();
    try {
      return await before(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await renewed();
      const after = inForce()?.find;
      if (after === undefined || after === before) throw error;
      return after(header, token);
    }
  };

  return {
    find,
    get version() {
      return version;
    },
    get usable() {
      return inForce() !== undefined;
    },
    get problem() {
      return problem();
    },
    get passedOver() {
      return keys?.passedOver ?? [];
    },
    get remainingMs() {
      return remainingMs();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
