import { z } from 'zod';
import type { ErrorCode } from '#schemas/errors.ts';
import type { SearchType } from '#schemas/lookup.ts';
import { EXAMPLES } from '../description/examples.ts';
import { fhirHeaders, type Operation, type Parameter } from '../description/operation.ts';
import { refusalResponse } from '../fhir/outcome.ts';
import { withTraceId } from '../fhir/request.ts';
import { createSearch, type SearchDependencies } from '../fhir/search.ts';
import { FHIR_BASE, FHIR_JSON } from '../fhir/vocabulary.ts';
import { guardedLookup, type LookupGuardDependencies } from '../lookup/guard.ts';
import type { Route } from './route.ts';

export type FhirSearchDependencies = LookupGuardDependencies & SearchDependencies;

const bundleSchema = z
  .looseObject({
    resourceType: z.literal('Bundle'),
    id: z.guid().meta({ description: 'The audit id.' }),
    type: z.literal('searchset'),
    timestamp: z.iso.datetime(),
    total: z
      .int()
      .meta({ description: 'Of the matches alone. 0 is a negative with words to show.' }),
    entry: z.array(
      z.looseObject({
        fullUrl: z.string().optional(),
        resource: z.looseObject({ resourceType: z.string() }),
        search: z.object({ mode: z.enum(['match', 'include', 'outcome']) }),
      }),
    ),
  })
  .meta({ description: 'A Bundle of FHIR R4.' });

const identifierText =
  'The system https://fhir.nhs.uk/Id/nhs-number, a vertical bar and the NHS number.';
const common: Parameter[] = [
  {
    name: 'patient:identifier',
    in: 'query',
    required: true,
    description: identifierText,
    schema: z.string(),
    example: 'https://fhir.nhs.uk/Id/nhs-number|9991000011',
  },
  {
    name: '_format',
    in: 'query',
    description: 'JSON is all there is.',
    schema: z.enum(['json', 'application/json', FHIR_JSON]),
  },
  {
    name: '_count',
    in: 'query',
    description: 'Answers are not paged: 50 or more.',
    schema: z.int().min(50),
  },
];

const SEARCHES: Record<
  SearchType,
  { summary: string; description: string; more: Parameter[]; refusals: ErrorCode[] }
> = {
  CareTeam: {
    summary: 'Whom to ring: one CareTeam for each plan',
    description:
      'Type and dates of each plan and its authority’s two numbers: `work` is office hours, `mobile` the emergency duty team, out of hours. Label it so.',
    more: [],
    refusals: [],
  },
  Flag: {
    summary: 'One Flag for a child with plans',
    description: '`active` while any plan is in force.',
    more: [
      {
        name: 'code',
        in: 'query',
        description: 'With it the CarePlans and CareTeams that the Flag refers to come too.',
        schema: z.enum(['child-protection-information-system-flag']),
      },
    ],
    refusals: ['search-code-unsupported'],
  },
  AuditEvent: {
    summary: 'The last 25 looks from unscheduled care',
    description: 'Your own among them. Refused to a silent read.',
    more: [
      {
        name: '_include',
        in: 'query',
        description: 'A PractitionerRole for each person comes too.',
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

function operations(type: SearchType): Operation[] {
  const { summary, description, more, refusals } = SEARCHES[type];
  const answer = {
    description: 'Checked.',
    content: { [FHIR_JSON]: { schema: bundleSchema, example: EXAMPLES[type] } },
  };
  const parameters = [...common, ...more];
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
      path: `${FHIR_BASE}/${type}/_search`,
      id: `search${type}`,
      tag: 'FHIR R4',
      summary,
      description: `${description} The number stands in the body: in no address, and in no log of one.`,
      access: 'lookup',
      parameters: fhirHeaders,
      body: {
        'application/x-www-form-urlencoded': {
          schema: formSchema,
          example: { 'patient:identifier': 'https://fhir.nhs.uk/Id/nhs-number|9991000011' },
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
      path: `${FHIR_BASE}/${type}`,
      id: `search${type}ByGet`,
      tag: 'FHIR R4',
      summary: `${summary}, by GET`,
      description: `${description} The number stands in the address: prefer POST.`,
      access: 'lookup',
      parameters: [...parameters, ...fhirHeaders],
      answer,
      refusals: [...SEARCH_REFUSALS, ...refusals],
    },
  ];
}

/**
 * The searches by NHS number, by POST to `_search` and by GET: the same check as `POST /lookup`, audited,
 * listed, notified and refused alike, and answered as a Bundle. Whatever is not a complete, audited answer
 * is an OperationOutcome that says that nothing was checked.
 */
export const fhirSearches: readonly Route<FhirSearchDependencies>[] = (
  Object.keys(SEARCHES) as SearchType[]
).flatMap((type) =>
  operations(type).map((operation) => ({
    operation,
    handler: ({ lookUp, rehearse, readiness, baseOf, ...guard }) =>
      guardedLookup(
        guard,
        {
          api: 'fhir',
          headOf: withTraceId,
          refuse: (code, options, c) => refusalResponse(code, baseOf(c), options),
        },
        createSearch(type, { lookUp, rehearse, readiness, baseOf }),
      ),
  })),
);
