import { z } from 'zod';
import { attendanceAnswerSchema, attendanceRequestSchema } from '#schemas/attendance.ts';
import { EXAMPLES } from '../description/examples.ts';
import { BODY_REFUSALS, plainHeaders } from '../description/operation.ts';
import { answerHeaders } from '../http/headers.ts';
import { readJsonBody, readObject } from '../http/json-body.ts';
import { problemResponse } from '../http/problem.ts';
import type { Attend } from '../lookup/attendance.ts';
import { guardedLookup, type LookupGuardDependencies } from '../lookup/guarded-lookup.ts';
import type { Route } from './route.ts';

/** `POST /lookup/{auditId}/attendance`: the outcome of a look, for the child's authorities. */
export const attendance: Route<LookupGuardDependencies & { attend: Attend }> = {
  operation: {
    method: 'POST',
    path: '/lookup/:auditId/attendance',
    id: 'attendance',
    tag: 'Lookup',
    summary: 'Record the outcome of a look',
    description:
      'For a look of your own from unscheduled care that showed a flag, within 24 hours. The outcome goes, with the access, to the authorities that have a plan for the child. It is not a referral: ring as well. Send it again to correct it; the access stays on record.',
    letsIn: 'lookup',
    apart: true,
    parameters: [
      {
        name: 'auditId',
        in: 'path',
        required: true,
        description: 'The `auditId` of the answer.',
        schema: z.guid(),
        example: '0b6f0d4b-1f3c-4a57-9d3e-6a3b9f7f2c11',
      },
      ...plainHeaders,
    ],
    body: {
      'application/json': { schema: attendanceRequestSchema, example: EXAMPLES.attendance },
    },
    answer: {
      description: 'Recorded. These authorities are notified.',
      content: {
        'application/json': {
          schema: attendanceAnswerSchema,
          example: EXAMPLES.attendanceAnswer,
        },
      },
    },
    refusals: [...BODY_REFUSALS, 'invalid-attendance', 'look-not-found', 'store-unavailable'],
  },
  handler: ({ attend, ...guard }) =>
    guardedLookup(
      guard,
      {
        api: 'plain',
        refuse: (code, options) => problemResponse(code, { ...options, lookup: false }),
      },
      async (c, admitted) => {
        const body = await readJsonBody(c.env);
        if (body.kind === 'refused') return body;
        const value = readObject(body.bytes);
        if (value === undefined) return { code: 'malformed-json' };
        const request = attendanceRequestSchema.safeParse(value).data;
        const lookupId = z.uuid().safeParse(c.req.param('auditId')).data;
        if (request === undefined || lookupId === undefined) return { code: 'invalid-attendance' };
        const { ids } = admitted;
        const attended = await attend(admitted, lookupId, request, 'plain');
        if (attended.kind === 'refused') return { code: attended.code };
        const { attendanceId, at, authorities } = attended;
        const recordedAt = new Date(at).toISOString();
        return new Response(JSON.stringify({ attendanceId, recordedAt, authorities }), {
          status: 200,
          headers: answerHeaders('application/json', ids),
        });
      },
    ),
};
