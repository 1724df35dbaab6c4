import { number, options as optionsOf, steady } from './lookups.ts';

/** A smoke test. It takes ten seconds, at a rate that any machine can take. */
export { default, handleSummary } from './lookups.ts';

export const options = optionsOf(
  { smoke: steady(number('RATE', 100), __ENV['DURATION'] ?? '10s') },
  { lookup_answered_ms: [`p(99)<${number('P99_MS', 500)}`], lookups_refused: ['count==0'] },
);
