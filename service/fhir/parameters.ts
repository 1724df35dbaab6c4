import type { ErrorCode } from '#schemas/errors.ts';
import type { SearchType } from '#schemas/lookup.ts';
import { type NhsNumber, parseNhsNumber } from '#schemas/nhs-number.ts';
import { FLAG_CODING, NHS_NUMBER_SYSTEM, ROLE_CLASS_SYSTEM } from './vocabulary.ts';

export type Search = {
  kind: 'parsed';
  nhsNumber: NhsNumber;
  /** Whether what the matches refer to comes with them. */
  supporting: boolean;
  /** The parameters as the `self` link repeats them: without the number, on purpose. */
  query: string;
};

export type ParsedSearch =
  | Search
  | {
      kind: 'refused';
      code: ErrorCode;
      /** The number as it was sent, valid or not, if one was. */
      number?: string;
    };

const PATIENT = 'patient:identifier';
const COMMON = [PATIENT, '_format', '_count'];

/** Which parameter brings what matches refer to, and its values that do. */
const SUPPORTING = {
  CareTeam: undefined,
  AuditEvent: {
    name: '_include',
    values: [
      'AuditEvent:agent',
      'AuditEvent:agent:PractitionerRole',
      // As the draft CP-IS FHIR guide writes it; no parameter of R4.
      `AuditEvent:entity-type=${ROLE_CLASS_SYSTEM}|ASSIGNED`,
    ],
    refusal: 'search-include-unsupported',
  },
  Flag: {
    name: 'code',
    values: [FLAG_CODING.code, `${FLAG_CODING.system}|${FLAG_CODING.code}`],
    refusal: 'search-code-unsupported',
  },
} as const satisfies Record<
  SearchType,
  { name: string; values: string[]; refusal: ErrorCode } | undefined
>;

/** An answer holds every match there is: at most 25 accesses, and no child has fifty plans. */
const COUNT_AT_LEAST = 50;

function numberSent(values: readonly string[]): string | undefined {
  const [value] = values;
  if (value === undefined || values.length > 1 || value.includes(',')) return undefined;
  return value.slice(value.indexOf('|') + 1) || undefined;
}

/**
 * Reads the parameters of a search. What is not supported is refused, never read over: a search that
 * silently was another one could come back empty and be taken for a negative.
 */
export function parseSearch(type: SearchType, parameters: URLSearchParams): ParsedSearch {
  const number = numberSent(parameters.getAll(PATIENT));
  const refuse = (code: ErrorCode): ParsedSearch => ({
    kind: 'refused',
    code,
    ...(number !== undefined && { number }),
  });
  const supporting = SUPPORTING[type];

  const names = new Set<string>();
  for (const [name, value] of parameters) {
    if (!COMMON.includes(name) && name !== supporting?.name) {
      return refuse('search-parameter-unsupported');
    }
    if (names.has(name) || value.includes(',')) return refuse('search-several-values');
    names.add(name);
  }
  const count = parameters.get('_count');
  if (count !== null && !(/^[0-9]{1,9}$/.test(count) && Number(count) >= COUNT_AT_LEAST)) {
    return refuse('search-count-unsupported');
  }
  const asked = supporting === undefined ? null : parameters.get(supporting.name);
  if (supporting !== undefined && asked !== null) {
    if (!(supporting.values as readonly string[]).includes(asked))
      return refuse(supporting.refusal);
  }

  const value = parameters.get(PATIENT);
  if (number === undefined || value === null) return refuse('search-number-required');
  if (value !== `${NHS_NUMBER_SYSTEM}|${number}`) return refuse('search-number-system');
  const nhsNumber = parseNhsNumber(number);
  if (nhsNumber === undefined) return refuse('invalid-nhs-number');
  return {
    kind: 'parsed',
    nhsNumber,
    supporting: asked !== null,
    query:
      supporting === undefined || asked === null
        ? ''
        : `?${new URLSearchParams({ [supporting.name]: asked }).toString()}`,
  };
}
