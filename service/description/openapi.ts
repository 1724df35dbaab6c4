// By hand, since libraries that generate it from routes put validators between a request and its audited
// refusal (decision 36).

import { z } from 'zod';
import { ERRORS, type ErrorCode, problemSchema } from '#schemas/errors.ts';
import {
  accessSchema,
  batchAnswerSchema,
  batchRequestSchema,
  coverageSchema,
  flagSchema,
  lookupAnswerSchema,
  lookupRequestSchema,
} from '#schemas/lookup.ts';
import { buildSchema, problemDescriptionSchema, statusSchema } from '#schemas/status.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { holdingsSchema } from '#schemas/uploads/holdings.ts';
import { inactiveNumbersNoticeSchema } from '#schemas/uploads/notice.ts';
import { reconciliationSchema } from '#schemas/uploads/reconciliation.ts';
import type { CallerRefusal } from '../admission/admission.ts';
import type { AccessRefusal } from '../admission/decide.ts';
import { refusalOutcome } from '../fhir/outcome.ts';
import { FHIR_BASE, FHIR_JSON } from '../fhir/vocabulary.ts';
import { EXAMPLES } from './examples.ts';
import { type Content, type Operation, TAGS } from './operation.ts';

/** A JSON schema, draft 2020-12, as OpenAPI 3.1 takes it. */
export type JsonSchema = Record<string, unknown>;
export type MediaTypes = Record<string, { schema?: JsonSchema; example?: unknown }>;
export type DescribedParameter = {
  name: string;
  in: string;
  required?: boolean;
  description: string;
  schema: JsonSchema;
  example?: unknown;
};
export type DescribedResponse = {
  description: string;
  headers?: Record<string, { description: string; schema: JsonSchema }>;
  content: MediaTypes;
};
export type DescribedOperation = {
  operationId: string;
  tags: string[];
  summary: string;
  description: string;
  security: Record<string, string[]>[];
  parameters?: DescribedParameter[];
  requestBody?: { required: true; content: MediaTypes };
  responses: Record<string, DescribedResponse>;
};
export type OpenApi = {
  openapi: '3.1.0';
  info: Record<string, unknown>;
  servers: { url: string; description: string }[];
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, DescribedOperation>>;
  components: Record<string, Record<string, JsonSchema>>;
};

/** The schemas with a name of their own in the description. */
const COMPONENTS: Record<string, z.ZodType> = {
  LookupRequest: lookupRequestSchema,
  LookupAnswer: lookupAnswerSchema,
  Flag: flagSchema,
  Access: accessSchema,
  Coverage: coverageSchema,
  BatchRequest: batchRequestSchema,
  BatchAnswer: batchAnswerSchema,
  Problem: problemSchema,
  ProblemDescription: problemDescriptionSchema,
  Acknowledgement: acknowledgementSchema,
  Holdings: holdingsSchema,
  Reconciliation: reconciliationSchema,
  Notice: inactiveNumbersNoticeSchema,
  Build: buildSchema,
  Status: statusSchema,
};

/** What generators and fuzzers in other languages read: not all of them support Unicode classes. */
const PLAIN_CLASSES: readonly (readonly [string, string])[] = [
  [String.raw`\p{Cc}`, String.raw`\u0000-\u001f\u007f-\u009f`],
  [String.raw`\p{Zl}\p{Zp}`, String.raw`\u2028\u2029`],
  // Unpaired surrogates, which UTF-8 cannot contain.
  [String.raw`\p{Cs}`, ''],
];

/** A pattern without Unicode classes; undefined if there is none. */
function plainPattern(pattern: string): string | undefined {
  const plain = PLAIN_CLASSES.reduce((text, [a, b]) => text.replaceAll(a, b), pattern);
  return plain.includes(String.raw`\p{`) ? undefined : plain;
}

const isEmpty = (value: unknown): boolean => JSON.stringify(value) === '{}';

/** Parts of a schema that are only for a machine, say at length what the format says in a word, or break tools. */
function withoutNoise(schema: JsonSchema): void {
  if (typeof schema['format'] === 'string') delete schema['pattern'];
  for (const bound of ['minimum', 'maximum']) {
    if (Math.abs(Number(schema[bound])) === Number.MAX_SAFE_INTEGER) delete schema[bound];
  }
  if (typeof schema['pattern'] === 'string') {
    const plain = plainPattern(schema['pattern']);
    if (plain === undefined) delete schema['pattern'];
    else schema['pattern'] = plain;
  }
  if (Array.isArray(schema['allOf'])) {
    schema['allOf'] = schema['allOf'].flatMap((each: JsonSchema) => {
      withoutNoise(each);
      return isEmpty(each) ? [] : [each];
    });
  }
  // Generators for OpenAPI 3.0 turn a `const` into any boolean or text.
  if ('const' in schema) {
    schema['enum'] = [schema['const']];
    delete schema['const'];
  }
}

