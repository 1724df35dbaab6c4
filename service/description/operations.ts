import { z } from 'zod';
import { auditSearchAnswerSchema, auditSearchSchema } from '#schemas/audit/audit-search.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import {
  batchAnswerSchema,
  batchRequestSchema,
  lookupAnswerSchema,
  lookupRequestSchema,
  type SearchType,
} from '#schemas/lookup.ts';
import { notificationIdSchema, notificationsPageSchema } from '#schemas/notification.ts';
import { buildSchema, problemDescriptionSchema, statusSchema } from '#schemas/status.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { UPLOAD_FORMATS, uploadFormats } from '#schemas/uploads/formats.ts';
import { holdingsSchema } from '#schemas/uploads/holdings.ts';
import { inactiveNumbersNoticeSchema } from '#schemas/uploads/notice.ts';
import { FHIR_BASE, FHIR_JSON } from '../fhir/vocabulary.ts';
import { EXAMPLES } from './examples.ts';

export const TAGS = {
  Lookup: 'Is there a flag for this NHS number, whom to ring, and who looked before.',
  'FHIR R4':
    'The same lookup as searches: audited, listed and told to the authority alike. Every Bundle ends with an OperationOutcome (`search.mode` is `outcome`) whose words are to be shown.',
  Authorities: 'Uploads of a local authority, and what is held for it, by its own token.',
  Audit: 'Who looked at whom, for privacy officers and Caldicott Guardians.',
  Service: 'What needs no token: whether the service is well, and what describes it.',
} as const;
export type Tag = keyof typeof TAGS;

/** A query parameter, a part of the address or a header. */
export type Parameter = {
  name: string;
  in: 'query' | 'path' | 'header';
  required?: boolean;
  description: string;
  schema: z.ZodType;
  example?: string | number;
};

export type Content = Record<string, { schema?: z.ZodType; example?: unknown }>;

/** What is to be said of one route; its method and path are those that the app has. */
export type Operation = {
  method: 'GET' | 'POST';
  path: string;
  id: string;
  tag: Tag;
  summary: string;
  description?: string;
  /** `lookup`, `authority` and `audit` name who holds the token; `anybody` has none. */
  access: 'anybody' | 'lookup' | 'authority' | 'audit';
  parameters?: readonly Parameter[];
  body?: Content;
  answer: { description: string; content: Content };
  /** Besides those of its kind of access, and of every request. */
  refusals?: readonly ErrorCode[];
};

const uuid = z.guid();
const requestId: Parameter = {
  name: 'X-Request-ID',
  in: 'header',
  required: true,
  description:
    'A UUID, repeated in the answer. A retry repeats it, and is an audit event of its own.',
  schema: uuid,
  example: '60e0b220-8136-4ca5-ae46-1d97ef59d068',
};
const traceId: Parameter = {
  ...requestId,
  description: `${requestId.description} In its place TraceID is taken.`,
};
const correlationId: Parameter = {
  name: 'X-Correlation-ID',
  in: 'header',
  description: 'A UUID, repeated in the answer.',
  schema: uuid,
};
const chosenRole: Parameter = {
  name: 'NHSD-Session-URID',
  in: 'header',
  description:
    'The id of the role in use: required where the token names several, and must be one of them.',
  schema: z.string(),
};
const unscheduled: Parameter = {
  name: 'IsUnscheduledAccessEvent',
  in: 'header',
  description:
    'Of a role with both activities: `false` makes the look a silent read, for organisations registered as scheduled care.',
  schema: z.enum(['true', 'false']),
};
const plainHeaders = [requestId, correlationId, chosenRole, unscheduled];
const fhirHeaders = [traceId, correlationId, chosenRole, unscheduled];
const authorityHeaders = [requestId, correlationId, chosenRole];

const BODY_REFUSALS = [
  'malformed-json',
  'body-too-large',
  'unsupported-media-type',
  'request-timeout',
] as const satisfies ErrorCode[];

