import type { ErrorCode } from '#schemas/errors.ts';
import type { SearchType } from '#schemas/lookup.ts';
import { type NhsNumber, parseNhsNumber } from '#schemas/nhs-number.ts';
import { FLAG_CODING, NHS_NUMBER_SYSTEM, ROLE_CLASS_SYSTEM } from './vocabulary.ts';

export type Search = {
  kind: 'parsed';
  nhsNumber: NhsNumber;
  /** Whether the resources that matches refer to come with them. */
  supporting: boolean;
  /** The resource type as the address names it. */
  path: SearchPath;
  /** The parameters as the `self` link repeats them: deliberately without the number. */
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

/** The addresses of searches, and what each finds. Source of PatientFlag: Patient Flags FHIR API. */
export const SEARCH_PATHS = {
  CareTeam: 'CareTeam',
  Flag: 'Flag',
  PatientFlag: 'Flag',
  AuditEvent: 'AuditEvent',
} as const satisfies Record<string, SearchType>;
export type SearchPath = keyof typeof SEARCH_PATHS;

const IDENTIFIER = 'patient:identifier';
const CONTROLS = ['_format', '_count'];
/** Names for the patient. `patient` is only the NHS number. Source: Patient Flags guide, 0.2.0. */
const PATIENT = {
  CareTeam: [IDENTIFIER],
  Flag: [IDENTIFIER, 'patient'],
  AuditEvent: [IDENTIFIER],
} as const satisfies Record<SearchType, readonly string[]>;

/** The parameter that includes what matches refer to, and its accepted values. */
const SUPPORTING = {
  CareTeam: undefined,
  AuditEvent: {
    name: '_include',
    values: [
      'AuditEvent:agent',
      'AuditEvent:agent:PractitionerRole',
      // As the draft CP-IS FHIR guide writes it; not an R4 parameter.
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

/** An answer has every match: at most 25 accesses, and no child has fifty plans. */
export const COUNT_AT_LEAST = 50;
export const COUNT_AT_MOST = 999_999_999;

function numberSent(values: readonly string[]): string | undefined {
  const [value] = values;
  if (value === undefined || values.length > 1 || value.includes(',')) return undefined;
  return value.slice(value.indexOf('|') + 1).replace(/^Patient\//, '') || undefined;
}

/** Whether the patient is named in the parameter's form, so that a number of another kind does not count. */
function namesPatient(name: string, value: string, number: string): boolean {
  const identified = `${NHS_NUMBER_SYSTEM}|${number}`;
  if (name === IDENTIFIER) return value === identified;
  return value === number || value === `Patient/${number}` || value === identified;
}

/**
 * Reads the parameters of a search. Unsupported ones are refused, never ignored: a search that silently
 * became another could come back empty and be taken for a negative.
 */
export function parseSearch(path: SearchPath, parameters: URLSearchParams): ParsedSearch {
  const type = SEARCH_PATHS[path];
  const patient: readonly string[] = PATIENT[type];
  const number = numberSent(patient.flatMap((name) => parameters.getAll(name)));
  const refuse = (code: ErrorCode): ParsedSearch => ({
    kind: 'refused',
    code,
    ...(number !== undefined && { number }),
  });
  const supporting = SUPPORTING[type];

  const names = new Set<string>();
  for (const [name, value] of parameters) {
    const isKnown = patient.includes(name) || CONTROLS.includes(name);
    if (!isKnown && name !== supporting?.name) {
      return refuse('search-parameter-unsupported');
    }
    if (names.has(name) || value.includes(',')) return refuse('search-several-values');
    names.add(name);
  }
  const count = parameters.get('_count');
  const isCount = /^[0-9]{1,9}$/.test(count ?? '') && Number(count) >= COUNT_AT_LEAST;
  if (count !== null && !isCount) {
    return refuse('search-count-unsupported');
  }
  const asked = supporting === undefined ? null : parameters.get(supporting.name);
  if (supporting !== undefined && asked !== null) {
    if (!(supporting.values as readonly string[]).includes(asked))
      return refuse(supporting.refusal);
  }

  const [name, another] = patient.filter((each) => parameters.has(each));
  if (another !== undefined) return refuse('search-several-values');
  const value = name === undefined ? null : parameters.get(name);
  if (name === undefined || value === null || number === undefined) {
    return refuse('search-number-required');
  }
  if (!namesPatient(name, value, number)) return refuse('search-number-system');
  const nhsNumber = parseNhsNumber(number);
  if (nhsNumber === undefined) return refuse('invalid-nhs-number');
  return {
    kind: 'parsed',
    path,
    nhsNumber,
    supporting: asked !== null,
    query:
      supporting === undefined || asked === null
        ? ''
        : `?${new URLSearchParams({ [supporting.name]: asked }).toString()}`,
  };
}
