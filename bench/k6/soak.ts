import { number, options as optionsOf, steady } from './lookups.ts';

/** Half an hour, or a weekend (DURATION): what leaks, fills up or grows slow shows in the end. */
export { default, handleSummary } from './lookups.ts';

/** Time enough for k6 to collect its garbage, which comes to a gigabyte now and then. */
const WAIT_SECONDS = 1;

export const options = optionsOf(
  { soak: steady(number('RATE', 500), __ENV['DURATION'] ?? '30m', '0s', WAIT_SECONDS) },
  { lookup_answered_ms: [`p(99)<${number('P99_MS', 25)}`], lookups_refused: ['count==0'] },
);
