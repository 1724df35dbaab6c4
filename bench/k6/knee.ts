import { number, options as optionsOf, steady } from './lookups.ts';

/**
 * One step of a search: does RATE hold its 99th percentile? `npm run bench -- knee` makes the steps; by
 * hand, raise RATE until this fails.
 */
export { default, handleSummary } from './lookups.ts';

export const options = optionsOf(
  { step: steady(number('RATE', 1_000), __ENV['DURATION'] ?? '10s') },
  { lookup_answered_ms: [`p(99)<${number('P99_MS', 25)}`] },
);
