import type { AuditEvent, AuditEventAgent, AuditEventEntity, Bundle } from '@medplum/fhirtypes';
import { z } from 'zod';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import type { SearchedUntil } from '#schemas/audit/audit-search.ts';
import type { ShownEvent } from '../audit/search/view.ts';
import { resourceId } from './ids.ts';
import {
  AUDIT_EVENT_SYSTEM,
  FHIR_BASE,
  JOB_ROLE_SYSTEM,
  ODS_SYSTEM,
  patient,
} from './vocabulary.ts';

/** The parts of an event that FHIR has a place for; a viewer who may not see a part does not see it here either. */
const shownSchema = z.object({
  type: z.string(),
  at: z.string(),
  auditId: z.string().optional(),
  requestId: z.string().optional(),
  caller: z
    .object({
      client: z.string().optional(),
      user: z.string().optional(),
      name: z.string(),
      role: z.object({ code: z.string().optional(), name: z.string() }).optional(),
      organisation: z.object({ code: z.string(), name: z.string() }).optional(),
    })
    .optional(),
  by: z.string().optional(),
  nhsNumber: z.string().optional(),
  criteria: z.object({ nhsNumber: z.string().optional() }).optional(),
  api: z.string().optional(),
  access: z.string().optional(),
  outcome: z.string().optional(),
  code: z.string().optional(),
  cause: z.string().optional(),
  delivered: z.boolean().optional(),
});
type Shown = z.infer<typeof shownSchema>;

const DICOM = 'http://dicom.nema.org/resources/ontology/DCM';
const ENTITY_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const OBJECT_ROLE = 'http://terminology.hl7.org/CodeSystem/object-role';
const JOB_ROLE = /^R[0-9]{4}$/;
/** Events that look somebody up; all others are acts on the service itself. */
const LOOKS: readonly WrittenEvent['type'][] = [
  'lookup',
  'could-not-check',
  'refusal',
  'not-delivered',
];

/** Source: R4 audit-event-outcome: 0 success, 4 minor failure, 8 serious failure. */
function outcomeOf({ type, delivered }: Shown): Pick<AuditEvent, 'outcome'> {
  if (type === 'refusal') return { outcome: '4' };
  const failed = type === 'could-not-check' || type === 'not-delivered' || delivered === false;
  return { outcome: failed ? '8' : '0' };
}

function described({ type, outcome, access, code, cause, delivered }: Shown): string {
  const parts = [type, access, outcome, code, cause, delivered === false ? 'not delivered' : ''];
  return parts.filter((part) => part !== undefined && part !== '').join(', ');
}

function agentsOf({ caller, by }: Shown): AuditEventAgent[] {
  const agents: AuditEventAgent[] = [];
  if (caller?.organisation !== undefined) {
    const { code, name } = caller.organisation;
    agents.push({
      who: { type: 'Organization', identifier: { system: ODS_SYSTEM, value: code }, display: name },
      requestor: true,
    });
  }
  const first = agents.length === 0;
  if (caller !== undefined) {
    const { user, name, role, client } = caller;
    agents.push({
      type: {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' },
        ],
      },
      who: {
        type: 'Practitioner',
        ...(user !== undefined && {
          identifier: { system: 'https://fhir.nhs.uk/Id/sds-user-id', value: user },
        }),
        display: name,
      },
      requestor: first,
      ...(role !== undefined && {
        role: [
          {
            ...(role.code !== undefined && {
              coding: [
                {
                  ...(JOB_ROLE.test(role.code) && { system: JOB_ROLE_SYSTEM }),
                  code: role.code,
                  display: role.name,
                },
              ],
            }),
            text: role.name,
          },
        ],
      }),
    });
    if (client !== undefined) {
      agents.push({
        type: { coding: [{ system: DICOM, code: '110153' }] },
        who: {
          type: 'Device',
          identifier: { system: 'https://fhir.nhs.uk/Id/product-id', value: client },
        },
        requestor: false,
      });
    }
  }
  return agents.length > 0 ? agents : [{ who: { display: by ?? 'cp-flags' }, requestor: true }];
}

