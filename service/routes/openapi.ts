import { z } from 'zod';
import type { ApiDescription } from '../description/description.ts';
import type { Route } from './route.ts';

/** `GET /openapi.json`: the API description for programs. */
export const openapi: Route<{ description: ApiDescription }> = {
  operation: {
    method: 'GET',
    path: '/openapi.json',
    id: 'openapi',
    tag: 'Service',
    summary: 'This API description',
    description: 'For programs: generators, fuzzers and linters read it.',
    letsIn: 'anybody',
    answer: {
      description: 'OpenAPI 3.1.',
      content: { 'application/json': { schema: z.looseObject({ openapi: z.string() }) } },
    },
  },
  handler: ({ description }) => description.openapi,
};
