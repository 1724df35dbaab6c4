// One table, so that anybody who adds a refusal sees the words of all others.

import { z } from 'zod';
import { requestIdSchema } from './request-id.ts';
import { UPLOAD_FORMATS, uploadFormats } from './uploads/formats.ts';

/**
 * Every refusal this service gives, in one table. `detail` is constant wording: it never repeats what
 * the caller sent, so that nothing sent can leak into a screen or a log.
 *
 * `fhir` is the FHIR R4 issue type; `level` the log level; `retryable` whether the same request may
 * succeed later.
 */
export const ERRORS = {
  'malformed-json': {
    status: 400,
    fhir: 'structure',
    level: 'info',
    retryable: false,
    title: 'The body is not JSON',
    detail: 'Send one JSON object, for example { "nhsNumber": "9990000018" }, encoded as UTF-8.',
  },
  'invalid-request': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'The body is not as described',
    detail:
      'The body takes nhsNumber (required), dateOfBirth (YYYY-MM-DD) and reason (attendance, enquiry or other), and nothing else.',
  },
  'invalid-batch': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'The body is not a batch of lookups',
    detail:
      'The body takes items, a list of 1 to 50 lookups, each an object as POST /lookup takes it, and nothing else.',
  },
  'invalid-nhs-number': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'The NHS number is not valid',
    detail:
      'An NHS number is ten digits, without spaces, whose last digit checks the others (modulus 11). Check it against the patient’s record.',
  },
  'request-id-required': {
    status: 400,
    fhir: 'required',
    level: 'info',
    retryable: false,
    title: 'X-Request-ID is missing',
    detail: 'Send an X-Request-ID header holding a UUID, a new one for each lookup.',
  },
  'request-id-invalid': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'X-Request-ID is not a UUID',
    detail: 'X-Request-ID must be one UUID, for example 60e0b220-8136-4ca5-ae46-1d97ef59d068.',
  },
  'correlation-id-invalid': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'X-Correlation-ID is not a UUID',
    detail: 'X-Correlation-ID is optional; if it is sent, it must be one UUID.',
  },
  'header-repeated': {
    status: 400,
    fhir: 'structure',
    level: 'warn',
    retryable: false,
    title: 'A header is sent more than once',
    detail:
      'Send each header that names the caller, the request or the kind of body once. If there are two, it is not clear which counts.',
  },
  'access-header-invalid': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'IsUnscheduledAccessEvent is neither true nor false',
    detail: 'IsUnscheduledAccessEvent is optional; if it is sent, it must be true or false.',
  },
  'token-required': {
    status: 401,
    fhir: 'login',
    level: 'info',
    retryable: false,
    title: 'An access token is required',
    detail: 'Send the header Authorization: Bearer, followed by an access token.',
  },
  'token-malformed': {
    status: 401,
    fhir: 'login',
    level: 'warn',
    retryable: false,
    title: 'The access token cannot be read',
    detail:
      'The token is not a signed JSON Web Token of a size and form that this service accepts.',
  },
  'token-unsigned': {
    status: 401,
    fhir: 'login',
    level: 'warn',
    retryable: false,
    title: 'The access token is not signed',
    detail: 'A token without a signature (alg: none) does not show who is asking.',
  },
  'token-untrusted': {
    status: 401,
    fhir: 'login',
    level: 'warn',
    retryable: false,
    title: 'The access token is not trusted',
    detail: 'The token is not signed by a key and algorithm of an issuer that this service trusts.',
  },
  'token-audience': {
    status: 401,
    fhir: 'login',
    level: 'warn',
    retryable: false,
    title: 'The access token is for another service',
    detail:
      'The token’s audience is not this service. Ask the issuer for a token for this service.',
  },
  'token-expired': {
    status: 401,
    fhir: 'expired',
    level: 'info',
    retryable: false,
    title: 'The access token is not in force',
    detail: 'The token has expired or is not valid yet. Get a new one and try again.',
  },
  'token-claims': {
    status: 401,
    fhir: 'login',
    level: 'warn',
    retryable: false,
    title: 'The access token does not say who is asking',
    detail:
      'The token must name a user, a client, and at least one role with its organisation and activities, each role by an id of its own, and its registered claims must have the types of RFC 7519.',
  },
  'token-revoked': {
    status: 401,
    fhir: 'login',
    level: 'warn',
    retryable: false,
    title: 'The access token is no longer trusted',
    detail: 'The token, its user or its client was revoked. Ask the issuer of the token.',
  },
  'user-blocked': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'This user has been stopped',
    detail:
      'This user’s access was stopped. Their privacy officer or the operator of this service can say why. If a patient is waiting, somebody else must make the check, at once.',
  },
  'role-choice-required': {
    status: 403,
    fhir: 'forbidden',
    level: 'info',
    retryable: false,
    title: 'A role must be chosen',
    detail:
      'The user has several roles. Name the one in use by its id in the NHSD-Session-URID header.',
  },
  'role-not-held': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'The role named is not in the token',
    detail:
      'NHSD-Session-URID must be the id of one of the roles in the access token. Leave it out if there is only one.',
  },
  'assurance-required': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'The sign-in was not strong enough',
    detail:
      'The provider says that the identity of this person was checked less well than SIGN_IN_FILE requires, or that they signed in by a weaker means. This applies only to the pages in a browser.',
  },
  'activity-required': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'The role may not look up flags',
    detail: 'Looking up a flag needs activity B0107 (unscheduled care) or B0170 (scheduled care).',
  },
  'silent-read-not-allowed': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'This organisation may not read silently',
    detail:
      'IsUnscheduledAccessEvent: false is for organisations registered here as scheduled care.',
  },
  'organisation-not-registered': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'The organisation is not registered here',
    detail:
      'Only registered care settings may look up flags. Ask the operator to register the organisation.',
  },
  'organisation-not-care': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'The organisation is not a care setting',
    detail:
      'Flags are shown for direct care only. Education, housing, police and others have to ask the local authority.',
  },
  'look-not-found': {
    status: 404,
    fhir: 'not-found',
    level: 'info',
    retryable: false,
    title: 'There is no look of yours with this id',
    detail:
      'The outcome of a look can be recorded for 24 hours, by the user who made it, if the look was from unscheduled care and showed a flag. The body must have the NHS number, and the address the auditId, of that look. After several looks at the child within a day, it must be one of the latest five.',
  },
  'invalid-attendance': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'The outcome of a look is not as described',
    detail:
      'The body takes nhsNumber, attended, ward (the name of a ward and no patient details: at most 30 letters and digits, of which at most four are digits) and switchboard (a telephone number), and nothing else.',
  },
  'batch-not-allowed': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'Lookups in batches are for silent reads',
    detail:
      'In unscheduled care each lookup is listed and the authority is notified: make it with POST /lookup.',
  },
  'form-untrusted': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'The form was not sent from a page of this service',
    detail:
      'This applies only to the pages in a browser. Open the page and fill in the form again.',
  },
  'form-field-repeated': {
    status: 400,
    fhir: 'structure',
    level: 'warn',
    retryable: false,
    title: 'A field of the form is sent more than once',
    detail:
      'This applies only to the pages in a browser. If two fields have one name, it is not clear which counts. Open the page and fill in the form again.',
  },
  'not-found': {
    status: 404,
    fhir: 'not-found',
    level: 'info',
    retryable: false,
    title: 'There is nothing at this address',
    detail:
      'Lookups are made with POST /lookup or, in FHIR, POST /FHIR/R4/CareTeam/_search. All addresses are described at /docs.',
  },
  'method-not-allowed': {
    status: 405,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'The method is not allowed here',
    detail: 'The Allow header names the methods of this address.',
  },
  'body-too-large': {
    status: 413,
    fhir: 'too-long',
    level: 'warn',
    retryable: false,
    title: 'The body is too large',
    detail: 'Send a body of at most 16 KiB.',
  },
  'unsupported-media-type': {
    status: 415,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'The body is not of a supported type',
    detail: 'Send the body as Content-Type: application/json, without a content encoding.',
  },
  'request-timeout': {
    status: 408,
    fhir: 'timeout',
    level: 'info',
    retryable: true,
    title: 'The body did not arrive in time',
    detail: 'Try again, and send the whole request at once.',
  },
  'malformed-request': {
    status: 400,
    fhir: 'structure',
    level: 'info',
    retryable: false,
    title: 'The request is not valid HTTP',
    detail: 'The request line, the Host header or the framing of the body cannot be read.',
  },
  'address-not-plain': {
    status: 400,
    fhir: 'structure',
    level: 'warn',
    retryable: false,
    title: 'The address is not in its plain form',
    detail:
      'Write the address as it is described at /docs: in ASCII, without an empty segment or one of dots, and without a percent sign, backslash, semicolon or # before the question mark. If it names a host, the Host header must name the same one.',
  },
  'headers-too-large': {
    status: 431,
    fhir: 'too-long',
    level: 'warn',
    retryable: false,
    title: 'The headers are too large',
    detail: 'The headers of a request, the access token included, are at most 16 KiB in all.',
  },
  'search-number-required': {
    status: 400,
    fhir: 'required',
    level: 'info',
    retryable: false,
    title: 'The search names no NHS number',
    detail:
      'Search by patient:identifier=https://fhir.nhs.uk/Id/nhs-number|, followed by the number. Flag also takes patient=, followed by the number.',
  },
  'search-number-system': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'The identifier is not marked as an NHS number',
    detail:
      'The value of patient:identifier is the system https://fhir.nhs.uk/Id/nhs-number, a vertical bar and the number.',
  },
  'search-parameter-unsupported': {
    status: 400,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'A search parameter or modifier is not supported',
    detail:
      'Searches take patient:identifier, _format and _count. AuditEvent also takes _include, and Flag also takes patient and code. Any other parameter is refused, whatever the Prefer header says.',
  },
  'search-several-values': {
    status: 400,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'A search parameter has several values',
    detail: 'Give each parameter once, with one value and no comma: a search is for one child.',
  },
  'search-count-unsupported': {
    status: 400,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'Answers are not paged',
    detail: 'Leave _count out, or make it a whole number of 50 or more.',
  },
  'search-include-unsupported': {
    status: 400,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'The _include is not supported',
    detail: 'Only _include=AuditEvent:agent is supported.',
  },
  'search-code-unsupported': {
    status: 400,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'Flags of this kind are not held here',
    detail: 'The only code is child-protection-information-system-flag.',
  },
  'search-parameters-in-url': {
    status: 400,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'A search by POST takes no parameters in its address',
    detail: 'Send them all in the body, so that no log of addresses keeps them.',
  },
  'search-form-required': {
    status: 415,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'The body is not a form',
    detail:
      'Send the parameters as Content-Type: application/x-www-form-urlencoded, without a content encoding.',
  },
  'format-unsupported': {
    status: 406,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'The format requested is not supported',
    detail: 'Ask for application/fhir+json, with the Accept header or _format.',
  },
  'accesses-not-shown': {
    status: 403,
    fhir: 'forbidden',
    level: 'info',
    retryable: false,
    title: 'A silent read does not show who looked',
    detail: 'AuditEvent is for activity B0107, in unscheduled care. Search for CareTeam or Flag.',
  },
  'authority-token-required': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'The token does not belong to an authority',
    detail:
      'Uploads, acknowledgements, holdings and notifications need a token with scope upload, in a role at the authority itself.',
  },
  'operator-token-required': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'Only the team that runs the service may do this',
    detail: 'The operator’s pages need scope operate, in a role at the operating organisation.',
  },
  'authority-unknown': {
    status: 404,
    fhir: 'not-found',
    level: 'warn',
    retryable: false,
    title: 'The authority is not known here',
    detail: 'Nothing is held for the authority of this token. Ask the operator to add it.',
  },
  'notice-not-found': {
    status: 404,
    fhir: 'not-found',
    level: 'info',
    retryable: false,
    title: 'There is no notice for this number',
    detail:
      'Only a file of your own with NHS numbers that are no longer in use has a notice. Its acknowledgement lists them with CPR05 (replaced) or CPR01 (withdrawn).',
  },
  'acknowledgement-not-found': {
    status: 404,
    fhir: 'not-found',
    level: 'info',
    retryable: false,
    title: 'No file was loaded under this number',
    detail:
      'Only files of your own that were loaded (CPF02, CPF03) or are held in part have an acknowledgement here. If you send the file again, it gets the same answer as before.',
  },
  'upload-media-type': {
    status: 415,
    fhir: 'not-supported',
    level: 'info',
    retryable: false,
    title: 'The upload is not of a supported type',
    detail: `Send the file with the Content-Type ${uploadFormats
      .map((format) => `${UPLOAD_FORMATS[format].mediaTypes[0]} (${UPLOAD_FORMATS[format].called})`)
      .join(' or ')}, in UTF-8, with Content-Encoding: gzip or none.`,
  },
  'notifications-query-invalid': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'The query cannot be used',
    detail:
      'The address takes after (the id of a notification, as it was given) and limit (1 to 100), each once and nothing else.',
  },
  'notifications-after-unknown': {
    status: 409,
    fhir: 'conflict',
    level: 'error',
    retryable: false,
    title: 'That notification no longer exists',
    detail:
      'The audit log was restored from a copy older than the notification you have. Tell the operator, and ask once without after. Entries that you get again have the same ids.',
  },
  'upload-description-invalid': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'The description of the upload cannot be used',
    detail:
      'The address takes sequence and rowCount (whole numbers), createdAt (ISO 8601 or YYYYMMDDHHMM) and full (true or false), each once and nothing else; or the headers X-Upload-Sequence, X-Upload-Row-Count, X-Upload-Created-At and X-Upload-Full.',
  },
  'upload-encoding-invalid': {
    status: 400,
    fhir: 'structure',
    level: 'info',
    retryable: true,
    title: 'The body is not what its Content-Encoding says',
    detail:
      'The gzip is damaged, cut short or followed by something else. Nothing was loaded. Compress the file again and send it.',
  },
  'upload-too-large': {
    status: 413,
    fhir: 'too-long',
    level: 'warn',
    retryable: false,
    title: 'The upload is too large',
    detail:
      'Send changes in parts, each with a sequence number of its own. Do not split a full refresh, because each part would end the plans in the others: ask the operator what the limit is.',
  },
  'upload-cut-short': {
    status: 408,
    fhir: 'timeout',
    level: 'info',
    retryable: true,
    title: 'The upload did not arrive in time',
    detail:
      'Nothing was loaded. Send the file again. If you compress it, it takes a tenth of the time.',
  },
  'upload-under-way': {
    status: 409,
    fhir: 'conflict',
    level: 'info',
    retryable: true,
    title: 'Another file of this authority is being loaded',
    detail:
      'An authority’s files are loaded one after the other. Nothing in this one was loaded. Send it again once the other is answered.',
  },
  'uploads-busy': {
    status: 503,
    fhir: 'throttled',
    level: 'warn',
    retryable: true,
    title: 'Too many uploads are under way',
    detail: 'Nothing in this one was read. Send it again in a minute.',
  },
  'upload-failed': {
    status: 503,
    fhir: 'transient',
    level: 'error',
    retryable: true,
    title: 'The upload could not be loaded',
    detail:
      'The service failed, not the file. Send the same file again, under the same number: the service finishes what was begun, and does nothing twice.',
  },
  'store-unavailable': {
    status: 503,
    fhir: 'transient',
    level: 'error',
    retryable: true,
    title: 'The store cannot be read',
    detail: 'The service cannot read what it holds at the moment. Try again in a minute.',
  },
  'audit-scope-required': {
    status: 403,
    fhir: 'forbidden',
    level: 'warn',
    retryable: false,
    title: 'The token does not allow searching the audit',
    detail: 'Searching the audit needs a token with scope audit, which privacy officers have.',
  },
  'invalid-audit-search': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'The audit search is not as described',
    detail:
      'The body takes reason (required), nhsNumber, user, organisation, authority, activity, outcome, type, from and to (ISO 8601 with an offset; from before to), limit (1 to 500) and cursor, and nothing else.',
  },
  'audit-cursor-invalid': {
    status: 400,
    fhir: 'value',
    level: 'info',
    retryable: false,
    title: 'The cursor does not belong to this search',
    detail:
      'A cursor is for the search whose answer it came with: repeat that search unchanged, or leave the cursor out to start again.',
  },
  'audit-unavailable': {
    status: 503,
    fhir: 'transient',
    level: 'error',
    retryable: true,
    title: 'The audit cannot be searched',
    detail:
      'Nothing was shown. The index of the audit is being built, other searches are under way, or this one took too long: try again, with a shorter time or more criteria.',
  },
  'too-many-requests': {
    status: 429,
    fhir: 'throttled',
    level: 'warn',
    retryable: true,
    title: 'Too many requests',
    detail: 'Wait as long as the Retry-After header says, then continue more slowly.',
  },
  'number-not-in-use': {
    status: 503,
    fhir: 'processing',
    level: 'warn',
    retryable: false,
    title: 'The NHS number is no longer in use',
    detail:
      'It was replaced by another or withdrawn, so nothing can be looked up under it. Trace the patient for the present number, and look that up.',
  },
  'could-not-check': {
    status: 503,
    fhir: 'transient',
    level: 'error',
    retryable: true,
    title: 'The check could not be made',
    detail: 'Wait 5 seconds and try once more. If it fails again, treat the outcome as unknown.',
  },
} as const satisfies Record<
  string,
  {
    status: number;
    fhir: string;
    level: 'info' | 'warn' | 'error';
    retryable: boolean;
    title: string;
    detail: string;
  }
