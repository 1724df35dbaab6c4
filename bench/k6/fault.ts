import { number, options as optionsOf, steady } from './lookups.ts';

/**
 * Redis is paused, then killed, while lookups come in. During the fault each lookup is answered or properly
 * refused, and no answer is wrong. Afterwards every lookup is answered again.
 *
 * `npm run bench -- fault` pauses Redis at PAUSED_AT and kills it at KILLED_AT. When the scenario `after` begins,
 * the fault must be over.
 */
export { default, handleSummary } from './lookups.ts';

const perSecond = number('RATE', 300);
const faultSeconds = number('FAULT_SECONDS', 30);

export const options = optionsOf(
  {
    before: steady(perSecond, '10s'),
    // A lookup that is under way when Redis stops is given up after 1.5 s.
    fault: steady(perSecond, `${faultSeconds}s`, '10s', 3),
    after: steady(perSecond, '15s', `${10 + faultSeconds}s`),
  },
  {
    'lookups_refused{scenario:before}': ['count==0'],
    'lookups_refused{scenario:after}': ['count==0'],
    'lookups_answered{scenario:after}': [`count>=${Math.floor(perSecond * 15 * 0.98)}`],
  },
);
