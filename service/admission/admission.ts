import type { ErrorCode, LimitReached } from '#schemas/errors.ts';
import type { Caller } from '#schemas/people/caller.ts';
import type { Organisation } from '#schemas/people/care-setting.ts';
import type { RequestHead } from '../http/request-head.ts';
import { type HeadRefusal, type RequestIds, readRequestIds } from '../http/request-ids.ts';
import type { Authenticate, Authentication, TokenRefusal } from './authenticate.ts';
import {
  type AccessDecision,
  type AccessRefusal,
  chooseRole,
  decideAccess,
  type RoleRefusal,
} from './decide.ts';

/** Why a request is refused by its headers alone. */
export type CallerRefusal = HeadRefusal | TokenRefusal | RoleRefusal | 'too-many-requests';

export type Refusal<Code extends ErrorCode = ErrorCode> = {
  kind: 'refused';
  ids: RequestIds;
  code: Code;
  /** Who was refused, if the token was valid. */
  caller?: Caller;
  /** False if the user has several roles and chose none: then `caller` is only the person. */
  roleChosen: boolean;
  /** For `too-many-requests`: which limit. */
  limit?: LimitReached;
};

type NamedRequest = RequestIds & { requestId: string };
const isNamed = (ids: RequestIds): ids is NamedRequest => ids.requestId !== undefined;

/** A caller in one role, within the limits, whose request has an id. */
export type KnownCaller = { kind: 'admitted'; ids: NamedRequest; caller: Caller };

export type Admission =
  | (KnownCaller & {
      access: Extract<AccessDecision, { kind: 'granted' }>;
      /** How long the request waited for keys to verify its token, if it did. */
      waitedMs?: number;
    })
  | Refusal<CallerRefusal | AccessRefusal>;

/** Counts a request of a caller, and returns the limit that it exceeds, if any. */
export type TakeFromLimits = (caller: Caller) => LimitReached | undefined;

/**
 * The caller, judged by token and headers: the part common to every route with a token. Refused requests
 * count against the limits too, and are recorded with their caller even if an id is already wrong.
 */
export function identifyCaller(
  authentication: Authentication,
  head: RequestHead,
  take: TakeFromLimits,
): KnownCaller | Refusal<CallerRefusal> {
  const ids = readRequestIds(head);
  if (ids.twoTokens === true) {
    return { kind: 'refused', ids, code: 'header-repeated', roleChosen: false };
  }
  if (authentication.kind === 'refused') {
    const { code, caller } = authentication;
    return {
      kind: 'refused',
      ids,
      // If the token could not be verified, the client need not correct anything else first.
      code: code === 'could-not-check' ? code : (ids.refusal ?? code),
      ...(caller !== undefined && { caller }),
      roleChosen: false,
    };
  }
  const { callers } = authentication;
  const choice = chooseRole(callers, head.headers);
  const roleChosen = choice.kind === 'chosen';
  const caller = roleChosen ? choice.caller : callers[0];
  const limit = take(caller);
  if (limit !== undefined) {
    return { kind: 'refused', ids, code: 'too-many-requests', caller, roleChosen, limit };
  }
  if (ids.refusal !== undefined || !isNamed(ids)) {
    const code = ids.refusal ?? 'request-id-required';
    return { kind: 'refused', ids, code, caller, roleChosen };
  }
  return roleChosen
    ? { kind: 'admitted', ids, caller }
    : { kind: 'refused', ids, code: choice.code, caller, roleChosen };
}

type AdmissionDependencies = {
  authenticate: Authenticate;
  /** The organisations registered at present. */
  organisations: () => ReadonlyMap<string, Organisation>;
  registeredOnly: () => boolean;
  take: TakeFromLimits;
};

/**
 * Whether a request may look up a flag, judged only by its headers: ids, token, role, activity and
 * organisation, in this order.
 */
export function createAdmission({
  authenticate,
  organisations,
  registeredOnly,
  take,
}: AdmissionDependencies) {
  function admitNow(authentication: Authentication, head: RequestHead): Admission {
    const known = identifyCaller(authentication, head, take);
    if (known.kind === 'refused') return known;
    const { ids, caller } = known;
    const access = decideAccess(caller.identity, head.headers, organisations(), registeredOnly());
    return access.kind === 'refused'
      ? { kind: 'refused', ids, code: access.code, caller, roleChosen: true }
      : { kind: 'admitted', ids, caller, access };
  }

  /** At once for a token verified before: the hot path waits for no promise. */
  return function admit(head: RequestHead): Admission | Promise<Admission> {
    const authentication = authenticate(head.headers.authorization);
    if (!(authentication instanceof Promise)) return admitNow(authentication, head);
    const beganAt = performance.now();
    return authentication.then((verified) => {
      const admission = admitNow(verified, head);
      return admission.kind === 'admitted'
        ? { ...admission, waitedMs: performance.now() - beganAt }
        : admission;
    });
  };
}
export type Admit = ReturnType<typeof createAdmission>;
