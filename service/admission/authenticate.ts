import {
  decodeJwt,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose';
import type { ErrorCode } from '#schemas/errors.ts';
import { type Caller, callerOf } from '#schemas/people/caller.ts';
import {
  type Claims,
  isScope,
  registeredClaimsSchema,
  tokenHeaderSchema,
} from '#schemas/people/identity.ts';
import { namesEachOnce } from '../http/json-members.ts';
import { readClaims } from './claims.ts';
import { KeysUnavailable } from './issuer-keys.ts';
import type { TrustedIssuer } from './issuers.ts';
import type { Revocations } from './revocations.ts';

/**
 * `could-not-check` if the fault is not the token's: it is not known yet whether demo tokens count, the
 * issuer's keys cannot be fetched, or it takes too long. `user-blocked` for a good token.
 */
export type TokenRefusal = Extract<
  ErrorCode,
  `token-${string}` | 'could-not-check' | 'user-blocked'
>;

export type Authentication =
  | { kind: 'verified'; callers: readonly [Caller, ...Caller[]] }
  | {
      kind: 'refused';
      code: TokenRefusal;
      /** Who was refused, if the token was good. */
      caller?: Caller;
    };

/**
 * Verifies the value of an Authorization header. Never rejects because of what a client sent. A token
 * verified before is answered at once: the hot path waits for no promise.
 */
export type Authenticate = (
  authorization: string | undefined,
) => Authentication | Promise<Authentication>;

type AuthenticatorOptions = {
  issuers: readonly TrustedIssuer[];
  /** Whether tokens of the demo issuer count, asked at every use; undefined while it is not known. */
  demoAllowed: () => boolean | undefined;
  /** Tokens, users and clients no longer trusted. Default: none. */
  revocations?: Pick<Revocations, 'has' | 'version'> | undefined;
  /** Users blocked by the operator, read at every use. */
  blocked?: (userKey: string) => boolean;
  /** The registered name of an organisation, for tokens that do not give it. */
  organisationName?: (code: string) => string | undefined;
  now?: () => number;
};

/** As long as a whole lookup may take: something else may delay the verification of signatures. */
const VERIFIED_WITHIN_MS = 2_000;
/** Verified tokens kept: some 50 MiB of the largest, in practice a tenth of that. */
const KEPT_AT_MOST = 10_000;
/** At most until the token expires. */
const KEPT_FOR_MS = 60_000;
const LONGEST_TOKEN = 8 * 1024;
/** Anybody can make up a token that would have every key of a set tried. */
const KEYS_TRIED_AT_MOST = 10;
/** A day: for an opaque token that gives no expiry. It is still asked about again each minute. */
const LONGEST_SECONDS = 86_400;
/** The `typ` of an access token. The same issuer may also sign JWTs of other kinds, such as logout tokens. */
const ACCESS_TOKEN_TYPES = new Set([undefined, 'jwt', 'at+jwt', 'application/at+jwt']);
const BEARER = /^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)$/i;

/** The form of a token that is not a JWT (RFC 6750, section 2.1). */
const OPAQUE = /^Bearer +([A-Za-z0-9._~+/-]{8,}=*)$/i;

const refused = (code: TokenRefusal): Authentication => ({ kind: 'refused', code });

/** A caller for each role that the claims name. */
function callersOf(claims: Claims): [Caller, ...Caller[]] {
  const { iss: issuer, client_id: client, sub: user, name } = claims;
  const scopes = claims.scope.split(' ').filter(isScope);
  const callers = claims.roles.map((role) =>
    callerOf({ issuer, client, user, name, role, scopes }),
  );
  return callers as [Caller, ...Caller[]];
}

function refusalOf(error: unknown): TokenRefusal {
  if (error instanceof KeysUnavailable) return 'could-not-check';
  if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed) {
    // An invalid time or audience is neither late nor for others. The signature is good here.
    if (!registeredClaimsSchema.safeParse(error.payload).success) return 'token-claims';
    switch (error.claim) {
      case 'aud':
        return 'token-audience';
      case 'exp':
      case 'nbf':
      case 'iat':
        return error.reason === 'check_failed' ? 'token-expired' : 'token-claims';
      case 'typ':
        return 'token-malformed';
      default:
        return 'token-claims';
    }
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return 'token-malformed';
  }
  // Signature, algorithm, key: nothing in the token can be trusted.
  if (error instanceof errors.JOSEError) return 'token-untrusted';
  throw error;
}

