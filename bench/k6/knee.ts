import { number, options as optionsOf, steady } from './lookups.ts';

/**
 * One step in the search for the highest rate. It passes if the 99th percentile at RATE is below P99_MS.
 * `npm run bench -- knee` makes all the steps. By hand, raise RATE until this fails.
 */
export { default, handleSummary } from './lookups.ts';

export const options = optionsOf(
  { step: steady(number('RATE', 1_000), __ENV['DURATION'] ?? '10s') },
  { lookup_answered_ms: [`p(99)<${number('P99_MS', 25)}`] },
);
