import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Anchor, MissingFile } from './anchor.ts';

/** The sentences, by what brings the authority up to date. */
const LACKING = {
  again: LOAD_FAILED.journalGone,
  'new-numbering': LOAD_FAILED.fullRefreshNeeded,
  difference: LOAD_FAILED.differs,
};

const sentence = ({ number, fullOnly, refusedIn }: MissingFile, authority: string): string =>
  refusedIn === undefined
    ? LACKING[fullOnly ?? 'again'](number, authority)
    : LOAD_FAILED.refusedAfterDifference(refusedIn, authority);

/** Why what is held of an authority is not what was sent, and what to do. Empty if nothing is missing. */
export const whyLacking = (anchor: Anchor, authority: string): string =>
  anchor
    .missingFiles(authority)
    .map((missing) => sentence(missing, authority))
    .join(' ');
