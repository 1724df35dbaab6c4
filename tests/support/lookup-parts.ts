import { callerOf } from '#schemas/people/caller.ts';
import { PLAIN } from '#service/lookup/answer.ts';
import { coverageOf } from '#service/lookup/coverage.ts';
import { createLookup } from '#service/lookup/lookup.ts';
import { testNumber } from './rows.ts';
import { role } from './service.ts';

/** What a lookup needs in a test without a service, except its store, its recorder and its versions. */
export const lookupParts = () => ({
  readiness: {
    open: true,
    get authoritiesAt() {
      return Date.now();
    },
    authorities: new Map(),
  },
  coverage: () =>
    coverageOf({ authorities: new Map(), expected: undefined, dataset: undefined }, 0, {
      upToDateMs: 1,
      minimumShare: { demo: 0, live: 0 },
    }),
  saw: () => undefined,
  sampled: { log: () => undefined },
  metrics: { lookedUp: () => undefined, accessesUnreadable: () => undefined },
});

/** Looks a child up without a service, as a user from unscheduled care. */
export function lookUpAlone(
  parts: Pick<Parameters<typeof createLookup>[0], 'store' | 'recorder'> &
    Partial<Parameters<typeof createLookup>[0]>,
) {
  const lookUp = createLookup({
    ...lookupParts(),
    versions: () => ({ functions: 'f', configuration: 'c' }),
    ...parts,
  });
  const identity = {
    issuer: 'issuer',
    client: 'client',
    user: 'parent',
    name: 'Pat Parent',
    role: role('role-1', ['B0107']),
    scopes: [],
  };
  return lookUp(
    {
      kind: 'admitted',
      ids: { requestId: '00000000-0000-4000-8000-000000000000' },
      caller: callerOf(identity),
      access: {
        kind: 'granted',
        access: 'unscheduled',
        decidedBy: 'activity',
        setting: 'ambulance',
      },
    },
    { nhsNumber: testNumber(1) },
    PLAIN,
    undefined,
    undefined,
  );
}
