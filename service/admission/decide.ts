import type { LookupEvent } from '#schemas/audit/audit-event.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import type { Caller } from '#schemas/people/caller.ts';
import {
  ACTIVITY_SILENT,
  ACTIVITY_UNSCHEDULED,
  type Access,
  CARE_SETTINGS,
  isCareSetting,
  type Organisation,
} from '#schemas/people/care-setting.ts';
import type { Identity } from '#schemas/people/identity.ts';
import type { RequestHead } from '../http/request-head.ts';

export type RoleRefusal = Extract<ErrorCode, `role-${string}`>;
type RoleChoice = { kind: 'chosen'; caller: Caller } | { kind: 'refused'; code: RoleRefusal };

/** The role in use: the only one, or the one that `NHSD-Session-URID` names. */
export function chooseRole(
  callers: readonly [Caller, ...Caller[]],
  headers: RequestHead['headers'],
): RoleChoice {
  const wanted = headers['nhsd-session-urid'];
  if (wanted === undefined) {
    return callers.length === 1
      ? { kind: 'chosen', caller: callers[0] }
      : { kind: 'refused', code: 'role-choice-required' };
  }
  const caller = callers.find(({ identity }) => identity.role.id === wanted);
  return caller === undefined
    ? { kind: 'refused', code: 'role-not-held' }
    : { kind: 'chosen', caller };
}

export type AccessRefusal = Extract<
  ErrorCode,
  | 'activity-required'
  | 'access-header-invalid'
  | 'silent-read-not-allowed'
  | `organisation-not-${string}`
>;
export type AccessDecision =
  | {
      kind: 'granted';
      access: Access;
      decidedBy: LookupEvent['decidedBy'];
      /** As an event has it: the kind of unscheduled setting, or only `scheduled`. */
      setting: string;
    }
  | { kind: 'refused'; code: AccessRefusal };

/** The setting of an organisation that only a demo lets in. */
const UNREGISTERED = 'unregistered';

/**
 * `undefined` if it is not a care setting. Which scheduled setting it was (a clinic for terminations, say) is
 * itself sensitive.
 */
function settingText(organisation: Organisation | undefined): string | undefined {
  if (organisation === undefined) return UNREGISTERED;
  const { setting } = organisation;
  if (!isCareSetting(setting)) return undefined;
  return CARE_SETTINGS[setting].unscheduled ? setting : 'scheduled';
}

/**
 * Whether a role may look, and how the look counts.
 *
 * One activity held: it decides. Both held: unscheduled, unless `IsUnscheduledAccessEvent: false` and
 * the organisation is registered as scheduled care. Source: national role based access control (B0107,
 * B0170); draft CP-IS FHIR guide (the header, and what its absence means).
 *
 * @param organisations the registered care settings
 * @param registeredOnly false for a demo dataset, in which others may look as well
 */
export function decideAccess(
  { role }: Identity,
  headers: RequestHead['headers'],
  organisations: ReadonlyMap<string, Organisation>,
  registeredOnly: boolean,
): AccessDecision {
  const unscheduled = role.activities.includes(ACTIVITY_UNSCHEDULED);
  const silent = role.activities.includes(ACTIVITY_SILENT);
  if (!unscheduled && !silent) return { kind: 'refused', code: 'activity-required' };

  const organisation = organisations.get(role.organisation.code);
  if (organisation === undefined && registeredOnly) {
    return { kind: 'refused', code: 'organisation-not-registered' };
  }
  const setting = settingText(organisation);
  if (setting === undefined) return { kind: 'refused', code: 'organisation-not-care' };
  const header = headers['isunscheduledaccessevent'];
  if (header !== undefined && header !== 'true' && header !== 'false') {
    return { kind: 'refused', code: 'access-header-invalid' };
  }
  if (!silent) return { kind: 'granted', access: 'unscheduled', decidedBy: 'activity', setting };
  if (!unscheduled)
    return { kind: 'granted', access: 'silent-read', decidedBy: 'activity', setting };
  if (header === 'false') {
    return setting === 'scheduled'
      ? { kind: 'granted', access: 'silent-read', decidedBy: 'header', setting }
      : { kind: 'refused', code: 'silent-read-not-allowed' };
  }
  const decidedBy = header === undefined ? 'default' : 'header';
  return { kind: 'granted', access: 'unscheduled', decidedBy, setting };
}
