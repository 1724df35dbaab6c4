import type { Identity } from './identity.ts';

/**
 * A verified caller in one role, with what every lookup would otherwise compute again: `eventJson` is
 * the caller as an audit event holds it, `accessEntry` as others see it, `userKey` who it is whatever
 * the organisation.
 */
export type Caller = {
  identity: Identity;
  eventJson: string;
  accessEntry: string;
  userKey: string;
};
