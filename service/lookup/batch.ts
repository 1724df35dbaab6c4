import type { LimitReached } from '#schemas/errors.ts';
import type { Caller } from '#schemas/people/caller.ts';
import { BATCH_INCOMPLETE } from '#schemas/wording/lookup.ts';
import { problem, problemResponse } from '../http/problem.ts';
import { createAnswering } from './answering.ts';
import type { Admitted } from './check.ts';
import { answerResponse, createHandler, readJsonBody } from './handler.ts';
import type { LookupDependencies } from './lookup.ts';
import { limitOf } from './rehearsals.ts';
import { type ParsedRequest, parseBatch } from './request.ts';
import { whenUndelivered } from './undelivered.ts';

export type BatchDependencies = LookupDependencies & {
  /** Counts further requests of a caller, and tells if they are too many. */
  take: (caller: Caller, cost: number) => LimitReached | undefined;
};

type Outcome = { kind: 'answered' | 'refused' | 'could-not-check'; json: string };

/**
 * `POST /lookup/batch`: up to fifty silent reads. Every item has an outcome, in the order sent: an answer,
 * the refusal of that item, or could-not-check; each leaves its own audit event. Never for unscheduled
 * care: fifty registered children are not fifty attendances.
 *
 * 200 says that the items were dealt with; `checked`, above them and in each, says what was checked. Where
 * nothing at all could be checked the answer is the 503 of every lookup.
 */
export function createBatchHandler(dependencies: BatchDependencies) {
  const { take, noteRefusal, rehearse } = dependencies;
  const answer = createAnswering(dependencies);

  /** A limit stops all of a batch, and so does one that is rehearsed. */
  function rehearsedLimit(items: readonly ParsedRequest[]): LimitReached | undefined {
    for (const item of items) {
      const limit = item.kind === 'parsed' && limitOf(rehearse(item.request.nhsNumber));
      if (limit) return limit;
    }
    return undefined;
  }

  return createHandler(dependencies, async (env, admitted, trace) => {
    const { incoming, outgoing } = env;
    const { ids, caller } = admitted;
    if (admitted.access.access !== 'silent-read') return { code: 'batch-not-allowed' };
    const bytes = await readJsonBody(env);
    if (!Buffer.isBuffer(bytes)) return bytes;
    const batch = parseBatch(bytes);
    if (batch.kind === 'refused') return batch;
    // The request itself was counted as one.
    const limit = take(caller, batch.items.length - 1) ?? rehearsedLimit(batch.items);
    if (limit !== undefined) return { code: 'too-many-requests', limit };

    const undelivered: (() => void)[] = [];
    async function outcomeOf(item: ParsedRequest, of: Admitted): Promise<Outcome> {
      if (item.kind === 'refused') {
        const source = incoming.socket.remoteAddress;
        noteRefusal({ ...item, ids, api: 'plain', caller, roleChosen: true, source });
        return { kind: 'refused', json: JSON.stringify(problem(item.code, ids)) };
      }
      const answering = await answer(of, item.request, trace);
      if (answering.kind === 'could-not-check') {
        const { code } = answering;
        // A number that is no longer in use is that item's own; the service is well.
        const kind = code === 'could-not-check' ? code : 'refused';
        return { kind, json: JSON.stringify(problem(code, ids)) };
      }
      undelivered.push(answering.notDelivered);
      return { kind: answering.kind, json: answering.json };
    }

    // All in one turn, so that they go to the store together.
    const outcomes = await Promise.all(batch.items.map((item) => outcomeOf(item, admitted)));
    if (outcomes.every(({ kind }) => kind === 'could-not-check')) {
      return problemResponse('could-not-check', ids);
    }
    whenUndelivered(incoming, outgoing, () => {
      for (const tell of undelivered) tell();
    });
    const checked = outcomes.every(({ kind }) => kind === 'answered');
    const advice = checked ? '' : `"advice":${JSON.stringify([BATCH_INCOMPLETE])},`;
    const items = outcomes.map(({ json }) => json).join();
    return answerResponse(`{"checked":${checked},${advice}"items":[${items}]}`, ids);
  });
}
