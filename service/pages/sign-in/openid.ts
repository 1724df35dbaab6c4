// One file, since one provider's sign-in and sign-out are checked by the same keys, clock and answers.

import { createHash } from 'node:crypto';
import { errors, jwtVerify } from 'jose';
import * as openid from 'openid-client';
import { z } from 'zod';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import { ACTIVITY_SILENT, ACTIVITY_UNSCHEDULED } from '#schemas/people/care-setting.ts';
import type { ClaimMapping, Claims } from '#schemas/people/identity.ts';
import { isScope } from '#schemas/people/identity.ts';
import { SIGN_IN_FOR, type SignInFor, type SignInProvider } from '#schemas/people/sign-in.ts';
import { SIGN_IN_PROVIDERS } from '#schemas/wording/operations.ts';
import { readBounded } from '#store/files/bounded-body.ts';
import { mappingOf, parseClaims } from '../../admission/claims.ts';
import { type IssuerKeys, KeysUnavailable, remoteKeys } from '../../admission/issuer-keys.ts';
import type { Flow } from '../session/visits.ts';
import { type ClientProof, readClientProof } from './client-keys.ts';
import {
  createProviderHealth,
  faultOf,
  isKeyUnknown,
  type ProviderState,
  refusedTimesOf,
} from './provider-health.ts';
import { createTries, type Tries } from './tries.ts';

/** What a provider said about somebody, as far as a refusal page repeats it. */
export type Sent = {
  identityAssurance?: string | undefined;
  authenticationAssurance?: string | undefined;
  /** What is missing or has an unexpected form, by our own names for it. */
  unreadable?: string | undefined;
};

/** Who came back from a provider: in each role that it names, or why nobody is let in. */
export type Returned =
  | { kind: 'known'; claims: Claims; subject: string; sid?: string | undefined; sent: Sent }
  | { kind: 'refused'; cause: 'denied' | 'unavailable' | 'not-finished' }
  | {
      kind: 'refused';
      cause: 'role' | 'unreadable' | 'assurance';
      name: string;
      user: string;
      /** Where they could be read. */
      claims?: Claims | undefined;
      sent: Sent;
    };

/** A session that a provider has ended. `jti` counts once. */
type LoggedOut = {
  issuer: string;
  jti: string;
  subject?: string | undefined;
  sid?: string | undefined;
};

export type Provider = Pick<SignInProvider, 'id' | 'name' | 'for' | 'issuer'> & {
  /** Reached without TLS: for a demo only. */
  demoOnly: boolean;
  canChangeRole: boolean;
  /** Public keys by which the provider recognises this service; it may fetch them. */
  publicKeys: ClientProof['publicKeys'];
  /** What decides who is let in, for the digest of the configuration. */
  described: unknown;
  /** Its digest, by which a session knows whether the provider is unchanged. */
  settings: string;
  /** Where the browser is sent; `undefined` if the provider does not answer. */
  start: (changeRole: boolean) => Promise<{ url: URL; flow: Omit<Flow, 'begunAt'> } | undefined>;
  /** How often it may be asked about codes that may be made up. */
  tries: Tries;
  /** Judges what the browser brings back. Never rejects. */
  finish: (search: string, flow: Flow) => Promise<Returned>;
  /**
   * What a logout token ends; `undefined` if it is not one from this provider for us; `unavailable` if that
   * cannot be judged now, and it should be sent again.
   */
  readLogoutToken: (token: string) => Promise<LoggedOut | 'unavailable' | undefined>;
  /** Whether it answers, as far as is known. */
  readonly state: ProviderState;
  stop: () => void;
};

const DEADLINE_SECONDS = 5;
/** No answer of a provider comes near this. */
const ANSWER_AT_MOST_BYTES = 262_144;
/**
 * What a provider says about the person; any other error concerns the provider or this service. Source:
 * OpenID Connect Core, section 3.1.2.6.
 */
