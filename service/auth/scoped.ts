import type { IncomingHttpHeaders } from 'node:http';
import type { ErrorCode, LimitReached } from '#schemas/errors.ts';
import type { Scope } from '#schemas/identity.ts';
import { type RequestIds, readRequestIds } from '../http/request-ids.ts';
import { chooseRole } from './access.ts';
import type { Authenticate, Caller } from './authenticate.ts';

export type ScopedAdmission =
  | { kind: 'admitted'; ids: RequestIds & { requestId: string }; caller: Caller }
  | {
      kind: 'refused';
      ids: RequestIds;
      code: ErrorCode;
      caller?: Caller;
      roleChosen: boolean;
      /** Of `too-many-requests`: which limit. */
      limit?: LimitReached;
    };

export type ScopedAdmissionDependencies = {
  authenticate: Authenticate;
  /** Counts a request of a caller, and tells if it is one too many. */
  take: (caller: Caller) => LimitReached | undefined;
};

/** Whether a request's token has a scope, judged by its headers alone; `without` is the code where not. */
export async function admitScope(
  { authenticate, take }: ScopedAdmissionDependencies,
  headers: IncomingHttpHeaders,
  scope: Scope,
  without: ErrorCode,
): Promise<ScopedAdmission> {
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
  const refuse = (code: ErrorCode): Extract<ScopedAdmission, { kind: 'refused' }> => ({
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
  if (!caller.identity.scopes.includes(scope)) return refuse(without);
  return { kind: 'admitted', ids: { ...ids, requestId }, caller };
}
