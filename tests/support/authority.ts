import { randomUUID } from 'node:crypto';
import type { DemoClaims } from '#service/admission/demo-issuer.ts';
import { claims, type TestService } from './service.ts';
import { untilAnswered } from './until.ts';

/** Claims of an authority's data officer or of its case system. */
export const officer = (authority: string, differing: Partial<DemoClaims> = {}): DemoClaims =>
  claims({
    sub: 'officer-1',
    scope: 'upload',
    activities: [],
    organisation: authority,
    ...differing,
  });

/** Makes requests as an authority, correct except for given changes. */
export function authorityClient(service: TestService) {
  return async function request(
    path: string,
    {
      as = 'ZZ101',
      token,
      headers = {},
      ...init
    }: Omit<RequestInit, 'headers'> & {
      as?: string;
      token?: string;
      headers?: Record<string, string>;
    } = {},
  ): Promise<Response> {
    return fetch(`${service.baseUrl}${path}`, {
      ...init,
      headers: {
        'x-request-id': randomUUID(),
        authorization: `Bearer ${token ?? (await service.token(officer(as)))}`,
        ...headers,
      },
    });
  };
}

/** Searches the audit as an organisation's officer. There is no answer while the index is being made. */
export function auditSearch(service: TestService) {
  const request = authorityClient(service);
  return async (as: string, criteria: Record<string, unknown>): Promise<Response> => {
    const token = await service.token(officer(as, { scope: 'audit' }));
    return untilAnswered(() =>
      request('/audit/search', {
        method: 'POST',
        token,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'a test', ...criteria }),
      }),
    );
  };
}
