import type { CarePlan, CareTeam, Flag as FhirFlag, Period } from '@medplum/fhirtypes';
import type { Flag } from '#schemas/lookup.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { EMERGENCY_DUTY_TEAM, OFFICE_HOURS, planNote } from '#schemas/wording/lookup.ts';
import { resourceId } from './ids.ts';
import { FLAG_CODING, ODS_SYSTEM, patient, SNOMED_SYSTEM } from './vocabulary.ts';

/** Whose flags, and the key of their ids. */
export type Child = { nhsNumber: string; key: string };

/** In force: current, or an unborn child's plan whose due date has passed. */
const inForce = (flag: Flag): boolean => flag.status !== 'ended';

const idOf = (
  resourceType: string,
  { nhsNumber, key }: Child,
  { authority, type, startDate }: Flag,
) => resourceId(key, resourceType, nhsNumber, authority.code, type, startDate);

function category({ type }: Flag) {
  return [{ coding: [{ system: SNOMED_SYSTEM, ...PLAN_TYPES[type].snomed }] }];
}

/**
 * Start and end. A due date that has passed is left out: a plan with an end in the past reads as over, and
 * this one must be treated as in force. The note gives the date.
 */
function period({ status, startDate, endDate, dueOrEndDate }: Flag): Period {
  const end = endDate ?? (status === 'due-date-passed' ? undefined : dueOrEndDate);
  return { start: startDate, ...(end !== undefined && { end }) };
}

function phones({ authority }: Flag) {
  const { officeHoursPhone, emergencyDutyTeamPhone } = authority;
  return [
    ...(officeHoursPhone === undefined
      ? []
      : [{ use: 'work' as const, value: officeHoursPhone, label: OFFICE_HOURS }]),
    // The draft CP-IS FHIR guide marks the second number by `mobile`; people read the label.
    { use: 'mobile' as const, value: emergencyDutyTeamPhone, label: EMERGENCY_DUTY_TEAM },
  ];
}

/** Whom to ring about one plan, by day and at night. Source: draft CP-IS FHIR guide, data mapping. */
export function careTeam(child: Child, flag: Flag): CareTeam {
  const { code, name } = flag.authority;
  const numbers = phones(flag);
  return {
    resourceType: 'CareTeam',
    id: idOf('CareTeam', child, flag),
    contained: [
      {
        resourceType: 'Organization',
        id: 'la',
        identifier: [{ system: ODS_SYSTEM, value: code }],
        name,
        contact: numbers.map(({ value, label }) => ({
          purpose: { text: label },
          telecom: [{ system: 'phone', value }],
        })),
      },
    ],
    status: inForce(flag) ? 'active' : 'inactive',
    category: category(flag),
    name,
    subject: patient(child.nhsNumber),
    period: period(flag),
    managingOrganization: [{ reference: '#la' }],
    telecom: numbers.map(({ use, value }, i) => ({ system: 'phone', value, use, rank: i + 1 })),
    note: [{ text: planNote(flag) }],
  };
}

/** One plan, with a reference to whom to ring about it. Source: Patient Flags guide, CarePlan-Flag. */
export function carePlan(child: Child, flag: Flag): CarePlan {
  return {
    resourceType: 'CarePlan',
    id: idOf('CarePlan', child, flag),
    status: inForce(flag) ? 'active' : 'completed',
    intent: 'plan',
    category: category(flag),
    subject: patient(child.nhsNumber),
    period: period(flag),
    careTeam: [{ reference: `CareTeam/${idOf('CareTeam', child, flag)}` }],
  };
}

/**
 * The one flag of a child with plans; active while any of them is in force, with their period (that of all,
 * if none is). Refers to the plans only if they come with it: none can be read by itself.
 *
 * Source: Patient Flags guide, Flag-PatientFlag.
 */
export function fhirFlag(
  child: Child,
  flags: readonly Flag[],
  plans: readonly CarePlan[],
): FhirFlag {
  const active = flags.some(inForce);
  const counted = active ? flags.filter(inForce) : flags;
  const starts = counted.map(({ startDate }) => startDate).toSorted();
  const ends = counted.flatMap(({ endDate }) => endDate ?? []).toSorted();
  const [start] = starts;
  const end = active ? undefined : ends.at(-1);
  return {
    resourceType: 'Flag',
    id: resourceId(child.key, 'Flag', child.nhsNumber),
    ...(plans.length > 0 && {
      extension: plans.map(({ id }) => ({
        url: 'http://hl7.org/fhir/StructureDefinition/flag-detail',
        valueReference: { reference: `CarePlan/${id}` },
      })),
    }),
    status: active ? 'active' : 'inactive',
    code: { coding: [FLAG_CODING] },
    subject: patient(child.nhsNumber),
    period: { ...(start !== undefined && { start }), ...(end !== undefined && { end }) },
  };
}
