import type { JWTPayload } from 'jose';
import { z } from 'zod';
import { parseJson } from '#schemas/json.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import { registeredClaimsSchema } from '#schemas/people/identity.ts';
import { ADMISSION } from '#schemas/wording/operations.ts';
import { readBounded } from '#store/files/bounded-body.ts';
import { namesEachOnce } from '../http/json-members.ts';

/** What an issuer says about an opaque token, checked like the signature of a signed one. */
type Introspected =
  | { kind: 'active'; payload: JWTPayload }
  /** Expired, withdrawn or never issued: the issuer does not say which. */
  | { kind: 'inactive' }
  /** Issued for another service. */
  | { kind: 'other-audience' }
  /** Bound to a key or certificate of its holder, which a bearer does not show. */
  | { kind: 'bound' }
  /** Its issuer names no user for it. */
  | { kind: 'no-user' }
  /** The issuer cannot be asked, or its answer cannot be used: nothing is known about the token. */
  | { kind: 'unavailable' };

export type Introspection = {
  inspect(token: string): Promise<Introspected>;
  /** Why tokens cannot be resolved now, if so: a sentence. */
  readonly problem: string | undefined;
};

export type IntrospectionOptions = {
  issuer: string;
  audience: string;
  /** Clients whose tokens count even if the answer names no audience. */
  clients: readonly string[];
  url: string;
  /** Adds what is known about the user, with the same token. */
  userinfoUrl?: string | undefined;
  clientId: string;
  clientSecret: string;
  /** Deadline of each request. Default 1,500: a lookup may be waiting. */
  deadlineMs?: number;
  /** How long nothing is asked after this many failures in a row. Default 10,000. */
  pauseMs?: number;
  now?: () => number;
};

const FAILURES_IN_A_ROW = 5;
/** How many tokens are asked about at once, since anybody can make tokens up. Further ones are could-not-check. */
const AT_ONCE_AT_MOST = 64;
const BODY_AT_MOST_BYTES = 65_536;
/** How long an inactive token is remembered, so that it is not asked about again at once. */
const INACTIVE_MS = 10_000;
const INACTIVE_AT_MOST = 1_000;

/** RFC 7662, section 2.2. Registered claims have the types of RFC 7519. */
const answerSchema = z.looseObject({
  active: z.boolean(),
  client_id: z.string().optional(),
  token_type: z.string().optional(),
});

/** An unusable answer. The message says why, and repeats none of it. */
class Unusable extends Error {
  override name = 'Unusable';
  /** When the fault may be the token's: the issuer answers, so its other tokens are asked about as before. */
  readonly ofToken: boolean;

  constructor(message: string, { ofToken = false } = {}) {
    super(message);
    this.ofToken = ofToken;
  }
}

class Refused extends Unusable {
  readonly status: number;

  constructor(status: number, ofToken: boolean) {
    super(`it answers ${status}`, { ofToken });
    this.status = status;
  }
}

/** RFC 6750, section 3.1: these refuse the token. */
const REFUSES_TOKEN: readonly number[] = [400, 401, 403];

/**
 * Resolves opaque tokens by asking the issuer (RFC 7662). The audience is read only from that answer:
 * userinfo does not give it, and only adds to the answer.
 *
 * After five failures of the issuer in a row nothing is asked for ten seconds, then one token is tried. An
 * answer caused by one token is no failure of the issuer: one caller does not close it to others. The caller
 * decides what is remembered, and for how long: here a token is never accepted because of an older answer.
 */
