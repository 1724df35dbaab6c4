import type { ErrorCode } from '#schemas/errors.ts';
import type { Scope } from '#schemas/people/identity.ts';
import type { RequestHead } from '../http/request-head.ts';
import {
  identifyCaller,
  type KnownCaller,
  type Refusal,
  type TakeFromLimits,
} from './admission.ts';
import type { Authenticate } from './authenticate.ts';

type ScopedAdmission = KnownCaller | Refusal;

export type ScopedAdmissionDependencies = { authenticate: Authenticate; take: TakeFromLimits };

/** Whether a request's token has a scope, judged only by its headers; `without` is the code if not. */
export async function admitScope(
  { authenticate, take }: ScopedAdmissionDependencies,
  head: RequestHead,
  scope: Scope,
  without: ErrorCode,
): Promise<ScopedAdmission> {
  const known = identifyCaller(await authenticate(head.headers.authorization), head, take);
  if (known.kind === 'refused' || known.caller.identity.scopes.includes(scope)) return known;
  const { ids, caller } = known;
  return { kind: 'refused', ids, code: without, caller, roleChosen: true };
}
