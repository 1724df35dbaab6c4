import type { AuditEvent, PractitionerRole } from '@medplum/fhirtypes';
import { NOT_SHOWN } from '#schemas/wording/lookup.ts';
import type { ListedAccess } from '#store/lookup.ts';
import { resourceId } from './ids.ts';
import type { Child } from './plans.ts';
import { JOB_ROLE_SYSTEM, ODS_SYSTEM, patient, ROLE_CLASS_SYSTEM } from './vocabulary.ts';

/** R4 has no field for how often something was done. */
const OTHER_ENTITY = {
  system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type',
  code: '4',
};
/** Codes of the national list of job roles; another issuer's codes may not be on it. */
const JOB_ROLE = /^R[0-9]{4}$/;

/**
 * A user's looks from unscheduled care within 24 hours, and the user: recorded at the time of the latest.
 * Without `supporting` the person is only named, since a reference would lead nowhere. If a council keeps
 * back where the child was looked up, nobody is named. Source: draft CP-IS FHIR guide, data mapping.
 */
export function access(
  { nhsNumber, key }: Child,
  { at, since, count, entry, name, role, roleCode, organisation, withheld }: ListedAccess,
  supporting: boolean,
): { event: AuditEvent; person?: PractitionerRole } {
  const personId = resourceId(key, 'PractitionerRole', entry);
  const roleClass = (code: string) => ({ coding: [{ system: ROLE_CLASS_SYSTEM, code }] });
  return {
    event: {
      resourceType: 'AuditEvent',
      id: resourceId(key, 'AuditEvent', nhsNumber, since, withheld ? at : entry),
      type: {
        system: 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle',
        code: 'access',
      },
      action: 'R',
      recorded: new Date(at).toISOString(),
      outcome: '0',
      agent: [
        { type: roleClass('PAT'), who: patient(nhsNumber), requestor: false },
        {
          type: roleClass('ASSIGNED'),
          who: withheld
            ? { display: NOT_SHOWN }
            : {
                ...(supporting && { reference: `PractitionerRole/${personId}` }),
                type: 'PractitionerRole',
                display: `${name}, ${role}, ${organisation.name}`,
              },
          requestor: true,
        },
      ],
      source: { observer: { display: 'cp-flags' } },
      entity: [{ type: OTHER_ENTITY, detail: [{ type: 'count', valueString: String(count) }] }],
    },
    ...(!withheld && {
      person: {
        resourceType: 'PractitionerRole',
        id: personId,
        practitioner: { display: name },
        organization: {
          identifier: { system: ODS_SYSTEM, value: organisation.code },
          display: organisation.name,
        },
        code: [
          {
            coding: [
              {
                ...(roleCode !== undefined &&
                  JOB_ROLE.test(roleCode) && { system: JOB_ROLE_SYSTEM, code: roleCode }),
                display: role,
              },
            ],
          },
        ],
      },
    }),
  };
}