const bundleSchema = z
  .looseObject({
    resourceType: z.literal('Bundle'),
    id: uuid.meta({ description: 'The audit id.' }),
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
const resourceOf = (resourceType: string) =>
  z
    .looseObject({ resourceType: z.literal(resourceType) })
    .meta({ description: `A ${resourceType} of FHIR R4.` });

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

function searches(type: SearchType): Operation[] {
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

const conformance = (
  path: string,
  id: string,
  resourceType: string,
  summary: string,
): Operation => ({
  method: 'GET',
  path: `${FHIR_BASE}${path}`,
  id,
  tag: 'FHIR R4',
  summary,
  access: 'anybody',
  answer: {
    description: `The ${resourceType}.`,
    content: { [FHIR_JSON]: { schema: resourceOf(resourceType) } },
  },
  refusals: ['format-unsupported'],
});

const acknowledgementContent: Content = {
  'application/json': { schema: acknowledgementSchema, example: EXAMPLES.acknowledgement },
  'text/csv': { schema: z.string() },
  'text/plain': { schema: z.string() },
  'application/xml': { schema: z.string() },
};
const uploadParameters: Parameter[] = [
  {
    name: 'sequence',
    in: 'query',
    description: 'Of a CSV: its number. Also X-Upload-Sequence.',
    schema: z.int().min(0),
  },
  {
    name: 'createdAt',
    in: 'query',
    description: 'Of a CSV: when it was made, ISO 8601 or YYYYMMDDHHMM. Also X-Upload-Created-At.',
    schema: z.string(),
  },
  {
    name: 'rowCount',
    in: 'query',
    description: 'Of a CSV: its rows. Also X-Upload-Row-Count.',
    schema: z.int().min(0),
  },
  {
    name: 'full',
    in: 'query',
    description:
      'Of a CSV: whether it is a full refresh, so that what it leaves out is taken away. Also X-Upload-Full.',
    schema: z.boolean(),
  },
];

const sequenceInPath: Parameter = {
  name: 'sequence',
  in: 'path',
  required: true,
  description: 'The number of the file.',
  schema: z.int().min(0),
  example: 412,
};

/** Everything that can be asked for, in the order that a reader wants it. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: 'POST',
    path: '/lookup',
    id: 'lookup',
    tag: 'Lookup',
    summary: 'Look up one NHS number',
    description:
      'Call when a clinician opens the view, not at registration: each call of an unscheduled setting is listed for others and told to the authority. Whatever is not 200 is not a negative result.',
    access: 'lookup',
    parameters: plainHeaders,
    body: { 'application/json': { schema: lookupRequestSchema, example: EXAMPLES.request } },
    answer: {
      description: 'Checked. Show `advice` as it is, all of it.',
      content: { 'application/json': { schema: lookupAnswerSchema, example: EXAMPLES.flagged } },
    },
    refusals: [...BODY_REFUSALS, 'invalid-request', 'invalid-nhs-number'],
  },
  {
    method: 'POST',
    path: '/lookup/batch',
    id: 'lookupBatch',
    tag: 'Lookup',
    summary: 'Look up to fifty NHS numbers, silently',
    description:
      'For scheduled care (silent reads) only. 200 says that the items were dealt with; `checked` in each says whether it was checked. Each is audited, and counts against the limits.',
    access: 'lookup',
    parameters: plainHeaders,
    body: { 'application/json': { schema: batchRequestSchema, example: EXAMPLES.batch } },
    answer: {
      description: 'Every item has an outcome, in the order sent.',
      content: {
        'application/json': { schema: batchAnswerSchema, example: EXAMPLES.batchAnswer },
      },
    },
    refusals: [...BODY_REFUSALS, 'invalid-batch', 'batch-not-allowed'],
  },
  ...searches('CareTeam'),
  ...searches('Flag'),
  ...searches('AuditEvent'),
  conformance('/metadata', 'metadata', 'CapabilityStatement', 'What the FHIR service can do'),
  conformance(
    '/SearchParameter/flag-code',
    'flagCodeParameter',
    'SearchParameter',
    'The parameter `code` of Flag',
  ),
  conformance(
    '/CodeSystem/error-code',
    'errorCodes',
    'CodeSystem',
    'The codes by which refusals are told apart',
  ),
  {
    method: 'POST',
    path: '/uploads',
    id: 'upload',
    tag: 'Authorities',
    summary: 'Send an upload',
    description:
      'Spine XML or CSV, also gzipped. The answer is the acknowledgement, whatever its code. What is in is live at once.',
    access: 'authority',
    parameters: [...uploadParameters, ...authorityHeaders],
    body: Object.fromEntries(
      uploadFormats.map((format) => [UPLOAD_FORMATS[format].mediaTypes[0], { schema: z.string() }]),
    ),
    answer: {
      description: 'Read; `code` says what became of it.',
      content: acknowledgementContent,
    },
    refusals: [
      'upload-media-type',
      'upload-description-invalid',
      'upload-encoding-invalid',
      'upload-too-large',
      'upload-cut-short',
      'upload-under-way',
      'uploads-busy',
      'upload-failed',
    ],
  },
  {
    method: 'GET',
    path: '/uploads/:sequence',
    id: 'acknowledgement',
    tag: 'Authorities',
    summary: 'The acknowledgement of an upload',
    access: 'authority',
    parameters: [sequenceInPath, ...authorityHeaders],
    answer: { description: 'What became of it.', content: acknowledgementContent },
    refusals: ['acknowledgement-not-found', 'store-unavailable'],
  },
  {
    method: 'GET',
    path: '/uploads/:sequence/notice',
    id: 'notice',
    tag: 'Authorities',
    summary: 'The NHS numbers of an upload that are no longer in use',
    access: 'authority',
    parameters: [sequenceInPath, ...authorityHeaders],
    answer: {
      description: 'Each with the number that replaced it, where one did.',
      content: {
        'application/json': { schema: inactiveNumbersNoticeSchema },
        'text/csv': { schema: z.string() },
        'application/xml': { schema: z.string() },
      },
    },
    refusals: ['notice-not-found', 'store-unavailable'],
  },
  {
    method: 'GET',
    path: '/holdings',
    id: 'holdings',
    tag: 'Authorities',
    summary: 'All that is held for the authority',
    description: 'To compare a case system with. Each reading is audited.',
    access: 'authority',
    parameters: authorityHeaders,
    answer: {
      description: 'Every plan, ended and deleted ones too.',
      content: {
        'application/json': { schema: holdingsSchema },
        'text/csv': { schema: z.string() },
      },
    },
    refusals: ['authority-unknown', 'store-unavailable'],
  },
  {
    method: 'POST',
    path: '/audit/search',
    id: 'auditSearch',
    tag: 'Audit',
    summary: 'Search the audit',
    description:
      'Newest first. The operating organisation sees everything, an authority the unscheduled accesses to children whose plan it holds, any other organisation what its own people did. Each search is audited before its answer leaves. `next` is the `cursor` of the same search’s next page; with FHIR it is in the header X-Next-Cursor.',
    access: 'audit',
    parameters: authorityHeaders,
    body: {
      'application/json': {
        schema: auditSearchSchema,
        example: { reason: 'complaint 12/2026', nhsNumber: '9991000011' },
      },
    },
    answer: {
      description: 'What the caller may see of what matches, and how far the search reached.',
      content: {
        'application/json': { schema: auditSearchAnswerSchema },
        [FHIR_JSON]: { schema: resourceOf('Bundle') },
      },
    },
    refusals: [
      ...BODY_REFUSALS,
      'invalid-audit-search',
      'invalid-nhs-number',
      'audit-cursor-invalid',
      'audit-unavailable',
    ],
  },
  {
    method: 'GET',
    path: '/notifications',
    id: 'notifications',
    tag: 'Authorities',
    summary: 'Who looked at the authority’s children',
    description:
      'The notifications after one, in order, each as it was first given. As CSV a line an entry; as XML one Access to Service Notification at a time, 204 where there is none. The header Link has the address to go on with. Each reading is audited.',
    access: 'authority',
    parameters: [
      {
        name: 'after',
        in: 'query',
        description: 'The `next` of the page before. Without it: all that are kept.',
        schema: notificationIdSchema,
        example: '000001204331.0000',
      },
      {
        name: 'limit',
        in: 'query',
        description: 'How many a page has at most (20).',
        schema: z.int().min(1).max(100),
      },
      ...authorityHeaders,
    ],
    answer: {
      description: 'The next ones, oldest first.',
      content: {
        'application/json': { schema: notificationsPageSchema },
        'text/csv': { schema: z.string() },
        'application/xml': { schema: z.string() },
      },
    },
    refusals: ['notifications-query-invalid', 'notifications-after-unknown', 'store-unavailable'],
  },
  {
    method: 'GET',
    path: '/_ping',
    id: 'ping',
    tag: 'Service',
    summary: 'Is the process there',
    description: 'Says nothing of whether it can look anything up.',
    access: 'anybody',
    answer: {
      description: 'It is.',
      content: { 'application/json': { schema: buildSchema, example: { version: '0.1.0' } } },
    },
  },
  {
    method: 'GET',
    path: '/_status',
    id: 'status',
    tag: 'Service',
    summary: 'Are lookups answered',
    description: '503 on any doubt, with the same body.',
    access: 'anybody',
    answer: {
      description: 'They are.',
      content: { 'application/json': { schema: statusSchema } },
    },
  },
  {
    method: 'GET',
    path: '/problems/:code',
    id: 'problem',
    tag: 'Service',
    summary: 'What a problem means',
    access: 'anybody',
    parameters: [
      {
        name: 'code',
        in: 'path',
        required: true,
        description: 'The `code` of a problem.',
        schema: z.string(),
        example: 'could-not-check',
      },
    ],
    answer: {
      description: 'The description.',
      content: { 'application/json': { schema: problemDescriptionSchema } },
    },
    refusals: ['not-found'],
  },
  {
    method: 'GET',
    path: '/openapi.json',
    id: 'openapi',
    tag: 'Service',
    summary: 'This description',
    access: 'anybody',
    answer: {
      description: 'OpenAPI 3.1.',
      content: { 'application/json': { schema: z.looseObject({ openapi: z.string() }) } },
    },
  },
  {
    method: 'GET',
    path: '/docs',
    id: 'docs',
    tag: 'Service',
    summary: 'This description as a page',
    description: 'One page without scripts or anything from elsewhere; it works offline.',
    access: 'anybody',
    answer: { description: 'The page.', content: { 'text/html': { schema: z.string() } } },
  },
];
