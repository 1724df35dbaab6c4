import type { IncomingHttpHeaders } from 'node:http';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { ErrorCode, LimitReached } from '#schemas/errors.ts';
import { chooseRole } from '../auth/access.ts';
import type { Authenticate, Caller } from '../auth/authenticate.ts';
import { type RequestIds, readRequestIds } from '../http/request-ids.ts';

export type AuthorityAdmission =
  | {
      kind: 'admitted';
      ids: RequestIds & { requestId: string };
      caller: Caller;
      /** For which alone the caller acts: the organisation of the role in use. */
      authority: OdsCode;
    }
  | {
      kind: 'refused';
      ids: RequestIds;
      code: ErrorCode;
      caller?: Caller;
      roleChosen: boolean;
      /** Of `too-many-requests`: which limit. */
      limit?: LimitReached;
    };

export type AuthorityAdmissionDependencies = {
  authenticate: Authenticate;
  /** Counts a request of a caller, and tells if it is one too many. */
  take: (caller: Caller) => LimitReached | undefined;
};

/** Whether a request comes from an authority's own people or systems, judged by its headers alone. */
export async function admitAuthority(
  { authenticate, take }: AuthorityAdmissionDependencies,
  headers: IncomingHttpHeaders,
): Promise<AuthorityAdmission> {
  const ids = readRequestIds(headers);
  const authentication = await authenticate(headers.authorization);
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
  const choice = chooseRole(authentication.callers, headers);
  const caller = choice.kind === 'chosen' ? choice.caller : authentication.callers[0];
  const refuse = (code: ErrorCode): Extract<AuthorityAdmission, { kind: 'refused' }> => ({
    kind: 'refused',
    ids,
    code,
    caller,
    roleChosen: choice.kind === 'chosen',
  });
  const limit = take(caller);
  if (limit !== undefined) return { ...refuse('too-many-requests'), limit };
  const { requestId } = ids;
  if (ids.refusal !== undefined || requestId === undefined) {
    return refuse(ids.refusal ?? 'request-id-required');
  }
  if (choice.kind === 'refused') return refuse(choice.code);
  const { scopes, role } = caller.identity;
  const authority = odsCodeSchema.safeParse(role.organisation.code).data;
  if (!scopes.includes('upload') || authority === undefined) {
    return refuse('authority-token-required');
  }
  return { kind: 'admitted', ids: { ...ids, requestId }, caller, authority };
}
