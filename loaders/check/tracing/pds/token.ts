import { randomUUID } from 'node:crypto';
import { type CryptoKey, SignJWT } from 'jose';
import { z } from 'zod';
import { PDS } from '#schemas/wording/loads.ts';
import { NumberTracingUnavailable } from '../tracer.ts';
import { request } from './answers.ts';

/** How this service identifies itself: the key registered with the API platform (application-restricted access). */
type PdsCredentials = {
  tokenUrl: string;
  apiKey: string;
  keyId: string;
  /** RSA, for RS512. */
  privateKey: CryptoKey;
};

const TOKEN_DEADLINE_MS = 10_000;
/** At most five minutes are accepted. */
const ASSERTION_LIFE = '3 minutes';
/** A token is renewed this long before it expires, so that none expires on its way. */
const RENEWED_BEFORE_MS = 30_000;
/** A longer expiry counts as a day. */
const LIFE_AT_MOST_SECONDS = 86_400;

const tokenSchema = z.object({
  access_token: z.string().regex(/^[\x21-\x7e]{1,4096}$/),
  // The platform gives it as a text of digits.
  expires_in: z
    .union([z.number(), z.string().regex(/^[0-9]{1,9}$/)])
    .transform(Number)
    .pipe(z.number().min(1)),
});

export type Tokens = {
  /**
   * A token that stays valid for some time. However many callers ask, one is fetched at a time.
   *
   * @throws {NumberTracingUnavailable} if none can be obtained
   */
  token(): Promise<string>;
  /** Not to be given again, since the service refused it. */
  forget(token: string): void;
};

/** @param now milliseconds since 1970 */
export function createTokens(credentials: PdsCredentials, now: () => number = Date.now): Tokens {
  let held: { token: string; until: number } | undefined;
  let fetching: Promise<string> | undefined;

  async function fetchToken(): Promise<string> {
    const { tokenUrl, apiKey, keyId, privateKey } = credentials;
    const assertion = await new SignJWT()
      .setProtectedHeader({ alg: 'RS512', typ: 'JWT', kid: keyId })
      .setIssuer(apiKey)
      .setSubject(apiKey)
      .setAudience(tokenUrl)
      .setJti(randomUUID())
      .setExpirationTime(ASSERTION_LIFE)
      .sign(privateKey);
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }).toString();
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    };
    const asked = now();
    const answer = await request(tokenUrl, { method: 'POST', headers, body }, TOKEN_DEADLINE_MS);
    if (typeof answer === 'string') throw new NumberTracingUnavailable(PDS.noToken(answer));
    const granted = tokenSchema.safeParse(answer.json).data;
    if (answer.status !== 200 || granted === undefined) {
      throw new NumberTracingUnavailable(PDS.tokenRefused(answer.status));
    }
    const seconds = Math.min(granted.expires_in, LIFE_AT_MOST_SECONDS);
    // One that lasts no longer than the renewal margin is used for half its time.
    const early = Math.min(RENEWED_BEFORE_MS, seconds * 500);
    held = { token: granted.access_token, until: asked + seconds * 1_000 - early };
    return granted.access_token;
  }

  return {
    token() {
      if (held !== undefined && now() < held.until) return Promise.resolve(held.token);
      fetching ??= fetchToken().finally(() => {
        fetching = undefined;
      });
      return fetching;
    },
    forget(token) {
      if (held?.token === token) held = undefined;
    },
  };
}
