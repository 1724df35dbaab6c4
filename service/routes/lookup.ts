import { lookupAnswerSchema, lookupRequestSchema } from '#schemas/lookup.ts';
import { EXAMPLES } from '../description/examples.ts';
import { BODY_REFUSALS, plainHeaders } from '../description/operation.ts';
import { answerHeaders } from '../http/headers.ts';
import { readJsonBody } from '../http/json-body.ts';
import { problemResponse } from '../http/problem.ts';
import { PLAIN } from '../lookup/answer.ts';
import { type LookupGuardDependencies, plainLookup } from '../lookup/guarded-lookup.ts';
import type { LookUp } from '../lookup/lookup.ts';
import type { Rehearse } from '../lookup/rehearsals.ts';
import { parseRequest } from '../lookup/request.ts';
import { whenUndelivered } from '../lookup/undelivered.ts';
import type { Route } from './route.ts';

export type PlainLookupDependencies = LookupGuardDependencies & {
  lookUp: LookUp;
  rehearse: Rehearse;
};

/**
 * `POST /lookup`: is there a flag for this NHS number, whom to ring, who looked before.
 *
 * Anything but a complete, audited answer is a problem with `checked: false`.
 */
export const lookup: Route<PlainLookupDependencies> = {
  operation: {
    method: 'POST',
    path: '/lookup',
    id: 'lookup',
    tag: 'Lookup',
    summary: 'Look up one NHS number',
    description:
      'Call it when a clinician opens the view, not at registration: each lookup in unscheduled care is listed for others and notified to the authority. Anything that is not 200 is not a negative result.',
    letsIn: 'lookup',
    parameters: plainHeaders,
    body: { 'application/json': { schema: lookupRequestSchema, example: EXAMPLES.request } },
    answer: {
      description: 'Checked. Show all of `advice`, unchanged.',
      content: { 'application/json': { schema: lookupAnswerSchema, example: EXAMPLES.flagged } },
    },
    refusals: [...BODY_REFUSALS, 'invalid-request', 'invalid-nhs-number'],
  },
  handler: ({ lookUp, rehearse, ...guard }) =>
    plainLookup(guard, async ({ env }, admitted, trace) => {
      const body = await readJsonBody(env);
      if (body.kind === 'refused') return body;
      const parsed = parseRequest(body.bytes);
      if (parsed.kind === 'refused') return parsed;
      const { request } = parsed;
      const rehearsal = rehearse(request.nhsNumber);
      if (rehearsal?.kind === 'limited') {
        return { code: 'too-many-requests', limit: rehearsal.limit };
      }
      const { ids } = admitted;
      const looked = await lookUp(admitted, request, PLAIN, rehearsal, trace);
      if (looked.kind === 'could-not-check') return problemResponse(looked.code, ids);
      whenUndelivered(env.incoming, env.outgoing, looked.notDelivered);
      return new Response(looked.body, {
        status: 200,
        headers: answerHeaders('application/json', ids),
      });
    }),
};
