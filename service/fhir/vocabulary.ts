/** The address of the FHIR R4 service. Source: draft CP-IS FHIR guide, base addresses. */
export const FHIR_BASE = '/FHIR/R4';
/**
 * What this service defines itself, with the same names at every address: a code from one host means what it
 * means from another.
 */
const CANONICAL = 'https://cp-flags.example/fhir';
export const ERROR_CODE_SYSTEM = `${CANONICAL}/CodeSystem/error-code`;
export const AUDIT_EVENT_SYSTEM = `${CANONICAL}/CodeSystem/audit-event`;
export const FLAG_CODE_PARAMETER = `${CANONICAL}/SearchParameter/flag-code`;

export const FHIR_JSON = 'application/fhir+json';

export const NHS_NUMBER_SYSTEM = 'https://fhir.nhs.uk/Id/nhs-number';
export const ODS_SYSTEM = 'https://fhir.nhs.uk/Id/ods-organization-code';
export const SNOMED_SYSTEM = 'http://snomed.info/sct';
export const ROLE_CLASS_SYSTEM = 'http://terminology.hl7.org/CodeSystem/v3-RoleClass';
export const JOB_ROLE_SYSTEM =
  'https://fhir.hl7.org.uk/STU3/CodeSystem/CareConnect-SDSJobRoleName-1';
export const SPINE_ERROR_SYSTEM = 'https://fhir.nhs.uk/R4/CodeSystem/Spine-ErrorOrWarningCode';

/** The only kind of flag here. Source: code system England-FlagCategoryPatient. */
export const FLAG_CODING = {
  system: 'https://fhir.nhs.uk/England/CodeSystem/England-FlagCategoryPatient',
  code: 'child-protection-information-system-flag',
  display: 'Child Protection Information System Flag',
} as const;

/** How a subject is given: only by number, since no Patient can be read here. */
export function patient(nhsNumber: string) {
  return {
    type: 'Patient' as const,
    identifier: { system: NHS_NUMBER_SYSTEM, value: nhsNumber },
  };
}
