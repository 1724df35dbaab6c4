import { number, options as optionsOf, steady } from './lookups.ts';

/** Runs for half an hour, or for a weekend (DURATION). A long run shows what leaks, fills up or becomes slow. */
export { default, handleSummary } from './lookups.ts';

/** Long enough for k6 to collect its garbage, which now and then comes to a gigabyte. */
const WAIT_SECONDS = 1;

export const options = optionsOf(
  { soak: steady(number('RATE', 500), __ENV['DURATION'] ?? '30m', '0s', WAIT_SECONDS) },
  { lookup_answered_ms: [`p(99)<${number('P99_MS', 25)}`], lookups_refused: ['count==0'] },
);
