import { createHash } from 'node:crypto';
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import type { ErrorCode } from '#schemas/errors.ts';
import { type Claims, claimsSchema, type Identity, SCOPES, type Scope } from '#schemas/identity.ts';
import type { TrustedIssuer } from './issuers.ts';

/** `could-not-check` where it is not known yet whether demo tokens count. */
export type TokenRefusal = Extract<ErrorCode, `token-${string}` | 'could-not-check'>;

/**
 * A verified caller in one role, with what every lookup would otherwise compute again: `eventJson` is
 * the caller as an audit event holds it, `accessEntry` as others see it, `userKey` who it is whatever
 * the organisation.
 */
export type Caller = {
  identity: Identity;
  eventJson: string;
  accessEntry: string;
  userKey: string;
};

export type Authentication =
  | { kind: 'verified'; callers: readonly [Caller, ...Caller[]] }
  | { kind: 'refused'; code: TokenRefusal };

/** Verifies the value of an Authorization header. Never rejects for what a client sent. */
export type Authenticate = (authorization: string | undefined) => Promise<Authentication>;

export type AuthenticatorOptions = {
  issuers: readonly TrustedIssuer[];
  /** Whether tokens of the demo issuer count, asked at every use; undefined while it is not known. */
  demoAllowed: () => boolean | undefined;
  /** Verified tokens kept. Default 10,000: some 50 MiB of the largest, a tenth of that in practice. */
  cacheSize?: number;
  /** How long a verification counts, at most until the token expires. Default 60,000. */
  cacheMs?: number;
  now?: () => number;
};

const LONGEST_TOKEN = 8 * 1024;
const CLOCK_TOLERANCE_SECONDS = 5;
const BEARER = /^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)$/i;

const refused = (code: TokenRefusal): Authentication => ({ kind: 'refused', code });

function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text);
}

function callersOf(claims: Claims): [Caller, ...Caller[]] {
  const { iss: issuer, client_id: client, sub: user, name } = claims;
  const scopes = claims.scope.split(' ').filter(isScope);
  const userKey = createHash('sha256')
    .update(JSON.stringify([issuer, user]))
    .digest('base64url');
  const callers = claims.roles.map((role): Caller => {
    const { organisation } = role;
    return {
      identity: { issuer, client, user, name, role, scopes },
      eventJson: JSON.stringify({
        issuer,
        client,
        user,
        name,
        role: { code: role.code, name: role.name },
        organisation,
      }),
      accessEntry: JSON.stringify({ name, role: role.name, roleCode: role.code, organisation }),
      userKey,
    };
  });
  return callers as [Caller, ...Caller[]];
}

function refusalOf(error: unknown): TokenRefusal {
  if (error instanceof errors.JWTExpired) return 'token-expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    switch (error.claim) {
      case 'aud':
        return 'token-audience';
      case 'nbf':
        return 'token-expired';
      default:
        return 'token-claims';
    }
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return 'token-malformed';
  }
  // Signature, algorithm, key: nothing of the token can be believed.
  if (error instanceof errors.JOSEError) return 'token-untrusted';
  throw error;
}

/**
 * Verifies bearer tokens: signed by a key of the issuer they name, with an algorithm configured for
 * that issuer, for its audience, in force (5 s of tolerance), and saying who asks in which roles.
 *
 * Only verified tokens are kept, by their whole text, so that nobody without one can fill the memory;
 * a kept one is used for at most a minute and never past its expiry.
 */
export function createAuthenticator(options: AuthenticatorOptions): Authenticate {
  const { demoAllowed, cacheSize = 10_000, cacheMs = 60_000, now = Date.now } = options;
  const issuers = new Map(options.issuers.map((issuer) => [issuer.issuer, issuer]));
  const kept = new Map<
    string,
    { verified: Authentication; issuer: TrustedIssuer; until: number }
  >();

  /** Why no token of an issuer counts now, if none does. */
  function barred(issuer: TrustedIssuer): TokenRefusal | undefined {
    if (!issuer.demo) return undefined;
    const allowed = demoAllowed();
    if (allowed === undefined) return 'could-not-check';
    return allowed ? undefined : 'token-untrusted';
  }

  async function verify(token: string, issuer: TrustedIssuer): Promise<JWTPayload | TokenRefusal> {
    try {
      const { payload } = await jwtVerify(token, issuer.keys, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: [...issuer.algorithms],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['exp'],
        currentDate: new Date(now()),
      });
      return payload;
    } catch (error) {
      return refusalOf(error);
    }
  }

  function makeRoom(): void {
    if (kept.size < cacheSize) return;
    const [oldest] = kept.keys();
    if (oldest !== undefined) kept.delete(oldest);
  }

  return async function authenticate(authorization) {
    if (authorization === undefined || !/^Bearer(?: |$)/i.test(authorization)) {
      return refused('token-required');
    }
    if (authorization.length > LONGEST_TOKEN) return refused('token-malformed');
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) return refused('token-malformed');

    const known = kept.get(token);
    if (known !== undefined && now() < known.until) {
      const bar = barred(known.issuer);
      return bar === undefined ? known.verified : refused(bar);
    }
    kept.delete(token);

    let claimed: JWTPayload;
    try {
      claimed = decodeJwt(token);
    } catch {
      return refused('token-malformed');
    }
    const issuer = issuers.get(typeof claimed.iss === 'string' ? claimed.iss : '');
    const bar = issuer === undefined ? 'token-untrusted' : barred(issuer);
    if (issuer === undefined || bar !== undefined) return refused(bar ?? 'token-untrusted');
    const payload = await verify(token, issuer);
    if (typeof payload === 'string') return refused(payload);
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) return refused('token-claims');

    const verified: Authentication = { kind: 'verified', callers: callersOf(claims.data) };
    const expiresMs = (claims.data.exp + CLOCK_TOLERANCE_SECONDS) * 1000;
    makeRoom();
    kept.set(token, { verified, issuer, until: Math.min(now() + cacheMs, expiresMs) });
    return verified;
  };
}
