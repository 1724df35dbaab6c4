import { z } from 'zod';
import type { ErrorCode } from '#schemas/errors.ts';

export const TAGS = {
  Lookup: 'Is there a flag for this NHS number, whom to ring, and who looked before.',
  'FHIR R4':
    'The same lookup as searches: audited, listed and notified in the same way. Every Bundle ends with an OperationOutcome (`search.mode` is `outcome`) whose text must be shown.',
  Authorities: 'Uploads of a local authority and what is held for it, with its own token.',
  Audit: 'Who looked at whom, for privacy officers and Caldicott Guardians.',
  Service: 'Routes without a token: health checks and descriptions.',
} as const;
type Tag = keyof typeof TAGS;

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

/** The description of one route; the app uses the same method and path. */
export type Operation = {
  method: 'GET' | 'POST';
  path: string;
  id: string;
  tag: Tag;
  summary: string;
  description: string;
  /** `lookup`, `authority` and `audit` name who holds the token; `anybody` has none. */
  letsIn: 'anybody' | 'lookup' | 'authority' | 'audit';
  /** Addresses at which OPTIONS gets the same answer. HAProxy's `option httpchk` uses it, by default for `/`. */
  optionsAt?: readonly string[];
  /** Matched after all others, since one regular expression cannot hold its address beside theirs. */
  apart?: boolean;
  parameters?: readonly Parameter[];
  body?: Content;
  answer: { description: string; content: Content };
  /** In addition to those for the callers it admits, and for every request. */
  refusals?: readonly ErrorCode[];
};

const uuid = z.guid();
const requestId: Parameter = {
  name: 'X-Request-ID',
  in: 'header',
  required: true,
  description:
    'A UUID, repeated in the answer. A retry uses the same one, and is an audit event of its own.',
  schema: uuid,
  example: '60e0b220-8136-4ca5-ae46-1d97ef59d068',
};
const traceId: Parameter = {
  ...requestId,
  description: `${requestId.description} TraceID may be sent instead.`,
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
    'The id of the role in use: required if the token has several, and must be one of them.',
  schema: z.string(),
};
const unscheduled: Parameter = {
  name: 'IsUnscheduledAccessEvent',
  in: 'header',
  description:
    'For a role with both activities, `false` makes the lookup a silent read, if the organisation is registered as scheduled care.',
  schema: z.enum(['true', 'false']),
};
export const plainHeaders = [requestId, correlationId, chosenRole, unscheduled];
export const fhirHeaders = [traceId, correlationId, chosenRole, unscheduled];
export const authorityHeaders = [requestId, correlationId, chosenRole];

export const BODY_REFUSALS = [
  'malformed-json',
  'body-too-large',
  'unsupported-media-type',
  'request-timeout',
] as const satisfies ErrorCode[];

/** A resource of FHIR R4, which is described elsewhere. */
export const resourceOf = (resourceType: string) =>
  z
    .looseObject({ resourceType: z.literal(resourceType) })
    .meta({ description: `A ${resourceType} of FHIR R4.` });
