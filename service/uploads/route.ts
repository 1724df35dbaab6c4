import type { ErrorCode } from '#schemas/errors.ts';
import {
  type ScopedContext,
  type ScopedHandler,
  type ScopedRouteDependencies,
  scopedRoute,
} from '../access/scoped-route.ts';
import {
  type AuthorityAdmission,
  type AuthorityAdmissionDependencies,
  admitAuthority,
} from './admission.ts';

export type AuthorityContext = ScopedContext;
export type Admitted = Extract<AuthorityAdmission, { kind: 'admitted' }>;
type Handler = ScopedHandler;

export type AuthorityRouteDependencies = AuthorityAdmissionDependencies & ScopedRouteDependencies;

/** Makes handlers that admit an authority, by its own token, before they answer it. */
export function authorityRoutes(dependencies: AuthorityRouteDependencies) {
  /** @param failure what a fault inside is answered with */
  return function route(
    answer: (c: AuthorityContext, admitted: Admitted) => Promise<Response | ErrorCode>,
    failure: ErrorCode,
  ): Handler {
    return scopedRoute(dependencies, (head) => admitAuthority(dependencies, head), answer, {
      code: failure,
      says: 'a request of an authority failed inside the service',
    });
  };
}