>;

export type ErrorCode = keyof typeof ERRORS;

/** Whose requests are counted. */
export const LIMITED = ['user', 'client', 'organisation'] as const;

/** A limit that a request ran into: how many requests, in how many seconds, and whose. */
export type LimitReached = {
  of: (typeof LIMITED)[number];
  limit: number;
  windowSeconds: number;
  retryAfterSeconds: number;
};

/** What a refusal says in detail: constant wording, except for the numbers of a limit. */
export function detailOf(code: ErrorCode, reached?: LimitReached): string {
  const { detail } = ERRORS[code];
  if (reached === undefined) return detail;
  const { of, limit, windowSeconds } = reached;
  return `The limit of this ${of} is ${limit} requests in ${windowSeconds} seconds. ${detail}`;
}

/**
 * The body of every refusal, `application/problem+json` (RFC 9457).
 *
 * `type` is a reference relative to the service, `/problems/CODE`, where that problem is described; a
 * program compares `code`. On a lookup (and wherever a request did not get far enough to tell)
 * `checked` is false and `advice` says what a clinician does now.
 */
export const problemSchema = z.strictObject({
  type: z
    .string()
    .meta({ description: 'Where the problem is described, relative to the service.' }),
  title: z.string(),
  status: z.int(),
  detail: z
    .string()
    .meta({ description: 'For the client’s developer. Repeats nothing that was sent.' }),
  code: z
    .enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]])
    .meta({ description: 'Stable; a program uses it to tell refusals apart.' }),
  /** Any UUID, as it was sent. */
  requestId: requestIdSchema.optional(),
  checked: z.literal(false).optional().meta({ description: 'This is not a negative result.' }),
  advice: z.array(z.string()).optional().meta({ description: 'What a clinician does now.' }),
});
export type Problem = z.infer<typeof problemSchema>;
