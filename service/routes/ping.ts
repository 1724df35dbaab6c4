import { type Build, buildSchema } from '#schemas/status.ts';
import { SAFE_HEADERS } from '../http/headers.ts';
import type { Route } from './route.ts';

/** `GET /_ping`: the process answers. It does not say whether it can look anything up. */
export const ping: Route<{ build: Build }> = {
  operation: {
    method: 'GET',
    path: '/_ping',
    id: 'ping',
    tag: 'Service',
    summary: 'Whether the process runs',
    description: 'Does not say whether it can look anything up.',
    letsIn: 'anybody',
    optionsAt: ['/_ping'],
    answer: {
      description: 'It runs.',
      content: { 'application/json': { schema: buildSchema, example: { version: '0.1.0' } } },
    },
  },
  handler({ build }) {
    const body = JSON.stringify(build);
    const headers = { ...SAFE_HEADERS, 'content-type': 'application/json' };
    return () => new Response(body, { status: 200, headers });
  },
};
