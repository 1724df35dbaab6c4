import { number, options as optionsOf, steady } from './lookups.ts';

/**
 * Lookups run for a quiet time, then for as long again while the night's uploads are loaded.
 * `npm run bench -- nightly` sends the uploads. In an environment of your own, send yours when the first half is
 * over.
 */
export { default, handleSummary } from './lookups.ts';

const perSecond = number('RATE', 300);
const half = number('HALF_SECONDS', 30);

export const options = optionsOf(
  { quiet: steady(perSecond, `${half}s`), uploads: steady(perSecond, `${half}s`, `${half}s`) },
  { lookups_refused: ['count==0'] },
);