function entitiesOf(shown: Shown): AuditEventEntity[] {
  const { requestId, api, caller } = shown;
  const nhsNumber = shown.nhsNumber ?? shown.criteria?.nhsNumber;
  const entities: AuditEventEntity[] = [];
  if (nhsNumber !== undefined) {
    entities.push({
      what: patient(nhsNumber),
      type: { system: ENTITY_TYPE, code: '1' },
      role: { system: OBJECT_ROLE, code: '1' },
    });
  }
  if (requestId !== undefined) {
    entities.push({
      what: { identifier: { system: 'https://fhir.nhs.uk/Id/transaction', value: requestId } },
      type: {
        system: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType',
        code: 'XrequestId',
      },
    });
  }
  if (api !== undefined && caller?.client !== undefined) {
    entities.push({
      type: { system: ENTITY_TYPE, code: '4' },
      detail: [
        { type: 'productIdentifier', valueString: caller.client },
        { type: 'interactionIdentifier', valueString: api === 'fhir' ? 'fhir' : 'POST /lookup' },
      ],
    });
  }
  return entities;
}

function auditEvent(shown: Shown, id: string, base: string): AuditEvent {
  const accessed = LOOKS.some((type) => type === shown.type);
  const entity = entitiesOf(shown);
  return {
    resourceType: 'AuditEvent',
    id,
    type: accessed
      ? { system: 'http://terminology.hl7.org/CodeSystem/audit-event-type', code: 'rest' }
      : { system: DICOM, code: '110100' },
    subtype: [
      ...(accessed ? [{ system: 'http://hl7.org/fhir/restful-interaction', code: 'read' }] : []),
      { system: AUDIT_EVENT_SYSTEM, code: shown.type },
    ],
    action: accessed || shown.type === 'audit-search' ? 'R' : 'E',
    recorded: shown.at,
    ...outcomeOf(shown),
    outcomeDesc: described(shown),
    agent: agentsOf(shown),
    source: {
      site: base,
      observer: { display: 'cp-flags' },
      type: [{ system: 'http://terminology.hl7.org/CodeSystem/security-source-type', code: '2' }],
    },
    ...(entity.length > 0 && { entity }),
  };
}

/**
 * Events of the audit as FHIR has them: AuditEvent in the shape of England's PARS profile on IHE BALP. The
 * last entry says how far the search reached, and whether there are more.
 *
 * @param base absolute, of the FHIR service
 */
export function auditBundle(
  events: readonly ShownEvent[],
  {
    id,
    base,
    more,
    coverage,
  }: { id: string; base: string; more: boolean; coverage: SearchedUntil },
): Bundle {
  const seen = new Map<string, number>();
  const reach =
    coverage.completeUntil === undefined
      ? 'The index of the audit is being built: events may be missing.'
      : `All that was recorded before ${coverage.completeUntil} was looked through; ${coverage.notSearched} later events were not.`;
  return {
    resourceType: 'Bundle',
    id,
    type: 'searchset',
    link: [{ relation: 'self', url: `${base.slice(0, -FHIR_BASE.length)}/audit/search` }],
    entry: [
      ...events.map((event) => {
        const shown = shownSchema.parse(event);
        const { type, auditId = '', at } = shown;
        const same = `${type} ${auditId} ${at}`;
        const before = seen.get(same) ?? 0;
        seen.set(same, before + 1);
        const resource = auditEvent(shown, resourceId('', 'AuditEvent', same, before), base);
        return {
          fullUrl: `${base}/AuditEvent/${resource.id}`,
          resource,
          search: { mode: 'match' as const },
        };
      }),
      {
        fullUrl: `urn:uuid:${resourceId('', 'OperationOutcome', id)}`,
        resource: {
          resourceType: 'OperationOutcome' as const,
          issue: [
            {
              severity: 'information' as const,
              code: 'informational' as const,
              details: { text: more ? `${reach} There are more events.` : reach },
            },
          ],
        },
        search: { mode: 'outcome' as const },
      },
    ],
  };
}
