import type { ErrorCode } from '#schemas/errors.ts';
import { type GuardDependencies, type GuardedWork, guarded } from '../admission/guarded.ts';
import { problemResponse } from '../http/problem.ts';
import type { Handler } from '../http/route.ts';
import type { Log } from '../telemetry/log.ts';
import {
  type AuthorityAdmission,
  type AuthorityAdmissionDependencies,
  admitAuthority,
} from './admit-authority.ts';

export type AdmittedAuthority = Extract<AuthorityAdmission, { kind: 'admitted' }>;
export type AuthorityGuardDependencies = GuardDependencies &
  AuthorityAdmissionDependencies & { log: Log };

/**
 * Guards a route of an authority's own systems, which are let in by the authority's own token.
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
        log: (fields) => log.error('a request from an authority failed inside the service', fields),
      },
    },
    work,
  );
}
