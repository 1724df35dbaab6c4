import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import type { KnownCaller, Refusal } from '../admission/admission.ts';
import { admitScope, type ScopedAdmissionDependencies } from '../admission/admit-scope.ts';
import { type GuardDependencies, type GuardedWork, guarded } from '../admission/guarded.ts';
import { problemResponse } from '../http/problem.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { Handler } from '../http/route.ts';
import type { Log } from '../telemetry/log.ts';

/** `authority`: the only one for which the caller acts, the organisation of the role in use. */
export type AdmittedAuthority = KnownCaller & { authority: OdsCode };

export type AuthorityGuardDependencies = GuardDependencies &
  ScopedAdmissionDependencies & { log: Log };

/** Whether a request comes from an authority's own people or systems, judged by its headers alone. */
async function admitAuthority(
  dependencies: ScopedAdmissionDependencies,
  head: RequestHead,
): Promise<AdmittedAuthority | Refusal> {
  const code = 'authority-token-required';
  const admission = await admitScope(dependencies, head, 'upload', code);
  if (admission.kind === 'refused') return admission;
  const { ids, caller } = admission;
  const authority = odsCodeSchema.safeParse(caller.identity.role.organisation.code).data;
  return authority === undefined
    ? { kind: 'refused', ids, code, caller, roleChosen: true }
    : { ...admission, authority };
}

/**
 * Guards a route for an authority's own systems, which use the authority's own token.
 *
 * @param failure what a fault inside is answered with
 */
export function guardedAuthority(
  dependencies: AuthorityGuardDependencies,
  failure: ErrorCode,
  work: GuardedWork<AdmittedAuthority>,
): Handler {
  const { log } = dependencies;
  return guarded(
    dependencies,
    {
      admit: (head) => admitAuthority(dependencies, head),
      refuse: (code, options) => problemResponse(code, { ...options, lookup: false }),
      api: 'plain',
      fault: {
        code: failure,
        log: (fields) =>
          log.error('A request from an authority failed inside the service.', fields),
      },
    },
    work,
  );
}