/**
 * Verifies with the key that the token names or, if several match, with the one that signed it: a `kid` is a
 * hint and need be neither present nor unique (RFC 7515, section 4.1.4).
 */
async function verifyByAny(
  token: string,
  find: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, find, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let tried = 0;
    for await (const key of error) {
      if (++tried > KEYS_TRIED_AT_MOST) break;
      try {
        return await jwtVerify(token, key, options);
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** The result of a verification, or that it took too long. */
async function inTime(verification: Promise<Authentication>): Promise<Authentication> {
  const { promise: late, resolve } = Promise.withResolvers<Authentication>();
  const timer = setTimeout(() => resolve(refused('could-not-check')), VERIFIED_WITHIN_MS);
  try {
    return await Promise.race([verification, late]);
  } finally {
    clearTimeout(timer);
  }
}

type Kept = {
  callers: readonly [Caller, ...Caller[]];
  verified: Authentication;
  issuer: TrustedIssuer;
  /** Milliseconds since 1970, as is `until`. */
  since: number;
  until: number;
  keys: number;
  revocations: number;
};

/**
 * Verifies bearer tokens: signed by a key of the issuer they name, with an algorithm configured for that
 * issuer, for its audience, in force, not revoked, and naming the caller and roles.
 *
 * Only verified tokens are kept, by the whole header, so that nobody without one can fill the memory; a
 * stored one is used for at most a minute, never past its expiry, and not once keys or revocations changed.
 */
export function createAuthenticator(options: AuthenticatorOptions): Authenticate {
  const { demoAllowed, revocations, now = Date.now } = options;
  const { blocked = () => false, organisationName = () => undefined } = options;
  const issuers = new Map(options.issuers.map((issuer) => [issuer.issuer, issuer]));
  const [introspecting] = options.issuers.flatMap((issuer) =>
    issuer.introspection === undefined ? [] : [{ issuer, introspection: issuer.introspection }],
  );
  const kept = new Map<string, Kept>();

  /** Why no token of an issuer counts at present, if none does. */
  function barred(issuer: TrustedIssuer): TokenRefusal | undefined {
    if (!issuer.demoOnly) return undefined;
    const allowed = demoAllowed();
    if (allowed === undefined) return 'could-not-check';
    return allowed ? undefined : 'token-untrusted';
  }

  async function verify(
    token: string,
    { issuer, audience, algorithms, type, ...trusted }: TrustedIssuer,
  ): Promise<JWTVerifyResult | TokenRefusal> {
    try {
      const verified = await verifyByAny(token, trusted.keys.find, {
        issuer,
        audience,
        algorithms: [...algorithms],
        clockTolerance: trusted.clockToleranceSeconds,
        requiredClaims: ['exp'],
        currentDate: new Date(now()),
        ...(type !== undefined && { typ: type }),
        ...(trusted.maxTokenAgeSeconds !== undefined && {
          maxTokenAge: trusted.maxTokenAgeSeconds,
        }),
      });
      const head = tokenHeaderSchema.safeParse(verified.protectedHeader).data;
      if (head === undefined) return 'token-malformed';
      const sort = head.typ?.toLowerCase();
      if (type === undefined && !ACCESS_TOKEN_TYPES.has(sort)) return 'token-malformed';
      // Revocations hold texts, which a `jti` that is a number would not match.
      return registeredClaimsSchema.safeParse(verified.payload).success ? verified : 'token-claims';
    } catch (error) {
      return refusalOf(error);
    }
  }

  function keep(authorization: string, entry: Kept): void {
    if (kept.size >= KEPT_AT_MOST) {
      const [oldest] = kept.keys();
      if (oldest !== undefined) kept.delete(oldest);
    }
    kept.set(authorization, entry);
  }

  /** Whether a verified token still counts at this moment. */
  function answerOf({ callers, verified, issuer }: Kept): Authentication {
    const bar = barred(issuer);
    if (bar !== undefined) return refused(bar);
    const [caller] = callers;
    return blocked(caller.userKey) ? { kind: 'refused', code: 'user-blocked', caller } : verified;
  }

  function isFresh({ since, until, keys, revocations: then, issuer }: Kept): boolean {
    const at = now();
    // Not by a clock that has been put back since.
    const isNow = at >= since && at < until;
    return isNow && keys === issuer.keys.version && then === (revocations?.version ?? 0);
  }

  async function authenticateAnew(authorization: string): Promise<Authentication> {
    if (authorization.length > LONGEST_TOKEN) return refused('token-malformed');
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) return authenticateOpaque(authorization);

    let claimedIssuer: unknown;
    try {
      claimedIssuer = decodeJwt(token).iss;
    } catch {
      return refused('token-malformed');
    }
    // The signature is empty, whatever algorithm the header names.
    if (token.endsWith('.')) return refused('token-unsigned');
    const issuer = issuers.get(typeof claimedIssuer === 'string' ? claimedIssuer : '');
    const bar = issuer === undefined ? 'token-untrusted' : barred(issuer);
    if (issuer === undefined || bar !== undefined) return refused(bar ?? 'token-untrusted');

    // The present values: any later change counts as a change after the verification.
    const { version: keys } = issuer.keys;
    const revocationsThen = revocations?.version ?? 0;
    const result = await verify(token, issuer);
    if (typeof result === 'string') return refused(result);
    const { payload } = result;
    const bytes = Buffer.from(token.split('.')[1] ?? '', 'base64url');
    if (!namesEachOnce(bytes, payload)) return refused('token-malformed');
    return admit(authorization, issuer, payload, keys, revocationsThen);
  }

  /** Asks the one issuer that resolves tokens other than JWTs. */
  async function authenticateOpaque(authorization: string): Promise<Authentication> {
    const token = OPAQUE.exec(authorization)?.[1];
    if (token === undefined || introspecting === undefined) return refused('token-malformed');
    const { issuer, introspection } = introspecting;
    const bar = barred(issuer);
    if (bar !== undefined) return refused(bar);
    const { version: keys } = issuer.keys;
    const revocationsThen = revocations?.version ?? 0;
    // The answer counts from when it was asked for, since it may have been long on its way.
    const asked = now();
    const found = await introspection.inspect(token);
    switch (found.kind) {
      case 'unavailable':
        return refused('could-not-check');
      case 'inactive':
        return refused('token-expired');
      case 'other-audience':
        return refused('token-audience');
      case 'bound':
        return refused('token-untrusted');
      case 'no-user':
        return refused('token-claims');
      case 'active': {
        const { exp = Number.POSITIVE_INFINITY, nbf = 0, iat } = found.payload;
        const seconds = now() / 1_000;
        const { clockToleranceSeconds: tolerance, maxTokenAgeSeconds } = issuer;
        const isLate =
          seconds >= exp + tolerance ||
          seconds < nbf - tolerance ||
          (maxTokenAgeSeconds !== undefined &&
            seconds >= (iat ?? 0) + maxTokenAgeSeconds + tolerance);
        if (isLate) return refused('token-expired');
        const payload = { ...found.payload, exp: Math.min(exp, seconds + LONGEST_SECONDS) };
        return admit(authorization, issuer, payload, keys, revocationsThen, asked);
      }
    }
  }

  /** The result for a good token, which is then stored. */
  function admit(
    authorization: string,
    issuer: TrustedIssuer,
    payload: JWTPayload,
    keys: number,
    revocationsThen: number,
    since = now(),
  ): Authentication {
    const claims = readClaims(payload, issuer.mapping, organisationName);
    if (claims === undefined) return refused('token-claims');
    const { client_id: client, sub: user } = claims;
    if (revocations?.has({ issuer: issuer.issuer, jti: payload.jti, user, client }) === true) {
      return refused('token-revoked');
    }

    const callers = callersOf(claims);
    const { maxTokenAgeSeconds, clockToleranceSeconds } = issuer;
    const agesOut =
      maxTokenAgeSeconds === undefined
        ? Number.POSITIVE_INFINITY
        : (payload.iat ?? 0) + maxTokenAgeSeconds;
    const endsMs = (Math.min(claims.exp, agesOut) + clockToleranceSeconds) * 1_000;
    const entry: Kept = {
      callers,
      verified: { kind: 'verified', callers },
      issuer,
      since,
      until: Math.min(since + KEPT_FOR_MS, endsMs),
      keys,
      revocations: revocationsThen,
    };
    keep(authorization, entry);
    return answerOf(entry);
  }

  return function authenticate(authorization) {
    if (authorization === undefined) return refused('token-required');
    const known = kept.get(authorization);
    if (known !== undefined) {
      if (isFresh(known)) return answerOf(known);
      kept.delete(authorization);
    }
    if (!/^Bearer(?: |$)/i.test(authorization)) return refused('token-required');
    return inTime(authenticateAnew(authorization));
  };
}
