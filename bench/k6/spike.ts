import { number, options as optionsOf, users } from './lookups.ts';

/** The rate rises fivefold within a second, for ten seconds: a major incident, or a client in a loop. */
export { default, handleSummary } from './lookups.ts';

const quiet = number('RATE', 300);
const most = number('SPIKE_RATE', 5 * quiet);

export const options = optionsOf(
  {
    spike: {
      executor: 'ramping-arrival-rate',
      startRate: quiet,
      timeUnit: '1s',
      stages: [
        { target: quiet, duration: '10s' },
        { target: most, duration: '1s' },
        { target: most, duration: '10s' },
        { target: quiet, duration: '1s' },
        { target: quiet, duration: '10s' },
      ],
      preAllocatedVUs: users(most),
      maxVUs: users(most),
      gracefulStop: '5s',
    },
  },
  { lookup_answered_ms: [`p(99)<${number('P99_MS', 100)}`], lookups_refused: ['count==0'] },
);
