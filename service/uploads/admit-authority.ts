import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { KnownCaller, Refusal } from '../admission/admission.ts';
import { admitScope, type ScopedAdmissionDependencies } from '../admission/admit-scope.ts';
import type { RequestHead } from '../http/request-head.ts';

export type AuthorityAdmission =
  /** `authority`: for which alone the caller acts, the organisation of the role in use. */
  (KnownCaller & { authority: OdsCode }) | Refusal;

export type AuthorityAdmissionDependencies = ScopedAdmissionDependencies;

/** Whether a request comes from an authority's own people or systems, judged by its headers alone. */
export async function admitAuthority(
  dependencies: AuthorityAdmissionDependencies,
  head: RequestHead,
): Promise<AuthorityAdmission> {
  const code = 'authority-token-required';
  const admission = await admitScope(dependencies, head, 'upload', code);
  if (admission.kind === 'refused') return admission;
  const { ids, caller } = admission;
  const authority = odsCodeSchema.safeParse(caller.identity.role.organisation.code).data;
  return authority === undefined
    ? { kind: 'refused', ids, code, caller, roleChosen: true }
    : { ...admission, authority };
}
