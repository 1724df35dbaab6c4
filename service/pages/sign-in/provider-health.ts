import * as openid from 'openid-client';
import { z } from 'zod';
import { SIGN_IN_PROVIDERS } from '#schemas/wording/operations.ts';
import { errorCode } from '../../telemetry/log.ts';

/**
 * What is needed from a provider: how to sign in with it, what it says about the person who comes back, its
 * signing keys, and a clock like ours.
 */
const PARTS = ['discovery', 'tokens', 'keys', 'clock'] as const;
type Part = (typeof PARTS)[number];

/** The state of one provider or of several, for the operator; `since` is ISO 8601. */
export type ProviderState = { ok: boolean; detail: string; since: string };

type ProviderHealth = {
  answered: (part: Part) => void;
  /** @param fault what went wrong, in a few words that repeat nothing received */
  failed: (part: Part, fault: string) => void;
  readonly state: ProviderState;
};

/**
 * Records which parts of a provider answer, so that the operator learns of a silent one before people who
 * cannot sign in do.
 *
 * @param onChange called with a sentence whenever that changes
 */
export function createProviderHealth(
  name: string,
  onChange: (ok: boolean, sentence: string) => void,
): ProviderHealth {
  const faults = new Map<Part, string>();
  let state = {
    ok: true,
    detail: SIGN_IN_PROVIDERS.answers(name),
    since: new Date().toISOString(),
  };

  function tell(): void {
    const wrong = PARTS.flatMap((part) => {
      const fault = faults.get(part);
      return fault === undefined ? [] : SIGN_IN_PROVIDERS[part](name, fault);
    });
    const ok = wrong.length === 0;
    const detail = ok ? SIGN_IN_PROVIDERS.answers(name) : wrong.join(' ');
    if (detail === state.detail) return;
    const since = ok === state.ok ? state.since : new Date().toISOString();
    state = { ok, detail, since };
    onChange(ok, detail);
  }

  return {
    answered(part) {
      if (faults.delete(part)) tell();
    },
    failed(part, fault) {
      faults.set(part, fault);
      tell();
    },
    get state() {
      return state;
    },
  };
}

/** Several in one: what is wrong with each. */
export function statesTogether(states: readonly ProviderState[]): ProviderState {
  const wrong = states.filter(({ ok }) => !ok);
  const shown = wrong.length > 0 ? wrong : states;
  return {
    ok: wrong.length === 0,
    detail: shown.map(({ detail }) => detail).join(' '),
    since: shown.map(({ since }) => since).toSorted()[0] ?? new Date().toISOString(),
  };
}

/** Errors of a token endpoint that no code can cause, however it was made up. Source: RFC 6749 section 5.2. */
const OURS_TO_MEND = new Set(['invalid_client', 'unauthorized_client', 'unsupported_grant_type']);

/** Whether an ID token is signed with a key that is not among those of its provider which are known here. */
export const isKeyUnknown = (error: unknown): boolean =>
  error instanceof openid.ClientError && error.code === 'OAUTH_KEY_SELECTION_FAILED';

/**
 * What went wrong, and whether the provider was away: then the next look may show that it is back. With the status of its
 * answer, if that was all there was.
 */
type Fault = { says: string; isAway: boolean; status?: number };

const away = (says: string): Fault => ({ says, isAway: true });
const answeredWith = (status: number): Fault => ({
  ...away(SIGN_IN_PROVIDERS.status(status)),
  status,
});
const wrong = (says: string): Fault => ({ says, isAway: false });

/** Codes of answers that are not those of OpenID Connect. */
const NOT_UNDERSTOOD: ReadonlySet<string | undefined> = new Set([
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  'OAUTH_PARSE_ERROR',
]);

/**
 * What is wrong with a provider that did not say who somebody is; `undefined` if it answered and the
 * browser's code was bad, since anybody can bring that.
 */
export function faultOf(error: unknown): Fault | undefined {
  if (error instanceof openid.ResponseBodyError) {
    const { error: code, status } = error;
    if (OURS_TO_MEND.has(code)) return wrong(SIGN_IN_PROVIDERS.says(code));
    return status >= 500 ? answeredWith(status) : undefined;
  }
  if (error instanceof openid.WWWAuthenticateChallengeError) {
    const { status } = error;
    // A bad code is answered with 400, and a bad secret with 401. Source: RFC 6749 section 5.2.
    if (status === 400) return undefined;
    return status === 401
      ? wrong(SIGN_IN_PROVIDERS.says(SIGN_IN_PROVIDERS.status(status)))
      : answeredWith(status);
  }
  if (error instanceof openid.ClientError) {
    const { code, cause } = error;
    if (code === 'OAUTH_TIMEOUT') return away(SIGN_IN_PROVIDERS.silent);
    if (isKeyUnknown(error)) return wrong(SIGN_IN_PROVIDERS.unknownKey);
    if (!NOT_UNDERSTOOD.has(code)) return undefined;
    // An error page may be a firewall's, a rate limit's or a gateway's, and any made-up code may cause it.
    return cause instanceof Response && cause.status >= 400
      ? answeredWith(cause.status)
      : wrong(SIGN_IN_PROVIDERS.notUnderstood);
  }
  // What fetch throws if there was no connection, or it broke off.
  if (!(error instanceof TypeError)) return undefined;
  const { cause } = error;
  return away(SIGN_IN_PROVIDERS.unreachable(cause === undefined ? 'fetch' : errorCode(cause)));
}

const refusedTimesSchema = z.object({
  code: z.literal('OAUTH_JWT_TIMESTAMP_CHECK_FAILED'),
  cause: z.object({
    cause: z.object({ claim: z.string(), claims: z.object({ iat: z.number() }) }),
  }),
});

/** Which time of an ID token was refused, and when the token was made, in seconds; `undefined` for other errors. */
export const refusedTimesOf = (error: unknown) =>
  refusedTimesSchema.safeParse(error).data?.cause.cause;
