import type { Admission, Admit } from '../admission/admission.ts';
import {
  type Guard,
  type GuardDependencies,
  type GuardedWork,
  guarded,
} from '../admission/guarded.ts';
import { problemResponse } from '../http/problem.ts';
import type { Handler } from '../http/route.ts';
import type { SampledLog } from '../telemetry/sampled-log.ts';
import type { IsOverloaded } from './overload.ts';

export type Admitted = Extract<Admission, { kind: 'admitted' }>;

export type LookupGuardDependencies = GuardDependencies & {
  admit: Admit;
  isOverloaded: IsOverloaded;
  sampled: Pick<SampledLog, 'log'>;
};

/** Guards a route by which flags are looked up: a lookup beyond what a process can handle is refused at once. */
export function guardedLookup(
  dependencies: LookupGuardDependencies,
  way: Pick<Guard<Admitted>, 'api' | 'refuse' | 'headOf'>,
  work: GuardedWork<Admitted>,
): Handler {
  const { admit, isOverloaded, sampled } = dependencies;
  return guarded(
    dependencies,
    {
      ...way,
      overloaded: isOverloaded,
      admit,
      fault: {
        code: 'could-not-check',
        log: (fields) =>
          sampled.log('fault', 'error', 'A lookup failed inside the service.', fields),
      },
    },
    work,
  );
}

/** A lookup of the plain API. */
export const plainLookup = (
  dependencies: LookupGuardDependencies,
  work: GuardedWork<Admitted>,
): Handler => guardedLookup(dependencies, { api: 'plain', refuse: problemResponse }, work);