const DENIED: ReadonlySet<string> = new Set([
  'access_denied',
  'login_required',
  'interaction_required',
  'account_selection_required',
  'consent_required',
]);
/** How many useless codes are tried, however many strangers bring them. A real sign-in uses up none. */
const TRIES = { atMost: 50, perSecond: 5 };
const DISCOVERED_FOR_MS = 3_600_000;
/** Whether or not anybody signs in. */
const LOOK_EVERY_MS = 60_000;
const DISCOVERED_AGAIN_AFTER_MS = 2_000;
/** What a gateway answers while the provider is not behind it, or if it is asked too often; others show that it is back. */
const NOT_BACK: ReadonlySet<number> = new Set([404, 429]);
/** The answer of a firewall that lets nobody through, and of some providers to a request without a code or a token. */
const FORBIDDEN = 403;
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const LOGOUT_TOKEN_LASTS_SECONDS = 300;
/** More than a provider's clock and ours usually differ by. A sign-out is meant even if the clocks differ. */
const CLOCKS_APART_SECONDS = 60;
/** Some providers date tokens back by five minutes, so that clocks may differ by as much. */
const BEHIND_AT_MOST_SECONDS = 330;
/** The first by the specification; older providers name the plain one, or none. */
const LOGOUT_TOKEN_TYPES: ReadonlySet<string | undefined> = new Set([
  'logout+jwt',
  'jwt',
  undefined,
]);
const ALGORITHMS = ['RS256', 'PS256', 'ES256'] as const;
/** The claim that names the client for everybody; tokens name it in various ways. */
const CLIENT = 'cp-flags-client';

const CIS2_SCOPE = 'openid profile email nationalrbacaccess associatedorgs';

const logoutClaimsSchema = z
  .looseObject({
    jti: z.string().min(1).max(200),
    sub: z.string().optional(),
    sid: z.string().optional(),
    nonce: z.undefined().optional(),
    events: z.looseObject({ [LOGOUT_EVENT]: z.looseObject({}) }),
  })
  .refine(({ sub, sid }) => (sub ?? sid) !== undefined);

const textSchema = z.union([z.string(), z.number()]).transform(String).optional().catch(undefined);
const sentSchema = z.object({
  name: textSchema,
  id_assurance_level: textSchema,
  authentication_assurance_level: textSchema,
});

/** What the people of a provider may be here, whatever it says. */
export function limited<C extends Pick<Claims, 'scope' | 'roles'>>(claims: C, whom: SignInFor): C {
  const { looksUp, scopes } = SIGN_IN_FOR[whom];
  const counts = (activity: string): boolean =>
    looksUp && (activity === ACTIVITY_UNSCHEDULED || activity === ACTIVITY_SILENT);
  return {
    ...claims,
    scope: claims.scope
      .split(' ')
      .filter((scope) => isScope(scope) && scopes.some((each) => each === scope))
      .join(' '),
    roles: claims.roles.map((role) => ({
      ...role,
      activities: [...new Set(role.activities.filter(counts))],
    })),
  };
}

/** They are part of a cookie, which browsers drop if it is too long. Source: OpenID Connect Core, section 2. */
const ID_AT_MOST_BYTES = 255;
const idSchema = z.string().refine((id) => Buffer.byteLength(id) <= ID_AT_MOST_BYTES);
const idsSchema = z.object({ sub: idSchema, sid: idSchema.optional() });

/** A longer answer counts as an empty one, which nobody understands. */
const fetchBounded: openid.CustomFetch = async (url, init) => {
  const response = await fetch(url, omitUndefined(init));
  const body = await readBounded(response, ANSWER_AT_MOST_BYTES);
  const { status, statusText, headers } = response;
  // Some statuses allow no body, not even an empty one.
  const content = body === undefined || body.length === 0 ? null : new Uint8Array(body);
  return new Response(content, { status, statusText, headers });
};

const levelOf = (text: string | undefined): number =>
  /^[0-9]$/.test(text ?? '') ? Number(text) : 0;

/**
 * An OpenID provider, used by the authorization code flow with PKCE, state and nonce. Its metadata is fetched
 * when somebody first signs in, so that one that is down keeps nobody else out.
 *
 * @param redirectUri where it sends browsers back to, from the configuration
 * @param nameOf the registered name of an organisation, if the provider gives none
 * @throws {ConfigurationError} if one of its files cannot be used
 */
