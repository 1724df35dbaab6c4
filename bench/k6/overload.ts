import { number, options as optionsOf, steady } from './lookups.ts';

/**
 * RATE is three times what the service can take. The service still answers nearly as many lookups as it can (at
 * least GOODPUT a second). It refuses the rest at once and properly.
 */
export { default, handleSummary } from './lookups.ts';

export const options = optionsOf(
  { overload: steady(number('RATE', 3_000), __ENV['DURATION'] ?? '20s') },
  {
    lookups_answered: [`rate>=${number('GOODPUT', 900)}`],
    lookup_answered_ms: [`p(99)<${number('P99_MS', 1_000)}`],
    lookup_refused_ms: [`p(99)<${number('P99_MS', 1_000)}`],
  },
);
