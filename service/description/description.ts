import { SAFE_HEADERS } from '../http/headers.ts';
import { apiPage, PAGE_POLICY } from './docs-page.ts';
import { openApi } from './openapi.ts';
import type { Operation } from './operation.ts';

/** What describes the API, for programs and for people; without a token, since it holds no secret. */
export type ApiDescription = {
  openapi: () => Response;
  page: () => Response;
};

/**
 * `GET /openapi.json` and `GET /docs`. Both are made at the first request for either: making them at the
 * start would delay it by some milliseconds.
 */
export function createApiDescription(
  operations: readonly Operation[],
  version: string,
  publicUrl: string | undefined,
): ApiDescription {
  let made: { openapi: string; page: string } | undefined;
  function make() {
    const api = openApi(operations, version, publicUrl);
    return { openapi: JSON.stringify(api), page: apiPage(api) };
  }
  const answer = (body: string, headers: Record<string, string>): Response =>
    new Response(body, { status: 200, headers: { ...SAFE_HEADERS, ...headers } });
  return {
    openapi: () => answer((made ??= make()).openapi, { 'content-type': 'application/json' }),
    page: () =>
      answer((made ??= make()).page, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': PAGE_POLICY,
      }),
  };
}