const REQUESTS = new Set(['LookupRequest', 'BatchRequest']);
const names = new Map(Object.entries(COMPONENTS).map(([id, schema]) => [schema, id]));
const ref = (id: string): JsonSchema => ({ $ref: `#/components/schemas/${id}` });

/**
 * A schema as JSON, with references for those that have a name. Answers may get further members one day,
 * which clients must tolerate: they are not closed, although tests check them strictly.
 */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _draft, ...described } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: json }) => {
      const each = json as JsonSchema;
      const of = zodSchema as unknown as z.ZodType;
      const id = names.get(of);
      if (id !== undefined && of !== schema) {
        for (const key of Object.keys(each)) delete each[key];
        Object.assign(each, ref(id));
        return;
      }
      // Transforms here only brand what was checked: on the wire it is what went in.
      const { def } = zodSchema._zod;
      if (def.type === 'pipe' && def.out._zod.def.type === 'transform') {
        Object.assign(each, { ...jsonSchema(def.in as z.ZodType, io), ...each });
      }
      withoutNoise(each);
      if (io === 'output' && each['additionalProperties'] === false) {
        delete each['additionalProperties'];
      }
    },
  }) as JsonSchema;
  return described;
}

const componentSchemas = (): Record<string, JsonSchema> =>
  Object.fromEntries(
    Object.entries(COMPONENTS).map(([id, schema]) => [
      id,
      {
        ...jsonSchema(schema, REQUESTS.has(id) ? 'input' : 'output'),
        ...(id === 'Problem' && { examples: [EXAMPLES.problem] }),
      },
    ]),
  );

function mediaTypes(content: Content, io: 'input' | 'output'): MediaTypes {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, example }]) => {
      const id = schema && names.get(schema);
      return [
        type,
        {
          ...(schema !== undefined && {
            schema: id === undefined ? jsonSchema(schema, io) : ref(id),
          }),
          ...(example !== undefined && { example }),
        },
      ];
    }),
  );
}

/** Refusals that any request can get. */
const ANY = [
  'malformed-request',
  'address-not-plain',
  'headers-too-large',
  'method-not-allowed',
] as const;
/** A record, so that the compiler requires every possible code. */
const TOKEN = {
  'header-repeated': true,
  'request-id-required': true,
  'request-id-invalid': true,
  'correlation-id-invalid': true,
  'token-required': true,
  'token-malformed': true,
  'token-unsigned': true,
  'token-untrusted': true,
  'token-audience': true,
  'token-expired': true,
  'token-claims': true,
  'token-revoked': true,
  'user-blocked': true,
  'role-choice-required': true,
  'role-not-held': true,
  'too-many-requests': true,
  'could-not-check': true,
} as const satisfies Record<CallerRefusal, true>;
const LOOKUP = {
  'number-not-in-use': true,
  'activity-required': true,
  'access-header-invalid': true,
  'silent-read-not-allowed': true,
  'organisation-not-registered': true,
  'organisation-not-care': true,
} as const satisfies Record<AccessRefusal | 'number-not-in-use', true>;
const codesOf = <Code extends ErrorCode>(codes: Record<Code, true>): Code[] =>
  Object.keys(codes) as Code[];

const OF_CALLER: Record<Exclude<Operation['letsIn'], 'anybody'>, readonly ErrorCode[]> = {
  lookup: codesOf(LOOKUP),
  authority: ['authority-token-required'],
  audit: ['audit-scope-required'],
};

/** Every code with which an operation may refuse. */
export function refusalsOf({ letsIn, refusals = [] }: Operation): ErrorCode[] {
  const ofCaller: readonly ErrorCode[] =
    letsIn === 'anybody' ? [] : [...codesOf(TOKEN), ...OF_CALLER[letsIn]];
  return [...ANY, ...ofCaller, ...refusals];
}

const text: JsonSchema = { type: 'string' };