export function createIntrospection(options: IntrospectionOptions): Introspection {
  const { issuer, audience, clients, url, userinfoUrl, clientId, clientSecret } = options;
  const { deadlineMs = 1_500, pauseMs = 10_000, now = Date.now } = options;
  // RFC 6749, section 2.3.1: both are form-encoded first.
  const encoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);
  const credentials = Buffer.from(`${encoded(clientId)}:${encoded(clientSecret)}`).toString(
    'base64',
  );
  const underWay = new Map<string, Promise<Introspected>>();
  const inactive = new Map<string, number>();
  let failures = 0;
  let pausedUntil = 0;
  let trying = false;
  let problem: string | undefined;

  async function ask(
    address: string,
    init: { method: 'GET' | 'POST'; headers: Record<string, string>; body?: string },
    isOfToken: (status: number) => boolean,
  ): Promise<unknown> {
    const signal = AbortSignal.timeout(deadlineMs);
    let response: Response;
    let bytes: Buffer | undefined;
    try {
      response = await fetch(address, { ...init, redirect: 'manual', signal });
      bytes = await readBounded(response, BODY_AT_MOST_BYTES);
    } catch {
      throw new Unusable(signal.aborted ? 'no whole answer came in time' : 'it cannot be reached');
    }
    if (bytes === undefined) throw new Unusable('the answer is larger than 64 KiB');
    const { status } = response;
    if (status !== 200) throw new Refused(status, isOfToken(status));
    const json = parseJson(bytes.toString('utf8'));
    if (json === undefined) throw new Unusable('the answer is not JSON');
    // If two members have the same name, it is not clear which counts.
    if (!z.looseObject({}).safeParse(json).success || !namesEachOnce(bytes, json)) {
      throw new Unusable('the answer is no object, or names a member twice');
    }
    return json;
  }

  async function resolve(token: string): Promise<Introspected> {
    const answer = answerSchema.safeParse(
      await ask(
        url,
        {
          method: 'POST',
          headers: {
            authorization: `Basic ${credentials}`,
            accept: 'application/json',
            'content-type': 'application/x-www-form-urlencoded',
          },
          body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
        },
        // 401 and 403 are about our credentials.
        (status) => status === 400,
      ),
    ).data;
    if (answer === undefined)
      throw new Unusable('the answer does not say whether the token is active');
    if (!answer.active) return { kind: 'inactive' };
    if (answer['iss'] !== undefined && answer['iss'] !== issuer) {
      throw new Unusable('the answer is of another issuer', { ofToken: true });
    }
    const type = answer.token_type?.toLowerCase();
    if (answer['cnf'] !== undefined || (type !== undefined && type !== 'bearer')) {
      return { kind: 'bound' };
    }
    const registered = registeredClaimsSchema.safeParse({ ...answer, iss: issuer }).data;
    if (registered === undefined) {
      throw new Unusable('the answer has a claim of another type', { ofToken: true });
    }
    const { aud } = registered;
    const isForUs =
      aud === undefined
        ? answer.client_id !== undefined && clients.includes(answer.client_id)
        : [aud].flat().includes(audience);
    if (!isForUs) return { kind: 'other-audience' };
    if (userinfoUrl === undefined) return { kind: 'active', payload: omitUndefined(registered) };
    let user: unknown;
    try {
      user = await ask(
        userinfoUrl,
        {
          method: 'GET',
          headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
        },
        (status) => 400 <= status && status < 500,
      );
    } catch (error) {
      const isRefused = error instanceof Refused && REFUSES_TOKEN.includes(error.status);
      if (isRefused) return { kind: 'no-user' };
      throw error;
    }
    const { sub } = z.looseObject({ sub: z.string() }).safeParse(user).data ?? {};
    if (sub === undefined || (registered.sub !== undefined && sub !== registered.sub)) {
      throw new Unusable('userinfo is of another user than the token', { ofToken: true });
    }
    // What the issuer says about the token takes precedence over what it says about the user.
    return { kind: 'active', payload: { ...(user as object), ...omitUndefined(registered) } };
  }

  /** A pause longer than the longest was set by a clock that has been put back since. */
  const isAhead = (until: number, byAtMostMs: number): boolean => {
    const leftMs = until - now();
    return leftMs > 0 && leftMs <= byAtMostMs;
  };

  async function inspectAnew(token: string): Promise<Introspected> {
    const isTrial = failures >= FAILURES_IN_A_ROW;
    if (isTrial && (isAhead(pausedUntil, pauseMs) || trying)) return { kind: 'unavailable' };
    if (underWay.size >= AT_ONCE_AT_MOST) return { kind: 'unavailable' };
    trying = isTrial;
    try {
      const found = await resolve(token);
      failures = 0;
      problem = undefined;
      if (found.kind === 'inactive') rememberInactive(token);
      return found;
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      failures = error.ofToken ? 0 : failures + 1;
      if (failures >= FAILURES_IN_A_ROW) pausedUntil = now() + pauseMs;
      problem = ADMISSION.notIntrospected(url, error.message);
      return { kind: 'unavailable' };
    } finally {
      if (isTrial) trying = false;
    }
  }

  function rememberInactive(token: string): void {
    if (inactive.size >= INACTIVE_AT_MOST) {
      const [oldest] = inactive.keys();
      if (oldest !== undefined) inactive.delete(oldest);
    }
    inactive.set(token, now() + INACTIVE_MS);
  }

  return {
    get problem() {
      return problem;
    },
    inspect(token) {
      const known = inactive.get(token);
      if (known !== undefined && isAhead(known, INACTIVE_MS)) {
        return Promise.resolve({ kind: 'inactive' });
      }
      inactive.delete(token);
      const already = underWay.get(token);
      if (already !== undefined) return already;
      const asking = inspectAnew(token).finally(() => underWay.delete(token));
      underWay.set(token, asking);
      return asking;
    },
  };
}
