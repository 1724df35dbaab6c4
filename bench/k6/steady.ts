import { number, options as optionsOf, steady } from './lookups.ts';

/** An ordinary day at a national rate. Of the numbers looked up, 1 % are held and 0.5 % are not NHS numbers. */
export { default, handleSummary } from './lookups.ts';

export const options = optionsOf(
  { steady: steady(number('RATE', 1_000), __ENV['DURATION'] ?? '60s') },
  { lookup_answered_ms: [`p(99)<${number('P99_MS', 25)}`], lookups_refused: ['count==0'] },
);
