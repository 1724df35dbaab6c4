import type { LookupEvent } from '#schemas/audit/audit-event.ts';
import { createAttendance } from '#store/attendance.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { createAdmission } from '../admission/admission.ts';
import type { AdmissionContext } from '../admission/admission-context.ts';
import { type Identities, organisationsOf } from '../admission/identities.ts';
import type { BaseOf } from '../fhir/request.ts';
import { createAttend } from '../lookup/attendance.ts';
import { type CoverageLimits, type CoverageState, createCoverage } from '../lookup/coverage.ts';
import { createLookup } from '../lookup/lookup.ts';
import { createOverload } from '../lookup/overload.ts';
import { createRehearsals } from '../lookup/rehearsals.ts';
import type { LookupRoutesDependencies } from '../routes/routes.ts';
import type { StartContext } from './context.ts';
import type { StoreConnection } from './redis.ts';

type LookupsDependencies = {
  /** The dataset's, as far as known. */
  kind: Dataset['kind'] | undefined;
  readiness: Readiness;
  /** The connection whose writes are acknowledged once the replicas have them. */
  records: StoreConnection;
  admissionContext: AdmissionContext;
  identities: Identities;
  limits: CoverageLimits;
  /** The versions of what an answer is made from, for its event. */
  versions: () => LookupEvent['versions'];
  baseOf: BaseOf;
};

export type Lookups = LookupRoutesDependencies & { coverage: () => CoverageState };

/** Everything between a request and the store, for the plain lookup and for FHIR, and how much is current. */
export function createLookups(
  { configuration, log }: Pick<StartContext, 'configuration' | 'log'>,
  {
    kind,
    readiness,
    records,
    admissionContext,
    identities,
    limits,
    versions,
    baseOf,
  }: LookupsDependencies,
): Lookups {
  const { PUBLIC_URL, LOOKUPS_AT_ONCE } = configuration;
  const { store, recorder, sampled, isDemo, authenticate, noteRefusal, take, enumeration } =
    admissionContext;
  const { metrics, traces } = admissionContext;
  if (kind === 'live' && PUBLIC_URL === undefined) {
    log.warn('PUBLIC_URL is not set, so FHIR links begin with the Host header of each request.');
  }
  const coverage = createCoverage(readiness, limits);
  return {
    coverage,
    admit: createAdmission({
      authenticate,
      organisations: () => organisationsOf(identities, isDemo()),
      registeredOnly: () => isDemo() !== true,
      take,
    }),
    lookUp: createLookup({
      store,
      readiness,
      coverage,
      recorder,
      versions,
      saw: ({ caller }, nhsNumber) => enumeration.saw(caller, nhsNumber),
      metrics,
      sampled,
    }),
    attend: createAttend({ record: createAttendance(records, readiness), readiness }),
    rehearse: createRehearsals({ isDemo, directory: readiness, limits }),
    readiness,
    noteRefusal,
    sampled,
    isOverloaded: createOverload(store, LOOKUPS_AT_ONCE, sampled),
    traces,
    take,
    baseOf,
    version: packageJson.version,
  };
}