function responseHeaders(status: number): DescribedResponse['headers'] {
  switch (status) {
    case 401:
      return {
        'WWW-Authenticate': { description: 'How to authenticate (RFC 6750).', schema: text },
      };
    case 405:
      return { Allow: { description: 'The methods of this address.', schema: text } };
    case 429:
    case 503:
      return { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' } } };
    default:
      return undefined;
  }
}

function refusedResponse(status: number, codes: readonly ErrorCode[], fhir: boolean) {
  const headers = responseHeaders(status);
  const problem = { 'application/problem+json': { schema: ref('Problem') } };
  // Requests that are not valid HTTP are refused before FHIR.
  const beforeFhir = codes.some((code) => (ANY as readonly string[]).includes(code));
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' '),
    ...(headers !== undefined && { headers }),
    content: fhir
      ? { [FHIR_JSON]: { schema: ref('OperationOutcome') }, ...(beforeFhir && problem) }
      : problem,
  };
}

function responsesOf(operation: Operation): Record<string, DescribedResponse> {
  const fhir = operation.path.startsWith(FHIR_BASE);
  const byStatus = Map.groupBy(refusalsOf(operation), (code) => ERRORS[code].status);
  const responses: Record<string, DescribedResponse> = {
    200: {
      description: operation.answer.description,
      content: mediaTypes(operation.answer.content, 'output'),
    },
  };
  for (const [status, codes] of [...byStatus].toSorted(([a], [b]) => a - b)) {
    responses[status] = refusedResponse(status, codes, fhir);
  }
  if (operation.id === 'status') {
    responses['503'] = {
      description: 'They are not; the checks say why.',
      content: mediaTypes(operation.answer.content, 'output'),
    };
  }
  return responses;
}

function described(operation: Operation): DescribedOperation {
  const { id, tag, summary, description, letsIn, parameters, body } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    description,
    security: letsIn === 'anybody' ? [] : [{ bearer: [] }],
    ...(parameters !== undefined && {
      parameters: parameters.map(({ schema, ...parameter }) => ({
        ...parameter,
        schema: jsonSchema(schema, 'input'),
      })),
    }),
    ...(body !== undefined && {
      requestBody: { required: true as const, content: mediaTypes(body, 'input') },
    }),
    responses: responsesOf(operation),
  };
}

/** `/uploads/:sequence` as OpenAPI writes it. */
export const describedPath = (path: string): string => path.replaceAll(/:(\w+)/g, '{$1}');

const ABOUT = `By NHS number: is this child on a child protection plan, looked after, or (for a mother) is the unborn child on a plan; whom to ring now, day or night; and who else in unscheduled care has looked recently.

Anything that is not 200 is **not a negative result**: such an answer has \`checked: false\`, or is an OperationOutcome, and has advice to act on. Show an unknown outcome, your own timeout included, as "could not check". Nothing may be cached. Flags are never shown to patients or proxies, and never printed.

The guide at /docs/integrating.md says when to look up, what to show, and which test numbers a demo has; /docs/lookup-examples.md has a lookup in JavaScript, Python and C#.`;

/**
 * What this service answers, in OpenAPI 3.1, made from its own schemas.
 *
 * @param operations in the order of the description
 * @param publicUrl where clients reach it; without it, addresses are relative to where this is served
 */
export function openApi(
  operations: readonly Operation[],
  version: string,
  publicUrl?: string,
): OpenApi {
  const paths: OpenApi['paths'] = {};
  for (const operation of operations) {
    const path = describedPath(operation.path);
    (paths[path] ??= {})[operation.method.toLowerCase()] = described(operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'cp-flags',
      summary: 'Child protection flag lookup for unscheduled care',
      description: ABOUT,
      version,
      contact: { name: 'The operator of this service' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: publicUrl ?? '/', description: 'This service' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            'A token from a trusted issuer that names user, client and roles. Lookups need activity B0107 (unscheduled care) or B0170 (scheduled care: a silent read); an authority’s routes need scope `upload` in a role at that authority; the audit needs scope `audit`.',
        },
      },
      schemas: {
        ...componentSchemas(),
        OperationOutcome: {
          type: 'object',
          description:
            'An OperationOutcome of FHIR R4. `details.text` is for the clinician, `diagnostics` for you; the second coding is the code of this service.',
          properties: {
            resourceType: { type: 'string', enum: ['OperationOutcome'] },
            issue: { type: 'array', items: { type: 'object' } },
          },
          required: ['resourceType', 'issue'],
          examples: [refusalOutcome('could-not-check')],
        },
      },
    },
  };
}
