import type { LimitReached } from '#schemas/errors.ts';
import { batchAnswerSchema, batchRequestSchema } from '#schemas/lookup.ts';
import type { Caller } from '#schemas/people/caller.ts';
import { BATCH_INCOMPLETE } from '#schemas/wording/lookup.ts';
import { EXAMPLES } from '../description/examples.ts';
import { BODY_REFUSALS, plainHeaders } from '../description/operation.ts';
import { answerHeaders } from '../http/headers.ts';
import { readJsonBody } from '../http/json-body.ts';
import { problem, problemResponse } from '../http/problem.ts';
import { PLAIN } from '../lookup/answer.ts';
import { type Admitted, plainLookup } from '../lookup/guarded-lookup.ts';
import type { Rehearse, Rehearsed } from '../lookup/rehearsals.ts';
import { type ParsedRequest, parseBatch } from '../lookup/request.ts';
import { whenUndelivered } from '../lookup/undelivered.ts';
import type { PlainLookupDependencies } from './lookup.ts';
import type { Route } from './route.ts';

type BatchDependencies = PlainLookupDependencies & {
  /** Counts further requests of a caller, and returns the limit that they exceed, if any. */
  take: (caller: Caller, cost: number) => LimitReached | undefined;
};

type Outcome = { kind: 'answered' | 'refused' | 'could-not-check'; json: string };

type Item =
  | Extract<ParsedRequest, { kind: 'refused' }>
  | (Extract<ParsedRequest, { kind: 'parsed' }> & { rehearsal: Rehearsed | undefined });

/** A limit stops the whole batch, and so does a rehearsed one. */
function rehearseAll(
  items: readonly ParsedRequest[],
  rehearse: Rehearse,
): { kind: 'limited'; limit: LimitReached } | { kind: 'items'; items: Item[] } {
  const rehearsed: Item[] = [];
  for (const item of items) {
    if (item.kind === 'refused') {
      rehearsed.push(item);
      continue;
    }
    const rehearsal = rehearse(item.request.nhsNumber);
    if (rehearsal?.kind === 'limited') return rehearsal;
    rehearsed.push({ ...item, rehearsal });
  }
  return { kind: 'items', items: rehearsed };
}

/**
 * `POST /lookup/batch`: up to fifty silent reads. Every item has an outcome, in the order sent: an answer,
 * the refusal of that item, or could-not-check; each leaves its own audit event. Never for unscheduled care:
 * fifty registered children are not fifty attendances.
 *
 * 200 says that the items were dealt with; `checked`, for all and for each, says what was checked. If nothing
 * at all could be checked the answer is the 503 of every lookup.
 */
export const lookupBatch: Route<BatchDependencies> = {
  operation: {
    method: 'POST',
    path: '/lookup/batch',
    id: 'lookupBatch',
    tag: 'Lookup',
    summary: 'Look up to fifty NHS numbers, silently',
    description:
      'For scheduled care (silent reads) only. 200 means that the items were processed; `checked` in each says whether it was checked. Each is audited, and counts towards the limits.',
    letsIn: 'lookup',
    parameters: plainHeaders,
    body: { 'application/json': { schema: batchRequestSchema, example: EXAMPLES.batch } },
    answer: {
      description: 'Every item has an outcome, in the order sent.',
      content: {
        'application/json': { schema: batchAnswerSchema, example: EXAMPLES.batchAnswer },
      },
    },
    refusals: [...BODY_REFUSALS, 'invalid-batch', 'batch-not-allowed'],
  },
  handler: ({ lookUp, rehearse, take, ...guard }) =>
    plainLookup(guard, async ({ env }, admitted, trace) => {
      const { incoming, outgoing } = env;
      const { ids, caller } = admitted;
      if (admitted.access.access !== 'silent-read') return { code: 'batch-not-allowed' };
      const body = await readJsonBody(env);
      if (body.kind === 'refused') return body;
      const batch = parseBatch(body.bytes);
      if (batch.kind === 'refused') return batch;
      // The request itself was counted as one.
      const limit = take(caller, batch.items.length - 1);
      if (limit !== undefined) return { code: 'too-many-requests', limit };
      const rehearsed = rehearseAll(batch.items, rehearse);
      if (rehearsed.kind === 'limited') {
        return { code: 'too-many-requests', limit: rehearsed.limit };
      }

      const undelivered: (() => void)[] = [];
      async function outcomeOf(item: Item, of: Admitted): Promise<Outcome> {
        if (item.kind === 'refused') {
          const source = incoming.socket.remoteAddress;
          guard.noteRefusal({ ...item, ids, api: 'plain', caller, roleChosen: true, source });
          return { kind: 'refused', json: JSON.stringify(problem(item.code, ids)) };
        }
        const looked = await lookUp(of, item.request, PLAIN, item.rehearsal, trace);
        if (looked.kind === 'could-not-check') {
          const { code } = looked;
          // A number no longer in use concerns only its item; the service is well.
          const kind = code === 'could-not-check' ? code : 'refused';
          return { kind, json: JSON.stringify(problem(code, ids)) };
        }
        undelivered.push(looked.notDelivered);
        return { kind: looked.kind, json: looked.body };
      }

      // All in one turn, so that they go to the store together.
      const outcomes = await Promise.all(rehearsed.items.map((item) => outcomeOf(item, admitted)));
      if (outcomes.every(({ kind }) => kind === 'could-not-check')) {
        return problemResponse('could-not-check', ids);
      }
      whenUndelivered(incoming, outgoing, () => {
        for (const tell of undelivered) tell();
      });
      const checked = outcomes.every(({ kind }) => kind === 'answered');
      const advice = checked ? '' : `"advice":${JSON.stringify([BATCH_INCOMPLETE])},`;
      const items = outcomes.map(({ json }) => json).join();
      return new Response(`{"checked":${checked},${advice}"items":[${items}]}`, {
        status: 200,
        headers: answerHeaders('application/json', ids),
      });
    }),
};
