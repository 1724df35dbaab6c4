import type {
  CapabilityStatement,
  CapabilityStatementRestResource,
  CodeSystem,
  SearchParameter,
} from '@medplum/fhirtypes';
import { unreadableEventSchema, writtenEventSchema } from '#schemas/audit/audit-event.ts';
import { ERRORS } from '#schemas/errors.ts';
import type { SearchType } from '#schemas/lookup.ts';
import {
  AUDIT_EVENT_SYSTEM,
  ERROR_CODE_SYSTEM,
  FHIR_JSON,
  FLAG_CODE_PARAMETER,
  NHS_NUMBER_SYSTEM,
} from './vocabulary.ts';

/** When the statement below last changed. */
const STATED_ON = '2026-11-28';

/** `code` is no search parameter of Flag in R4. Source: Patient Flags guide, England-FlagCode. */
export function flagCodeParameter(): SearchParameter {
  return {
    resourceType: 'SearchParameter',
    id: 'flag-code',
    url: FLAG_CODE_PARAMETER,
    name: 'FlagCode',
    status: 'active',
    date: STATED_ON,
    description:
      'The kind of flag. Only child-protection-information-system-flag is held here, and any other code is refused. With it, the CarePlans and CareTeams that the flag refers to are included.',
    code: 'code',
    base: ['Flag'],
    type: 'token',
    expression: 'Flag.code',
  };
}

/** The meanings of the refusal codes. */
export function errorCodes(): CodeSystem {
  return {
    resourceType: 'CodeSystem',
    id: 'error-code',
    url: ERROR_CODE_SYSTEM,
    name: 'ErrorCode',
    title: 'Why a request was refused',
    status: 'active',
    date: STATED_ON,
    caseSensitive: true,
    content: 'complete',
    concept: Object.entries(ERRORS).map(([code, { title, detail }]) => ({
      code,
      display: title,
      definition: detail,
    })),
  };
}

/** The kinds of event, as in `AuditEvent.subtype` of an audit search. */
export function auditEventCodes(): CodeSystem {
  const types = [...writtenEventSchema.options, unreadableEventSchema].flatMap(({ shape }) =>
    'options' in shape.type ? shape.type.options : [...shape.type.values],
  );
  return {
    resourceType: 'CodeSystem',
    id: 'audit-event',
    url: AUDIT_EVENT_SYSTEM,
    name: 'AuditEvent',
    title: 'What an audit event records',
    status: 'active',
    date: STATED_ON,
    caseSensitive: true,
    content: 'complete',
    concept: types.map((code) => ({ code })),
  };
}

const PATIENT_DEFINITION = {
  CareTeam: 'http://hl7.org/fhir/SearchParameter/clinical-patient',
  Flag: 'http://hl7.org/fhir/SearchParameter/clinical-patient',
  AuditEvent: 'http://hl7.org/fhir/SearchParameter/AuditEvent-patient',
} as const satisfies Record<SearchType, string>;

const BY_IDENTIFIER = `patient:identifier=${NHS_NUMBER_SYSTEM}|NUMBER`;
const PATIENT_DOCUMENTATION = {
  CareTeam: `Required: ${BY_IDENTIFIER}.`,
  Flag: `Required: patient=NUMBER, where NUMBER is the NHS number, or ${BY_IDENTIFIER}.`,
  AuditEvent: `Required: ${BY_IDENTIFIER}.`,
} as const satisfies Record<SearchType, string>;

/** CareTeam and AuditEvent are not part of the Patient Flags FHIR API. */
export const OLDER_DRAFT =
  'Follows the CP-IS draft of 2023, which the NHS no longer develops: prefer Flag.';

function searched(
  type: SearchType,
  documentation: string,
  more: Partial<CapabilityStatementRestResource> = {},
): CapabilityStatementRestResource {
  return {
    type,
    documentation,
    interaction: [{ code: 'search-type' }],
    ...more,
    searchParam: [
      {
        name: 'patient',
        definition: PATIENT_DEFINITION[type],
        type: 'reference',
        documentation: PATIENT_DOCUMENTATION[type],
      },
      ...(more.searchParam ?? []),
    ],
  };
}

/** What this service can do, and what it requires of its callers. */
export function capabilityStatement(version: string, base: string): CapabilityStatement {
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: STATED_ON,
    kind: 'instance',
    software: { name: 'cp-flags', version },
    implementation: { description: 'Child protection flag lookup for unscheduled care', url: base },
    fhirVersion: '4.0.1',
    format: [FHIR_JSON, 'json'],
    rest: [
      {
        mode: 'server',
        documentation:
          'Searches by NHS number, by POST to _search with a form (the number is then in no address and no log of one) or by GET. Each search is a lookup: audited and, from unscheduled care, listed for others and told to the authority. An X-Request-ID or TraceID header holding a UUID is required. There is no paging: _count may be 50 or more. What is not supported is refused. Every Bundle has an entry with search.mode outcome, whose words are to be shown; whatever is not 200 is not a negative result.',
        security: {
          cors: false,
          service: [
            {
              coding: [
                {
                  system: 'http://terminology.hl7.org/CodeSystem/restful-security-service',
                  code: 'OAuth',
                },
              ],
            },
          ],
          description:
            'A bearer token that names a user, a role and an organisation, with activity B0107 (unscheduled care) or B0170 (scheduled care: a silent read).',
        },
        resource: [
          searched(
            'CareTeam',
            `One for each plan: its type and dates, and whom to ring. ${OLDER_DRAFT}`,
          ),
          searched(
            'AuditEvent',
            `Who looked from unscheduled care, the last 25 entries. ${OLDER_DRAFT} Refused to a silent read. _include=AuditEvent:agent brings a PractitionerRole for each person; AuditEvent:entity-type=http://terminology.hl7.org/CodeSystem/v3-RoleClass|ASSIGNED is taken for the same.`,
            { searchInclude: ['AuditEvent:agent'] },
          ),
          searched(
            'Flag',
            'One for a child with plans; active while any of them is in force. After the Patient Flags FHIR API, and answered at PatientFlag too. With code, its CarePlans and CareTeams are included.',
            {
              searchParam: [{ name: 'code', definition: FLAG_CODE_PARAMETER, type: 'token' }],
            },
          ),
          { type: 'SearchParameter', interaction: [{ code: 'read' }] },
          { type: 'CodeSystem', interaction: [{ code: 'read' }] },
        ],
      },
    ],
  };
}
