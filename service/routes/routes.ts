import { acknowledgement } from './acknowledgement.ts';
import { attendance } from './attendance.ts';
import { auditSearch } from './audit-search.ts';
import { docs } from './docs.ts';
import { fhirConformance } from './fhir-conformance.ts';
import { fhirSearches } from './fhir-searches.ts';
import { guide, lookupExamples } from './guide.ts';
import { holdings } from './holdings.ts';
import { lookup } from './lookup.ts';
import { lookupBatch } from './lookup-batch.ts';
import { notice } from './notice.ts';
import { notifications } from './notifications.ts';
import { openapi } from './openapi.ts';
import { ping } from './ping.ts';
import { problem } from './problem.ts';
import { reconcile } from './reconcile.ts';
import type { DependenciesOf } from './route.ts';
import { status } from './status.ts';
import { upload } from './uploads.ts';

/** Every address, in the order in which a reader wants it, by the part that serves it; see `start/roles.ts`. */
export const ROUTES = {
  lookups: [lookup, lookupBatch, attendance, ...fhirSearches, ...fhirConformance],
  work: [upload, acknowledgement, notice, holdings, reconcile, auditSearch, notifications],
  service: [ping, status, problem, openapi, docs, guide, lookupExamples],
} as const;

export type LookupRoutesDependencies = DependenciesOf<typeof ROUTES.lookups>;
export type WorkRoutesDependencies = DependenciesOf<typeof ROUTES.work>;

/** What the description is made of. */
export const OPERATIONS = [...ROUTES.lookups, ...ROUTES.work, ...ROUTES.service].map(
  ({ operation }) => operation,
);
