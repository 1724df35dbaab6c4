import { type Identity, userKeyOf } from './identity.ts';

/**
 * A verified caller in one role, with values that every lookup would otherwise compute again: `eventJson` is
 * the caller as an audit event holds it, `accessEntry` as others see it, `userKey` the person whatever the
 * organisation.
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

/** A caller of a verified identity, whichever way it was verified. */
export function callerOf(identity: Identity): Caller {
  const { issuer, user, name, role } = identity;
  const { organisation } = role;
  return {
    identity,
    eventJson: JSON.stringify(auditedCaller(identity)),
    accessEntry: JSON.stringify({ name, role: role.name, roleCode: role.code, organisation }),
    userKey: userKeyOf(issuer, user),
  };
}
