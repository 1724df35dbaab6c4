import { z } from 'zod';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import { problemDescriptionSchema } from '#schemas/status.ts';
import { SAFE_HEADERS } from '../http/headers.ts';
import { problemResponse } from '../http/problem.ts';
import type { Route } from './route.ts';

const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(ERRORS, text);

/** `GET /problems/{code}`: what the `type` of a problem points to. */
export const problem: Route<unknown> = {
  operation: {
    method: 'GET',
    path: '/problems/:code',
    id: 'problem',
    tag: 'Service',
    summary: 'What a problem means',
    description: 'The address that the `type` of a problem names.',
    letsIn: 'anybody',
    parameters: [
      {
        name: 'code',
        in: 'path',
        required: true,
        description: 'The `code` of a problem.',
        schema: z.string(),
        example: 'could-not-check',
      },
    ],
    answer: {
      description: 'The description.',
      content: { 'application/json': { schema: problemDescriptionSchema } },
    },
    refusals: ['not-found'],
  },
  handler: () => (c) => {
    const code = c.req.param('code') ?? '';
    if (!isErrorCode(code)) return problemResponse('not-found');
    const { title, status, detail, retryable } = ERRORS[code];
    return new Response(JSON.stringify({ code, title, status, detail, retryable }), {
      status: 200,
      headers: { ...SAFE_HEADERS, 'content-type': 'application/json' },
    });
  },
};
