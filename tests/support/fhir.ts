import { randomUUID } from 'node:crypto';
import type {
  AuditEvent,
  Bundle,
  CareTeam,
  Flag,
  OperationOutcome,
  Resource,
} from '@medplum/fhirtypes';
import { expect } from 'vitest';
import { FHIR_DEFINITIONS } from './fhir-validation.ts';
import type { TestService } from './service.ts';
import { untilAnswered } from './until.ts';

export const NHS_NUMBER = 'https://fhir.nhs.uk/Id/nhs-number';

type Kinds = { CareTeam: CareTeam; Flag: Flag; AuditEvent: AuditEvent };

type FhirRequest = {
  token?: string;
  method?: 'GET' | 'POST';
  headers?: Record<string, string | undefined>;
};

/** Makes FHIR requests to a service under test. Every answer is validated before a test sees it. */
export function fhirOf(service: TestService) {
  async function send(
    path: string,
    { token, method = 'GET', headers = {} }: FhirRequest = {},
    body?: string,
  ): Promise<Response> {
    const all = {
      authorization: `Bearer ${token ?? (await service.token())}`,
      'x-request-id': randomUUID(),
      ...(body !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    };
    const sent = Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as [string, string]],
    );
    return fetch(`${service.baseUrl}/FHIR/R4${path}`, {
      method,
      headers: sent,
      ...(body !== undefined && { body }),
    });
  }

  /** The resource in a response, which must be sound in every respect. */
  async function sound<T extends Resource>(response: Response): Promise<T> {
    expect(response.headers.get('content-type')).toBe('application/fhir+json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const resource = (await response.json()) as T;
    expect(FHIR_DEFINITIONS.faults(resource)).toEqual([]);
    return resource;
  }

  /** Makes a search by number, by POST unless told otherwise. */
  function search(
    type: string,
    nhsNumber: string,
    more: Record<string, string> = {},
    { method = 'POST', ...request }: FhirRequest = {},
  ): Promise<Response> {
    const parameters = { 'patient:identifier': `${NHS_NUMBER}|${nhsNumber}`, ...more };
    const form = new URLSearchParams(parameters).toString();
    return method === 'GET'
      ? send(`/${type}?${form}`, { method, ...request })
      : send(`/${type}/_search`, { method, ...request }, form);
  }

  /** What a search finds, repeated if it could not be checked, as its outcome says. */
  async function found<T extends keyof Kinds>(
    type: T,
    nhsNumber: string,
    more: Record<string, string> = {},
    request: FhirRequest = {},
  ) {
    const response = await untilAnswered(() => search(type, nhsNumber, more, request));
    expect(response.status).toBe(200);
    const bundle = await sound<Bundle>(response);
    const of = (mode: string) =>
      (bundle.entry ?? []).flatMap(({ search: how, resource }) =>
        how?.mode === mode && resource !== undefined ? [resource] : [],
      );
    const matches = of('match') as Kinds[T][];
    expect(bundle.total).toBe(matches.length);
    const outcomes = of('outcome') as OperationOutcome[];
    expect(outcomes).toHaveLength(1);
    return {
      response,
      bundle,
      matches,
      included: of('include'),
      issues: outcomes[0]?.issue ?? [],
    };
  }

  return { send, sound, search, found };
}
export type Fhir = ReturnType<typeof fhirOf>;