export async function openProvider(
  settings: SignInProvider,
  {
    redirectUri,
    nameOf,
    onHealth,
  }: {
    redirectUri: string;
    nameOf: (organisation: string) => string | undefined;
    /** Called once for each change in its faults, and when all is well again. */
    onHealth: (ok: boolean, sentence: string) => void;
  },
): Promise<Provider> {
  const { id, name, issuer, clientId, claims, acrValues, signedInWithinSeconds } = settings;
  const isCis2 = claims === 'cis2';
  const demoOnly = issuer.startsWith('http:');
  const scope = settings.scope ?? (isCis2 ? CIS2_SCOPE : 'openid profile');
  const chooseRole = settings.chooseRoleScope ?? (isCis2 ? 'selectedrole' : undefined);
  const changeRole = settings.changeRoleScope ?? (isCis2 ? 'changedrole' : undefined);
  const needed = {
    identity: settings.identityAssurance ?? (isCis2 ? 3 : 0),
    authentication: settings.authenticationAssurance ?? (isCis2 ? 2 : 0),
  };
  const described = { id, issuer, clientId, for: settings.for, claims, needed };
  const mapping: ClaimMapping = { ...mappingOf(claims), client: CLIENT };
  const { authentication, publicKeys } = await readClientProof(settings);

  let discovered: { configuration: openid.Configuration; at: number } | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let discovering: Promise<void> | undefined;
  /** What is wrong with the endpoints that say who somebody is. */
  let tokensFault: ReturnType<typeof faultOf>;
  const isAway = (): boolean => tokensFault?.isAway ?? false;
  let stopped = false;
  let keys: { address: string; remote: IssuerKeys } | undefined;
  const health = createProviderHealth(name, onHealth);

  /** Uses the keys at the address that the provider names now. */
  function useKeys(address: string): void {
    if (stopped || keys?.address === address) return;
    keys?.remote.stop();
    const remote = remoteKeys(address, [...ALGORITHMS], {
      onProblem() {
        if (keys?.remote === remote) health.failed('keys', SIGN_IN_PROVIDERS.keysAway);
      },
    });
    keys = { address, remote };
  }

  async function discover(): Promise<void> {
    triedAt = performance.now();
    try {
      const configuration = await openid.discovery(
        new URL(issuer),
        clientId,
        undefined,
        authentication,
        {
          timeout: DEADLINE_SECONDS,
          [openid.customFetch]: fetchBounded,
          // A connection to the provider proves nothing about what it says: a proxy may be in between.
          execute: [
            openid.enableNonRepudiationChecks,
            ...(demoOnly ? [openid.allowInsecureRequests] : []),
          ],
        },
      );
      configuration.timeout = DEADLINE_SECONDS;
      discovered = { configuration, at: performance.now() };
      health.answered('discovery');
      const { jwks_uri: jwksUri } = configuration.serverMetadata();
      if (jwksUri !== undefined) useKeys(jwksUri);
    } catch (error) {
      // Metadata fetched before still counts; without it nobody of this provider can sign in for now.
      health.failed('discovery', faultOf(error)?.says ?? SIGN_IN_PROVIDERS.notUnderstood);
    }
  }

  /**
   * Asks a provider that was away whether it answers now, without a code or a token, since nobody may try to
   * sign in for hours. If it answered wrongly, only somebody who signs in can show that it no longer does.
   */
  async function askAgain(): Promise<void> {
    const metadata = discovered?.configuration.serverMetadata();
    if (!isAway() || metadata === undefined) return;
    const signal = AbortSignal.timeout(DEADLINE_SECONDS * 1_000);
    const asked = [metadata.token_endpoint, metadata.userinfo_endpoint].map(async (endpoint) => {
      if (endpoint === undefined) return true;
      const { status } = await fetch(endpoint, { method: 'POST', redirect: 'manual', signal });
      const isStillForbidden = status === FORBIDDEN && tokensFault?.status === FORBIDDEN;
      return status < 500 && !NOT_BACK.has(status) && !isStillForbidden;
    });
    const isBack = (await Promise.all(asked)).every(Boolean);
    // A sign-in may have shown meanwhile that it answers wrongly.
    if (isBack && isAway()) noteTokens(undefined);
  }

  /** What a sign-in showed about the endpoints that say who somebody is. */
  function noteTokens(fault: ReturnType<typeof faultOf>): void {
    // What is wrong is still wrong when it is back.
    if (tokensFault?.isAway === false && fault?.isAway === true) return;
    tokensFault = fault;
    if (fault === undefined) health.answered('tokens');
    else health.failed('tokens', fault.says);
  }

  /** What a new ID token showed about the clocks. @returns whether they differ */
  function noteClock(issuedAtSeconds: number): boolean {
    const aheadSeconds = issuedAtSeconds - Date.now() / 1_000;
    const fault =
      aheadSeconds > CLOCKS_APART_SECONDS
        ? SIGN_IN_PROVIDERS.ahead(CLOCKS_APART_SECONDS)
        : aheadSeconds < -BEHIND_AT_MOST_SECONDS
          ? SIGN_IN_PROVIDERS.behind(BEHIND_AT_MOST_SECONDS)
          : undefined;
    if (fault === undefined) health.answered('clock');
    else health.failed('clock', fault);
    return fault !== undefined;
  }

  async function look(): Promise<void> {
    discovering ??= discover().finally(() => (discovering = undefined));
    await Promise.all([discovering, askAgain().catch(() => undefined)]);
    if (keys !== undefined && keys.remote.problem === undefined) health.answered('keys');
  }
  void look();
  const looking = setInterval(() => void look(), LOOK_EVERY_MS).unref();

  /** What was discovered is discovered again as soon as it is needed; if that fails, it still counts. */
  function forget(): void {
    if (discovered !== undefined) discovered.at = Number.NEGATIVE_INFINITY;
  }

  async function configured(): Promise<openid.Configuration | undefined> {
    const now = performance.now();
    const isOld = discovered === undefined || now - discovered.at >= DISCOVERED_FOR_MS;
    if (isOld && (discovering !== undefined || now - triedAt >= DISCOVERED_AGAIN_AFTER_MS)) {
      discovering ??= discover().finally(() => (discovering = undefined));
      await discovering;
    }
    return discovered?.configuration;
  }

  function judge(tokenClaims: openid.IDToken, userInfo: openid.UserInfoResponse): Returned {
    // What the signed token says takes precedence over what was fetched.
    const all = { ...userInfo, ...tokenClaims, [CLIENT]: clientId };
    const read = parseClaims(all, mapping, nameOf);
    const { name: given, ...levels } = sentSchema.parse(all);
    const sent: Sent = {
      identityAssurance: levels.id_assurance_level,
      authenticationAssurance: levels.authentication_assurance_level,
    };
    const person = { name: given ?? '', user: tokenClaims.sub };
    if (
      levelOf(sent.identityAssurance) < needed.identity ||
      levelOf(sent.authenticationAssurance) < needed.authentication
    ) {
      const claims = read.success ? limited(read.data, settings.for) : undefined;
      return { kind: 'refused', cause: 'assurance', ...person, claims, sent };
    }
    if (!read.success) {
      const { issues } = read.error;
      const hasNoRole = issues.some(
        ({ code, path }) => code === 'too_small' && path.join('.') === 'roles',
      );
      if (hasNoRole) return { kind: 'refused', cause: 'role', ...person, sent };
      const unreadable = [...new Set(issues.map(({ path }) => path.join('.')))].join(', ');
      return { kind: 'refused', cause: 'unreadable', ...person, sent: { ...sent, unreadable } };
    }
    const ids = idsSchema.safeParse(tokenClaims);
    if (!ids.success) {
      const unreadable = ids.error.issues.map(({ path }) => path.join('.')).join(', ');
      return { kind: 'refused', cause: 'unreadable', ...person, sent: { ...sent, unreadable } };
    }
    return {
      kind: 'known',
      claims: limited(read.data, settings.for),
      subject: ids.data.sub,
      sid: ids.data.sid,
      sent,
    };
  }

  return {
    id,
    name,
    for: settings.for,
    issuer,
    demoOnly,
    canChangeRole: changeRole !== undefined,
    publicKeys,
    tries: createTries(TRIES),
    get state() {
      return health.state;
    },
    described,
    settings: createHash('sha256')
      .update(JSON.stringify(described))
      .digest('base64url')
      .slice(0, 22),
    async start(change) {
      const configuration = await configured();
      if (configuration === undefined) return undefined;
      const flow = {
        provider: id,
        state: openid.randomState(),
        nonce: openid.randomNonce(),
        verifier: openid.randomPKCECodeVerifier(),
      };
      const role = change ? changeRole : chooseRole;
      const url = openid.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: role === undefined ? scope : `${scope} ${role}`,
        ...(acrValues !== undefined && { acr_values: acrValues }),
        prompt: 'login',
        max_age: String(signedInWithinSeconds),
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await openid.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
      });
      return { url, flow };
    },
    async finish(search, { state, nonce, verifier }) {
      const configuration = await configured();
      if (configuration === undefined) return { kind: 'refused', cause: 'unavailable' };
      try {
        const granted = await openid.authorizationCodeGrant(
          configuration,
          new URL(`${redirectUri}${search}`),
          {
            expectedState: state,
            expectedNonce: nonce,
            pkceCodeVerifier: verifier,
            idTokenExpected: true,
            maxAge: signedInWithinSeconds,
          },
        );
        const tokenClaims = granted.claims();
        if (tokenClaims === undefined) return { kind: 'refused', cause: 'unavailable' };
        noteClock(tokenClaims.iat);
        const userInfo = await openid.fetchUserInfo(
          configuration,
          granted.access_token,
          tokenClaims.sub,
        );
        noteTokens(undefined);
        return judge(tokenClaims, userInfo);
      } catch (error) {
        const fault = faultOf(error);
        if (fault !== undefined) noteTokens(fault);
        // The library asks for keys again only once those it has are a minute old. With a new discovery it asks at once.
        if (isKeyUnknown(error)) forget();
        if (error instanceof openid.AuthorizationResponseError) {
          return { kind: 'refused', cause: DENIED.has(error.error) ? 'denied' : 'unavailable' };
        }
        // A code that was used, or is too old: the browser went back, or reloaded the address.
        const used = error instanceof openid.ResponseBodyError && error.error === 'invalid_grant';
        const times = refusedTimesOf(error);
        const differs = times !== undefined && noteClock(times.claims.iat);
        // They signed in there too long ago, for instance because they chose a role slowly.
        const isLate = times?.claim === 'auth_time' && !differs;
        return { kind: 'refused', cause: used || isLate ? 'not-finished' : 'unavailable' };
      }
    },
    async readLogoutToken(token) {
      const metadata = (await configured())?.serverMetadata();
      if (metadata === undefined || keys === undefined) return 'unavailable';
      try {
        const { payload, protectedHeader } = await jwtVerify(token, keys.remote.find, {
          issuer: metadata.issuer,
          audience: clientId,
          algorithms: [...ALGORITHMS],
          maxTokenAge: LOGOUT_TOKEN_LASTS_SECONDS,
          clockTolerance: CLOCKS_APART_SECONDS,
        });
        if (!LOGOUT_TOKEN_TYPES.has(protectedHeader.typ?.toLowerCase())) return undefined;
        const { jti, sub, sid } = logoutClaimsSchema.parse(payload);
        return { issuer: metadata.issuer, jti, subject: sub, sid };
      } catch (error) {
        // Keys are not fetched for each unknown one: it may be a new key of the provider, and a refusal is final.
        const mayBeNew = error instanceof errors.JWKSNoMatchingKey;
        return mayBeNew || error instanceof KeysUnavailable ? 'unavailable' : undefined;
      }
    },
    stop() {
      stopped = true;
      clearInterval(looking);
      keys?.remote.stop();
    },
  };
}
