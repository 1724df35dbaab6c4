import { number, options as optionsOf, steady } from './lookups.ts';

/** Half an hour, or a weekend (DURATION): what leaks, fills up or grows slow shows in the end. */
export { default, handleSummary } from './lookups.ts';

export const options = optionsOf(
  { soak: steady(number('RATE', 500), __ENV['DURATION'] ?? '30m') },
  { lookup_answered_ms: [`p(99)<${number('P99_MS', 25)}`], lookups_refused: ['count==0'] },
);
