import type { IncomingHttpHeaders } from 'node:http';
import type { Organisation } from '#schemas/care-setting.ts';
import type { ErrorCode, LimitReached } from '#schemas/errors.ts';
import { type RequestIds, readRequestIds } from '../http/request-ids.ts';
import { type AccessDecision, chooseRole, decideAccess } from './access.ts';
import type { Authenticate, Authentication, Caller } from './authenticate.ts';

export type Admission =
  | {
      kind: 'admitted';
      ids: RequestIds & { requestId: string };
      caller: Caller;
      access: Extract<AccessDecision, { kind: 'granted' }>;
    }
  | {
      kind: 'refused';
      ids: RequestIds;
      code: ErrorCode;
      /** Who was refused, if the token was valid. */
      caller?: Caller;
      /** False where the user has several roles and chose none: `caller` is then only the person. */
      roleChosen: boolean;
      /** Of `too-many-requests`: which limit. */
      limit?: LimitReached;
    };

export type AdmissionDependencies = {
  authenticate: Authenticate;
  /** The organisations registered, as they are now. */
  organisations: () => ReadonlyMap<string, Organisation>;
  registeredOnly: () => boolean;
  /** Counts a request of a caller, and tells if it is one too many. */
  take: (caller: Caller) => LimitReached | undefined;
};

/**
 * Whether a request may look up a flag, judged by its headers alone: ids, token, role, activity and
 * organisation, in this order. The token is verified even where an id is wrong already, so that the
 * refusal can be put down to somebody, and refused requests count against the limits too.
 */
export function createAdmission({
  authenticate,
  organisations,
  registeredOnly,
  take,
}: AdmissionDependencies) {
  function judge(authentication: Authentication, headers: IncomingHttpHeaders): Admission {
    const ids = readRequestIds(headers);
    if (authentication.kind === 'refused') {
      const { code, caller } = authentication;
      return {
        kind: 'refused',
        ids,
        code: ids.refusal ?? code,
        ...(caller !== undefined && { caller }),
        roleChosen: false,
      };
    }
    const { callers } = authentication;
    const choice = chooseRole(callers, headers);
    const caller = choice.kind === 'chosen' ? choice.caller : callers[0];
    const roleChosen = choice.kind === 'chosen';
    const refuse = (code: ErrorCode): Admission => ({
      kind: 'refused',
      ids,
      code,
      caller,
      roleChosen,
    });
    const limit = take(caller);
    if (limit !== undefined) {
      return { kind: 'refused', ids, code: 'too-many-requests', caller, roleChosen, limit };
    }
    const { requestId } = ids;
    if (ids.refusal !== undefined || requestId === undefined) {
      return refuse(ids.refusal ?? 'request-id-required');
    }
    if (choice.kind === 'refused') return refuse(choice.code);
    const access = decideAccess(caller.identity, headers, organisations(), registeredOnly());
    if (access.kind === 'refused') return refuse(access.code);
    return { kind: 'admitted', ids: { ...ids, requestId }, caller, access };
  }

  /** At once for a token that was verified before: the hot path waits for no promise. */
  return function admit(headers: IncomingHttpHeaders): Admission | Promise<Admission> {
    const authentication = authenticate(headers.authorization);
    return authentication instanceof Promise
      ? authentication.then((verified) => judge(verified, headers))
      : judge(authentication, headers);
  };
}
export type Admit = ReturnType<typeof createAdmission>;
