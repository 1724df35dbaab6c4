import type { OperationOutcome } from '@medplum/fhirtypes';
import { detailOf, ERRORS, type ErrorCode, type LimitReached } from '#schemas/errors.ts';
import { refusalAdvice } from '#schemas/wording/lookup.ts';
import { type ProblemOptions, problemHeaders } from '../http/problem.ts';
import { ERROR_CODE_SYSTEM, FHIR_JSON, SPINE_ERROR_SYSTEM } from './vocabulary.ts';

/** Displays as the PDS FHIR API gives them; codes without one there have none here. */
const SPINE_CODES = {
  INVALID_SEARCH_DATA: 'Search data is invalid',
  MISSING_VALUE: 'Required value is missing',
  PRECONDITION_FAILED: 'Required condition was not fulfilled',
  RESOURCE_NOT_FOUND: 'Resource not found',
  TOO_MANY_REQUESTS: 'Too many requests',
  ACCESS_DENIED: undefined,
  UNSUPPORTED_SERVICE: undefined,
  UNABLE_TO_CALL_SERVICE: undefined,
} as const;
type SpineCode = keyof typeof SPINE_CODES;

/** The codes with status 400 about the search; the others are about headers and framing. */
const SEARCH_CODES: Partial<Record<ErrorCode, SpineCode>> = {
  'invalid-nhs-number': 'INVALID_SEARCH_DATA',
  'search-number-required': 'MISSING_VALUE',
  'search-number-system': 'INVALID_SEARCH_DATA',
  'search-parameter-unsupported': 'INVALID_SEARCH_DATA',
  'search-several-values': 'INVALID_SEARCH_DATA',
  'search-count-unsupported': 'INVALID_SEARCH_DATA',
  'search-include-unsupported': 'INVALID_SEARCH_DATA',
  'search-code-unsupported': 'INVALID_SEARCH_DATA',
  'search-parameters-in-url': 'INVALID_SEARCH_DATA',
};

const STATUS_CODES: Partial<Record<number, SpineCode>> = {
  401: 'ACCESS_DENIED',
  403: 'ACCESS_DENIED',
  404: 'RESOURCE_NOT_FOUND',
  405: 'UNSUPPORTED_SERVICE',
  408: 'UNABLE_TO_CALL_SERVICE',
  429: 'TOO_MANY_REQUESTS',
  503: 'UNABLE_TO_CALL_SERVICE',
};

/** Sources: draft CP-IS FHIR guide and PDS FHIR API, where a header's fault is PRECONDITION_FAILED. */
function spineCode(code: ErrorCode): SpineCode {
  return SEARCH_CODES[code] ?? STATUS_CODES[ERRORS[code].status] ?? 'PRECONDITION_FAILED';
}

/**
 * A refusal as FHIR says it. `details.text` is what a person reads: that nothing was checked, and what to
 * do. `diagnostics` is for the client's developer. Codings: one of the NHS's, and our own stable code.
 */
export function refusalOutcome(code: ErrorCode, limit?: LimitReached): OperationOutcome {
  const { fhir, title } = ERRORS[code];
  const spine = spineCode(code);
  const display = SPINE_CODES[spine];
  return {
    resourceType: 'OperationOutcome',
    issue: [
      {
        severity: 'error',
        code: fhir,
        details: {
          coding: [
            {
              system: SPINE_ERROR_SYSTEM,
              version: '1',
              code: spine,
              ...(display !== undefined && { display }),
            },
            { system: ERROR_CODE_SYSTEM, code, display: title },
          ],
          text: refusalAdvice(code),
        },
        diagnostics: `${title}. ${detailOf(code, limit)}`,
      },
    ],
  };
}

/** A complete refusal, with the headers of every other refusal. */
export function refusalResponse(code: ErrorCode, options: ProblemOptions): Response {
  return new Response(JSON.stringify(refusalOutcome(code, options.limit)), {
    status: ERRORS[code].status,
    headers: { ...problemHeaders(code, options), 'content-type': FHIR_JSON },
  });
}

/** What an answer tells every reader, one sentence for each issue; a warning if something is missing. */
export function adviceOutcome(advice: readonly string[], complete: boolean): OperationOutcome {
  return {
    resourceType: 'OperationOutcome',
    issue: advice.map((text) => ({
      severity: complete ? ('information' as const) : ('warning' as const),
      code: complete ? ('informational' as const) : ('incomplete' as const),
      details: { text },
    })),
  };
}
