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

/** A caller as audit events hold it. */
export function auditedCaller({ issuer, client, user, name, role }: Omit<Identity, 'scopes'>) {
  return {
    issuer,
    client,
    user,
    name,
    role: { code: role.code, name: role.name },
    organisation: role.organisation,
  };
}
