import { coverageOf } from '#service/lookup/coverage.ts';

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
