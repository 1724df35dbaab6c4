import type { Configuration } from '#schemas/configuration.ts';
import { DESK_PAGES } from '../pages/desk-pages.ts';
import { PAGES } from '../pages/pages.ts';
import { ROUTES } from '../routes/routes.ts';

type Role = Configuration['ROLE'];

/** Which parts run in a process of each role, and which routes each part serves. */
export const PARTS = {
  /** Says whether the process runs and answers, and describes the API. */
  service: { roles: ['all', 'lookup', 'worker'], routes: ROUTES.service },
  /** Answers those who look up. Stateless, so that there can be many; see `lookups.ts`. */
  lookups: { roles: ['all', 'lookup'], routes: ROUTES.lookups },
  /** Shows the same to people without a system, in a browser; see `pages.ts`. */
  pages: { roles: ['all', 'lookup'], routes: PAGES },
  /** Shows councils, officers and operators their work in a browser; see `pages.ts`. */
  desks: { roles: ['all', 'worker'], routes: DESK_PAGES },
  /** Verifies the store, seals the audit, takes uploads, notifies authorities; see `worker.ts`. */
  work: { roles: ['all', 'worker'], routes: ROUTES.work },
} as const satisfies Record<
  keyof typeof ROUTES | 'pages' | 'desks',
  { roles: readonly Role[]; routes: unknown }
>;

/** Whether a part runs in a process of this role. */
export const runs = (part: keyof typeof PARTS, role: Role): boolean =>
  PARTS[part].roles.some((each) => each === role);
