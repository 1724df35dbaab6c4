import { z } from 'zod';
import type { ErrorCode } from '#schemas/errors.ts';
import { EXAMPLES } from '../description/examples.ts';
import { fhirHeaders, type Operation, type Parameter } from '../description/operation.ts';
import { OLDER_DRAFT } from '../fhir/conformance.ts';
import { refusalResponse } from '../fhir/outcome.ts';
import {
  COUNT_AT_LEAST,
  COUNT_AT_MOST,
  SEARCH_PATHS,
  type SearchPath,
} from '../fhir/parameters.ts';
import { withTraceId } from '../fhir/request.ts';
import { createSearch, type SearchDependencies } from '../fhir/search.ts';
import { FHIR_BASE, FHIR_JSON, NHS_NUMBER_SYSTEM } from '../fhir/vocabulary.ts';
import { guardedLookup, type LookupGuardDependencies } from '../lookup/guarded-lookup.ts';
import type { Route } from './route.ts';

type FhirSearchDependencies = LookupGuardDependencies & SearchDependencies;

const bundleSchema = z
  .looseObject({
    resourceType: z.literal('Bundle'),
    id: z.guid().meta({ description: 'The audit id.' }),
    type: z.literal('searchset'),
    timestamp: z.iso.datetime(),
    total: z
      .int()
      .meta({ description: 'Counts the matches only. 0 is a negative, with advice to show.' }),
    entry: z.array(
      z.looseObject({
        fullUrl: z.string().optional(),
        resource: z.looseObject({ resourceType: z.string() }),
        search: z.object({ mode: z.enum(['match', 'include', 'outcome']) }),
      }),
    ),
  })
  .meta({ description: 'A Bundle of FHIR R4.' });

const IDENTIFIER = `${NHS_NUMBER_SYSTEM}|9991000011`;
const identifier: Parameter = {
  name: 'patient:identifier',
  in: 'query',
  required: true,
  description: `The system ${NHS_NUMBER_SYSTEM}, a vertical bar and the NHS number.`,
  schema: z.string().regex(/^https:\/\/fhir\.nhs\.uk\/Id\/nhs-number\|[0-9]{10}$/),
  example: IDENTIFIER,
};
const identifiers: Record<SearchPath, Parameter[]> = {
  CareTeam: [identifier],
  Flag: byPatient(),
  PatientFlag: byPatient(),
  AuditEvent: [identifier],
};
/** Either may name the patient. */
function byPatient(): Parameter[] {
  return [
    {
      name: 'patient',
      in: 'query',
      description: 'Only the NHS number. This or `patient:identifier` is required.',
      schema: z.string().regex(/^(?:Patient\/)?[0-9]{10}$/),
      example: '9991000011',
    },
    { ...identifier, required: false },
  ];
}
const common: Parameter[] = [
  {
    name: '_format',
    in: 'query',
    description: 'JSON is the only format.',
    schema: z.enum(['json', 'application/json', FHIR_JSON]),
  },
  {
    name: '_count',
    in: 'query',
    description: 'Answers are not paged: 50 or more.',
    schema: z.int().min(COUNT_AT_LEAST).max(COUNT_AT_MOST),
  },
];

type Search = {
  summary: string;
  description: string;
  more: readonly Parameter[];
  refusals: readonly ErrorCode[];
};

const FLAG = {
  summary: 'One Flag for a child with plans',
  description: '`active` while any plan is in force. Follows the Patient Flags FHIR API.',
  more: [
    {
      name: 'code',
      in: 'query',
      description: 'Adds the CarePlans and CareTeams that the Flag refers to.',
      schema: z.enum(['child-protection-information-system-flag']),
    },
  ],
  refusals: ['search-code-unsupported'],
} as const satisfies Search;

const SEARCHES: Record<SearchPath, Search> = {
  CareTeam: {
    summary: 'Whom to ring: one CareTeam for each plan',
    description: `Type and dates of each plan and its authority’s two numbers: \`work\` is office hours, \`mobile\` is the emergency duty team, out of hours. Label them so. ${OLDER_DRAFT}`,
    more: [],
    refusals: [],
  },
  Flag: FLAG,
  PatientFlag: { ...FLAG, description: `${FLAG.description} Another address of Flag.` },
  AuditEvent: {
    summary: 'Who looked from unscheduled care, the last 25 entries',
    description: `Your own among them. Refused to a silent read. ${OLDER_DRAFT}`,
    more: [
      {
        name: '_include',
        in: 'query',
        description: 'Adds a PractitionerRole for each person.',
        schema: z.enum(['AuditEvent:agent']),
      },
    ],
    refusals: ['search-include-unsupported', 'accesses-not-shown'],
  },
};

const SEARCH_REFUSALS = [
  'search-number-required',
  'search-number-system',
  'invalid-nhs-number',
  'search-parameter-unsupported',
  'search-several-values',
  'search-count-unsupported',
  'format-unsupported',
] as const satisfies ErrorCode[];

function operations(path: SearchPath): Operation[] {
  const { summary, description, more, refusals } = SEARCHES[path];
  const answer = {
    description: 'Checked.',
    content: { [FHIR_JSON]: { schema: bundleSchema, example: EXAMPLES[SEARCH_PATHS[path]] } },
  };
  const parameters = [...identifiers[path], ...common, ...more];
  const formSchema = z.object(
    Object.fromEntries(
      parameters.map(({ name, required, schema, description: text }) => [
        name,
        (required === true ? schema : schema.optional()).meta({ description: text }),
      ]),
    ),
  );
  return [
    {
      method: 'POST',
      path: `${FHIR_BASE}/${path}/_search`,
      id: `search${path}`,
      tag: 'FHIR R4',
      summary,
      description: `${description} The number is in the body, which keeps it out of addresses and their logs.`,
      letsIn: 'lookup',
      parameters: fhirHeaders,
      body: {
        'application/x-www-form-urlencoded': {
          schema: formSchema,
          example: { 'patient:identifier': IDENTIFIER },
        },
      },
      answer,
      refusals: [
        ...SEARCH_REFUSALS,
        ...refusals,
        'search-parameters-in-url',
        'search-form-required',
        'body-too-large',
        'request-timeout',
      ],
    },
    {
      method: 'GET',
      path: `${FHIR_BASE}/${path}`,
      id: `search${path}ByGet`,
      tag: 'FHIR R4',
      summary: `${summary}, by GET`,
      description: `${description} The number is in the address: prefer POST.`,
      letsIn: 'lookup',
      parameters: [...parameters, ...fhirHeaders],
      answer,
      refusals: [...SEARCH_REFUSALS, ...refusals],
    },
  ];
}

/**
 * The searches by NHS number, by POST to `_search` and by GET: the same check as `POST /lookup`, audited,
 * listed, notified and refused alike, and answered as a Bundle. Anything but a complete, audited answer is an
 * OperationOutcome that says that nothing was checked.
 */
export const fhirSearches: readonly Route<FhirSearchDependencies>[] = (
  Object.keys(SEARCHES) as SearchPath[]
).flatMap((path) =>
  operations(path).map((operation) => ({
    operation,
    handler: ({ lookUp, rehearse, readiness, baseOf, ...guard }) =>
      guardedLookup(
        guard,
        {
          api: 'fhir',
          headOf: withTraceId,
          refuse: refusalResponse,
        },
        createSearch(path, { lookUp, rehearse, readiness, baseOf }),
      ),
  })),
);
